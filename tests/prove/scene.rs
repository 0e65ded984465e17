//! Between a [`State`] and the real `decide`: what it is given, and what it returns, in the words of either.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use refit::model::{HostName, SlotId};
use refit::rollout::{
    self, Action, Back, ContainerSeen, ContainerState, Health, HostSeen, Kept, Observed, Outcome, Person, Phase, Policy, Progress, SlotVerdict,
    StageProgress, Version,
};
use refit::sim::{Broken, Decision, Promise};

use super::Decider;
use super::configurations::{Configuration, TICK, slot_id, version};
use super::state::{self, Age, Call, Container, Ending, Failure, Host, NEW, OLD, Place, Slot, State};

/// The moment of every decision; all others are so many ticks before it.
const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

/// What stays the same in every state of a configuration.
pub struct Stage {
    pub configuration: Configuration,
    /// The host of each slot.
    pub host_of: Vec<usize>,
    pub ages: Ages,
    decide: Decider,
    hosts: Vec<HostName>,
    slots: Vec<SlotId>,
    /// By slot and version.
    containers: Vec<[ContainerSeen; 2]>,
    neighbours: Vec<ContainerSeen>,
}

/// From which age on nothing changes any more.
pub struct Ages {
    pub began: Age,
    pub healthy: Age,
    pub silent: Age,
    pub last_done: Age,
    pub progressed: Age,
    pub at_gate: Age,
}

impl Ages {
    fn of(configuration: &Configuration) -> Self {
        let desired = &configuration.desired;
        let most = |of: fn(&Policy) -> Duration| ticks(of(&desired.update).max(of(&desired.rollback)));
        // A container is healthy too late when it was so more than the deadline after its slot's begin, and that is asked until it is proven.
        let bake = desired.stages.iter().map(|stage| ticks(stage.gate.bake)).max().unwrap_or(0);
        // Without a deadline nothing depends on it.
        let progress = |policy: &Policy| if policy.progress_deadline == Duration::MAX { 0 } else { ticks(policy.progress_deadline) + 1 };
        let began = most(|policy| policy.healthy_deadline) + ticks(desired.stop_grace_period) + most(|policy| policy.monitor);
        Self {
            began: began + 1,
            healthy: most(|policy| policy.monitor).max(bake),
            silent: most(|policy| policy.host_timeout),
            last_done: most(|policy| policy.delay),
            progressed: progress(&desired.update).max(progress(&desired.rollback)),
            at_gate: bake,
        }
    }
}

impl Stage {
    pub fn new(configuration: Configuration, decide: Decider) -> Self {
        let slots: Vec<SlotId> = configuration.desired.slots.iter().map(|wanted| wanted.slot.clone()).collect();
        let mut hosts: Vec<HostName> = slots.iter().map(|slot| slot.host.clone()).collect();
        hosts.sort();
        hosts.dedup();
        let host_of = slots.iter().filter_map(|slot| hosts.iter().position(|host| *host == slot.host)).collect();
        let versions = [version("old"), configuration.desired.to.clone()];
        let containers = slots.iter().map(|slot| [0, 1].map(|which| seen(slot, &versions[which], which))).collect();
        // Containers on the first host that no rollout of ours may touch: another service's, and one of another host for which the same engine stands.
        let others = [SlotId { service: name("db"), ..slot_id(0, 0) }, slot_id(9, 0)];
        let up = ContainerSeen { state: running(0), health: Health::Healthy { since: ago(0) }, ..seen(&others[0], &versions[0], 0) };
        let neighbours = others.map(|slot| ContainerSeen { id: format!("{slot}"), slot, ..up.clone() }).to_vec();
        Self { ages: Ages::of(&configuration), configuration, host_of, decide, hosts, slots, containers, neighbours }
    }

    /// How it begins: all old ones well for long, or, on a first rollout, nothing.
    pub fn begin(&self) -> State {
        let old = if self.configuration.desired.back.is_some() { Container::Healthy(self.ages.healthy) } else { Container::None };
        let slot = Slot { containers: [old, Container::None], ..Slot::default() };
        State {
            slots: vec![slot; self.slots.len()],
            hosts: vec![Host::default(); self.hosts.len()],
            phase: state::Stage::Forward,
            last_done: None,
            progressed: None,
            at: Place::default(),
            kept_phase: state::Stage::Forward,
            kept_at: Place::default(),
            left: self.configuration.budget,
            broken: None,
        }
    }

    /// Looks, decides, writes into the journal (all of it, or so many kinds of entries) and sends off. Returns how a promise was broken, if one was.
    pub fn decide(&self, state: &mut State, word: Option<Person>, entries: Option<u8>) -> Option<String> {
        let truth = self.truth(state);
        let observed = self.observe(state, &truth);
        let before = self.progress(state);
        let (after, actions) = (self.decide)(&self.configuration.desired, &observed, before.clone(), word, NOW);
        let stopping: Vec<&str> = self.stopping(state).collect();
        let desired = &self.configuration.desired;
        let decision = Decision {
            desired,
            observed: &observed,
            truth: &truth,
            before: &before,
            word,
            after: &after,
            actions: &actions,
            stopping: &stopping,
            now: NOW,
        };
        if let Err(Broken { promise, why }) = decision.check().and_then(|()| stands_still(state, &after, &actions)) {
            state.broken = Some(promise);
            return Some(why);
        }
        self.remember(state, &before, &after, entries.unwrap_or(u8::MAX));
        if entries.is_none_or(|kinds| kinds >= 3) {
            self.remember_stage(state, word, &before, &after);
        }
        self.take_back(state, &after);
        self.send(state, &actions, entries.is_none());
        None
    }

    /// Tells the rollout that the engine refused a slot's call for good.
    pub fn refuse(&self, state: &mut State, number: usize) {
        let before = self.progress(state);
        let mut after = before.clone();
        rollout::report_refusal(&mut after, &self.slots[number], "no");
        self.remember(state, &before, &after, u8::MAX);
        self.take_back(state, &after);
    }

    /// Takes the rollout up again with what the journal kept.
    pub fn resume(&self, state: &mut State) {
        let keeps_least = self.configuration.keeps_least;
        let failed = self.by_slot(state, |slot| slot.kept_failed.map(verdict));
        let done = self.by_slot(state, |slot| (slot.kept_done && !keeps_least).then_some(())).into_keys().collect();
        let left_behind = self.by_host(state, |host| host.kept_left_behind && !keeps_least);
        let begun = self.slots_in(state, |slot| slot.kept_begun && !keeps_least);
        let stage = place(if keeps_least { Place { number: state.kept_at.number, ..Place::default() } } else { state.kept_at });
        let progress = Progress::resume(Kept { phase: phase(state.kept_phase), failed, done, begun, left_behind, stage }, NOW);
        self.take_back(state, &progress);
    }

    /// What is, as far as containers go.
    fn truth(&self, state: &State) -> Vec<ContainerSeen> {
        let mut truth = self.neighbours.clone();
        for (slot, known) in state.slots.iter().zip(&self.containers) {
            for which in [OLD, NEW] {
                if let Some((state, health)) = look(slot.containers[which], slot.began) {
                    truth.push(ContainerSeen { state, health, ..known[which].clone() });
                }
            }
        }
        truth
    }

    fn observe(&self, state: &State, truth: &[ContainerSeen]) -> Observed {
        let hosts = self.hosts.iter().zip(&state.hosts).enumerate().map(|(number, (name, host))| {
            let on_it = |one: &&ContainerSeen| one.slot.host == *name || (number == 0 && self.neighbours.iter().any(|other| other.id == one.id));
            let seen = match host.silent {
                Some(age) => HostSeen::Silent { since: ago(age), why: String::new() },
                None => HostSeen::Answered(truth.iter().filter(on_it).cloned().collect()),
            };
            (name.clone(), seen)
        });
        Observed { hosts: hosts.collect(), ..Observed::default() }
    }

    fn stopping<'a>(&'a self, state: &'a State) -> impl Iterator<Item = &'a str> {
        state.slots.iter().zip(&self.containers).filter_map(|(slot, known)| match slot.call {
            Some(Call::Stop(which)) => Some(known[which].id.as_str()),
            _ => None,
        })
    }

    /// What the orchestrator remembers, as `decide` is given it.
    fn progress(&self, state: &State) -> Progress {
        Progress {
            phase: phase(state.phase),
            failed: self.by_slot(state, |slot| slot.failed.map(verdict)),
            failed_back: self.by_slot(state, |slot| slot.failed_back.then(|| verdict(Failure::Itself))),
            left_lying: self.by_slot(state, |slot| slot.left_lying.then(String::new)),
            under_way: self.slots_in(state, |slot| slot.call.is_some()),
            done: self.slots_in(state, |slot| slot.done),
            ready: self.slots_in(state, |slot| slot.ready),
            stage: place(state.at),
            progressed_at: state.progressed.map(ago),
            began: self.by_slot(state, |slot| slot.began.map(ago)),
            last_done_at: state.last_done.map(ago),
            left_behind: self.by_host(state, |host| host.left_behind),
            look_again_at: None,
            waiting_for: Vec::new(),
        }
    }

    /// Takes over what `decide` remembers.
    fn take_back(&self, state: &mut State, after: &Progress) {
        state.phase = stage(&after.phase);
        state.at = place_of(&after.stage);
        state.progressed = after.progressed_at.map(age).filter(|_| self.ages.progressed > 0);
        state.last_done = after.last_done_at.map(age).filter(|_| self.ages.last_done > 0);
        for (slot, id) in state.slots.iter_mut().zip(&self.slots) {
            let was_begun = slot.began;
            slot.began = after.began.get(id).copied().map(age);
            // What ended before a slot was begun (anew) ended before that.
            if slot.began == Some(0) && was_begun != Some(0) {
                for container in &mut slot.containers {
                    if let Container::Exited { after } = container {
                        *after = false;
                    }
                }
            }
            slot.failed = after.failed.get(id).map(failure);
            slot.failed_back = after.failed_back.contains_key(id);
            slot.left_lying = after.left_lying.contains_key(id);
            slot.done = after.done.contains(id);
            slot.ready = after.ready.contains(id);
        }
        for (host, name) in state.hosts.iter_mut().zip(&self.hosts) {
            host.left_behind = after.left_behind.contains_key(name);
        }
    }

    /// Writes into the journal what a decision changed, in the driver's order, and folds it as a run's state does; `kinds` of entries at most.
    fn remember(&self, state: &mut State, before: &Progress, after: &Progress, kinds: u8) {
        for (slot, id) in state.slots.iter_mut().zip(&self.slots) {
            if after.failed.contains_key(id) && before.failed.get(id) != after.failed.get(id) {
                slot.kept_failed = after.failed.get(id).map(failure);
                slot.kept_begun = false;
            }
        }
        if kinds < 2 {
            return;
        }
        for (host, name) in state.hosts.iter_mut().zip(&self.hosts) {
            host.kept_left_behind |= after.left_behind.contains_key(name) && !before.left_behind.contains_key(name);
        }
        if before.phase != after.phase {
            let next = stage(&after.phase);
            let (turns, goes_on) = (next == state::Stage::Back && state.kept_phase != state::Stage::Back, next == state::Stage::Forward);
            for slot in &mut state.slots {
                slot.kept_done &= !turns;
                slot.kept_begun &= !turns;
                slot.kept_failed = slot.kept_failed.filter(|_| !goes_on);
            }
            if turns {
                state.kept_at.at_gate = None;
            }
            state.kept_phase = next;
        }
        if kinds < 3 {
            return;
        }
        for number in 0..state.slots.len() {
            let id = &self.slots[number];
            if after.done.contains(id) && !before.done.contains(id) {
                state.slots[number].kept_done = true;
                state.slots[number].kept_begun = false;
                if state.kept_phase == state::Stage::Forward {
                    state.slots[number].kept_failed = None;
                    state.hosts[self.host_of[number]].kept_left_behind = false;
                }
            }
        }
    }

    /// Writes into the journal what a person said, and which gate was reached or gone through.
    fn remember_stage(&self, state: &mut State, word: Option<Person>, before: &Progress, after: &Progress) {
        state.kept_at.is_approved |= word == Some(Person::Approve) && state.kept_at.at_gate.is_some();
        if before.stage.number != after.stage.number {
            state.kept_at = Place { number: place_of(&after.stage).number, ..Place::default() };
        }
        let is_reached = after.stage.at_gate.is_some() && (before.stage.number != after.stage.number || before.stage.at_gate.is_none());
        if is_reached {
            state.kept_at.at_gate = Some(0);
        }
    }

    /// As the driver does: what is intended is journalled, unless refit dies first, and nothing is sent to a slot that is busy.
    fn send(&self, state: &mut State, actions: &[Action], is_journalled: bool) {
        for action in actions {
            let Some(number) = self.slots.iter().position(|slot| slot == action.slot()) else { continue };
            let which = |id: &str| usize::from(self.containers[number][NEW].id == id);
            let call = match action {
                Action::StartNew { version, .. } => Call::StartNew(self.which(number, version)),
                Action::StartAgain { container, .. } => Call::StartAgain(which(container)),
                Action::Stop { container, .. } => Call::Stop(which(container)),
                Action::Remove { container, .. } => Call::Remove(which(container)),
            };
            let slot = &mut state.slots[number];
            let is_intended = is_journalled && slot.call.is_none();
            if is_intended {
                state.kept_at = Place { number: state.kept_at.number, has_moved: true, ..Place::default() };
            }
            slot.kept_begun |= is_journalled && slot.call.is_none() && !matches!(state.phase, state::Stage::Sweeping(_));
            slot.call.get_or_insert(call);
        }
    }

    fn which(&self, number: usize, version: &Version) -> usize {
        usize::from(self.containers[number][NEW].version == *version)
    }

    fn by_slot<T>(&self, state: &State, what: impl Fn(&Slot) -> Option<T>) -> BTreeMap<SlotId, T> {
        self.slots.iter().zip(&state.slots).filter_map(|(id, slot)| Some((id.clone(), what(slot)?))).collect()
    }

    fn slots_in(&self, state: &State, is_in: impl Fn(&Slot) -> bool) -> BTreeSet<SlotId> {
        self.slots.iter().zip(&state.slots).filter(|(_, slot)| is_in(slot)).map(|(id, _)| id.clone()).collect()
    }

    fn by_host(&self, state: &State, is_in: impl Fn(&Host) -> bool) -> BTreeMap<HostName, String> {
        self.hosts.iter().zip(&state.hosts).filter(|(_, host)| is_in(host)).map(|(name, _)| (name.clone(), String::new())).collect()
    }
}

/// Whoever neither acts nor waits for anything, not even a moment, stands still for ever.
fn stands_still(state: &State, after: &Progress, actions: &[Action]) -> Result<(), Broken> {
    let is_at_rest = after.is_finished() || after.stands_still();
    let is_at_rest = is_at_rest || after.stage.needs_person;
    let waits_for = after.look_again_at.is_some() || !after.waiting_for.is_empty() || state.slots.iter().any(|slot| slot.call.is_some());
    if is_at_rest || waits_for || !actions.is_empty() {
        return Ok(());
    }
    Err(Broken { promise: Promise::ComesToAnEnd, why: format!("stands still: {after:?}") })
}

fn look(container: Container, began: Option<Age>) -> Option<(ContainerState, Health)> {
    Some(match container {
        Container::None => return None,
        Container::Created => (ContainerState::Created, Health::Starting),
        Container::Starting => (running(0), Health::Starting),
        Container::Healthy(age) => (running(age), Health::Healthy { since: ago(age) }),
        Container::Unhealthy => (running(0), Health::Unhealthy { why: String::new() }),
        Container::Looping => (ContainerState::Restarting { restarts: 3, code: 1 }, Health::Starting),
        Container::Down => (ContainerState::Exited { code: 1, at: ago(0) }, Health::Starting),
        Container::Exited { after } => {
            let begun = began.map_or(NOW, ago);
            let at = if after { begun.checked_add(Duration::from_millis(1)).unwrap_or(NOW) } else { begun };
            (ContainerState::Exited { code: 1, at }, Health::Starting)
        }
    })
}

fn seen(slot: &SlotId, version: &Version, which: usize) -> ContainerSeen {
    let id = format!("{slot}-{}", ["old", "new"][which]);
    let created_at = NOW.checked_sub(Duration::from_secs(7200 - which as u64)).unwrap_or(NOW);
    ContainerSeen {
        name: id.clone(),
        id,
        slot: slot.clone(),
        version: version.clone(),
        state: ContainerState::Created,
        health: Health::Starting,
        created_at,
    }
}

fn running(age: Age) -> ContainerState {
    ContainerState::Running { since: ago(age), restarts: 0 }
}

fn name<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

fn ago(age: Age) -> Timestamp {
    NOW.checked_sub(TICK * u32::from(age)).unwrap_or(NOW)
}

fn age(moment: Timestamp) -> Age {
    ticks(Duration::try_from(NOW.duration_since(moment)).unwrap_or_default())
}

fn ticks(span: Duration) -> Age {
    Age::try_from(span.as_secs() / TICK.as_secs()).unwrap_or(Age::MAX)
}

fn verdict(failure: Failure) -> SlotVerdict {
    match failure {
        Failure::Itself => SlotVerdict::Exited { code: 1 },
        Failure::HostSilent => SlotVerdict::HostSilent { why: String::new() },
    }
}

fn failure(verdict: &SlotVerdict) -> Failure {
    if matches!(verdict, SlotVerdict::HostSilent { .. }) { Failure::HostSilent } else { Failure::Itself }
}

fn phase(stage: state::Stage) -> Phase {
    let back = || Back { why: String::new() };
    match stage {
        state::Stage::Forward => Phase::Forward,
        state::Stage::Back => Phase::Back(back()),
        state::Stage::Paused { back: is_back } => Phase::Paused { why: String::new(), back: is_back.then(back) },
        state::Stage::Sweeping(ending) => Phase::Sweeping(outcome(ending)),
        state::Stage::Finished(ending) => Phase::Finished(outcome(ending)),
    }
}

fn place(at: Place) -> StageProgress {
    StageProgress {
        number: usize::from(at.number),
        has_moved: at.has_moved,
        at_gate: at.at_gate.map(ago),
        is_approved: at.is_approved,
        needs_person: at.needs_person,
    }
}

fn place_of(stage: &StageProgress) -> Place {
    Place {
        number: u8::try_from(stage.number).unwrap_or(u8::MAX),
        has_moved: stage.has_moved,
        at_gate: stage.at_gate.map(age),
        is_approved: stage.is_approved,
        needs_person: stage.needs_person,
    }
}

fn stage(phase: &Phase) -> state::Stage {
    match phase {
        Phase::Forward => state::Stage::Forward,
        Phase::Back(_) => state::Stage::Back,
        Phase::Paused { back, .. } => state::Stage::Paused { back: back.is_some() },
        Phase::Sweeping(outcome) => state::Stage::Sweeping(ending(outcome)),
        Phase::Finished(outcome) => state::Stage::Finished(ending(outcome)),
    }
}

fn outcome(ending: Ending) -> Outcome {
    match ending {
        Ending::Done => Outcome::Done,
        Ending::DoneInPart => Outcome::DoneInPart,
        Ending::RolledBack => Outcome::RolledBack { why: String::new() },
        Ending::Stuck => Outcome::Stuck { why: String::new() },
    }
}

fn ending(outcome: &Outcome) -> Ending {
    match outcome {
        Outcome::Done => Ending::Done,
        Outcome::DoneInPart => Ending::DoneInPart,
        Outcome::RolledBack { .. } => Ending::RolledBack,
        Outcome::Stuck { .. } => Ending::Stuck,
    }
}
