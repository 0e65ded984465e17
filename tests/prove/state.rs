//! A moment of the modelled world, in as few words as `decide` can tell apart.

use refit::rollout::Person;
use refit::sim::Promise;

/// The version before, and the target: where a slot keeps its containers.
pub const OLD: usize = 0;
pub const NEW: usize = 1;

/// Ticks since something happened; stops where nothing depends on it any more.
pub type Age = u8;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    pub slots: Vec<Slot>,
    pub hosts: Vec<Host>,
    /// What the orchestrator remembers of the whole rollout.
    pub phase: Stage,
    pub last_done: Option<Age>,
    /// From when the progress deadline runs, if there is one.
    pub progressed: Option<Age>,
    /// Where it is among its stages.
    pub at: Place,
    /// What the journal keeps of it.
    pub kept_phase: Stage,
    pub kept_at: Place,
    /// How much may still go wrong.
    pub left: Budget,
    /// The first promise that was broken. Nothing happens after that.
    pub broken: Option<Promise>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Slot {
    pub containers: [Container; 2],
    /// What the orchestrator remembers of the slot.
    pub began: Option<Age>,
    pub failed: Option<Failure>,
    pub failed_back: bool,
    pub left_lying: bool,
    pub done: bool,
    pub ready: bool,
    /// What the journal keeps of it.
    pub kept_failed: Option<Failure>,
    pub kept_done: bool,
    pub kept_begun: bool,
    /// The call that the orchestrator waits for.
    pub call: Option<Call>,
    /// A call that nobody waits for any more, and that may take effect all the same.
    pub late: Option<Call>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Container {
    #[default]
    None,
    Created,
    /// Runs, not healthy yet.
    Starting,
    Healthy(Age),
    Unhealthy,
    /// The engine starts it again and again.
    Looping,
    /// Its host is down, and it was up.
    Down,
    Exited {
        /// Whether it ended after its slot was begun.
        after: bool,
    },
}

impl Container {
    pub fn is_up(self) -> bool {
        matches!(self, Self::Starting | Self::Healthy(_) | Self::Unhealthy | Self::Looping)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Failure {
    Itself,
    HostSilent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Call {
    StartNew(usize),
    StartAgain(usize),
    Stop(usize),
    Remove(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Host {
    /// For how long it has not answered.
    pub silent: Option<Age>,
    /// Whether it is down, its containers with it.
    pub is_down: bool,
    pub left_behind: bool,
    pub kept_left_behind: bool,
}

/// Where the rollout is among its stages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Place {
    pub number: u8,
    pub has_moved: bool,
    pub at_gate: Option<Age>,
    pub is_approved: bool,
    pub needs_person: bool,
}

/// Where the rollout is, without words for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    Forward,
    Back,
    Paused { back: bool },
    Sweeping(Ending),
    Finished(Ending),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ending {
    Done,
    DoneInPart,
    RolledBack,
    Stuck,
}

/// How often each kind of mishap may still happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Budget {
    /// A host goes down with all its containers.
    pub crashes: u8,
    /// A host does not answer; its containers run on.
    pub hangs: u8,
    /// A container dies, sickens or loops.
    pub failures: u8,
    /// A call does not reach the engine, is done in half, or only its answer gets lost.
    pub lost: u8,
    /// The engine refuses a call for good.
    pub refusals: u8,
    /// The orchestrator dies.
    pub deaths: u8,
    /// A call that nobody waits for any more takes effect later.
    pub late: u8,
    /// A person says something.
    pub words: u8,
}

impl State {
    /// Whether nothing is decided any more until a person speaks.
    pub fn is_at_rest(&self) -> bool {
        let is_still = match self.phase {
            Stage::Finished(_) => true,
            Stage::Paused { .. } => self.slots.iter().all(|slot| slot.began.is_none()),
            Stage::Forward => self.at.needs_person && self.slots.iter().all(|slot| slot.began.is_none()),
            Stage::Back | Stage::Sweeping(_) => false,
        };
        is_still && self.slots.iter().all(|slot| slot.call.is_none())
    }

    /// What a person can say that would be heard.
    pub fn words(&self) -> &'static [Person] {
        match self.phase {
            Stage::Forward if self.at.at_gate.is_some() => &[Person::Pause, Person::Abort, Person::Approve],
            Stage::Forward => &[Person::Pause, Person::Abort],
            Stage::Back => &[Person::Pause],
            Stage::Paused { .. } => &[Person::Resume, Person::Abort],
            Stage::Sweeping(_) | Stage::Finished(_) => &[],
        }
    }
}
