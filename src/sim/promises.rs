//! What a rollout promises, as checks on one decision: the invariants of docs/architecture.md in words that a story told at random and an exhaustive
//! exploration share.
//!
//! In: what was decided, what was seen, and the truth, which knows the containers of silent hosts as well. Out: the first promise that is broken,
//! and why. Nothing here decides; a decider that is put to the test need not know of it.

use jiff::Timestamp;

use super::{Broken, Promise};
use crate::model::{HostName, SlotId};
use crate::pipeline::Order;
use crate::rollout::{Action, ContainerSeen, ContainerState, Desired, Health, HostSeen, Observed, Outcome, Person, Phase, Policy, Progress, Version};

/// One decision, and all that is needed to judge it.
#[derive(Debug, Clone, Copy)]
pub struct Decision<'a> {
    /// What shall be.
    pub desired: &'a Desired,
    /// What was seen.
    pub observed: &'a Observed,
    /// What is: every container of every host, those of silent ones and of others included.
    pub truth: &'a [ContainerSeen],
    /// What was remembered before.
    pub before: &'a Progress,
    /// What a person said since the last decision.
    pub word: Option<Person>,
    /// What is remembered now.
    pub after: &'a Progress,
    /// What is to be done now.
    pub actions: &'a [Action],
    /// Stops that were decided before and have not ended.
    pub stopping: &'a [&'a str],
    /// When.
    pub now: Timestamp,
}

impl Decision<'_> {
    /// Holds the decision against every promise. Errors with the first one that is broken.
    pub fn check(&self) -> Result<(), Broken> {
        self.acts_one_step_at_a_time()?;
        self.pauses_between_slots()?;
        self.keeps_what_serves()?;
        self.bounds_what_is_in_flight()?;
        self.holds_at_the_gate()?;
        self.switches_together()?;
        self.spreads_over_hosts()?;
        self.actions.iter().try_for_each(|action| self.may(action))?;
        self.proves()?;
        self.turns_once()?;
        if !is_over(self.before) {
            self.ends_where_it_says()?;
        }
        self.leaves_nothing()
    }

    fn acts_one_step_at_a_time(&self) -> Result<(), Broken> {
        let mut slots: Vec<_> = self.actions.iter().map(Action::slot).collect();
        slots.sort();
        slots.dedup();
        let is_still = self.after.stands_still() || self.after.is_finished();
        ensure(slots.len() == self.actions.len(), Promise::ActsOneStepAtATime, || format!("two actions for one slot: {:?}", self.actions))?;
        ensure(!is_still || self.actions.is_empty(), Promise::ActsOneStepAtATime, || format!("acts while it stands still: {:?}", self.actions))
    }

    fn pauses_between_slots(&self) -> Result<(), Broken> {
        let Phase::Paused { back, .. } = &self.after.phase else { return Ok(()) };
        let goal = if back.is_some() { self.desired.back.as_ref() } else { Some(&self.desired.to) };
        for slot in self.actions.iter().map(Action::slot) {
            let is_in_flight = self.before.began.contains_key(slot) || self.in_slot(slot).any(|one| Some(&one.version) == goal && is_up(one));
            ensure(is_in_flight, Promise::PausesBetweenSlots, || format!("{slot} is begun in a pause: {:?}", self.actions))?;
        }
        // Where the way turns at the same moment, all of it is begun anew.
        let is_same_way = is_going_back(&self.before.phase) == back.is_some();
        for slot in self.before.began.keys().filter(|_| is_same_way) {
            let is_silent = matches!(self.observed.hosts.get(&slot.host), Some(HostSeen::Silent { .. }));
            let is_told = [&self.after.failed, &self.after.failed_back].iter().any(|failed| failed.contains_key(slot)) || is_silent;
            let is_through = self.after.done.contains(slot) || self.after.ready.contains(slot);
            let is_kept = self.after.began.contains_key(slot) || is_through || is_told;
            ensure(is_kept, Promise::PausesBetweenSlots, || format!("{slot} was in flight, and is forgotten"))?;
        }
        Ok(())
    }

    fn may(&self, action: &Action) -> Result<(), Broken> {
        let slot = action.slot();
        let wanted = self.desired.slots.iter().find(|one| one.slot == *slot);
        let Some(wanted) = wanted else { return broken(Promise::TouchesOnlyItsOwn, format!("{action:?} is not ours")) };
        let is_start = matches!(action, Action::StartNew { .. } | Action::StartAgain { .. });
        if is_start && wanted.order == Order::StopFirst {
            ensure(!self.in_slot(slot).any(is_up), Promise::NeverTwoSideBySide, || format!("two side by side: {action:?}"))?;
        }
        match action {
            Action::StartNew { version, takes_over, .. } => self.may_start(action, version, takes_over.as_deref()),
            Action::Stop { container, .. } | Action::Remove { container, .. } | Action::StartAgain { container, .. } => {
                let one = self.truth.iter().find(|one| one.id == *container && one.slot == *slot);
                let Some(one) = one else { return broken(Promise::TouchesOnlyItsOwn, format!("{action:?} is about another's container")) };
                self.may_touch(action, one)
            }
        }
    }

    fn may_start(&self, action: &Action, version: &Version, takes_over: Option<&str>) -> Result<(), Broken> {
        let is_released = *version == self.desired.to || Some(version) == self.desired.back.as_ref();
        ensure(is_released, Promise::RunsWhatWasReleased, || format!("was not released: {action:?}"))?;
        let mut others = self.in_slot(action.slot()).filter(|one| one.version != *version).peekable();
        let takes_a_place = others.peek().is_none() || others.any(|one| takes_over == Some(one.id.as_str()));
        ensure(takes_a_place, Promise::LosesNoVolume, || format!("takes nobody's volumes over: {action:?}"))
    }

    fn may_touch(&self, action: &Action, one: &ContainerSeen) -> Result<(), Broken> {
        let is_remove = matches!(action, Action::Remove { .. });
        ensure(!(is_remove && is_up(one)), Promise::LosesNoVolume, || format!("removes what runs: {action:?}"))?;
        let is_healthy_old = is_serving(one) && Some(&one.version) == self.desired.back.as_ref() && one.version.spec != self.desired.to.spec;
        let is_harmless = matches!(action, Action::StartAgain { .. }) || !is_going_back(&self.after.phase);
        ensure(is_harmless || !is_healthy_old, Promise::LeavesHealthyOldOnesAlone, || format!("a healthy old one is touched: {action:?}"))
    }

    fn proves(&self) -> Result<(), Broken> {
        // The last slot's proof and the end of the way forward come with one decision.
        let is_there = |outcome: &Outcome| matches!(outcome, Outcome::Done | Outcome::DoneInPart);
        match &self.after.phase {
            Phase::Forward => {}
            Phase::Sweeping(outcome) | Phase::Finished(outcome) if is_there(outcome) => {}
            _ => return Ok(()),
        }
        let is_proven = |one: &ContainerSeen| match (&one.state, &one.health) {
            (ContainerState::Running { .. }, Health::Healthy { since }) => {
                later(*since, self.desired.update.monitor) <= self.looked_at(&one.slot.host)
            }
            _ => false,
        };
        for slot in self.after.done.iter().filter(|slot| !self.before.done.contains(slot)) {
            if self.is_to_be_empty(slot) {
                ensure(!self.in_slot(slot).any(is_up), Promise::ProvesBeforeItCounts, || format!("{slot} is not empty"))?;
                continue;
            }
            let new = self.in_slot(slot).find(|one| one.version == self.desired.to);
            ensure(new.is_some_and(is_proven), Promise::ProvesBeforeItCounts, || format!("{slot} is not proven: {new:?}"))?;
        }
        Ok(())
    }

    fn turns_once(&self) -> Result<(), Broken> {
        let (before, after) = (&self.before.phase, &self.after.phase);
        let is_stuck = matches!(after, Phase::Finished(Outcome::Stuck { .. }));
        ensure(!is_going_back(before) || is_going_back(after) || is_stuck, Promise::NeverTurnsTwice, || format!("{before:?} became {after:?}"))
    }

    /// Judged by what is decided, as if every stop took effect at once: what befalls a slot after that is not refit's doing.
    fn keeps_what_serves(&self) -> Result<(), Broken> {
        let stops = self.actions.iter().filter_map(|action| match action {
            Action::Stop { container, .. } => Some(container.as_str()),
            _ => None,
        });
        let before = self.serving_without(self.stopping);
        let after = self.serving_without(&self.stopping.iter().copied().chain(stops).collect::<Vec<_>>());
        // A first rollout that is taken back ends with nothing, and slots that are swept away were none.
        if after >= before || self.desired.back.is_none() {
            return Ok(());
        }
        let actions = self.actions;
        let promise = Promise::KeepsWhatServes;
        ensure(!is_over(self.after), promise, || format!("the sweep took something away: {actions:?}"))?;
        let all_stop_first = self.desired.slots.iter().all(|one| one.order == Order::StopFirst);
        let is_emptied = |action: &Action| !matches!(action, Action::Stop { .. }) || self.is_to_be_empty(action.slot());
        ensure(all_stop_first || actions.iter().all(is_emptied), promise, || format!("start-first took something away: {actions:?}"))?;
        let (slots, parallelism) = (self.desired.slots.len(), self.parallelism());
        ensure(after + parallelism + self.excused() + self.down_later(after) >= slots, promise, || {
            format!("{after} serve of {slots}, parallelism {parallelism}, by {actions:?}")
        })
    }

    fn bounds_what_is_in_flight(&self) -> Result<(), Broken> {
        let is_begun_now = |action: &Action| {
            let slot = action.slot();
            self.after.began.contains_key(slot) && !self.before.began.contains_key(slot) && !self.before.done.contains(slot)
        };
        let in_flight = self.after.began.len();
        let is_bounded = in_flight <= self.parallelism().saturating_mul(2) || !self.actions.iter().any(is_begun_now);
        ensure(is_bounded, Promise::BoundsWhatIsInFlight, || {
            format!("{in_flight} slots in flight at once, parallelism {}, by {:?}", self.parallelism(), self.actions)
        })
    }

    fn holds_at_the_gate(&self) -> Result<(), Broken> {
        if !is_forward(&self.before.phase) {
            return Ok(());
        }
        let (from, there) = (self.before.stage.number, &self.after.stage);
        let is_there = match &self.after.phase {
            phase if is_forward(phase) => there.number,
            Phase::Sweeping(Outcome::Done | Outcome::DoneInPart) | Phase::Finished(Outcome::Done | Outcome::DoneInPart) => self.desired.stages.len(),
            _ => return Ok(()),
        };
        if is_forward(&self.after.phase) {
            for wanted in self.desired.slots.iter().filter(|one| one.stage > there.number) {
                let is_touched = self.actions.iter().any(|action| *action.slot() == wanted.slot);
                let stage = wanted.stage;
                ensure(!is_touched, Promise::HoldsAtTheGate, || format!("{} of stage {stage} is touched in stage {}", wanted.slot, there.number))?;
            }
        }
        (from..is_there).try_for_each(|stage| self.passes(stage))
    }

    /// Whether the gate behind a stage may open at this moment.
    fn passes(&self, stage: usize) -> Result<(), Broken> {
        let promise = Promise::HoldsAtTheGate;
        let gate = self.desired.gate(stage);
        // In stages behind the first one that is passed with this decision nothing can have been moved.
        let is_asked = stage == self.before.stage.number && self.before.stage.has_moved;
        let is_approved = self.before.stage.is_approved || (self.word == Some(Person::Approve) && self.before.stage.at_gate.is_some());
        ensure(!is_asked || !gate.approve || is_approved, promise, || format!("stage {stage} was not approved"))?;
        for wanted in self.desired.slots.iter().filter(|one| one.stage <= stage) {
            let slot = &wanted.slot;
            let is_seen = matches!(self.observed.hosts.get(&slot.host), Some(HostSeen::Answered(_)));
            if !is_seen || self.after.failed.contains_key(slot) {
                continue;
            }
            let healthy = self.in_slot(slot).filter(|one| one.version == self.desired.to && is_serving(one)).filter_map(healthy_since).min();
            let is_proven = healthy.is_some_and(|since| later(since, self.desired.update.monitor) <= self.looked_at(&slot.host));
            ensure(is_proven, promise, || format!("stage {stage} is passed, and {slot} is not proven"))?;
            let is_about = wanted.stage == stage || wanted.switch == stage;
            if is_asked && is_about && !is_approved && !gate.bake.is_zero() {
                let since = self.before.stage.at_gate.max(healthy);
                let is_baked =
                    self.before.stage.at_gate.is_some() && since.is_some_and(|since| later(since, gate.bake) <= self.looked_at(&slot.host));
                ensure(is_baked, promise, || format!("stage {stage} is passed, and {slot} is not baked"))?;
            }
        }
        Ok(())
    }

    fn switches_together(&self) -> Result<(), Broken> {
        if !is_forward(&self.after.phase) {
            return Ok(());
        }
        for action in self.actions {
            let (Action::Stop { slot, container }, stage) = (action, self.after.stage.number) else { continue };
            let is_kept_up = self.desired.slots.iter().any(|one| one.slot == *slot && one.switch > stage);
            let is_old = self.truth.iter().any(|one| one.id == *container && one.version != self.desired.to);
            ensure(!(is_kept_up && is_old), Promise::SwitchesTogether, || format!("{action:?} comes before the switch, in stage {stage}"))?;
        }
        Ok(())
    }

    fn spreads_over_hosts(&self) -> Result<(), Broken> {
        // What somebody else began, by starting by hand what the slot is to have, is brought to its end wherever it is.
        let goal = if is_going_back(&self.after.phase) { self.desired.back.as_ref() } else { Some(&self.desired.to) };
        let is_theirs = |slot: &SlotId| self.in_slot(slot).any(|one| Some(&one.version) == goal && is_up(one));
        let is_ours = |slot: &SlotId| !self.before.began.contains_key(slot) && !is_theirs(slot);
        let begun_now = |action: &&Action| self.after.began.contains_key(action.slot()) && is_ours(action.slot());
        let hosts_before: Vec<&HostName> = self.before.began.keys().map(|slot| &slot.host).collect();
        for host in self.actions.iter().filter(begun_now).map(|action| &action.slot().host).filter(|host| !hosts_before.contains(host)) {
            let mut busy: Vec<&HostName> = self.after.began.keys().map(|slot| &slot.host).collect();
            busy.dedup();
            let value = |host: &HostName| self.desired.spread.get(host);
            let beside = busy.iter().find(|other| ***other != *host && value(host).is_some() && value(other) == value(host));
            ensure(beside.is_none(), Promise::SpreadsOverHosts, || {
                format!("{host} is begun beside {beside:?} of the same label, by {:?}", self.actions)
            })?;
            let most = self.desired.max_parallel_hosts.map_or(usize::MAX, |most| most as usize);
            ensure(busy.len() <= most, Promise::SpreadsOverHosts, || {
                format!("{host} is the {}th host in flight of {most}, by {:?}", busy.len(), self.actions)
            })?;
        }
        Ok(())
    }

    /// Slots that do not count: those that failed or were left behind were taken down by the application or by a host; those that are sick on the way
    /// back without a new container were so before.
    fn excused(&self) -> usize {
        let failed = self.after.failed.len() + self.after.failed_back.len();
        let is_given_up = |host: &HostName| match self.observed.hosts.get(host) {
            Some(HostSeen::Silent { since, .. }) => {
                self.after.left_behind.contains_key(host) || self.now >= later(*since, self.policy().host_timeout)
            }
            _ => false,
        };
        let silent = self.desired.slots.iter().filter(|one| is_given_up(&one.slot.host)).count();
        let is_new = |slot: &SlotId| self.in_slot(slot).any(|one| one.version == self.desired.to);
        let is_forward = matches!(self.after.phase, Phase::Forward);
        let sick = if is_forward { 0 } else { self.desired.slots.iter().filter(|one| !is_new(&one.slot)).count() };
        let emptied = self.desired.slots.iter().filter(|one| self.is_to_be_empty(&one.slot) && !self.in_slot(&one.slot).any(is_up)).count();
        failed + silent + sick + emptied
    }

    /// Slots of later stages that do not serve: they hold nobody, as long as somebody serves.
    fn down_later(&self, serving: usize) -> usize {
        let is_later = |stage: usize| is_forward(&self.after.phase) && stage > self.after.stage.number;
        let is_down = |slot: &SlotId| !self.in_slot(slot).any(is_serving);
        let down = self.desired.slots.iter().filter(|one| is_later(one.stage) && is_down(&one.slot)).count();
        if serving > 0 { down } else { 0 }
    }

    /// Whether nothing is to run in a slot on this way.
    fn is_to_be_empty(&self, slot: &SlotId) -> bool {
        !is_going_back(&self.after.phase) && self.desired.slots.iter().any(|one| one.is_absent && one.slot == *slot)
    }

    fn ends_where_it_says(&self) -> Result<(), Broken> {
        let (Phase::Sweeping(outcome) | Phase::Finished(outcome)) = &self.after.phase else { return Ok(()) };
        for slot in self.desired.slots.iter().map(|one| &one.slot) {
            if let Some(HostSeen::Silent { .. }) = self.observed.hosts.get(&slot.host) {
                let is_known = self.after.left_behind.contains_key(&slot.host) || self.after.done.contains(slot);
                let is_known = is_known || (*outcome == Outcome::DoneInPart && self.after.failed.contains_key(slot));
                let is_stuck = matches!(outcome, Outcome::Stuck { .. });
                ensure(is_known || is_stuck, Promise::EndsWhereItSays, || format!("{slot} is forgotten"))?;
                continue;
            }
            let up = |version: &Version| self.in_slot(slot).filter(|one| one.version == *version && is_up(one)).count();
            // In a drain both are one version: it is to run, or not.
            let back = self.desired.back.as_ref().filter(|back| **back != self.desired.to || is_going_back(&self.after.phase));
            let (old, new) = (back.map_or(0, up), if back == Some(&self.desired.to) { 0 } else { up(&self.desired.to) });
            let wanted = usize::from(!self.is_to_be_empty(slot));
            let is_there = match outcome {
                Outcome::Done => (old, new) == (0, wanted),
                Outcome::DoneInPart => self.after.failed.contains_key(slot) || (old, new) == (0, wanted),
                Outcome::RolledBack { .. } => (old, new) == (usize::from(back.is_some()), 0),
                Outcome::Stuck { .. } => true,
            };
            ensure(is_there, Promise::EndsWhereItSays, || format!("{slot} has {old} old and {new} new, not {outcome:?}"))?;
        }
        Ok(())
    }

    /// Where a slot's container serves, nothing else is left in the slot; slots that failed are left for a person to look at.
    fn leaves_nothing(&self) -> Result<(), Broken> {
        let (Phase::Finished(outcome), false) = (&self.after.phase, self.before.is_finished()) else { return Ok(()) };
        let (goal, is_back) = match outcome {
            Outcome::Done | Outcome::DoneInPart => (Some(&self.desired.to), false),
            Outcome::RolledBack { .. } => (self.desired.back.as_ref(), true),
            Outcome::Stuck { .. } => return Ok(()),
        };
        for slot in self.desired.slots.iter().map(|one| &one.slot) {
            let is_asked = matches!(self.observed.hosts.get(&slot.host), Some(HostSeen::Answered(_)));
            let is_let_be = self.after.left_lying.contains_key(slot) || (!is_back && self.after.failed.contains_key(slot));
            let is_let_be = is_let_be || self.after.left_behind.contains_key(&slot.host);
            let serves = goal.is_none_or(|goal| self.in_slot(slot).any(|one| one.version == *goal && is_serving(one)));
            let left = self.in_slot(slot).find(|one| Some(&one.version) != goal && (goal.is_some() || one.version == self.desired.to));
            if let (true, false, true, Some(left)) = (is_asked, is_let_be, serves, left) {
                return broken(Promise::LeavesNothingBehind, format!("{slot} still has {left:?}"));
            }
        }
        Ok(())
    }

    fn parallelism(&self) -> usize {
        match self.policy().parallelism {
            0 => self.desired.slots.len(),
            some => some as usize,
        }
    }

    fn policy(&self) -> &Policy {
        if is_going_back(&self.after.phase) { &self.desired.rollback } else { &self.desired.update }
    }

    /// The moment of which it can be said what is on a host: that of the newest look.
    fn looked_at(&self, host: &HostName) -> Timestamp {
        self.observed.looked_at.get(host).map_or(self.now, |at| self.now.min(*at))
    }

    fn in_slot<'s>(&'s self, slot: &'s SlotId) -> impl Iterator<Item = &'s ContainerSeen> {
        self.truth.iter().filter(move |one| one.slot == *slot)
    }

    fn serving_without(&self, stopped: &[&str]) -> usize {
        let serves = |slot: &SlotId| self.in_slot(slot).any(|one| is_serving(one) && !stopped.contains(&one.id.as_str()));
        // Whoever decides cannot know what is on a host that takes long to answer.
        let is_known = |slot: &SlotId| !self.observed.overdue.contains(&slot.host);
        self.desired.slots.iter().filter(|one| is_known(&one.slot) && serves(&one.slot)).count()
    }
}

fn is_forward(phase: &Phase) -> bool {
    matches!(phase, Phase::Forward | Phase::Paused { back: None, .. })
}

fn healthy_since(one: &ContainerSeen) -> Option<Timestamp> {
    match one.health {
        Health::Healthy { since } => Some(since),
        _ => None,
    }
}

/// Whether the way is over, there or back.
fn is_over(progress: &Progress) -> bool {
    matches!(progress.phase, Phase::Sweeping(_) | Phase::Finished(_))
}

fn is_going_back(phase: &Phase) -> bool {
    let is_rolled_back = |outcome: &Outcome| matches!(outcome, Outcome::RolledBack { .. });
    match phase {
        Phase::Back(_) | Phase::Paused { back: Some(_), .. } => true,
        Phase::Sweeping(outcome) | Phase::Finished(outcome) => is_rolled_back(outcome),
        Phase::Forward | Phase::Paused { back: None, .. } => false,
    }
}

/// Whether a container holds its port and its volumes. Said here anew on purpose: a check that asked `rollout` would share its mistakes.
pub fn is_up(one: &ContainerSeen) -> bool {
    matches!(one.state, ContainerState::Running { .. } | ContainerState::Restarting { .. } | ContainerState::Paused)
}

/// Whether a container runs and is well.
pub fn is_serving(one: &ContainerSeen) -> bool {
    matches!((&one.state, &one.health), (ContainerState::Running { .. }, Health::Healthy { .. }))
}

fn later(moment: Timestamp, span: std::time::Duration) -> Timestamp {
    moment.checked_add(span).unwrap_or(Timestamp::MAX)
}

fn ensure(is_kept: bool, promise: Promise, why: impl FnOnce() -> String) -> Result<(), Broken> {
    if is_kept { Ok(()) } else { broken(promise, why()) }
}

fn broken(promise: Promise, why: String) -> Result<(), Broken> {
    Err(Broken { promise, why })
}
