//! People who pause, resume and abort, whether refit is alive or not.

use std::sync::Arc;
use std::time::Duration;

use refit::driver::CameTo;
use refit::journal::{Inventories, Journal};
use refit::model::RunId;
use refit::plan::Change;
use refit::rollout::{Person, Phase};
use refit::run::{Event, RunOutcome};

use crate::world::World;

const RUN: RunId = RunId(2);

/// Begins the second run and lets refit die after `ms`, unless the run has ended or paused by then.
async fn begin_and_die(world: &World, ms: u64) -> Option<CameTo> {
    world.patch("patched");
    let driver = world.driver();
    let recorder = world.begin(&driver, Change::Everything).await.unwrap();
    let work = tokio::time::timeout(Duration::from_millis(ms), driver.carry_on(&recorder));
    world.watched(work).await.ok().map(Result::unwrap)
}

async fn say_after(world: &World, ms: u64, word: Person) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
    world.say(RUN, word);
}

#[tokio::test(start_paused = true)]
async fn a_pause_during_builds_or_rollouts_lasts_until_a_resume() {
    for ms in [500, 2_500, 6_200, 7_000, 9_000] {
        let world = World::rolled().await;
        let (came, ()) = tokio::join!(begin_and_die(&world, 600_000), say_after(&world, ms, Person::Pause));
        assert!(matches!(came, Some(CameTo::Pause { .. })), "{ms}: {came:?}");
        // Taking it up without a word changes nothing.
        assert!(matches!(world.take_up(RUN).await.unwrap(), CameTo::Pause { .. }), "{ms}");
        assert_eq!(world.watched(world.resume(RUN)).await.unwrap(), CameTo::End(RunOutcome::Done), "{ms}");
        assert_eq!((world.running().len(), world.on("web")), (6, Some(2)));
    }
}

#[tokio::test(start_paused = true)]
async fn an_abort_that_nobody_carried_out_is_carried_out_by_whoever_takes_the_run_up() {
    // Not at a moment at which the dying one listens: what it has begun to write it would still write.
    for ms in [510, 2_530, 6_310, 7_010] {
        let world = World::rolled().await;
        let before = world.running();
        assert_eq!(begin_and_die(&world, ms).await, None);
        world.say(RUN, Person::Abort);
        let came = world.watched(world.take_up(RUN)).await.unwrap();
        let CameTo::End(RunOutcome::Aborted { services, not_rolled }) = &came else { panic!("{ms}: {came:?}") };
        assert!(services.keys().chain(not_rolled.keys()).any(|service| service.as_str() == "web"), "{ms}: {came:?}");
        assert_eq!(world.running(), before, "{ms}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_abort_takes_back_everything_that_the_run_has_rolled() {
    let world = World::rolled().await;
    let before = world.running();
    world.patch("patched");
    let driver = world.driver();
    let recorder = world.begin(&driver, Change::Everything).await.unwrap();
    let said = async {
        let is_last = |event: &Event| matches!(event, Event::RolloutBegan { desired, .. } if desired.service.as_str() == "web");
        while !world.events(2).iter().any(is_last) {
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        world.say(RUN, Person::Abort);
    };
    let (came, ()) = tokio::join!(world.watched(driver.carry_on(&recorder)), said);
    let Ok(CameTo::End(RunOutcome::Aborted { services, not_rolled })) = &came else { panic!("{came:?}") };
    assert_eq!((services.len(), not_rolled.len()), (2, 0));
    assert_eq!((world.running(), world.on("api"), world.on("web")), (before, Some(1), Some(1)));
}

#[tokio::test(start_paused = true)]
async fn an_abort_of_builds_is_not_put_off_by_an_approval() {
    let world = World::rolled().await;
    let said = async {
        say_after(&world, 500, Person::Abort).await;
        world.say(RUN, Person::Approve);
    };
    let (came, ()) = tokio::join!(begin_and_die(&world, 600_000), said);
    assert!(matches!(came, Some(CameTo::End(RunOutcome::Aborted { .. }))), "{came:?}");
    assert!(!world.events(2).iter().any(|event| matches!(event, Event::Released { .. })), "its builds went on to their end");
}

/// The second run, of which everything is rolled and only what is in it is still being read when these words are said.
async fn said_at_the_end(world: &World, words: &[Person]) -> CameTo {
    // Paused when its images are on the hosts, so that the builder is asked for nothing but their contents from then on.
    let (came, ()) = tokio::join!(begin_and_die(world, 600_000), async {
        until(world, |event| matches!(event, Event::RolloutBegan { .. })).await;
        world.say(RUN, Person::Pause);
    });
    assert!(matches!(came, Some(CameTo::Pause { .. })), "{came:?}");
    world.say(RUN, Person::Resume);
    world.builder.state().faults.latency = Duration::from_secs(10);
    let mut driver = world.driver();
    driver.inventories = Some(Arc::new(Inventories::in_memory(&world.journal.all()).unwrap()));
    let recorder = driver.take_up(RUN, "bob@desk").await.unwrap();
    let said = async {
        let goes_on = |event: &Event| matches!(event, Event::PhaseChanged { phase, .. } if *phase == Phase::Forward);
        until(world, goes_on).await;
        world.builder.state().faults.latency = Duration::from_secs(100_000);
        until(world, |event| matches!(event, Event::RolloutEnded { service, .. } if service.as_str() == "web")).await;
        tokio::time::sleep(Duration::from_secs(30)).await;
        world.builder.state().faults.latency = Duration::ZERO;
        assert!(!world.events(2).iter().any(|event| matches!(event, Event::ContentsRead { .. } | Event::RunEnded { .. })), "it is still read");
        words.iter().for_each(|word| world.say(RUN, *word));
    };
    let (came, ()) = tokio::join!(driver.carry_on(&recorder), said);
    came.unwrap()
}

async fn until(world: &World, is_it: impl Fn(&Event) -> bool) {
    while !world.journal.events(RUN).unwrap_or_default().iter().any(|recorded| is_it(&recorded.event)) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_aborts_when_everything_is_rolled_gets_it_back() {
    let world = World::rolled().await;
    let before = world.running();
    let came = said_at_the_end(&world, &[Person::Abort, Person::Approve]).await;
    let CameTo::End(RunOutcome::Aborted { services, .. }) = &came else { panic!("{came:?}") };
    assert_eq!((services.len(), world.running(), world.on("api"), world.on("web")), (2, before, Some(1), Some(1)));
}

#[tokio::test(start_paused = true)]
async fn who_pauses_when_everything_is_rolled_may_still_have_it_back() {
    for word in [Person::Resume, Person::Abort] {
        let world = World::rolled().await;
        let before = world.running();
        let came = said_at_the_end(&world, &[Person::Pause]).await;
        assert!(matches!(came, CameTo::Pause { .. }), "{came:?}");
        assert!(matches!(world.take_up(RUN).await.unwrap(), CameTo::Pause { .. }), "taking it up without a word changes nothing");
        world.say(RUN, word);
        let came = world.take_up(RUN).await.unwrap();
        match word {
            Person::Resume => assert_eq!((came, world.on("web")), (CameTo::End(RunOutcome::Done), Some(2))),
            _ => {
                assert!(matches!(came, CameTo::End(RunOutcome::Aborted { .. })), "{came:?}");
                assert_eq!(world.running(), before);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_abort_that_was_journalled_and_not_acted_upon_still_stands() {
    let world = World::rolled().await;
    let before = world.running();
    assert_eq!(begin_and_die(&world, 7_000).await, None);
    world.journal.append(RUN, world.now(), &Event::PersonSaid { word: Person::Abort, by: "ann@desk".into() }).await.unwrap();
    assert!(matches!(world.take_up(RUN).await.unwrap(), CameTo::End(RunOutcome::Aborted { .. })));
    assert_eq!(world.running(), before);
}

#[tokio::test(start_paused = true)]
async fn a_pause_leaves_no_slot_without_a_container() {
    for ms in (6_000..9_000).step_by(5) {
        let world = World::rolled().await;
        let (came, ()) = tokio::join!(begin_and_die(&world, 600_000), say_after(&world, ms, Person::Pause));
        if matches!(came, Some(CameTo::Pause { .. })) {
            assert_eq!((world.healthy("api"), world.healthy("web")), (2, 4), "paused after {ms} ms");
        }
    }
}
