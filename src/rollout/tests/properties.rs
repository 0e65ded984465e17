//! The invariants of the design, whatever comes: any estate, any fates, any person, any order of mishaps.
//!
//! A story has a wild part, in which hosts fall silent, containers are killed, removed or started by hand, actions are lost or only half done,
//! refit dies and persons say things; then a calm part, in which only the containers' fates go on. In both the invariants hold; in the calm
//! part the rollout comes to its end.

use proptest::prelude::*;

use super::*;
use crate::pipeline::{Amount, UpdateStrategy, Wave};
use crate::sim::{Decision, Fate, FateRule, New, SimContainer};

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
    /// A host takes long to answer: what was last seen there is as old as that, though nothing has changed there since.
    Slow(usize),
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
pub(super) struct Story {
    desired: Desired,
    fates: Vec<FateRule>,
    first: bool,
    /// Whether a person opens the gates that wait for one.
    approves: bool,
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
            progress_deadline: s(40),
        },
    )
}

/// Waves of any of the three hosts, the rest of them, canaries, gates, blue-green, and bounds on hosts. Half of the estates have none of it.
fn any_strategy() -> impl Strategy<Value = UpdateStrategy> {
    let canary = prop_oneof![Just(None), (1u32..4).prop_map(|count| Some(Amount::Count(count)))];
    let wave = (0usize..3, canary, prop_oneof![Just(0u64), Just(9)], any::<bool>());
    let waves = prop::collection::vec(wave, 0..3).prop_map(|drawn| {
        let mut waves: Vec<Wave> = Vec::new();
        for (number, canary, bake, approve) in drawn {
            let hosts = vec![host(number)];
            if !waves.iter().any(|wave| wave.hosts == hosts) {
                waves.push(Wave { hosts, canary, bake: s(bake), approve });
            }
        }
        waves
    });
    let spread = prop_oneof![Just("abc"), Just("aab"), Just("aaa")];
    let spread = spread.prop_map(|zones| zones.chars().enumerate().map(|(number, zone)| (host(number), zone.to_string())).collect());
    let bounds = (prop::option::of(1u32..3), spread);
    let drawn =
        (any::<bool>(), prop_oneof![Just(0u64), Just(7)], waves, bounds).prop_map(|(is_blue_green, keep, waves, (max_parallel_hosts, spread))| {
            UpdateStrategy { is_blue_green, keep: s(keep), waves, max_parallel_hosts, spread }
        });
    prop_oneof![Just(UpdateStrategy::default()), drawn]
}

fn any_fate() -> impl Strategy<Value = FateRule> {
    let fate = prop_oneof![
        4 => (0u64..6).prop_map(|after| Fate::Healthy(s(after))),
        1 => Just(Fate::NeverHealthy),
        1 => (0u64..4, 4u64..12).prop_map(|(well, sick)| Fate::Sickens(s(well), s(sick))),
        1 => (1u64..12).prop_map(|after| Fate::Exits(s(after), 3)),
        1 => Just(Fate::Loops(1)),
    ];
    // What is wrong with a host befalls the release before as well, once it is made anew there.
    let release = prop_oneof![3 => Just(Some(ReleaseNumber(2))), 1 => Just(None)];
    (prop::option::of(0usize..3), prop::option::of(0u32..2), release, fate).prop_map(|(at, index, release, fate)| FateRule {
        host: at.map(host),
        index,
        release,
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
        2 => (0usize..3).prop_map(Mishap::Slow),
        1 => (0usize..12).prop_map(Mishap::Kill),
        1 => (0usize..12).prop_map(Mishap::RemoveByHand),
        1 => (0usize..12).prop_map(Mishap::StartByHand),
        1 => prop_oneof![Just(Person::Pause), Just(Person::Resume), Just(Person::Abort), Just(Person::Approve)].prop_map(Mishap::Person),
    ]
}

pub(super) fn any_story() -> impl Strategy<Value = Story> {
    let drained = prop_oneof![4 => Just(None), 1 => (0usize..3).prop_map(Some)];
    let size = (1usize..4, 1u32..3, any::<bool>(), any::<bool>(), drained);
    let wild = prop::collection::vec((any_mishap(), 0u64..6), 0..60);
    let course = (any_policy(), any_policy(), any_strategy(), any::<bool>());
    (size, course, prop::collection::vec(any_fate(), 0..3), wild).prop_map(
        |((hosts, replicas, stop_first, first, drained), (update, rollback, strategy, approves), fates, wild)| {
            let order = if stop_first { Order::StopFirst } else { Order::StartFirst };
            let mut desired = desired(hosts, replicas, order);
            let names: Vec<HostName> = (0..hosts).map(host).collect();
            let stages = Stages::of(&desired.service, &strategy, replicas, &names.iter().collect::<Vec<_>>(), order);
            (desired.slots, desired.stages) = (stages.slots, stages.stages);
            (desired.max_parallel_hosts, desired.spread) = (strategy.max_parallel_hosts, strategy.spread);
            desired.update = update;
            desired.rollback = rollback;
            match drained {
                Some(drained) => drain(&mut desired, &host(drained)),
                None if first => desired.back = None,
                None => {}
            }
            Story { desired, fates, first: first && drained.is_none(), approves, wild }
        },
    )
}

/// Empties a host of what runs, instead of rolling anything newer. A host that the rollout does not have leaves a repair.
fn drain(desired: &mut Desired, host: &HostName) {
    desired.to = version("old");
    desired.stages.clear();
    for wanted in &mut desired.slots {
        (wanted.stage, wanted.switch, wanted.is_absent) = (0, 0, wanted.slot.host == *host);
    }
}

/// Containers on the first host that no rollout of ours may touch: another service's, and one of another host for which the same engine stands.
const NEIGHBOURS: [fn() -> SlotId; 2] = [|| SlotId { service: "db".parse().unwrap(), ..slot(0, 0) }, || slot(9, 0)];

/// Every container that is ours to touch.
fn own(world: &World) -> impl Iterator<Item = &SimContainer> {
    world.containers().filter(|one| NEIGHBOURS.iter().all(|neighbour| neighbour() != one.slot))
}

/// What is put to the test: [`decide`], or something that only looks like it.
pub(super) type Decider = fn(&Desired, &Observed, Progress, Option<Person>, Timestamp) -> (Progress, Vec<Action>);

/// A rollout that goes on in a world, and what is checked at each look.
struct Play<'a> {
    decide: Decider,
    desired: &'a Desired,
    world: World,
    progress: Progress,
    /// Whether the last look led to actions.
    acted: bool,
    /// What was seen at the last look, and when.
    last: (Timestamp, Observed),
    /// What is known of slots in which nothing moves.
    quiet: Quiet<'a>,
}

impl<'a> Play<'a> {
    fn new(story: &'a Story, decide: Decider) -> Self {
        let mut world =
            if story.first { World::new(NOW, story.desired.slots.iter().map(|one| one.slot.host.clone())) } else { world_of_old(&story.desired) };
        world.fates.clone_from(&story.fates);
        for slot in NEIGHBOURS.map(|neighbour| neighbour()) {
            // Whatever befalls ours: if one of these is down at the end, it was refit that took it down.
            let new = New { fate: Fate::Healthy(s(0)), ..world.new_container(&slot, &version("old"), None) };
            world.machine(&host(0)).unwrap().start_new(new, NOW).unwrap();
        }
        Play {
            decide,
            desired: &story.desired,
            world,
            progress: Progress::begin(NOW),
            acted: false,
            last: (NOW, Observed::default()),
            quiet: Quiet::of(&story.desired),
        }
    }

    fn look(&mut self, mishap: &Mishap) -> Result<(), TestCaseError> {
        let nth = |world: &World, n: usize| own(world).nth(n).map(|one| (one.slot.host.clone(), one.id.clone()));
        let now = self.world.now;
        let mut person = None;
        match mishap {
            Mishap::Crash => {
                let kept = self.progress.clone();
                let begun = kept.began.into_keys().collect();
                let (phase, failed, done, left_behind, stage) = (kept.phase, kept.failed, kept.done, kept.left_behind, kept.stage);
                let kept = Kept { phase, failed, done, begun, left_behind, stage };
                self.progress = Progress::resume(kept, now);
                self.quiet = Quiet::of(self.desired);
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
            Mishap::Nothing | Mishap::Lost | Mishap::HalfDone | Mishap::Slow(_) => {}
        }
        let mut observed = self.world.observe();
        let (then, last) = std::mem::replace(&mut self.last, (now, observed.clone()));
        if let Mishap::Slow(n) = mishap
            && last.hosts.get(&host(*n)) == observed.hosts.get(&host(*n))
        {
            observed.looked_at.insert(host(*n), then);
            observed.overdue.insert(host(*n));
        }
        let (next, actions) = (self.decide)(self.desired, &observed, self.progress.clone(), person, now);
        let again = (self.decide)(self.desired, &observed, self.progress.clone(), person, now);
        prop_assert_eq!(&(next.clone(), actions.clone()), &again, "the same input gives the same output");
        if std::ptr::fn_addr_eq(self.decide, decide as Decider) {
            let moved = observed.hosts.keys().filter(|host| observed.hosts.get(*host) != last.hosts.get(*host)).cloned().collect();
            let spared = decide_on(&mut self.quiet, &moved, self.desired, &observed, self.progress.clone(), person, now);
            prop_assert_eq!(&spared, &again, "what is known of quiet slots changes nothing");
        }
        self.acted = !actions.is_empty();
        self.check(&observed, person, &next, &actions)?;
        self.progress = next;
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
        Ok(())
    }

    /// Every promise, held against one decision.
    fn check(&self, observed: &Observed, word: Option<Person>, next: &Progress, actions: &[Action]) -> Result<(), TestCaseError> {
        let (truth, now, before) = (self.world.truth(), self.world.now, &self.progress);
        let decision = Decision { desired: self.desired, observed, truth: &truth, before, word, after: next, actions, stopping: &[], now };
        decision.check().map_err(|broken| TestCaseError::fail(broken.to_string()))
    }

    /// Lets the calm part go on until the rollout is over or waits for a person.
    fn calm_down(&mut self, approves: bool) -> Result<(), TestCaseError> {
        for _ in 0..600 {
            if self.progress.is_finished() || self.progress.stands_still() || (self.progress.stage.needs_person && !approves) {
                return Ok(());
            }
            let word = if self.progress.stage.needs_person { Mishap::Person(Person::Approve) } else { Mishap::Nothing };
            self.look(&word)?;
            // Whoever neither acts nor waits for anything, not even a moment, would stand still for ever.
            let waits_for = self.progress.look_again_at.is_some() || !self.progress.waiting_for.is_empty() || is_over(&self.progress);
            prop_assert!(waits_for || self.acted, "stands still: {:#?}", self.progress);
            self.world.pass(s(1));
        }
        Err(TestCaseError::fail(format!("no end: {:#?}\n{:#?}", self.progress, self.world.observe())))
    }
}

/// Tells a story to its end. Errors with the first thing that must not be: invariants 1 to 5 and 10, and that there is an end.
pub(super) fn tell(story: &Story, decide: Decider) -> Result<(), TestCaseError> {
    let mut play = Play::new(story, decide);
    for (mishap, seconds) in &story.wild {
        play.look(mishap)?;
        play.world.pass(s(*seconds));
    }
    play.calm_down(story.approves)?;
    // Invariant 10.
    for slot in NEIGHBOURS.map(|neighbour| neighbour()) {
        prop_assert!(play.world.containers().any(|one| one.slot == slot && one.is_up(play.world.now)), "{} is gone", slot);
    }
    // A story without mishaps leaves nothing lying about.
    let own = own(&play.world).count();
    match play.progress.outcome() {
        // What is drained is kept.
        Some(Outcome::Done) if story.wild.is_empty() => prop_assert_eq!(own, story.desired.slots.len()),
        Some(Outcome::RolledBack { .. }) if story.wild.is_empty() => {
            prop_assert_eq!(own, if story.first { 0 } else { story.desired.slots.len() })
        }
        _ => {}
    }
    Ok(())
}

proptest! {
    // `PROPTEST_CASES` asks for more.
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(1500), ..ProptestConfig::default() })]

    #[test]
    fn whatever_comes_the_invariants_hold_and_there_is_an_end(story in any_story()) {
        tell(&story, decide)?;
    }
}
