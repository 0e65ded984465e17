//! The checker itself is checked: for each invariant somebody who decides a little wrong, whom the property must find out.
//!
//! Each of them asks the real [`decide`] and changes one thing about what goes in or what comes out, so that it stays broken however `decide` grows.

use proptest::test_runner::{Config, TestError, TestRunner};

use super::properties::{Decider, any_story, tell};
use super::*;

/// Tells stories to a broken decider until one finds it out, and says by which words.
fn check(decide: Decider, expected: &str) {
    let config = Config { cases: 3000, max_shrink_iters: 0, failure_persistence: None, ..Config::default() };
    match TestRunner::new_with_rng(config, deterministic()).run(&any_story(), |story| tell(&story, decide)) {
        Err(TestError::Fail(why, _)) => assert!(why.message().contains(expected), "found out by other words: {why}"),
        found => panic!("nobody noticed: {found:?}"),
    }
}

/// The same stories each time: whether one of them finds it out is no matter of luck.
fn deterministic() -> proptest::test_runner::TestRng {
    proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha)
}

fn changed(desired: &Desired, change: impl Fn(&mut Desired)) -> Desired {
    let mut desired = desired.clone();
    change(&mut desired);
    desired
}

fn with_order(desired: &Desired, order: Order) -> Desired {
    changed(desired, |desired| desired.slots.iter_mut().for_each(|one| one.order = order))
}

/// Moves all slots at once in estates whose slots all go in this order; `decide` itself in the others.
fn hasty(
    order: Order,
    desired: &Desired,
    observed: &Observed,
    progress: Progress,
    person: Option<Person>,
    now: Timestamp,
) -> (Progress, Vec<Action>) {
    let all = changed(desired, |desired| {
        desired.update.parallelism = 0;
        desired.rollback.parallelism = 0;
    });
    let is_asked = desired.slots.iter().all(|one| one.order == order);
    decide(if is_asked { &all } else { desired }, observed, progress, person, now)
}

#[test]
fn who_moves_all_slots_at_once_is_found_out() {
    check(|desired, observed, progress, person, now| hasty(Order::StopFirst, desired, observed, progress, person, now), "parallelism");
}

#[test]
fn who_starts_all_newcomers_at_once_is_found_out() {
    check(|desired, observed, progress, person, now| hasty(Order::StartFirst, desired, observed, progress, person, now), "in flight at once");
}

#[test]
fn who_stops_first_where_starting_first_was_promised_is_found_out() {
    check(|desired, observed, progress, person, now| decide(&with_order(desired, Order::StopFirst), observed, progress, person, now), "start-first");
}

#[test]
fn who_starts_a_second_writer_is_found_out() {
    check(
        |desired, observed, progress, person, now| decide(&with_order(desired, Order::StartFirst), observed, progress, person, now),
        "two side by side",
    );
}

#[test]
fn who_does_not_watch_a_new_container_is_found_out() {
    let trusting: Decider = |desired, observed, progress, person, now| {
        decide(&changed(desired, |desired| desired.update.monitor = s(0)), observed, progress, person, now)
    };
    check(trusting, "is not proven");
}

#[test]
fn who_takes_a_neighbours_container_for_its_own_is_found_out() {
    let blind: Decider = |desired, observed, progress, person, now| {
        let mut observed = observed.clone();
        for (host, seen) in &mut observed.hosts {
            let HostSeen::Answered(seen) = seen else { continue };
            for one in seen {
                one.slot.service = desired.service.clone();
                one.slot.host = host.clone();
            }
        }
        decide(desired, &observed, progress, person, now)
    };
    check(blind, "is about another's container");
}

#[test]
fn who_pauses_in_the_middle_of_a_slot_is_found_out() {
    let abrupt: Decider = |desired, observed, progress, person, now| match decide(desired, observed, progress, person, now) {
        (mut progress, _) if progress.is_paused() => {
            progress.began.clear();
            (progress, Vec::new())
        }
        decided => decided,
    };
    check(abrupt, "was in flight, and is forgotten");
}

#[test]
fn who_goes_through_a_gate_that_is_shut_is_found_out() {
    let impatient: Decider = |desired, observed, progress, person, now| {
        let open = changed(desired, |desired| desired.stages.iter_mut().for_each(|stage| stage.gate = Gate::default()));
        decide(&open, observed, progress, person, now)
    };
    check(impatient, "stage");
}

#[test]
fn who_takes_a_canary_for_the_first_of_many_is_found_out() {
    let levelling: Decider = |desired, observed, progress, person, now| {
        let one =
            changed(desired, |desired| desired.slots.iter_mut().for_each(|one| (one.stage, one.switch) = (0, one.switch.saturating_sub(one.stage))));
        decide(&one, observed, progress, person, now)
    };
    check(levelling, "stage");
}

#[test]
fn who_switches_each_slot_by_itself_is_found_out() {
    let eager: Decider = |desired, observed, progress, person, now| {
        let each = changed(desired, |desired| desired.slots.iter_mut().for_each(|one| one.switch = one.stage));
        decide(&each, observed, progress, person, now)
    };
    check(eager, "comes before the switch");
}

#[test]
fn who_forgets_that_hosts_share_a_zone_is_found_out() {
    let careless: Decider =
        |desired, observed, progress, person, now| decide(&changed(desired, |desired| desired.spread.clear()), observed, progress, person, now);
    check(careless, "of the same label");
}

#[test]
fn who_forgets_how_many_hosts_may_be_in_flight_is_found_out() {
    let broad: Decider = |desired, observed, progress, person, now| {
        decide(&changed(desired, |desired| desired.max_parallel_hosts = None), observed, progress, person, now)
    };
    check(broad, "host in flight of");
}

#[test]
fn who_says_too_early_that_all_is_done_is_found_out() {
    let early: Decider = |desired, observed, progress, person, now| {
        let (mut progress, actions) = decide(desired, observed, progress, person, now);
        // Gates would find it out by words of their own.
        if matches!(progress.phase, Phase::Forward) && !progress.done.is_empty() && desired.stages.is_empty() {
            progress.phase = Phase::Finished(Outcome::Done);
            return (progress, Vec::new());
        }
        (progress, actions)
    };
    // Which slot is named, and whether as forgotten or as what it is instead, is the story's choice.
    check(early, "web@h");
}

#[test]
fn who_never_comes_to_an_end_is_found_out() {
    check(|_, _, progress, _, _| (Progress { look_again_at: None, waiting_for: Vec::new(), ..progress }, Vec::new()), "stands still");
}

#[test]
fn who_sweeps_what_serves_is_found_out() {
    let sloppy: Decider = |desired, observed, progress, person, now| {
        let (progress, mut actions) = decide(desired, observed, progress, person, now);
        for action in actions.iter_mut().filter(|_| matches!(progress.phase, Phase::Sweeping(_))) {
            let Some(HostSeen::Answered(seen)) = observed.hosts.get(&action.slot().host) else { continue };
            let serves = |one: &&ContainerSeen| one.slot == *action.slot() && matches!(one.health, Health::Healthy { .. });
            if let Some(one) = seen.iter().find(serves) {
                *action = Action::Stop { slot: one.slot.clone(), container: one.id.clone() };
            }
        }
        (progress, actions)
    };
    check(sloppy, "the sweep took something away");
}
