//! The model of a rollout, as far as it can be explored on every run of the tests; `make prove` explores more.
//!
//! The exploration itself is put to the test: for each promise there is somebody who decides a little wrong, and who must be found out by its name.
//! Each of them asks the real `decide` and changes one thing about what goes in or what comes out, so that it stays wrong however `decide` grows.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

#[path = "prove/mod.rs"]
mod prove;

use std::time::Duration;

use prove::configurations::QUICK;
use prove::{Decider, ask, explore};
use refit::model::{Digest, ReleaseNumber};
use refit::pipeline::Order;
use refit::rollout::{Action, ContainerSeen, Desired, HostSeen, Outcome, Phase, Version, decide};
use refit::sim::Promise;

#[test]
fn whatever_happens_to_a_small_estate_every_promise_is_kept_and_there_is_an_end() {
    for line in QUICK {
        let explored = explore(&ask::configuration(line).unwrap(), decide, 1);
        if let Some(found) = explored.found {
            panic!("{line}: {}: {} by {:#?}", found.promise, found.why, found.way);
        }
        // A model in which hardly anything can happen would keep every promise.
        assert!(explored.states > 300, "{line}: {} states", explored.states);
    }
}

/// Explores an estate with a broken decider, and expects it to be found out as one who breaks this promise.
fn check(line: &str, decide: Decider, expected: Promise) {
    let Some(found) = explore(&ask::configuration(line).unwrap(), decide, 1).found else { panic!("nobody noticed") };
    assert_eq!(found.promise, expected, "{} by {:#?}", found.why, found.way);
}

fn changed(desired: &Desired, change: impl Fn(&mut Desired)) -> Desired {
    let mut desired = desired.clone();
    change(&mut desired);
    desired
}

fn with_order(desired: &Desired, order: Order) -> Desired {
    changed(desired, |desired| desired.slots.iter_mut().for_each(|one| one.order = order))
}

#[test]
fn who_moves_all_slots_at_once_does_not_keep_what_serves() {
    let hasty: Decider = |desired, observed, progress, person, now| {
        decide(&changed(desired, |desired| desired.update.parallelism = 0), observed, progress, person, now)
    };
    check("2x1 stop-first", hasty, Promise::KeepsWhatServes);
}

#[test]
fn who_starts_all_newcomers_at_once_does_not_bound_what_is_in_flight() {
    let crowding: Decider = |desired, observed, progress, person, now| {
        decide(&changed(desired, |desired| desired.update.parallelism = 0), observed, progress, person, now)
    };
    check("3x1 start-first", crowding, Promise::BoundsWhatIsInFlight);
}

#[test]
fn who_stops_first_where_starting_first_was_promised_does_not_keep_what_serves() {
    check(
        "1x1 start-first",
        |desired, observed, progress, person, now| decide(&with_order(desired, Order::StopFirst), observed, progress, person, now),
        Promise::KeepsWhatServes,
    );
}

#[test]
fn who_starts_first_where_only_one_may_write_has_two_side_by_side() {
    check(
        "1x1 stop-first",
        |desired, observed, progress, person, now| decide(&with_order(desired, Order::StartFirst), observed, progress, person, now),
        Promise::NeverTwoSideBySide,
    );
}

#[test]
fn who_says_done_when_the_first_slot_is_does_not_end_where_it_says() {
    let early: Decider = |desired, observed, progress, person, now| {
        let (mut progress, actions) = decide(desired, observed, progress, person, now);
        if progress.phase == Phase::Forward && !progress.done.is_empty() {
            progress.phase = Phase::Finished(Outcome::Done);
            return (progress, Vec::new());
        }
        (progress, actions)
    };
    check("2x1 start-first", early, Promise::EndsWhereItSays);
}

#[test]
fn who_makes_the_new_container_without_the_old_ones_volumes_loses_them() {
    let forgetful: Decider = |desired, observed, progress, person, now| {
        let (progress, mut actions) = decide(desired, observed, progress, person, now);
        for action in &mut actions {
            if let Action::StartNew { takes_over, .. } = action {
                *takes_over = None;
            }
        }
        (progress, actions)
    };
    check("1x1 stop-first", forgetful, Promise::LosesNoVolume);
}

#[test]
fn who_starts_something_else_runs_what_was_not_released() {
    let wayward: Decider = |desired, observed, progress, person, now| {
        let odd = Version { release: ReleaseNumber(3), spec: Digest::of(b"odd") };
        decide(&changed(desired, |desired| desired.to = odd.clone()), observed, progress, person, now)
    };
    check("1x1 start-first", wayward, Promise::RunsWhatWasReleased);
}

#[test]
fn who_does_not_watch_a_new_container_has_not_proven_it() {
    let trusting: Decider = |desired, observed, progress, person, now| {
        decide(&changed(desired, |desired| desired.update.monitor = Duration::ZERO), observed, progress, person, now)
    };
    check("1x1 stop-first", trusting, Promise::ProvesBeforeItCounts);
}

#[test]
fn who_does_not_bake_goes_through_a_shut_gate() {
    let impatient: Decider = |desired, observed, progress, person, now| {
        let open = changed(desired, |desired| desired.stages.iter_mut().for_each(|stage| stage.gate.bake = Duration::ZERO));
        decide(&open, observed, progress, person, now)
    };
    check("2x1 start-first canary bake", impatient, Promise::HoldsAtTheGate);
}

#[test]
fn who_does_not_wait_for_a_person_goes_through_a_shut_gate() {
    let bold: Decider = |desired, observed, progress, person, now| {
        let open = changed(desired, |desired| desired.stages.iter_mut().for_each(|stage| stage.gate.approve = false));
        decide(&open, observed, progress, person, now)
    };
    check("2x1 stop-first canary approve", bold, Promise::HoldsAtTheGate);
}

#[test]
fn who_takes_a_canary_for_the_first_of_many_goes_through_a_shut_gate() {
    let levelling: Decider = |desired, observed, progress, person, now| {
        let one = changed(desired, |desired| desired.slots.iter_mut().for_each(|one| (one.stage, one.switch) = (0, 0)));
        decide(&one, observed, progress, person, now)
    };
    check("2x1 start-first canary bake", levelling, Promise::HoldsAtTheGate);
}

#[test]
fn who_switches_each_slot_by_itself_does_not_switch_together() {
    let eager: Decider = |desired, observed, progress, person, now| {
        let each = changed(desired, |desired| desired.slots.iter_mut().for_each(|one| one.switch = one.stage));
        decide(&each, observed, progress, person, now)
    };
    check("2x1 start-first blue-green", eager, Promise::SwitchesTogether);
}

#[test]
fn who_forgets_that_hosts_share_a_zone_does_not_spread() {
    let careless: Decider =
        |desired, observed, progress, person, now| decide(&changed(desired, |desired| desired.spread.clear()), observed, progress, person, now);
    check("2x1 stop-first zone all-at-once", careless, Promise::SpreadsOverHosts);
}

/// On the way back the new container goes, and the old one stays, even while both serve.
#[test]
fn who_takes_the_old_one_away_on_the_way_back_does_not_leave_it_alone() {
    let confused: Decider = |desired, observed, progress, person, now| {
        let (progress, mut actions) = decide(desired, observed, progress, person, now);
        let serving = |action: &Action| match observed.hosts.get(&action.slot().host) {
            Some(HostSeen::Answered(seen)) => seen.iter().filter(|one| one.slot == *action.slot() && refit::sim::is_serving(one)).collect(),
            _ => Vec::<&ContainerSeen>::new(),
        };
        for action in actions.iter_mut().filter(|_| matches!(progress.phase, Phase::Back(_))) {
            if let (Action::Stop { .. }, [old, _new]) = (&action, serving(action).as_slice()) {
                *action = Action::Stop { slot: old.slot.clone(), container: old.id.clone() };
            }
        }
        (progress, actions)
    };
    check("1x1 start-first words=1", confused, Promise::LeavesHealthyOldOnesAlone);
}

#[test]
fn who_goes_forward_again_when_the_way_back_fails_turns_twice() {
    let stubborn: Decider = |desired, observed, progress, person, now| {
        let (mut progress, actions) = decide(desired, observed, progress, person, now);
        if matches!(progress.phase, Phase::Paused { back: Some(_), .. }) {
            progress.phase = Phase::Forward;
        }
        (progress, actions)
    };
    check("1x1 stop-first failures=1", stubborn, Promise::NeverTurnsTwice);
}

#[test]
fn who_waits_for_a_silent_host_for_ever_does_not_come_to_an_end() {
    let patient: Decider = |desired, observed, progress, person, now| {
        decide(&changed(desired, |desired| desired.update.host_timeout = Duration::MAX), observed, progress, person, now)
    };
    check("1x1 start-first hangs=1", patient, Promise::ComesToAnEnd);
}

#[test]
fn who_neither_acts_nor_waits_does_not_come_to_an_end() {
    check(
        "1x1 start-first",
        |_, _, progress, _, _| (refit::rollout::Progress { look_again_at: None, waiting_for: Vec::new(), ..progress }, Vec::new()),
        Promise::ComesToAnEnd,
    );
}

#[test]
fn who_does_not_sweep_leaves_something_behind() {
    let messy: Decider = |desired, observed, progress, person, now| match decide(desired, observed, progress, person, now) {
        (mut progress, _) if matches!(progress.phase, Phase::Sweeping(_)) => {
            progress.phase = Phase::Finished(Outcome::Done);
            (progress, Vec::new())
        }
        decided => decided,
    };
    check("1x1 start-first", messy, Promise::LeavesNothingBehind);
}

#[test]
fn who_takes_a_neighbours_container_for_its_own_touches_others() {
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
    check("1x1 stop-first", blind, Promise::TouchesOnlyItsOwn);
}

#[test]
fn who_goes_on_while_a_person_holds_it_acts_when_it_should_not() {
    let deaf: Decider = |desired, observed, progress, person, now| {
        let (paused, nothing) = decide(desired, observed, progress.clone(), person, now);
        let actions = if paused.stands_still() { decide(desired, observed, progress, None, now).1 } else { nothing };
        (paused, actions)
    };
    check("1x1 start-first words=1", deaf, Promise::ActsOneStepAtATime);
}

/// As a pause was until it was found to leave slots without a container.
#[test]
fn who_drops_what_is_in_flight_does_not_pause_between_slots() {
    let abrupt: Decider = |desired, observed, progress, person, now| match decide(desired, observed, progress, person, now) {
        (mut progress, _) if progress.is_paused() => {
            progress.began.clear();
            (progress, Vec::new())
        }
        decided => decided,
    };
    check("1x1 stop-first words=1", abrupt, Promise::PausesBetweenSlots);
}
