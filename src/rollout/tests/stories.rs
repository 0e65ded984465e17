//! Whole rollouts, driven to their end in a simulated world.

use super::*;
use crate::sim::{Fate, FateRule};
use Order::{StartFirst, StopFirst};

fn new_ones(fate: Fate) -> FateRule {
    FateRule { host: None, index: None, release: Some(ReleaseNumber(2)), fate }
}

/// Drives a rollout over 2 hosts × 2 slots in which new containers have this fate, and says how it ended and what runs then.
fn ends(order: Order, change: impl Fn(&mut Desired), fate: FateRule) -> (String, String, usize) {
    let mut desired = desired(2, 2, order);
    change(&mut desired);
    let mut world = world_of_old(&desired);
    world.fates.push(fate);
    let (progress, _) = drive(&desired, &mut world, Progress::begin(NOW));
    let how = match &progress.phase {
        Phase::Finished(Outcome::RolledBack { .. }) => "rolled back".to_owned(),
        Phase::Paused { .. } => "paused".to_owned(),
        Phase::Finished(outcome) => format!("{outcome:?}"),
        phase => panic!("{phase:?}"),
    };
    (how, running(&desired, &world), world.containers().count())
}

#[test]
fn a_good_release_ends_on_every_slot_and_leaves_nothing_else() {
    for order in [StartFirst, StopFirst] {
        for parallelism in [0, 1, 3] {
            let (how, running, left) = ends(order, |d| d.update.parallelism = parallelism, new_ones(Fate::Healthy(s(3))));
            assert_eq!((how.as_str(), running.as_str(), left), ("Done", "new new new new", 4));
        }
    }
}

#[test]
fn a_bad_release_goes_back_everywhere_and_leaves_nothing_else() {
    for order in [StartFirst, StopFirst] {
        for fate in [Fate::NeverHealthy, Fate::Sickens(s(1), s(5)), Fate::Exits(s(2), 1), Fate::Loops(3)] {
            let (how, running, left) = ends(order, |_| (), new_ones(fate.clone()));
            assert_eq!((how.as_str(), running.as_str(), left), ("rolled back", "old old old old", 4), "{order:?} {fate:?}");
        }
        // Only the last slot is bad: those that were through go back as well.
        let last = FateRule { host: Some(host(1)), index: Some(1), ..new_ones(Fate::NeverHealthy) };
        assert_eq!(ends(order, |_| (), last), ("rolled back".to_owned(), "old old old old".to_owned(), 4));
    }
}

#[test]
fn a_release_that_fails_a_little_goes_on_or_stops_as_the_service_says() {
    let second = || FateRule { host: Some(host(0)), index: Some(1), ..new_ones(Fate::Sickens(s(0), s(2))) };
    let go_on = |d: &mut Desired| d.update.failure_action = FailureAction::Continue;
    assert_eq!(ends(StartFirst, go_on, second()), ("DoneInPart".to_owned(), "new old new new".to_owned(), 4));
    assert_eq!(ends(StopFirst, go_on, second()), ("DoneInPart".to_owned(), "new new new new".to_owned(), 5));
    let ratio = |d: &mut Desired| d.update.max_failure_ratio = 0.25;
    assert_eq!(ends(StartFirst, ratio, second()), ("DoneInPart".to_owned(), "new old new new".to_owned(), 4));
    let pause = |d: &mut Desired| d.update.failure_action = FailureAction::Pause;
    assert_eq!(ends(StopFirst, pause, second()), ("paused".to_owned(), "new new old old".to_owned(), 6));
}

#[test]
fn a_failed_first_rollout_leaves_nothing() {
    let desired = Desired { back: None, ..desired(2, 1, StartFirst) };
    let mut world = World::new(NOW, [host(0), host(1)]);
    world.fates.push(FateRule { host: Some(host(1)), ..new_ones(Fate::Exits(s(1), 1)) });
    let (progress, _) = drive(&desired, &mut world, Progress::begin(NOW));
    assert!(matches!(progress.outcome(), Some(Outcome::RolledBack { .. })));
    assert_eq!(world.containers().count(), 0);
}

#[test]
fn a_new_container_that_somebody_removed_is_made_again() {
    let desired = desired(2, 1, StartFirst);
    let mut world = world_of_old(&desired);
    let mut progress = Progress::begin(NOW);
    while !progress.done.contains(&slot(0, 0)) {
        let (next, actions) = decide(&desired, &world.observe(), progress, None, world.now);
        actions.iter().for_each(|action| world.carry_out(action).unwrap());
        progress = next;
        world.pass(s(1));
    }
    let id = world.containers().find(|one| one.slot == slot(0, 0) && one.version == version("new")).unwrap().id.clone();
    world.machine(&host(0)).unwrap().remove_by_force(&id);
    let (progress, _) = drive(&desired, &mut world, progress);
    assert_eq!((progress.outcome(), running(&desired, &world).as_str()), (Some(&Outcome::Done), "new new"));
}

/// The new ones sicken just when the rollout is done; somebody brings an old one back before refit has cleared it away.
#[test]
fn an_old_container_that_somebody_started_again_for_a_sick_new_one_is_not_stopped() {
    let desired = Desired { update: Policy { parallelism: 0, monitor: s(0), ..policy() }, ..desired(2, 1, StartFirst) };
    let mut world = world_of_old(&desired);
    world.fates.push(new_ones(Fate::Sickens(s(0), s(6))));
    let mut progress = Progress::begin(NOW);
    for (done, is_lost) in [(["start", "start"], false), (["stop", "stop"], false), (["remove", "remove"], true)] {
        let (next, actions) = decide(&desired, &world.observe(), progress, None, NOW);
        progress = next;
        assert_eq!(print(&actions).split(", ").filter_map(|line| line.split(' ').nth(1)).collect::<Vec<_>>(), done);
        actions.iter().filter(|_| !is_lost).for_each(|action| world.carry_out(action).unwrap());
    }
    world.pass(s(6));
    let old = world.containers().find(|one| one.slot == slot(0, 0) && one.version == version("old")).unwrap().id.clone();
    let now = world.now;
    world.machine(&host(0)).unwrap().start(&old, now).unwrap();
    let (progress, story) = drive(&desired, &mut world, progress);
    assert_eq!(story.iter().map(Action::slot).collect::<Vec<_>>(), [&slot(1, 0)], "{story:?}");
    assert_eq!(progress.outcome(), Some(&Outcome::Done));
    let serving: Vec<_> = world.containers().filter(|one| one.is_healthy(now)).map(|one| &one.id).collect();
    assert_eq!(serving, [&old]);
}

#[test]
fn the_anonymous_volume_of_a_slot_goes_with_it_there_and_back() {
    for fate in [Fate::Healthy(s(1)), Fate::NeverHealthy] {
        let desired = desired(1, 1, StopFirst);
        let mut world = world_of_old(&desired);
        let before = world.containers().next().unwrap().volume.clone();
        world.fates.push(new_ones(fate));
        drive(&desired, &mut world, Progress::begin(NOW));
        assert_eq!(world.containers().map(|one| one.volume.as_str()).collect::<Vec<_>>(), [before]);
    }
}

/// Somebody (or a call of an orchestrator that died) brought the old container up beside the new one, which never gets well, where one at a time may
/// run. The old one is all that serves and is held for the other slot; the other slot waits for this one, which is in flight.
#[test]
fn a_slot_in_flight_that_is_held_for_another_one_still_runs_out_of_time() {
    let desired = desired(2, 1, StopFirst);
    let (progress, actions) = decide(&desired, &scene("old+ new~ | old."), Progress::begin(NOW), None, NOW);
    assert_eq!((print(&actions).as_str(), &progress.phase), ("", &Phase::Forward));
    let (progress, actions) = decide(&desired, &scene("old+ new~ | old."), progress, None, NOW.checked_add(s(61)).unwrap());
    assert!(matches!(progress.phase, Phase::Back(_)), "{progress:#?}");
    assert_eq!(print(&actions), "h0 stop new1, h1 again old0");
}
