//! What drifted from its release is put right by the next rollout, and nothing else is done with it.

use std::time::Duration;

use refit::model::ReleaseNumber;
use refit::plan::Change;
use refit::run::RunOutcome;
use refit::sim::Fate;

use crate::world::{START, World};

/// A person removes the container of one slot by force.
fn remove(world: &World, host: &str, service: &str) {
    let mut state = world.host(host).state();
    let id = state.machine.containers().find(|one| one.slot.service.as_str() == service).unwrap().id.clone();
    state.machine.remove_by_force(&id);
}

#[tokio::test(start_paused = true)]
async fn a_container_that_somebody_removed_is_put_back() {
    let world = World::rolled().await;
    let before = world.contents();
    remove(&world, "h1", "web");
    let plan = world.plan(&Change::Everything).await;
    assert_eq!(plan.rolls.len(), 1);
    assert_eq!((plan.rolls[0].repair, &plan.rolls[0].notes[..]), (Some(ReleaseNumber(1)), &["h1/0: no container; r1 is released".to_owned()][..]));
    assert_eq!(world.roll(Change::Everything).await, RunOutcome::Done);
    assert_eq!(world.contents(), before);
    assert!(world.plan(&Change::Everything).await.rolls.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_repair_never_rolls_what_was_rolled_back() {
    let world = World::rolled().await;
    let before = world.contents();
    world.patch("bad");
    world.fate(2, None, Fate::NeverHealthy);
    assert!(matches!(world.roll(Change::Everything).await, RunOutcome::RolledBack { .. }));
    remove(&world, "h1", "api");
    let plan = world.plan(&Change::Everything).await;
    let api = plan.rolls.iter().find(|roll| roll.service.as_str() == "api").unwrap();
    assert_eq!(api.repair, Some(ReleaseNumber(1)));
    assert_eq!(plan.held.len(), 1);
    let _ = world.roll(Change::Everything).await;
    assert!(world.contents().iter().all(|(slot, content)| *content == before[slot]));
    assert_eq!(world.on("api"), Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_silent_host_holds_up_no_repair_elsewhere() {
    let world = World::rolled().await;
    remove(&world, "h1", "web");
    world.host("h2").state().faults.silent.push((START, START + Duration::from_secs(100_000)));
    let plan = world.plan(&Change::Everything).await;
    assert_eq!(plan.rolls[0].hosts.iter().map(|count| count.host.to_string()).collect::<Vec<_>>(), ["h1"]);
    assert_eq!(world.roll(Change::Everything).await, RunOutcome::Done);
    world.host("h2").state().faults.silent.clear();
    assert_eq!(world.running().len(), 6);
}
