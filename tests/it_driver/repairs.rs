//! What drifted from its release is put right by the next rollout, and nothing else is done with it.

use std::time::Duration;

use refit::driver::CameTo;
use refit::journal::Journal;
use refit::model::{ReleaseNumber, RunId};
use refit::plan::Change;
use refit::rollout::Person;
use refit::run::{Event, RunOutcome};
use refit::sim::Fate;

use crate::world::{START, World};

/// A person removes the container of the first slot by force.
fn remove(world: &World, host: &str, service: &str) {
    let mut state = world.host(host).state();
    let id = state.machine.containers().find(|one| one.slot.service.as_str() == service && one.slot.index == 0).unwrap().id.clone();
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
    assert_eq!(plan.held.len(), 2);
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

/// Whatever else has moved waits for a rollout: converging builds nothing, and moves no channel.
#[tokio::test(start_paused = true)]
async fn a_drift_is_put_right_and_nothing_newer_comes_with_it() {
    let world = World::rolled().await;
    let before = world.contents();
    remove(&world, "h1", "web");
    world.patch("newer");
    let plan = world.plan(&Change::Drift).await;
    assert_eq!((plan.steps.len(), plan.rolls.len()), (0, 1));
    assert_eq!(world.roll(Change::Drift).await, RunOutcome::Done);
    assert_eq!(world.contents(), before);
    assert!(!world.events(2).iter().any(|event| matches!(event, Event::BuildBegan { .. } | Event::Released { .. })));
    assert!(world.plan(&Change::Drift).await.rolls.is_empty());
    assert!(!world.plan(&Change::Everything).await.steps.is_empty(), "the newer base still waits for a rollout");
}

/// What was repaired is what everything else runs: that a person ended the repair says nothing against it.
#[tokio::test(start_paused = true)]
async fn a_repair_that_a_person_ended_puts_nothing_into_quarantine() {
    let world = World::rolled().await;
    let before = world.contents();
    remove(&world, "h1", "web");
    let said = async {
        while !world.events(2).iter().any(|event| matches!(event, Event::ActionIntended { .. })) {
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        world.say(RunId(2), Person::Abort);
    };
    let driver = world.driver();
    let recorder = world.begin(&driver, Change::Everything).await.unwrap();
    let (came, ()) = tokio::join!(driver.carry_on(&recorder), said);
    let Ok(CameTo::End(RunOutcome::Stuck { why, .. })) = &came else { panic!("{came:?}") };
    assert!(why.contains("there is nothing to go back to"), "{why}");
    assert!(world.healthy("web") >= 3, "what ran is not taken away: {} of 4 run", world.healthy("web"));
    let web = &world.journal.service_states().unwrap()[&"web".parse().unwrap()];
    assert_eq!((web.current, web.quarantined.len()), (Some(ReleaseNumber(1)), 0), "{came:?}");
    assert!(world.plan(&Change::Everything).await.held.is_empty());
    let _ = world.roll(Change::Everything).await;
    assert_eq!(world.contents(), before, "the next rollout repairs it");
}

/// Two hosts of the estate are one machine: each slot is seen once, where it belongs, and what is missing on one is not found on the other.
#[tokio::test(start_paused = true)]
async fn hosts_that_share_an_engine_are_told_apart() {
    let mut world = World::new();
    let shared = world.host("h1").clone();
    world.hosts.insert("h2".parse().unwrap(), shared);
    assert_eq!(world.roll(Change::Everything).await, RunOutcome::Done);
    let told = async || {
        let driver = world.driver();
        let statuses = driver.status(&driver.see_hosts().await, &driver.expected().unwrap());
        let line = |status: &refit::rollout::SlotStatus| {
            let drift = status.drift.as_deref().map(|drift| format!(" ({drift})")).unwrap_or_default();
            format!("{}@{}/{} {}{drift}", status.service, status.host, status.index, status.health)
        };
        statuses.iter().map(line).collect::<Vec<_>>()
    };
    let well = ["api@h1/0 healthy", "api@h2/0 healthy", "web@h1/0 healthy", "web@h1/1 healthy", "web@h2/0 healthy", "web@h2/1 healthy"];
    assert_eq!(told().await, well);
    {
        let mut state = world.host("h1").state();
        let id = state.machine.containers().find(|one| one.slot.to_string() == "api@h2/0").unwrap().id.clone();
        state.machine.remove_by_force(&id);
    }
    assert_eq!(told().await[..2], ["api@h1/0 healthy", "api@h2/0 missing (no container; r1 is released)"]);
    assert_eq!(world.roll(Change::Everything).await, RunOutcome::Done);
    assert_eq!(told().await, well);
}

/// To the engine a container without a check of its own is well for as long as it runs: whether it serves only the probe can tell. It is no drift.
#[tokio::test(start_paused = true)]
async fn a_service_that_refit_probes_is_shown_as_its_probe_says() {
    let world = World::new();
    let probed = world
        .yaml
        .lock()
        .unwrap()
        .replace("    image: api\n", "    image: api\n    healthcheck: { command: [serves], interval: 1s, start_period: 5s }\n");
    *world.yaml.lock().unwrap() = probed;
    assert_eq!(world.roll(Change::Everything).await, RunOutcome::Done);
    let told = async || {
        let driver = world.driver();
        let statuses = driver.status(&driver.see_health().await.unwrap(), &driver.expected().unwrap());
        assert!(driver.plan_repair(&driver.see_health().await.unwrap()).unwrap().rolls.is_empty(), "a failed probe begins no repair");
        let of = |host: &str| statuses.iter().find(|one| one.service.as_str() == "api" && one.host.as_str() == host).unwrap().clone();
        let [h1, h2] = ["h1", "h2"].map(of);
        assert_eq!((h2.health, h2.why), ("healthy", None));
        assert!(
            statuses.iter().filter(|one| one.service.as_str() == "web").all(|one| one.is_well() || one.health == "unknown"),
            "it has no probe: {statuses:?}"
        );
        (h1.health, h1.why)
    };
    assert_eq!(told().await, ("healthy", None));
    {
        let mut state = world.host("h1").state();
        let ids: Vec<String> = state.machine.containers().map(|one| one.id.clone()).collect();
        state.unwell.extend(ids.into_iter().map(|id| (id, "exit code 1: no answer".to_owned())));
    }
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(told().await, ("unhealthy", Some("exit code 1: no answer".to_owned())));
    // Whoever was started just now may take its time.
    {
        let (mut state, now) = (world.host("h1").state(), world.now());
        let id = state.machine.containers().find(|one| one.slot.service.as_str() == "api").unwrap().id.clone();
        state.machine.stop(&id, now).unwrap();
        state.machine.start(&id, now).unwrap();
    }
    assert_eq!(told().await, ("starting", None));
    // An engine that is silent is unknown, and the others are told all the same.
    world.host("h1").state().faults.silent.push((START, START + Duration::from_secs(100_000)));
    assert_eq!(told().await.0, "unknown");
}
