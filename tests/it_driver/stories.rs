//! Whole stories from the first rollout to a bad patch.

use refit::journal::{Journal, Lock, SqliteJournal};
use refit::model::RunId;
use refit::plan::Change;
use refit::run::{Event, RunOutcome};
use refit::sim::Fate;
use std::sync::Arc;
use std::time::Duration;

use crate::world::{BASE, START, World};

fn back(outcome: &RunOutcome) -> (Vec<String>, Vec<String>) {
    let RunOutcome::RolledBack { services, not_rolled } = outcome else { panic!("{outcome:?}") };
    (services.keys().map(ToString::to_string).collect(), not_rolled.iter().map(|(service, why)| format!("{service}: {why}")).collect())
}

#[tokio::test(start_paused = true)]
async fn a_patched_base_cascades_and_reaches_every_slot() {
    let world = World::rolled().await;
    let before = world.running();
    assert_eq!(before.len(), 6);
    world.patch("patched");
    assert_eq!(world.watched(world.roll(Change::Base(BASE.parse().unwrap()))).await, RunOutcome::Done);
    assert_eq!(world.builds(2).values().copied().collect::<Vec<_>>(), ["built"; 4]);
    let after = world.running();
    for (slot, (layers, volume)) in &after {
        assert_ne!(*layers, before[slot].0, "{slot} is as it was");
        assert_eq!(*volume, before[slot].1, "invariant 4: the anonymous volume of {slot} moves on");
    }
    assert_eq!((world.on("api"), world.on("web")), (Some(2), Some(2)));
    world.check_that_all_was_released();
    assert_eq!(world.roll(Change::Everything).await, RunOutcome::NothingToDo);
}

#[tokio::test(start_paused = true)]
async fn a_bad_patch_goes_back_and_what_comes_after_it_is_not_rolled() {
    let world = World::rolled().await;
    let before = world.running();
    world.patch("bad");
    world.fate(2, Some("h2"), Fate::Exits(Duration::from_millis(300), 3));
    let outcome = world.watched(world.roll(Change::Everything)).await;
    let (rolled_back, not_rolled) = back(&outcome);
    assert_eq!(rolled_back, ["api"]);
    assert_eq!(not_rolled, ["web: api had to go back, and the run stops there"]);
    assert_eq!(world.running(), before);
    assert_eq!((world.on("api"), world.on("web")), (Some(1), Some(1)));
    // What was rolled back is not rolled again by itself, and the plan says so; what was not rolled is.
    let plan = world.plan(&Change::Everything).await;
    let held: Vec<String> = plan.held.iter().map(ToString::to_string).collect();
    assert_eq!(
        held,
        ["api stays on r1: r2 was rolled back (1 of 2 slots failed; api@h2/0: its container exited with code 3); \
          `refit rollout api --release r2` rolls it again"]
    );
    assert_eq!(plan.rolls.iter().map(|roll| roll.service.to_string()).collect::<Vec<_>>(), ["web"]);
    assert!(refit::report::plan(&plan, 1).contains("Hold\n  api stays on r1"), "{}", refit::report::plan(&plan, 1));
    // A person may.
    world.hosts.values().for_each(|host| host.state().fates.clear());
    assert_eq!(world.roll(Change::Release(refit::model::ReleaseNumber(2))).await, RunOutcome::Done);
    assert_eq!((world.on("api"), world.on("web")), (Some(2), Some(2)));
}

#[tokio::test(start_paused = true)]
async fn a_build_that_comes_out_as_what_was_rolled_back_is_not_rolled_either() {
    let world = World::rolled().await;
    world.patch("bad");
    world.fate(2, None, Fate::NeverHealthy);
    back(&world.roll(Change::Everything).await);
    world.dockerfile("api", "# a comment\nFROM base\nRUN make api\n");
    let outcome = world.roll(Change::Everything).await;
    let RunOutcome::InPart { missing } = &outcome else { panic!("{outcome:?}") };
    assert_eq!(world.builds(3)["api"], "unchanged");
    assert!(missing.iter().any(|line| line.starts_with("api: not rolled: api stays on r1: r2 was rolled back")), "{missing:?}");
    assert_eq!(world.on("api"), Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_parent_that_comes_out_as_it_was_leaves_its_dependents_alone() {
    let world = World::rolled().await;
    let before = world.running();
    world.dockerfile("base", "# a comment\nFROM debian:12\nRUN apt-get update\n");
    assert_eq!(world.roll(Change::Everything).await, RunOutcome::Done);
    assert_eq!(world.builds(2)["base"], "unchanged");
    assert!(["api", "web", "tools"].iter().all(|image| world.builds(2)[*image] == "unchanged"));
    let began = world.events(2).into_iter().filter(|event| matches!(event, Event::BuildBegan { .. })).count();
    assert_eq!(began, 1, "only the base is built");
    assert_eq!(world.running(), before);
    assert!(!world.events(2).iter().any(|event| matches!(event, Event::RolloutBegan { .. })), "nothing is rolled that is as it was");
}

#[tokio::test(start_paused = true)]
async fn a_failed_build_stops_its_dependents_and_nothing_else() {
    let world = World::rolled().await;
    let before = world.contents();
    world.patch("patched");
    world.dockerfile("api", "FROM base\nRUN false\n");
    let outcome = world.watched(world.roll(Change::Everything)).await;
    let RunOutcome::BuildsFailed { images, not_rolled } = &outcome else { panic!("{outcome:?}") };
    assert_eq!(images.iter().map(ToString::to_string).collect::<Vec<_>>(), ["api"]);
    assert_eq!(not_rolled.values().collect::<Vec<_>>(), ["its image api failed to build"]);
    let after = world.contents();
    assert!(after.iter().all(|(slot, content)| (*content == before[slot]) == slot.starts_with("api")), "{after:?}");
    world.dockerfile("base", "FROM debian:12\nRUN false\n");
    let outcome = world.roll(Change::Everything).await;
    assert!(matches!(&outcome, RunOutcome::BuildsFailed { not_rolled, .. } if not_rolled.len() == 2), "{outcome:?}");
    assert_eq!(
        world.builds(3).into_iter().collect::<Vec<_>>(),
        [("api", "skipped"), ("base", "failed"), ("tools", "skipped"), ("web", "skipped")].map(|(image, word)| (image.to_owned(), word))
    );
    assert_eq!(world.contents(), after);
}

#[tokio::test(start_paused = true)]
async fn an_image_that_fails_its_test_is_not_released() {
    let world = World::rolled().await;
    let broken = world.yaml.lock().unwrap().replace(r#"run: ["true"]"#, r#"run: ["false"]"#);
    *world.yaml.lock().unwrap() = broken;
    world.patch("patched");
    let outcome = world.roll(Change::Everything).await;
    assert!(matches!(&outcome, RunOutcome::BuildsFailed { images, .. } if images.len() == 1), "{outcome:?}");
    assert_eq!((world.on("api"), world.on("web")), (Some(2), Some(1)));
}

#[tokio::test(start_paused = true)]
async fn a_host_that_does_not_answer_beforehand_ends_the_run_before_anything_changed() {
    let world = World::rolled().await;
    let before = world.running();
    world.patch("patched");
    let for_ever = (START, START + Duration::from_secs(100_000));
    let driver = world.driver();
    let recorder = world.begin(&driver, Change::Everything).await.unwrap();
    world.host("h2").state().faults.silent.push(for_ever);
    let error = driver.carry_on(&recorder).await.unwrap_err();
    assert_eq!(error.to_string(), "1 of 2 hosts cannot be rolled to; nothing was changed on any host");
    assert!(matches!(world.events(2).last(), Some(Event::RunEnded { outcome: RunOutcome::Refused { .. } })));
    world.host("h2").state().faults.silent.clear();
    assert_eq!(world.running(), before);
    assert_eq!(world.roll(Change::Everything).await, RunOutcome::Done);
    assert_eq!(world.builds(3).len(), 0, "what was built is there");
}

#[tokio::test(start_paused = true)]
async fn the_journal_on_disk_serves_as_well() {
    let world = World::new();
    // Virtual time runs on while a real disk writes.
    let patient = world.yaml.lock().unwrap().replace("healthy_deadline: 10s", "healthy_deadline: 10h");
    *world.yaml.lock().unwrap() = patient;
    let state = world.folder.path().join("state");
    std::fs::create_dir(&state).unwrap();
    let open = || {
        let lock = Lock::take(&state, START, "refit rollout").unwrap();
        Arc::new(SqliteJournal::open_to_write(&state, lock).unwrap())
    };
    let journal = open();
    let driver = world.driver_with(journal.clone());
    let recorder = world.begin(&driver, Change::Everything).await.unwrap();
    // It is killed a little later than the first build takes.
    let _ = tokio::time::timeout(Duration::from_millis(2_500), driver.carry_on(&recorder)).await;
    drop((driver, recorder));
    // A write that was under way ends first, as it would on its way to the disk.
    while Arc::strong_count(&journal) > 1 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    drop(journal);
    let journal = open();
    let driver = world.driver_with(journal.clone());
    let recorder = driver.take_up(RunId(1), "bob@desk").await.unwrap();
    driver.carry_on(&recorder).await.unwrap();
    assert_eq!(journal.run(RunId(1)).unwrap().unwrap().outcome, Some(RunOutcome::Done));
    assert_eq!(journal.verify().unwrap().broken, None);
    assert_eq!(world.running().len(), 6);
}

#[tokio::test(start_paused = true)]
async fn what_would_be_lost_is_told_of_all_slots_before_anything_is_touched() {
    let world = World::rolled().await;
    let before = world.running();
    for (host, file) in [("h1", "/srv/one"), ("h2", "/srv/two")] {
        let engine = &world.hosts[&host.parse().unwrap()];
        let id = engine.state().machine.containers().find(|one| one.slot.service.as_str() == "web").unwrap().id.clone();
        engine.state().written.insert(id, vec!["/tmp/x".to_owned(), file.to_owned()]);
    }
    world.patch("patched");
    let driver = world.driver();
    let recorder = world.begin(&driver, Change::Everything).await.unwrap();
    let refused = driver.carry_on(&recorder).await.unwrap_err().to_string();
    assert!(refused.contains("nothing was changed on any host"), "{refused}");
    assert!(refused.contains("would be lost: /srv/one") && refused.contains("would be lost: /srv/two"), "{refused}");
    assert_eq!((world.running(), world.on("api"), world.on("web")), (before, Some(1), Some(1)));
}

#[tokio::test(start_paused = true)]
async fn a_container_on_other_networks_than_asked_fails_its_slot() {
    let world = World::rolled().await;
    let before = world.running();
    world.hosts[&"h2".parse().unwrap()].state().networks = Some(Vec::new());
    world.patch("patched");
    let RunOutcome::RolledBack { services, .. } = world.roll(Change::Everything).await else { panic!("it went on") };
    let why = services.values().next().unwrap();
    assert!(why.contains("its networks are not as asked: asked for network shop_default, is not on it"), "{why}");
    assert_eq!(world.running(), before);
}
