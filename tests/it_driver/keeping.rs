//! What is kept and what goes: prunes, files that move on, and volumes that are copied and put back, refit dying at any event included.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use refit::driver::{CameTo, DriverError, WayBack};
use refit::edge::Clock;
use refit::journal::{ImageRow, Inventories, Journal};
use refit::model::{Digest, HostName, ReleaseNumber, RunId};
use refit::pipeline::Order;
use refit::plan::{Change, Restore};
use refit::rollout::{Action, Person};
use refit::run::{Event, RunOutcome, Way};
use refit::sim::Fate;

use crate::dying::{Death, DyingJournal};
use crate::world::{SHOP, World};

/// `web` writes a volume, once on each host.
fn keeping(data: &str) -> String {
    let web = format!("    image: web\n    volumes: [\"data:/data\"]\n    data: {data}\n");
    SHOP.replace("      replicas: 2\n", "").replace("    image: web\n", &web) + "volumes: { data: }\n"
}

fn keep(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

/// Five releases, all of them rolled.
async fn five_releases() -> World {
    let world = World::rolled().await;
    for level in ["second", "third", "fourth", "fifth"] {
        world.patch(level);
        assert_eq!(world.roll(Change::Everything).await, RunOutcome::Done);
    }
    world
}

/// Rolls what is new on one of the two hosts only.
async fn roll_on_h1(world: &World, level: &str) {
    world.patch(level);
    let driver = world.driver();
    let mut plan = world.plan(&Change::Everything).await;
    plan.narrow(&[], Some(&["h1".parse().unwrap()].into()), &driver.estate);
    let recorder = driver.begin(plan, "ann@desk", "refit rollout --hosts h1").await.unwrap();
    assert_eq!(driver.carry_on(&recorder).await.unwrap(), CameTo::End(RunOutcome::Done));
}

async fn prune(world: &World, number: u32) -> RunOutcome {
    let driver = world.driver();
    let recorder = driver.begin_prune(keep(number), "ann@desk", "refit prune").await.unwrap();
    match driver.carry_on(&recorder).await.unwrap() {
        CameTo::End(outcome) => outcome,
        other => panic!("{other:?}"),
    }
}

fn images(world: &World, host: &str) -> usize {
    world.host(host).state().images.len()
}

#[tokio::test(start_paused = true)]
async fn a_prune_leaves_what_is_needed_and_says_which_host_is_silent() {
    let world = five_releases().await;
    assert_eq!((images(&world, "h1"), images(&world, "h2")), (10, 10), "api and web of five releases");
    let on_builder = world.builder.state().images.len();
    let serving = world.contents();
    let silent = (world.clock.now(), world.clock.now() + Duration::from_secs(60));
    world.host("h2").state().faults.silent.push(silent);
    let RunOutcome::InPart { missing } = prune(&world, 2).await else { panic!("one host is silent") };
    assert!(missing.len() == 1 && missing[0].starts_with("h2: "), "{missing:?}");
    assert_eq!((images(&world, "h1"), images(&world, "h2")), (4, 10));
    world.clock.sleep(Duration::from_secs(70)).await;
    assert_eq!(prune(&world, 2).await, RunOutcome::Done);
    assert_eq!((images(&world, "h1"), images(&world, "h2")), (4, 4));
    assert!(world.builder.state().images.len() < on_builder);
    assert_eq!(prune(&world, 2).await, RunOutcome::NothingToDo);
    assert_eq!(world.contents(), serving);
    // Back to the one before, which a prune that keeps two promises, and on with a new base.
    assert_eq!(world.roll(Change::Release(ReleaseNumber(4))).await, RunOutcome::Done);
    world.patch("sixth");
    assert_eq!(world.roll(Change::Everything).await, RunOutcome::Done);
    world.check_that_all_was_released();
}

#[tokio::test(start_paused = true)]
async fn a_prune_leaves_what_the_next_rollout_would_go_back_to() {
    let world = World::rolled().await;
    roll_on_h1(&world, "second").await;
    roll_on_h1(&world, "third").await;
    assert_eq!(prune(&world, 1).await, RunOutcome::Done);
    world.patch("fourth");
    world.fate(4, None, Fate::NeverHealthy);
    let outcome = world.roll(Change::Everything).await;
    assert!(matches!(outcome, RunOutcome::RolledBack { .. }), "{outcome:?}");
    assert_eq!((world.healthy("api"), world.healthy("web")), (2, 4));
}

#[tokio::test(start_paused = true)]
async fn who_names_no_release_goes_back_to_one_that_was_whole() {
    let world = World::rolled().await;
    roll_on_h1(&world, "second").await;
    world.patch("third");
    assert_eq!(world.roll(Change::Everything).await, RunOutcome::Done);
    let ways = world.driver().ways_back(None).unwrap();
    let shown: Vec<String> = ways.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["api: on r3, can go back to r2 (in part), r1", "web: on r3, can go back to r2 (in part), r1"]);
    assert_eq!(WayBack::newest(&ways), Some(ReleaseNumber(1)));
}

#[tokio::test(start_paused = true)]
async fn a_prune_forgets_what_was_in_images_that_were_never_released_and_are_gone() {
    let world = five_releases().await;
    let mut events = Vec::new();
    for number in 1..=5 {
        events.extend(world.journal.events(RunId(number)).unwrap());
    }
    let inventories = Arc::new(Inventories::in_memory(&events).unwrap());
    let first = world.journal.release(ReleaseNumber(1)).unwrap().unwrap();
    let (image, base) = first.images.values().find_map(|image| Some((image.id, *image.bases.values().next()?))).unwrap();
    let on_builder = *world.builder.state().images.keys().next().unwrap();
    let tried = Digest::of(b"tried out");
    for id in [image, base, on_builder, tried] {
        inventories.keep(&ImageRow { id, names: Default::default() }, &[], &Default::default(), world.clock.now()).unwrap();
    }
    let mut driver = world.driver();
    driver.inventories = Some(inventories.clone());
    let recorder = driver.begin_prune(keep(1), "ann@desk", "refit prune").await.unwrap();
    assert!(matches!(driver.carry_on(&recorder).await.unwrap(), CameTo::End(RunOutcome::Done)));
    let is_known = |id| inventories.contents(id).unwrap().is_some();
    assert_eq!([image, base, on_builder, tried].map(is_known), [true, true, true, false], "releases are told of long after their images are gone");
}

#[tokio::test(start_paused = true)]
async fn a_prune_that_dies_is_taken_up_wherever_it_was() {
    for event in 1..12 {
        let world = five_releases().await;
        let dying = DyingJournal::new(world.journal.clone(), Death::After(event));
        let driver = world.driver_with(dying.clone());
        let work = async {
            let recorder = driver.begin_prune(keep(1), "ann@desk", "refit prune").await.unwrap();
            driver.carry_on(&recorder).await.unwrap()
        };
        let is_over = dying.until_death(work).await.is_some();
        for run in world.journal.unfinished().unwrap() {
            let came = world.take_up(run).await.unwrap();
            assert!(matches!(came, CameTo::End(RunOutcome::Done | RunOutcome::NothingToDo)), "{came:?}");
        }
        assert_eq!((images(&world, "h1"), images(&world, "h2")), (2, 2), "died after event {event}");
        world.running();
        if is_over {
            return;
        }
    }
    panic!("a prune has more events than this");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_paused_loses_nothing_to_a_prune() {
    let world = five_releases().await;
    world.patch("sixth");
    let driver = world.driver();
    let recorder = world.begin(&driver, Change::Everything).await.unwrap();
    let run = recorder.run();
    world.say(run, Person::Pause);
    assert!(matches!(driver.carry_on(&recorder).await.unwrap(), CameTo::Pause { .. }));
    prune(&world, 1).await;
    assert_eq!(world.resume(run).await.unwrap(), CameTo::End(RunOutcome::Done));
    assert_eq!(world.on("web"), Some(6));
}

/// One run, which dies when so many events are durable and is taken up then. Says whether it had ended before.
async fn dying_run(world: &World, death: i64, plan: refit::plan::Plan) -> Result<bool, DriverError> {
    let dying = DyingJournal::new(world.journal.clone(), Death::After(death));
    let driver = world.driver_with(dying.clone());
    let work = async {
        let recorder = driver.begin(plan, "ann@desk", "refit rollout").await?;
        driver.carry_on(&recorder).await
    };
    let is_over = dying.until_death(work).await.transpose()?.is_some();
    for run in world.journal.unfinished().unwrap() {
        // Killed before it had a plan, it is refused; the next one does it.
        world.take_up(run).await?;
    }
    Ok(is_over)
}

/// What a container of this service on this host has written outside its volumes, by the container's release.
fn written(world: &World, host: &str, service: &str) -> BTreeMap<u64, Vec<String>> {
    let state = world.host(host).state();
    let of = state.machine.containers().filter(|one| one.slot.service.as_str() == service);
    of.map(|one| (one.version.release.0, state.written.get(&one.id).cloned().unwrap_or_default())).collect()
}

/// All containers of this service write a file outside their volumes, and one that nobody misses.
fn write(world: &World, service: &str) {
    for host in ["h1", "h2"] {
        let mut state = world.host(host).state();
        let ids: Vec<String> = state.machine.containers().filter(|one| one.slot.service.as_str() == service).map(|one| one.id.clone()).collect();
        ids.into_iter().for_each(|id| drop(state.written.insert(id, vec!["/srv/mine".into(), "/tmp/harmless".into()])));
    }
}

#[tokio::test(start_paused = true)]
async fn files_move_on_wherever_refit_dies() {
    for death in 3..200 {
        let world = World::new();
        *world.yaml.lock().unwrap() = keeping("adopt");
        assert_eq!(world.roll(Change::Everything).await, RunOutcome::Done);
        write(&world, "web");
        world.patch("second");
        let plan = world.plan(&Change::Everything).await;
        let is_over = dying_run(&world, death, plan).await.unwrap();
        world.running();
        assert_eq!(world.on("web"), Some(2), "died after event {death}");
        for host in ["h1", "h2"] {
            let state = world.host(host).state();
            let web = state.machine.containers().find(|one| one.slot.service.as_str() == "web").unwrap();
            let written = &state.written[&web.id];
            assert!(written.iter().all(|path| path == "/srv/mine") && !written.is_empty(), "died after event {death}: {written:?}");
        }
        if is_over {
            return;
        }
    }
    panic!("a run has more events than this");
}

/// A service whose files moved on is taken back because another one failed: the container that they came from is gone by then. Tells at which event
/// of the run its way back began, and whether the run ended without a death.
async fn files_that_move_back(death: i64) -> (i64, bool) {
    let world = World::new();
    *world.yaml.lock().unwrap() = SHOP.replace("    image: api\n", "    image: api\n    data: adopt\n");
    assert_eq!(world.roll(Change::Everything).await, RunOutcome::Done);
    write(&world, "api");
    world.patch("second");
    world.fate_of_web(2, Fate::NeverHealthy);
    let plan = world.plan(&Change::Everything).await;
    let is_over = dying_run(&world, death, plan).await.unwrap();
    world.running();
    assert_eq!(world.on("api"), Some(1), "died after event {death}");
    for host in ["h1", "h2"] {
        let written = written(&world, host, "api");
        assert!(written[&1].iter().any(|path| path == "/srv/mine"), "died after event {death}: {written:?}");
    }
    let began = world.events(2).iter().position(|event| matches!(event, Event::RolloutBegan { way: Way::Back { .. }, .. }));
    (i64::try_from(began.unwrap()).unwrap(), is_over)
}

#[tokio::test(start_paused = true)]
async fn files_move_back_with_a_run_that_goes_back_wherever_refit_dies() {
    // Deaths before the way back are other tests' business.
    let (way_back, _) = files_that_move_back(i64::MAX).await;
    for death in way_back..way_back + 200 {
        if files_that_move_back(death).await.1 {
            return;
        }
    }
    panic!("a way back has more events than this");
}

/// The second run. While containers of `web` are being stopped, which takes a while, something happens.
async fn while_web_stops(world: &World, happens: impl FnOnce()) -> CameTo {
    world.hosts.values().for_each(|host| host.state().faults.stop_takes = Duration::from_secs(2));
    let driver = world.driver();
    let recorder = world.begin(&driver, Change::Everything).await.unwrap();
    let is_stop = |event: &Event| matches!(event, Event::ActionIntended { action: Action::Stop { slot, .. } } if slot.service.as_str() == "web");
    let meanwhile = async {
        while !world.events(2).iter().any(is_stop) {
            world.clock.sleep(Duration::from_millis(50)).await;
        }
        happens();
    };
    let (came, ()) = tokio::join!(driver.carry_on(&recorder), meanwhile);
    came.unwrap()
}

/// The same, and a person says pause.
async fn paused_while_web_stops(world: &World, happens: impl FnOnce()) {
    let happens_and_paused = || {
        happens();
        world.say(RunId(2), Person::Pause);
    };
    let came = while_web_stops(world, happens_and_paused).await;
    assert!(matches!(came, CameTo::Pause { .. }), "{came:?}");
}

#[tokio::test(start_paused = true)]
async fn files_move_on_in_a_pause_that_comes_while_the_old_container_stops() {
    let world = World::new();
    *world.yaml.lock().unwrap() = keeping("adopt");
    assert_eq!(world.roll(Change::Everything).await, RunOutcome::Done);
    world.patch("second");
    paused_while_web_stops(&world, || write(&world, "web")).await;
    assert_eq!(world.resume(RunId(2)).await.unwrap(), CameTo::End(RunOutcome::Done));
    world.running();
    for host in ["h1", "h2"] {
        assert_eq!(written(&world, host, "web"), BTreeMap::from([(2, vec!["/srv/mine".to_owned()])]), "{host}");
    }
}

#[tokio::test(start_paused = true)]
async fn volumes_are_copied_in_a_pause_that_comes_while_the_old_container_stops() {
    let world = World::new();
    *world.yaml.lock().unwrap() = keeping("{ snapshot: before }");
    assert_eq!(world.roll(Change::Everything).await, RunOutcome::Done);
    fill(&world, "first");
    world.patch("second");
    paused_while_web_stops(&world, || ()).await;
    for host in ["h1", "h2"] {
        assert_eq!(volume(&world, host, "shop_data.before-run-2"), format!("first of {host}"));
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_old_container_wrote_as_it_stopped_is_looked_at_in_a_pause_too() {
    let world = World::new();
    *world.yaml.lock().unwrap() = keeping("refuse");
    assert_eq!(world.roll(Change::Everything).await, RunOutcome::Done);
    world.patch("second");
    paused_while_web_stops(&world, || write(&world, "web")).await;
    let is_refused = |event: &Event| matches!(event, Event::SlotFailed { verdict, .. } if verdict.to_string().contains("would be lost: /srv/mine"));
    assert_eq!(world.events(2).iter().filter(|event| is_refused(event)).count(), 2, "one on each host");
    for host in ["h1", "h2"] {
        assert_eq!(written(&world, host, "web").keys().copied().collect::<Vec<_>>(), [1], "{host}: nothing was put in its place");
    }
    world.say(RunId(2), Person::Abort);
    world.take_up(RunId(2)).await.unwrap();
    world.running();
    assert!(["h1", "h2"].iter().all(|host| written(&world, host, "web")[&1][0] == "/srv/mine"));
}

fn volume(world: &World, host: &str, name: &str) -> String {
    world.host(host).state().volumes.get(name).cloned().unwrap_or_default()
}

fn fill(world: &World, content: &str) {
    for host in ["h1", "h2"] {
        world.host(host).state().volumes.insert("shop_data".into(), format!("{content} of {host}"));
    }
}

#[tokio::test(start_paused = true)]
async fn data_is_not_put_back_over_while_another_service_writes_it() {
    let world = World::new();
    *world.yaml.lock().unwrap() = keeping("{ snapshot: before }");
    assert_eq!(world.roll(Change::Everything).await, RunOutcome::Done);
    fill(&world, "first");
    world.patch("second");
    assert_eq!(world.roll(Change::Everything).await, RunOutcome::Done);
    *world.yaml.lock().unwrap() = keeping("discard").replace("    image: api\n", "    image: api\n    volumes_from: [web]\n");
    let driver = world.driver();
    let (web, release) = (&driver.estate.services[&"web".parse().unwrap()], driver.release(ReleaseNumber(1)).unwrap());
    let error = driver.restores(web, ReleaseNumber(1), &release.services[&web.name]).await.unwrap_err();
    let DriverError::Several { lines, .. } = &error else { panic!("{error:?}") };
    assert_eq!(lines[..], ["api writes volume shop_data too, on the same host, and does not stop while it is put back"]);
}

#[tokio::test(start_paused = true)]
async fn data_is_copied_and_put_back_wherever_refit_dies() {
    for death in 3..200 {
        let world = World::new();
        *world.yaml.lock().unwrap() = keeping("{ snapshot: before }");
        assert_eq!(world.roll(Change::Everything).await, RunOutcome::Done);
        fill(&world, "first");
        world.patch("second");
        assert_eq!(world.roll(Change::Everything).await, RunOutcome::Done);
        fill(&world, "second");
        let driver = world.driver();
        let mut plan = world.plan(&Change::Release(ReleaseNumber(1))).await;
        for roll in &mut plan.rolls {
            let (service, release) = (&driver.estate.services[&roll.service], driver.release(ReleaseNumber(1)).unwrap());
            if roll.service.as_str() == "web" {
                roll.restore = driver.restores(service, ReleaseNumber(1), &release.services[&roll.service]).await.unwrap();
            }
        }
        let expected =
            |host: &str| Restore { host: host.parse::<HostName>().unwrap(), volume: "shop_data".into(), copy: "shop_data.before-run-2".into() };
        let web = plan.rolls.iter().find(|roll| roll.service.as_str() == "web").unwrap();
        assert_eq!(web.restore, [expected("h1"), expected("h2")]);
        let is_over = dying_run(&world, death, plan).await.unwrap();
        assert_eq!(world.on("web"), Some(1), "died after event {death}");
        world.running();
        for host in ["h1", "h2"] {
            assert_eq!(volume(&world, host, "shop_data"), format!("first of {host}"), "died after event {death}");
            assert_eq!(volume(&world, host, "shop_data.before-run-2"), format!("first of {host}"));
            assert_eq!(volume(&world, host, "shop_data.before-run-3"), format!("second of {host}"), "died after event {death}");
        }
        let copied = world.events(3).into_iter().filter(|event| matches!(event, Event::Copied { .. })).count();
        assert_eq!(copied, 4, "each copy once, proven");
        if is_over {
            return;
        }
    }
    panic!("a run has more events than this");
}

#[tokio::test(start_paused = true)]
async fn data_that_nobody_copied_cannot_be_put_back() {
    let world = World::new();
    *world.yaml.lock().unwrap() = keeping("{ snapshot: before }");
    assert_eq!(world.roll(Change::Everything).await, RunOutcome::Done);
    let driver = world.driver();
    let release = driver.release(ReleaseNumber(1)).unwrap();
    let service = &driver.estate.services[&"web".parse().unwrap()];
    let refused = driver.restores(service, ReleaseNumber(1), &release.services[&service.name]).await.unwrap_err().to_string();
    assert!(refused.contains("h1 has no copy of volume shop_data from when web was on r1") && refused.contains("h2 has no copy"), "{refused}");
}

/// `web` has one slot on each host, where it had two.
fn fewer(data: &str) -> String {
    SHOP.replace("      replicas: 2\n", "").replace("    image: web\n", &format!("    image: web\n    data: {data}\n"))
}

#[tokio::test(start_paused = true)]
async fn a_slot_that_is_no_more_does_not_take_its_files_along() {
    for (data, is_newer) in [("refuse", false), ("adopt", false), ("adopt", true)] {
        let world = World::rolled().await;
        write(&world, "web");
        *world.yaml.lock().unwrap() = fewer(data);
        if is_newer {
            world.patch("second");
        }
        let driver = world.driver();
        let recorder = world.begin(&driver, Change::Everything).await.unwrap();
        let Err(DriverError::WouldLoseData { problems }) = driver.carry_on(&recorder).await else { panic!("{data}: files would be lost") };
        let lost = |slot: &str| problems.iter().any(|line| line.starts_with(slot) && line.contains("would be lost: /srv/mine"));
        assert!(problems.len() == 2 && lost("web@h1/1") && lost("web@h2/1"), "{data}: {problems:?}");
        assert_eq!(world.healthy("web"), 4, "{data}: nothing was touched");
        *world.yaml.lock().unwrap() = fewer("discard");
        assert_eq!(world.roll(Change::Everything).await, RunOutcome::Done);
        assert_eq!((world.healthy("web"), world.running_of("web").len()), (2, 2));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_swept_with_its_slot_is_looked_at_once_more_when_it_has_stopped() {
    let world = World::rolled().await;
    *world.yaml.lock().unwrap() = fewer("refuse");
    let came = while_web_stops(&world, || write(&world, "web")).await;
    assert_eq!(came, CameTo::End(RunOutcome::Done));
    let is_refused = |event: &Event| matches!(event, Event::ActionEnded { action: Action::Remove { .. }, error: Some(error), .. } if error.contains("would be lost: /srv/mine"));
    assert_eq!(world.events(2).iter().filter(|event| is_refused(event)).count(), 2, "one on each host");
    let there = |host: &str| world.host(host).state().machine.containers().filter(|one| one.slot.service.as_str() == "web").count();
    assert_eq!((there("h1"), there("h2")), (2, 2), "stopped, and kept");
}

/// Whoever had the anonymous volume first, it is in the containers that run, and in those that take their place.
#[tokio::test(start_paused = true)]
async fn two_containers_never_write_a_volume_that_moves_on() {
    let world = World::rolled().await;
    let orders = |run: u64| {
        let events = world.events(run);
        let began = events.iter().filter_map(|event| if let Event::RolloutBegan { desired, .. } = event { Some(desired) } else { None });
        let api = began.filter(|desired| desired.service.as_str() == "api");
        api.flat_map(|desired| desired.slots.iter().map(|wanted| wanted.order)).collect::<Vec<_>>()
    };
    assert_eq!(orders(1), [Order::StartFirst; 2]);
    for host in ["h1", "h2"] {
        let mut state = world.host(host).state();
        let api = state.machine.containers().find(|one| one.slot.service.as_str() == "api").unwrap().id.clone();
        state.anonymous.insert(api, vec!["/data".into()]);
    }
    for (run, level) in [(2, "second"), (3, "third")] {
        world.patch(level);
        assert_eq!(world.roll(Change::Everything).await, RunOutcome::Done);
        assert_eq!(orders(run), [Order::StopFirst; 2], "{level}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_plan_says_that_a_volume_which_nobody_asks_for_any_more_moves_on() {
    let world = World::new();
    *world.yaml.lock().unwrap() = SHOP.replace("    image: api\n", "    image: api\n    volumes: [\"/data\"]\n");
    assert_eq!(world.roll(Change::Everything).await, RunOutcome::Done);
    *world.yaml.lock().unwrap() = SHOP.to_owned();
    let plan = world.plan(&Change::Everything).await;
    let api = plan.rolls.iter().find(|roll| roll.service.as_str() == "api").unwrap();
    assert_eq!(api.order, Order::StopFirst);
    let why = "stop-first: the old container's anonymous volume at /data, which moves on, is written, and `concurrent` does not say that two may";
    assert!(api.notes.iter().any(|note| note == why), "{:?}", api.notes);
}

#[tokio::test(start_paused = true)]
async fn a_host_is_drained_whatever_its_containers_hold() {
    let world = World::rolled().await;
    write(&world, "web");
    let mut driver = world.driver();
    let plan = driver.plan_drain(&"h2".parse().unwrap()).unwrap();
    let recorder = driver.begin(plan, "ann@desk", "refit hosts drain h2").await.unwrap();
    assert_eq!(driver.carry_on(&recorder).await.unwrap(), CameTo::End(RunOutcome::Done));
    let web = |host: &str| written(&world, host, "web");
    assert_eq!((world.healthy("web"), web("h2")), (2, web("h1")), "stopped, and all is kept");
}
