//! Whole stories from the first rollout to a bad patch.

use refit::journal::{Journal, Lock, SqliteJournal};
use refit::model::RunId;
use refit::plan::Change;
use refit::run::{Event, RunOutcome, Way};
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
    assert_eq!(not_rolled, ["web: api failed, and the run stops there"]);
    assert_eq!(world.running(), before);
    assert_eq!((world.on("api"), world.on("web")), (Some(1), Some(1)));
    // What was rolled back is not rolled again by itself, nor is what came with it, and the plan says so.
    let plan = world.plan(&Change::Everything).await;
    let held: Vec<String> = plan.held.iter().map(ToString::to_string).collect();
    assert_eq!(
        held,
        [
            "api stays on r1: r2 is in quarantine (1 of 2 slots failed; api@h2/0: its container exited with code 3); \
             `refit release r2 --unquarantine` lifts that",
            "web stays on r1: r2 is in quarantine (api failed); `refit release r2 --unquarantine` lifts that"
        ]
    );
    assert_eq!((plan.rolls.len(), plan.held_bases.len(), plan.held_bases[0].base.familiar().as_str()), (0, 1, "debian:12"));
    assert!(refit::report::plan(&plan, 1).contains("Hold\n  api stays on r1"), "{}", refit::report::plan(&plan, 1));
    // A person may.
    world.hosts.values().for_each(|host| host.state().fates.clear());
    assert_eq!(world.roll(Change::Release(refit::model::ReleaseNumber(2))).await, RunOutcome::Done);
    assert_eq!((world.on("api"), world.on("web")), (Some(2), Some(2)));
}

/// The order in which services began to roll and to go back: `api web <api`.
fn order(world: &World, run: u64) -> String {
    let began = world.events(run).into_iter().filter_map(|event| match event {
        Event::RolloutBegan { desired, way: Way::There, .. } => Some(desired.service.to_string()),
        Event::RolloutBegan { desired, way: Way::Back { .. }, .. } => Some(format!("<{}", desired.service)),
        _ => None,
    });
    began.collect::<Vec<_>>().join(" ")
}

#[tokio::test(start_paused = true)]
async fn what_the_run_had_rolled_before_one_that_fails_goes_back_too() {
    let world = World::rolled().await;
    let before = world.running();
    world.patch("bad");
    world.fate_of_web(2, Fate::Exits(Duration::from_millis(300), 3));
    let outcome = world.watched(world.roll(Change::Everything)).await;
    let (rolled_back, not_rolled) = back(&outcome);
    assert_eq!((rolled_back, not_rolled), (vec!["api".to_owned(), "web".to_owned()], Vec::new()));
    assert_eq!(order(&world, 2), "api web <api");
    assert_eq!(world.running(), before, "with their volumes");
    assert_eq!((world.on("api"), world.on("web")), (Some(1), Some(1)));
    world.check_that_all_was_released();
    // Neither is rolled again by itself.
    let plan = world.plan(&Change::Everything).await;
    assert_eq!((plan.rolls.len(), plan.held.len()), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn the_budget_says_how_many_may_fail_and_what_then() {
    for (run, expected, on) in [
        ("{ on_exceeded: stop }", "api web", (Some(2), Some(1))),
        ("{ max_failed_services: 1 }", "api web", (Some(2), Some(1))),
        ("{ max_failed_services: 0, on_exceeded: rollback }", "api web <api", (Some(1), Some(1))),
    ] {
        let world = World::rolled().await;
        world.yaml.lock().unwrap().push_str(&format!("run: {run}\n"));
        world.patch("bad");
        world.fate_of_web(2, Fate::NeverHealthy);
        back(&world.watched(world.roll(Change::Everything)).await);
        assert_eq!((order(&world, 2).as_str(), (world.on("api"), world.on("web"))), (expected, on), "{run}");
        assert_eq!(world.running().len(), 6);
    }
}

/// A first rollout has nothing to go back to: what is new is taken away, and nothing else.
#[tokio::test(start_paused = true)]
async fn a_first_rollout_that_is_taken_back_leaves_nothing() {
    let world = World::new();
    world.fate_of_web(1, Fate::NeverHealthy);
    let (rolled_back, _) = back(&world.roll(Change::Everything).await);
    assert_eq!(rolled_back, ["api", "web"]);
    assert_eq!((world.running().len(), world.on("api"), world.on("web")), (0, None, None));
}

#[tokio::test(start_paused = true)]
async fn what_a_service_depends_on_is_rolled_first_and_its_failure_stops_it() {
    let world = World::rolled().await;
    let yaml = world.yaml.lock().unwrap().replace("    image: api\n", "    image: api\n    depends_on: [web]\n");
    *world.yaml.lock().unwrap() = yaml + "run: { max_failed_services: 5 }\n";
    world.patch("patched");
    assert_eq!(world.watched(world.roll(Change::Everything)).await, RunOutcome::Done);
    assert_eq!(order(&world, 2), "web api");
    world.patch("bad");
    world.fate_of_web(3, Fate::NeverHealthy);
    let (rolled_back, not_rolled) = back(&world.watched(world.roll(Change::Everything)).await);
    assert_eq!((rolled_back, not_rolled), (vec!["web".to_owned()], vec!["api: it depends on web, which failed".to_owned()]));
}

/// The quarantine lasts until something newer comes, or a person lifts it.
#[tokio::test(start_paused = true)]
async fn what_is_in_quarantine_waits_for_something_newer_or_for_a_person() {
    for is_newer in [true, false] {
        let world = World::rolled().await;
        world.patch("bad");
        world.fate_of_web(2, Fate::NeverHealthy);
        back(&world.roll(Change::Everything).await);
        assert_eq!(world.roll(Change::Base(BASE.parse().unwrap())).await, RunOutcome::NothingToDo);
        // Images that were built again of the same are no newer ones.
        world.builder.state().images.clear();
        let again = world.roll(Change::Everything).await;
        assert!(matches!(again, RunOutcome::NothingToDo | RunOutcome::InPart { .. }), "{again:?}");
        assert_eq!((world.on("api"), world.on("web")), (Some(1), Some(1)));
        if is_newer {
            world.patch("newer");
        } else {
            world.hosts.values().for_each(|host| host.state().fates.clear());
            let by = "ann@desk".to_owned();
            let lifted = Event::Unquarantined { release: refit::model::ReleaseNumber(2), by };
            world.journal.append(RunId(2), world.now(), &lifted).await.unwrap();
        }
        assert_eq!(world.roll(Change::Everything).await, RunOutcome::Done, "newer: {is_newer}");
        assert_ne!((world.on("api"), world.on("web")), (Some(1), Some(1)));
        assert!(world.plan(&Change::Everything).await.held.is_empty());
    }
}

/// One slot of `web` sickens half a minute after it was first rolled.
async fn sick_web() -> World {
    let world = World::new();
    world.fate_of_web(1, Fate::Sickens(Duration::ZERO, Duration::from_secs(30)));
    assert_eq!(world.roll(Change::Everything).await, RunOutcome::Done);
    world.patch("patched");
    world
}

const SICK: &str =
    "web is sick already: 1 of 4 slots; web@h2/1: its container is unhealthy; `refit rollout web`, or `--sick` for all, rolls it all the same";

#[tokio::test(start_paused = true)]
async fn a_service_that_was_sick_before_is_rolled_only_if_asked_for() {
    let world = sick_web().await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let plan = world.plan(&Change::Everything).await;
    assert_eq!(plan.sick.iter().map(ToString::to_string).collect::<Vec<_>>(), [SICK]);
    assert_eq!(world.roll(Change::Everything).await, RunOutcome::Done);
    assert_eq!((world.on("api"), world.on("web")), (Some(2), Some(1)));
    // It sickens between the plan and the first container.
    let world = sick_web().await;
    let driver = world.driver();
    let recorder = world.begin(&driver, Change::Everything).await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let came = driver.carry_on(&recorder).await.unwrap();
    let refit::driver::CameTo::End(RunOutcome::InPart { missing }) = came else { panic!("{came:?}") };
    assert_eq!(missing, [format!("web: not rolled: {SICK}")]);
}

#[tokio::test(start_paused = true)]
async fn who_was_sick_before_is_not_blamed() {
    let world = sick_web().await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    world.fate_of_web(2, Fate::NeverHealthy);
    let driver = world.driver();
    let looked = driver.look(&Change::Everything).await.unwrap();
    let mut plan = refit::plan::plan(&looked.request(&driver, &Change::Everything)).unwrap();
    plan.rolls.iter_mut().for_each(|roll| roll.is_asked_for = true);
    driver.look_at_hosts(&mut plan).await.unwrap();
    assert!(plan.sick.is_empty() && plan.rolls[1].notes[0].starts_with("it is sick already"), "{plan:?}");
    let recorder = driver.begin(plan, "ann@desk", "refit rollout --sick").await.unwrap();
    let came = driver.carry_on(&recorder).await.unwrap();
    assert!(matches!(&came, refit::driver::CameTo::End(RunOutcome::RolledBack { services, .. }) if services.len() == 1), "{came:?}");
    assert_eq!((world.on("api"), world.on("web")), (Some(2), Some(1)), "api stays: nothing but web failed, and that was sick before");
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
    assert!(missing.iter().any(|line| line.starts_with("api: not rolled: api stays on r1: r2 is in quarantine")), "{missing:?}");
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
