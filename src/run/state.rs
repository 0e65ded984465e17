//! What is known of a run: the fold of its events.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;

use super::{BuildOutcome, CarryOutcome, Event, NotRolled, RunOutcome, Way};
use crate::model::{Digest, HostName, ImageName, ReleaseNumber, ServiceName, SlotId};
use crate::plan::{Change, Plan, Restore};
use crate::release::Release;
use crate::rollout::{Action, Back, Desired, Kept, Outcome, Person, Phase, SlotVerdict, StageProgress};

/// Everything that a run's events say, and nothing else.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunState {
    /// When it began.
    pub began_at: Timestamp,
    /// What moved, or who says so.
    pub change: Change,
    /// Who asked.
    pub by: String,
    /// The words with which it was asked for.
    pub words: String,
    /// What was decided; none until then.
    pub plan: Option<Plan>,
    /// Builds that began or ended.
    pub builds: BTreeMap<ImageName, BuildState>,
    /// The release that it made.
    pub release: Option<Release>,
    /// What was brought where.
    pub carried: BTreeMap<HostName, BTreeMap<Digest, CarryOutcome>>,
    /// Services that were sick before the run touched anything, and what was seen.
    pub sick_before: BTreeMap<ServiceName, String>,
    /// Services of the plan that are not rolled, and why.
    pub not_rolled: BTreeMap<ServiceName, NotRolled>,
    /// Copies of volumes, in the order in which they began.
    pub copies: Vec<CopyState>,
    /// Slots whose new container was given what the old one had written.
    pub adopted: BTreeSet<SlotId>,
    /// Rollouts in the order in which they began.
    pub rollouts: Vec<RolloutState>,
    /// The release that it put into quarantine when it turned.
    pub quarantined: Option<ReleaseNumber>,
    /// The last word of a person, if it was not taken back.
    pub person: Option<Person>,
    /// How often it was taken up again.
    pub resumed: u32,
    /// How it ended, and when.
    pub ended: Option<(Timestamp, RunOutcome)>,
}

/// What is known of one build of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BuildState {
    /// The hash of inputs with which it began; none if it was never begun (reused, skipped).
    pub inputs: Option<Digest>,
    /// When it began.
    pub began_at: Option<Timestamp>,
    /// How it ended and how long it took, in milliseconds.
    pub ended: Option<(BuildOutcome, u64)>,
}

/// What is known of one rollout of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RolloutState {
    /// From what to what.
    pub desired: Desired,
    /// Which way it went from its beginning.
    pub way: Way,
    /// When it began.
    pub began_at: Timestamp,
    /// Where it is.
    pub phase: Phase,
    /// Slots proven on the target.
    pub done: BTreeSet<SlotId>,
    /// Slots whose new container failed.
    pub failed: BTreeMap<SlotId, SlotVerdict>,
    /// Slots that were begun on the present way, and are neither done nor failed.
    pub begun: BTreeSet<SlotId>,
    /// Hosts given up.
    pub left_behind: BTreeMap<HostName, String>,
    /// Where it is among its stages.
    pub stage: StageProgress,
    /// Actions that were intended and have not ended: after a crash nobody knows whether they were carried out, so the driver looks.
    pub in_flight: BTreeSet<Action>,
    /// How it ended, and when.
    pub ended: Option<(Timestamp, Outcome)>,
}

impl RolloutState {
    /// Whether a stage is through, and the gate behind it is what is waited for.
    pub fn waits_at_gate(&self) -> bool {
        self.ended.is_none() && self.stage.at_gate.is_some() && !self.stage.is_approved && self.phase == Phase::Forward
    }

    /// What whoever takes the rollout up again must know.
    pub fn kept(&self) -> Kept {
        Kept {
            phase: self.phase.clone(),
            failed: self.failed.clone(),
            done: self.done.clone(),
            begun: self.begun.clone(),
            left_behind: self.left_behind.clone(),
            stage: self.stage.clone(),
        }
    }
}

/// What is known of one copy of a volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CopyState {
    /// For which slot.
    pub slot: SlotId,
    /// The volume that is read.
    pub from: String,
    /// The volume that is written.
    pub to: String,
    /// Whether it is proven; until then nobody knows what is in the volume that is written.
    pub is_done: bool,
}

/// An event that cannot follow those before it: the journal is damaged, or refit has a fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event {event} cannot follow: {why}")]
pub struct CannotFollow {
    /// The event's kind.
    pub event: &'static str,
    /// What is missing before it.
    pub why: String,
}

impl RunState {
    /// Begins a state from the first event of a run.
    pub fn begin(at: Timestamp, first: &Event) -> Result<Self, CannotFollow> {
        let Event::RunBegan { change, by, words } = first else {
            return Err(CannotFollow { event: first.kind(), why: "a run begins with run_began".into() });
        };
        Ok(Self {
            began_at: at,
            change: change.clone(),
            by: by.clone(),
            words: words.clone(),
            plan: None,
            builds: BTreeMap::new(),
            release: None,
            carried: BTreeMap::new(),
            sick_before: BTreeMap::new(),
            not_rolled: BTreeMap::new(),
            copies: Vec::new(),
            adopted: BTreeSet::new(),
            rollouts: Vec::new(),
            quarantined: None,
            person: None,
            resumed: 0,
            ended: None,
        })
    }

    /// Folds all events of a run.
    pub fn of<'a>(events: impl IntoIterator<Item = (Timestamp, &'a Event)>) -> Result<Self, CannotFollow> {
        let mut events = events.into_iter();
        let Some((at, first)) = events.next() else {
            return Err(CannotFollow { event: "none", why: "the run has no events".into() });
        };
        let mut state = Self::begin(at, first)?;
        for (at, event) in events {
            state.apply(at, event)?;
        }
        Ok(state)
    }

    /// Takes one more event. The same function in life and in recovery.
    pub fn apply(&mut self, at: Timestamp, event: &Event) -> Result<(), CannotFollow> {
        let refuse = |why: &str| Err(CannotFollow { event: event.kind(), why: why.to_owned() });
        // What a person says about its release later is kept with the run, and changes nothing of it.
        if self.ended.is_some() && !matches!(event, Event::Unquarantined { .. }) {
            return refuse("the run is over");
        }
        match event {
            Event::RunBegan { .. } => return refuse("the run has begun"),
            Event::Planned { .. } if self.plan.is_some() => return refuse("the run has a plan; a newer change is another run"),
            Event::Planned { plan } => self.plan = Some((**plan).clone()),
            Event::BuildBegan { image, .. } if self.build_outcome(image).is_some() => return refuse("that build has ended"),
            Event::BuildBegan { image, inputs, .. } => {
                self.builds.insert(image.clone(), BuildState { inputs: Some(*inputs), began_at: Some(at), ended: None });
            }
            Event::BuildEnded { image, outcome, elapsed_ms } => {
                let build = self.builds.entry(image.clone()).or_insert(BuildState { inputs: None, began_at: None, ended: None });
                if build.ended.is_some() {
                    return refuse("that build has ended");
                }
                build.ended = Some((outcome.clone(), *elapsed_ms));
            }
            Event::Released { .. } if self.release.is_some() => return refuse("the run has made its release"),
            Event::Released { release } => self.release = Some((**release).clone()),
            Event::Carried { image, host, outcome, .. } => {
                self.carried.entry(host.clone()).or_default().insert(*image, outcome.clone());
            }
            Event::SickBefore { services } => self.sick_before = services.clone(),
            Event::NotRolled { service, .. } if self.rollout(service).is_some() => return refuse("that service was rolled"),
            Event::NotRolled { service, why } => {
                self.not_rolled.insert(service.clone(), why.clone());
            }
            Event::CopyBegan { slot, from, to } if self.copy(slot, from, to).is_none() => {
                self.copies.push(CopyState { slot: slot.clone(), from: from.clone(), to: to.clone(), is_done: false });
            }
            Event::CopyBegan { .. } => {}
            Event::Copied { slot, from, to, .. } => {
                match self.copies.iter_mut().find(|copy| copy.slot == *slot && copy.from == *from && copy.to == *to) {
                    Some(copy) => copy.is_done = true,
                    None => return refuse("that copy has not begun"),
                }
            }
            Event::Adopted { slot, .. } => {
                self.adopted.insert(slot.clone());
            }
            Event::RolloutBegan { desired, way, .. } => return self.begin_rollout(at, desired, way),
            Event::PersonSaid { word: Person::Approve, .. } => self.approve(),
            Event::PersonSaid { word, .. } => self.person = (*word != Person::Resume).then_some(*word),
            Event::Quarantined { release, .. } => self.quarantined = Some(*release),
            Event::ContentsRead { .. } | Event::Unquarantined { .. } => {}
            // What it cut short has begun and not ended, as after a crash.
            // A prune looks at what is there, so nothing of it need be remembered.
            Event::Interrupted { .. } | Event::PruneBegan { .. } | Event::PruneEnded { .. } => {}
            Event::Resumed { .. } => self.resumed += 1,
            Event::RunEnded { outcome } => self.ended = Some((at, outcome.clone())),
            Event::ActionIntended { .. }
            | Event::ActionEnded { .. }
            | Event::SlotDone { .. }
            | Event::SlotFailed { .. }
            | Event::HostLeftBehind { .. }
            | Event::PhaseChanged { .. }
            | Event::GateReached { .. }
            | Event::StageBegan { .. }
            | Event::RolloutEnded { .. } => return self.apply_to_rollout(at, event),
        }
        Ok(())
    }

    fn begin_rollout(&mut self, at: Timestamp, desired: &Desired, way: &Way) -> Result<(), CannotFollow> {
        if self.rollouts.iter().any(|rollout| rollout.ended.is_none() && rollout.desired.service == desired.service) {
            return Err(CannotFollow { event: "rollout_began", why: format!("{} is being rolled", desired.service) });
        }
        self.rollouts.push(RolloutState {
            desired: desired.clone(),
            way: way.clone(),
            began_at: at,
            phase: match way {
                Way::There => Phase::Forward,
                Way::Back { why } => Phase::Back(Back { why: why.clone() }),
            },
            done: BTreeSet::new(),
            failed: BTreeMap::new(),
            begun: BTreeSet::new(),
            left_behind: BTreeMap::new(),
            stage: StageProgress::default(),
            in_flight: BTreeSet::new(),
            ended: None,
        });
        Ok(())
    }

    fn apply_to_rollout(&mut self, at: Timestamp, event: &Event) -> Result<(), CannotFollow> {
        let Some(service) = event.service() else { return Ok(()) };
        let Some(rollout) = self.rollouts.iter_mut().rev().find(|rollout| rollout.desired.service == *service && rollout.ended.is_none()) else {
            return Err(CannotFollow { event: event.kind(), why: format!("{service} is not being rolled") });
        };
        match event {
            Event::ActionIntended { action } => {
                rollout.in_flight.insert(action.clone());
                if !matches!(rollout.phase, Phase::Sweeping(_)) {
                    rollout.begun.insert(action.slot().clone());
                }
                // Something has to be done in it again, so its gate is not waited for any more.
                rollout.stage = StageProgress { number: rollout.stage.number, has_moved: true, ..StageProgress::default() };
            }
            Event::ActionEnded { action, .. } => {
                rollout.in_flight.remove(action);
            }
            Event::SlotDone { slot, .. } => {
                rollout.done.insert(slot.clone());
                rollout.begun.remove(slot);
                // A host that was silent, or left behind, and came back in time has nothing to be reproached with.
                if rollout.phase == Phase::Forward {
                    rollout.failed.remove(slot);
                    rollout.left_behind.remove(&slot.host);
                }
            }
            Event::SlotFailed { slot, verdict, .. } => {
                rollout.failed.insert(slot.clone(), verdict.clone());
                rollout.begun.remove(slot);
            }
            Event::HostLeftBehind { host, why, .. } => {
                rollout.left_behind.insert(host.clone(), why.clone());
            }
            Event::PhaseChanged { phase, .. } => {
                // On the way back "done" means back: what was done on the way forward counts no more.
                if matches!(phase, Phase::Back(_)) && !matches!(rollout.phase, Phase::Back(_)) {
                    rollout.done.clear();
                    rollout.begun.clear();
                    rollout.stage.at_gate = None;
                }
                // Whoever says "go on" after failures means: try those slots again.
                if *phase == Phase::Forward {
                    rollout.failed.clear();
                }
                rollout.phase = phase.clone();
            }
            Event::GateReached { .. } => rollout.stage.at_gate = Some(at),
            Event::StageBegan { number, .. } => rollout.stage = StageProgress { number: *number, ..StageProgress::default() },
            Event::RolloutEnded { outcome, .. } => rollout.ended = Some((at, outcome.clone())),
            _ => {}
        }
        Ok(())
    }

    /// A person opens the gate at which a rollout waits; kept, in case refit dies before it has gone through.
    fn approve(&mut self) {
        if let Some(rollout) = self.rollouts.iter_mut().find(|rollout| rollout.waits_at_gate()) {
            rollout.stage.is_approved = true;
        }
    }

    /// The rollout that waits at a gate, if one does.
    pub fn at_gate(&self) -> Option<&RolloutState> {
        self.rollouts.iter().find(|rollout| rollout.waits_at_gate())
    }

    /// The last rollout of a service in this run.
    pub fn rollout(&self, service: &ServiceName) -> Option<&RolloutState> {
        self.rollouts.iter().rev().find(|rollout| rollout.desired.service == *service)
    }

    /// The services that failed, in the order in which they were rolled: those that had to go back by themselves, and those that need a person.
    /// One that was sick before is not blamed on this run.
    pub fn blamed(&self) -> impl Iterator<Item = &ServiceName> {
        self.failed().filter(|service| !self.sick_before.contains_key(*service))
    }

    /// The services that failed, whoever is to blame.
    pub fn failed(&self) -> impl Iterator<Item = &ServiceName> {
        let has_failed = |rollout: &&RolloutState| {
            rollout.way == Way::There && matches!(rollout.ended, Some((_, Outcome::RolledBack { .. } | Outcome::Stuck { .. })))
        };
        self.rollouts.iter().filter(has_failed).map(|rollout| &rollout.desired.service)
    }

    /// Whether the run made this release, or rolled a service to it. A repair alone does neither: the newest release may be one that was rolled back.
    pub fn leads_to(&self, release: ReleaseNumber) -> bool {
        self.release.as_ref().is_some_and(|made| made.number == release)
            || self.rollouts.iter().any(|rollout| rollout.desired.to.release == release && !rollout.desired.is_repair())
    }

    /// Whether it is decided what becomes of a service of the plan.
    pub fn is_settled(&self, service: &ServiceName) -> bool {
        self.not_rolled.contains_key(service) || self.rollout(service).is_some()
    }

    /// What is known of a copy for a slot.
    pub fn copy(&self, slot: &SlotId, from: &str, to: &str) -> Option<&CopyState> {
        self.copies.iter().find(|copy| copy.slot == *slot && copy.from == from && copy.to == to)
    }

    /// The copies that the plan puts back for a service.
    pub fn restores(&self, service: &ServiceName) -> Vec<Restore> {
        let rolls = self.plan.iter().flat_map(|plan| &plan.rolls);
        rolls.filter(|roll| roll.service == *service).flat_map(|roll| roll.restore.iter().cloned()).collect()
    }

    /// How a build ended, if it did.
    pub fn build_outcome(&self, image: &ImageName) -> Option<&BuildOutcome> {
        self.builds.get(image)?.ended.as_ref().map(|(outcome, _)| outcome)
    }
}

#[cfg(test)]
mod tests;
