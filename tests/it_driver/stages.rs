//! Canaries that bake and wait for a person, and blue-green, carried out by the driver and journalled.

use std::time::Duration;

use jiff::Timestamp;
use refit::driver::CameTo;
use refit::journal::Journal;
use refit::model::RunId;
use refit::plan::Change;
use refit::rollout::{Action, Person};
use refit::run::{Event, RunOutcome};
use refit::sim::Fate;

use crate::world::{SHOP, World};

const RUN: RunId = RunId(2);

/// A world in which everything is on r1, `web` is deployed like this, and the base has moved.
async fn patched(deploy: &str) -> World {
    let world = World::rolled().await;
    let from = SHOP.find("      replicas: 2").unwrap();
    let yaml = format!("{}{deploy}\n", &SHOP[..from]);
    *world.yaml.lock().unwrap() = yaml;
    world.patch("patched");
    world
}

const CANARY: &str = "      replicas: 2
      hosts: \"zone=b\"
      update_config: { order: stop-first, monitor: 1s, healthy_deadline: 10s, host_timeout: 20s }
      waves: [ { canary: 1, bake: 60s, approve: true } ]";

const BLUE_GREEN: &str = "      replicas: 2
      hosts: \"zone=b\"
      strategy: blue-green
      keep: 60s
      update_config: { monitor: 1s, healthy_deadline: 10s, host_timeout: 20s }";

/// The moment of the first event that is like this.
fn moment(world: &World, is_it: impl Fn(&Event) -> bool) -> Option<Timestamp> {
    world.journal.events(RUN).unwrap_or_default().into_iter().find(|recorded| is_it(&recorded.event)).map(|recorded| recorded.at)
}

fn reached(world: &World) -> Option<Timestamp> {
    moment(world, |event| matches!(event, Event::GateReached { .. }))
}

fn began(world: &World, number: usize) -> Option<Timestamp> {
    moment(world, |event| matches!(event, Event::StageBegan { number: n, .. } if *n == number))
}

/// How many slots of `web` were ever proven.
fn moved(world: &World) -> usize {
    let is_proof = |event: &Event| matches!(event, Event::SlotDone { slot, .. } if slot.service.as_str() == "web");
    world.events(RUN.0).iter().filter(|event| is_proof(event)).count()
}

async fn until(world: &World, is_so: impl Fn(&World) -> bool) {
    while !is_so(world) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_canary_waits_for_a_person_who_is_heard_within_a_second() {
    for after in [Duration::from_secs(5), Duration::from_secs(300)] {
        let world = patched(CANARY).await;
        let said = async {
            until(&world, |world| reached(world).is_some()).await;
            tokio::time::sleep(after).await;
            assert_eq!((moved(&world), began(&world, 1)), (1, None), "the canary alone has moved");
            world.say(RUN, Person::Approve);
            world.now()
        };
        let (outcome, said) = tokio::join!(world.watched(world.roll(Change::Everything)), said);
        assert_eq!((outcome, world.on("web")), (RunOutcome::Done, Some(2)));
        let waited = began(&world, 1).unwrap().duration_since(said);
        assert!(waited.as_millis() >= 0 && waited.as_secs() < 1, "{waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_approval_undoes_no_word_that_was_said_a_moment_before() {
    for word in [Person::Pause, Person::Abort] {
        let world = patched(CANARY).await;
        let before = world.running_of("web");
        let said = async {
            until(&world, |world| reached(world).is_some()).await;
            tokio::time::sleep(Duration::from_secs(70)).await;
            world.say(RUN, word);
            world.say(RUN, Person::Approve);
        };
        let (came, ()) = tokio::join!(world.watched(world.roll_until(Change::Everything)), said);
        match word {
            Person::Pause => assert!(matches!(came, CameTo::Pause { .. }), "{came:?}"),
            _ => {
                assert!(matches!(came, CameTo::End(RunOutcome::Aborted { .. })), "{came:?}");
                assert_eq!(world.running_of("web"), before);
            }
        }
        assert_eq!(began(&world, 1), None, "nothing behind the gate has begun: {word:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn where_nobody_is_there_the_run_ends_at_the_gate_and_an_approval_lets_it_on() {
    let world = patched(CANARY).await;
    let mut driver = world.driver();
    driver.settings.is_attended = false;
    let recorder = world.begin(&driver, Change::Everything).await.unwrap();
    let gate = CameTo::Gate { service: "web".parse().unwrap(), stage: "canary".to_owned() };
    assert_eq!(driver.carry_on(&recorder).await.unwrap(), gate);
    let baked = world.now().duration_since(reached(&world).unwrap());
    assert!(baked.as_secs() >= 60, "it ends when the bake is over: {baked:?}");
    assert_eq!((moved(&world), world.healthy("web")), (1, 4));
    drop(recorder);
    // Taking it up without a word changes nothing; a word said while nobody listens is heard.
    let recorder = driver.take_up(RUN, "bob@desk").await.unwrap();
    assert_eq!(driver.carry_on(&recorder).await.unwrap(), gate);
    world.say(RUN, Person::Approve);
    assert_eq!(world.watched(world.take_up(RUN)).await.unwrap(), CameTo::End(RunOutcome::Done));
    assert_eq!((world.on("web"), world.running().len()), (Some(2), 6));
}

#[tokio::test(start_paused = true)]
async fn an_approval_that_was_journalled_and_not_acted_upon_still_stands() {
    let world = patched(CANARY).await;
    let driver = world.driver();
    let recorder = world.begin(&driver, Change::Everything).await.unwrap();
    tokio::select! {
        came = driver.carry_on(&recorder) => panic!("{came:?}"),
        () = until(&world, |world| reached(world).is_some()) => {}
    }
    world.journal.append(RUN, world.now(), &Event::PersonSaid { word: Person::Approve, by: "ann@desk".into() }).await.unwrap();
    assert_eq!(world.watched(world.take_up(RUN)).await.unwrap(), CameTo::End(RunOutcome::Done));
}

#[tokio::test(start_paused = true)]
async fn a_bake_goes_on_in_the_next_life() {
    let world = patched(&CANARY.replace(", approve: true", "")).await;
    let driver = world.driver();
    let recorder = world.begin(&driver, Change::Everything).await.unwrap();
    tokio::select! {
        came = driver.carry_on(&recorder) => panic!("{came:?}"),
        () = until(&world, |world| reached(world).is_some_and(|at| world.now().duration_since(at).as_secs() >= 30)) => {}
    }
    assert_eq!(world.watched(world.take_up(RUN)).await.unwrap(), CameTo::End(RunOutcome::Done));
    let baked = began(&world, 1).unwrap().duration_since(reached(&world).unwrap());
    assert!((60..63).contains(&baked.as_secs()), "{baked:?}");
}

#[tokio::test(start_paused = true)]
async fn a_canary_that_turns_sick_in_its_bake_is_all_that_was_risked() {
    let world = patched(CANARY).await;
    let before = world.running_of("web");
    for host in ["h1", "h2"] {
        world.fate(2, Some(host), Fate::Sickens(Duration::ZERO, Duration::from_secs(40)));
    }
    // `api` goes first and is through before its containers turn sick.
    let outcome = world.roll(Change::Everything).await;
    let RunOutcome::RolledBack { services, .. } = &outcome else { panic!("{outcome:?}") };
    assert!(services.keys().any(|service| service.as_str() == "web"), "{services:?}");
    let is_new = |event: &Event| matches!(event, Event::ActionIntended { action: Action::StartNew { slot, .. } } if slot.service.as_str() == "web");
    assert_eq!(world.events(RUN.0).iter().filter(|event| is_new(event)).count(), 1);
    assert_eq!(world.running_of("web"), before);
}

#[tokio::test(start_paused = true)]
async fn blue_green_switches_once_and_goes_back_at_once_while_the_old_ones_are_kept() {
    let world = patched(BLUE_GREEN).await;
    assert_eq!(world.watched(world.roll(Change::Everything)).await, RunOutcome::Done);
    let stops: Vec<Timestamp> = world
        .journal
        .events(RUN)
        .unwrap()
        .into_iter()
        .filter(|recorded| matches!(&recorded.event, Event::ActionIntended { action } if action.slot().service.as_str() == "web" && matches!(action, Action::Stop { .. })))
        .map(|recorded| recorded.at)
        .collect();
    assert_eq!(stops.len(), 4);
    assert!(stops.iter().all(|at| *at == stops[0]), "all old ones are stopped together: {stops:?}");
    assert_eq!((world.on("web"), world.running().len()), (Some(2), 6));

    let world = patched(BLUE_GREEN).await;
    let before = world.running_of("web");
    let abort = async {
        until(&world, |world| reached(world).is_some()).await;
        tokio::time::sleep(Duration::from_secs(20)).await;
        world.say(RUN, Person::Abort);
        world.now()
    };
    let (came, said) = tokio::join!(world.watched(world.roll_until(Change::Everything)), abort);
    assert!(matches!(came, CameTo::End(RunOutcome::Aborted { .. })), "{came:?}");
    assert_eq!(world.running_of("web"), before);
    let took = world.now().duration_since(said);
    assert!(took.as_secs() < 10, "{took:?}");
}
