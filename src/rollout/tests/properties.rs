//! The invariants of the design, whatever comes: any estate, any fates, any person, any order of mishaps.
//!
//! A story has a wild part, in which hosts fall silent, containers are killed, removed or started by hand, actions are lost or only half done,
//! refit dies and persons say things; then a calm part, in which only the containers' fates go on. In both the invariants hold; in the calm
//! part the rollout comes to its end.

use proptest::prelude::*;

use super::*;
use crate::sim::{Fate, FateRule, SimContainer};

#[derive(Debug, Clone)]
enum Mishap {
    Nothing,
    /// The next actions do not reach the engine.
    Lost,
    /// The next new containers are created, but not started.
    HalfDone,
    /// refit dies: only what the journal keeps is left.
    Crash,
    Silence(usize),
    Answer(usize),
    /// The n-th container ends by itself.
    Kill(usize),
    /// `docker rm -f` of the n-th container.
    RemoveByHand(usize),
    /// `docker start` of the n-th container.
    StartByHand(usize),
    Person(Person),
}

fn is_over(progress: &Progress) -> bool {
    matches!(progress.phase, Phase::Sweeping(_) | Phase::Finished(_))
}

#[derive(Debug, Clone)]
struct Story {
    desired: Desired,
    fates: Vec<FateRule>,
    first: bool,
    wild: Vec<(Mishap, u64)>,
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let failure = prop_oneof![Just(FailureAction::Rollback), Just(FailureAction::Pause), Just(FailureAction::Continue)];
    (0u32..4, prop_oneof![Just(0u64), Just(7)], 0u64..6, failure, prop_oneof![Just(0.0), Just(0.3)]).prop_map(
        |(parallelism, delay, monitor, failure_action, max_failure_ratio)| Policy {
            parallelism,
            delay: s(delay),
            monitor: s(monitor),
            healthy_deadline: s(15),
            failure_action,
            max_failure_ratio,
            host_timeout: s(20),
            order: Order::StartFirst,
        },
    )
}

fn any_fate() -> impl Strategy<Value = FateRule> {
    let fate = prop_oneof![
        4 => (0u64..6).prop_map(|after| Fate::Healthy(s(after))),
        1 => Just(Fate::NeverHealthy),
        1 => (0u64..4, 4u64..12).prop_map(|(well, sick)| Fate::Sickens(s(well), s(sick))),
        1 => (1u64..12).prop_map(|after| Fate::Exits(s(after), 3)),
        1 => Just(Fate::Loops(1)),
    ];
    (prop::option::of(0usize..3), prop::option::of(0u32..2), fate).prop_map(|(at, index, fate)| FateRule {
        host: at.map(host),
        index,
        release: Some(ReleaseNumber(2)),
        fate,
    })
}

fn any_mishap() -> impl Strategy<Value = Mishap> {
    prop_oneof![
        8 => Just(Mishap::Nothing),
        2 => Just(Mishap::Lost),
        2 => Just(Mishap::HalfDone),
        2 => Just(Mishap::Crash),
        1 => (0usize..3).prop_map(Mishap::Silence),
        2 => (0usize..3).prop_map(Mishap::Answer),
        1 => (0usize..12).prop_map(Mishap::Kill),
        1 => (0usize..12).prop_map(Mishap::RemoveByHand),
        1 => (0usize..12).prop_map(Mishap::StartByHand),
        1 => prop_oneof![Just(Person::Pause), Just(Person::Resume), Just(Person::Abort)].prop_map(Mishap::Person),
    ]
}

fn any_story() -> impl Strategy<Value = Story> {
    let size = (1usize..4, 1u32..3, any::<bool>(), any::<bool>());
    let wild = prop::collection::vec((any_mishap(), 0u64..6), 0..60);
    (size, any_policy(), any_policy(), prop::collection::vec(any_fate(), 0..3), wild).prop_map(
        |((hosts, replicas, stop_first, first), update, rollback, fates, wild)| {
            let order = if stop_first { Order::StopFirst } else { Order::StartFirst };
            let mut desired = desired(hosts, replicas, order);
            desired.update = update;
            desired.rollback = rollback;
            if first {
                desired.back = None;
            }
            Story { desired, fates, first, wild }
        },
    )
}

/// Containers on the first host that no rollout of ours may touch: another service's, and one of another host for which the same engine stands.
const NEIGHBOURS: [fn() -> SlotId; 2] = [|| SlotId { service: "db".parse().unwrap(), ..slot(0, 0) }, || slot(9, 0)];

/// Every container that is ours to touch.
fn own(world: &World) -> impl Iterator<Item = &SimContainer> {
    world.containers().filter(|one| NEIGHBOURS.iter().all(|neighbour| neighbour() != one.slot))
}

/// A rollout that goes on in a world, and what is checked at each look.
struct Play<'a> {
    desired: &'a Desired,
    world: World,
    progress: Progress,
    /// Whether the last look led to actions.
    acted: bool,
}

impl Play<'_> {
    fn new(story: &Story) -> Play<'_> {
        let mut world =
            if story.first { World::new(NOW, story.desired.slots.iter().map(|one| one.slot.host.clone())) } else { world_of_old(&story.desired) };
        world.fates.clone_from(&story.fates);
        for slot in NEIGHBOURS.map(|neighbour| neighbour()) {
            let new = world.new_container(&slot, &version("old"), None);
            world.machine(&host(0)).unwrap().start_new(new, NOW).unwrap();
        }
        Play { desired: &story.desired, world, progress: Progress::begin(NOW), acted: false }
    }

    fn look(&mut self, mishap: &Mishap) -> Result<(), TestCaseError> {
        let nth = |world: &World, n: usize| own(world).nth(n).map(|one| (one.slot.host.clone(), one.id.clone()));
        let now = self.world.now;
        let mut person = None;
        match mishap {
            Mishap::Crash => {
                let kept = self.progress.clone();
                self.progress = Progress::resume(kept.phase, kept.failed, kept.done, kept.left_behind);
            }
            Mishap::Silence(n) => self.world.silence(&host(*n)),
            Mishap::Answer(n) => self.world.answer(&host(*n)),
            Mishap::Kill(n) => {
                if let Some((host, id)) = nth(&self.world, *n) {
                    self.world.machine(&host).unwrap().end(&id, 137, now).unwrap();
                }
            }
            Mishap::RemoveByHand(n) => {
                if let Some((host, id)) = nth(&self.world, *n) {
                    self.world.machine(&host).unwrap().remove_by_force(&id);
                }
            }
            Mishap::StartByHand(n) => {
                if let Some((host, id)) = nth(&self.world, *n) {
                    self.world.machine(&host).unwrap().start(&id, now).unwrap();
                }
            }
            Mishap::Person(word) => person = Some(*word),
            Mishap::Nothing | Mishap::Lost | Mishap::HalfDone => {}
        }
        let observed = self.world.observe();
        let (next, actions) = decide(self.desired, &observed, self.progress.clone(), person, now);
        let again = decide(self.desired, &observed, self.progress.clone(), person, now);
        prop_assert_eq!(&(next.clone(), actions.clone()), &again, "the same input gives the same output");
        self.acted = !actions.is_empty();
        self.check_proven(&next)?;
        let was_on_its_way = !is_over(&self.progress);
        self.progress = next;
        self.check(&actions)?;
        if was_on_its_way {
            self.check_end(&observed)?;
        }
        let healthy_before = self.healthy_slots();
        for action in &actions {
            match (mishap, action) {
                (Mishap::Lost, _) => {}
                (Mishap::HalfDone, Action::StartNew { slot, version, takes_over }) => {
                    let new = self.world.new_container(slot, version, takes_over.clone());
                    let machine = self.world.machine(&slot.host).unwrap();
                    machine.create_once(new, now);
                }
                // Doing it twice is as good as once.
                _ => (0..2).for_each(|_| self.world.carry_out(action).unwrap_or_else(|refusal| panic!("{action:?} was refused: {refusal}"))),
            }
        }
        self.check_healthy(healthy_before, &actions)?;
        Ok(())
    }

    fn healthy_slots(&self) -> usize {
        let serves = |slot: &SlotId| self.world.containers().any(|one| one.slot == *slot && one.is_healthy(self.world.now));
        self.desired.slots.iter().filter(|wanted| serves(&wanted.slot)).count()
    }

    /// Invariant 1: refit itself takes nothing that serves away, beyond what the policy allows.
    fn check_healthy(&self, before: usize, actions: &[Action]) -> Result<(), TestCaseError> {
        let after = self.healthy_slots();
        // A first rollout that is taken back ends with nothing, and slots that are swept away were none.
        if after >= before || self.desired.back.is_none() {
            return Ok(());
        }
        prop_assert!(!is_over(&self.progress), "the sweep took something away: {:?}", actions);
        prop_assert_eq!(self.desired.slots[0].order, Order::StopFirst, "start-first took something away: {:?}", actions);
        let policy = if matches!(self.progress.phase, Phase::Forward) { &self.desired.update } else { &self.desired.rollback };
        let parallelism = if policy.parallelism == 0 { self.desired.slots.len() } else { policy.parallelism as usize };
        // What failed or was left behind was taken down by the application or by a host. Sick ones on the way back were so before.
        let gone = self.progress.failed.len() + self.progress.failed_back.len();
        let is_given_up = |host: &HostName| match self.world.observe().hosts.get(host) {
            Some(HostSeen::Silent { since, .. }) => {
                self.progress.left_behind.contains_key(host) || self.world.now >= since.checked_add(s(20)).unwrap()
            }
            _ => false,
        };
        let silent = self.desired.slots.iter().filter(|one| is_given_up(&one.slot.host)).count();
        let sick = self.sick_all_along();
        prop_assert!(
            after + parallelism + gone + silent + sick >= self.desired.slots.len(),
            "{} serve of {}, parallelism {}, by {:?}",
            after,
            self.desired.slots.len(),
            parallelism,
            actions
        );
        Ok(())
    }

    /// A slot is done only when its new container has been healthy for `monitor` without a break.
    fn check_proven(&self, next: &Progress) -> Result<(), TestCaseError> {
        if next.phase != Phase::Forward {
            return Ok(());
        }
        let is_proven = |one: &SimContainer| match one.at(self.world.now).1 {
            Health::Healthy { since } => since.checked_add(self.desired.update.monitor).unwrap() <= self.world.now,
            _ => false,
        };
        for slot in next.done.iter().filter(|slot| !self.progress.done.contains(slot)) {
            let new = self.world.containers().find(|one| one.slot == *slot && one.version == self.desired.to);
            prop_assert!(new.is_some_and(is_proven), "{} is not proven: {:?}", slot, new);
        }
        Ok(())
    }

    /// Invariant 3: at the end of the way every slot is where the outcome says, or its host is known to be behind.
    fn check_end(&self, observed: &Observed) -> Result<(), TestCaseError> {
        let (Phase::Sweeping(outcome) | Phase::Finished(outcome)) = &self.progress.phase else { return Ok(()) };
        let up = |slot: &SlotId, version: &Version| {
            self.world.containers().filter(|one| one.slot == *slot && one.version == *version && one.is_up(self.world.now)).count()
        };
        for slot in self.desired.slots.iter().map(|one| &one.slot) {
            if let HostSeen::Silent { .. } = observed.hosts[&slot.host] {
                let is_known = self.progress.left_behind.contains_key(&slot.host) || self.progress.done.contains(slot);
                let is_known = is_known || (*outcome == Outcome::DoneInPart && self.progress.failed.contains_key(slot));
                prop_assert!(is_known || matches!(outcome, Outcome::Stuck { .. }), "{} is forgotten", slot);
                continue;
            }
            let (old, new) = (up(slot, &version("old")), up(slot, &version("new")));
            match outcome {
                Outcome::Done => prop_assert_eq!((old, new), (0, 1), "{}", slot),
                Outcome::DoneInPart => prop_assert!(self.progress.failed.contains_key(slot) || (old, new) == (0, 1), "{}", slot),
                Outcome::RolledBack { .. } => {
                    prop_assert_eq!(new, 0, "{}", slot);
                    prop_assert_eq!(old, usize::from(self.desired.back.is_some()), "{}", slot);
                }
                Outcome::Stuck { .. } => {}
            }
        }
        Ok(())
    }

    fn sick_all_along(&self) -> usize {
        let is_new = |slot: &SlotId| self.world.containers().any(|one| one.slot == *slot && one.version == self.desired.to);
        if matches!(self.progress.phase, Phase::Forward) { 0 } else { self.desired.slots.iter().filter(|one| !is_new(&one.slot)).count() }
    }

    /// One action for each slot, on own containers only, and (invariants 2 and 4) none that starts a second writer or removes what runs.
    fn check(&self, actions: &[Action]) -> Result<(), TestCaseError> {
        let mut slots: Vec<_> = actions.iter().map(Action::slot).collect();
        slots.sort();
        slots.dedup();
        prop_assert_eq!(slots.len(), actions.len(), "two actions for one slot: {:?}", actions);
        let is_still = self.progress.is_paused() || self.progress.is_finished();
        prop_assert!(!is_still || actions.is_empty(), "acts while it stands still: {:?}", actions);
        for action in actions {
            let slot = action.slot();
            let wanted = self.desired.slots.iter().find(|one| one.slot == *slot);
            prop_assert!(wanted.is_some(), "{:?} is not ours", action);
            let up = self.world.containers().filter(|one| one.slot == *slot && one.is_up(self.world.now)).count();
            match action {
                Action::StartNew { .. } | Action::StartAgain { .. } if wanted.unwrap().order == Order::StopFirst => {
                    prop_assert_eq!(up, 0, "two side by side: {:?}", action)
                }
                Action::StartNew { version, .. } => {
                    prop_assert!(*version == self.desired.to || Some(version) == self.desired.back.as_ref(), "was not released: {:?}", action);
                }
                Action::Stop { container, .. } | Action::Remove { container, .. } | Action::StartAgain { container, .. } => {
                    let one = self.world.containers().find(|one| one.id == *container);
                    prop_assert!(one.is_some_and(|one| one.slot == *slot), "{:?} is about another's container", action);
                }
            }
        }
        Ok(())
    }

    /// Lets the calm part go on until the rollout is over or waits for a person.
    fn calm_down(&mut self) -> Result<(), TestCaseError> {
        for _ in 0..600 {
            if self.progress.is_finished() || self.progress.is_paused() {
                return Ok(());
            }
            self.look(&Mishap::Nothing)?;
            // Whoever neither acts nor waits for anything, not even a moment, would stand still for ever.
            let waits_for = self.progress.look_again_at.is_some() || !self.progress.waiting_for.is_empty() || is_over(&self.progress);
            prop_assert!(waits_for || self.acted, "stands still: {:#?}", self.progress);
            self.world.pass(s(1));
        }
        Err(TestCaseError::fail(format!("no end: {:#?}\n{:#?}", self.progress, self.world.observe())))
    }
}

proptest! {
    // `PROPTEST_CASES` asks for more.
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(1500), ..ProptestConfig::default() })]

    /// Invariants 1 to 5 and 10, and that there is an end.
    #[test]
    fn whatever_comes_the_invariants_hold_and_there_is_an_end(story in any_story()) {
        let mut play = Play::new(&story);
        for (mishap, seconds) in &story.wild {
            play.look(mishap)?;
            play.world.pass(s(*seconds));
        }
        play.calm_down()?;
        // Invariant 10.
        for slot in NEIGHBOURS.map(|neighbour| neighbour()) {
            prop_assert!(play.world.containers().any(|one| one.slot == slot && one.is_up(play.world.now)), "{} is gone", slot);
        }
        // A story without mishaps leaves nothing lying about.
        let own = own(&play.world).count();
        match play.progress.outcome() {
            Some(Outcome::Done) if story.wild.is_empty() => prop_assert_eq!(own, story.desired.slots.len()),
            Some(Outcome::RolledBack { .. }) if story.wild.is_empty() => {
                prop_assert_eq!(own, if story.first { 0 } else { story.desired.slots.len() })
            }
            _ => {}
        }
    }
}
