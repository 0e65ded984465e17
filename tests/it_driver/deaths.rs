//! Invariant 8: wherever refit dies, the next one goes on, and in the end everything is as if nothing had happened.

use std::collections::BTreeSet;
use std::time::Duration;

use refit::driver::CameTo;
use refit::journal::Journal;
use refit::model::{ImageName, RunId};
use refit::plan::Change;
use refit::run::{Event, RunOutcome};
use refit::sim::Fate;

use crate::dying::{Death, DyingJournal};
use crate::world::World;

/// What happens to a world that was rolled once.
#[derive(Clone, Copy, PartialEq)]
enum Story {
    Patch,
    BadPatch,
}

impl Story {
    fn happens_to(self, world: &World) {
        world.patch("patched");
        if self == Self::BadPatch {
            world.fate(2, Some("h2"), Fate::Exits(Duration::from_millis(300), 1));
        }
    }

    fn check_end(self, outcome: &RunOutcome) {
        match self {
            Self::Patch => assert_eq!(*outcome, RunOutcome::Done),
            Self::BadPatch => assert!(
                matches!(outcome, RunOutcome::RolledBack { services, not_rolled } if services.len() == 1 && not_rolled.len() == 1),
                "{outcome:?}"
            ),
        }
    }
}

/// Lets refit die, takes the run up again (or begins it, if nobody knows of it), and compares with the run that was left in peace.
async fn die(story: Story, death: Death, expected: &World) {
    let world = World::rolled().await;
    story.happens_to(&world);
    let journal = DyingJournal::new(world.journal.clone(), death);
    let first = async {
        let driver = world.driver_with(journal.clone());
        let recorder = world.begin(&driver, Change::Everything).await.unwrap();
        driver.carry_on(&recorder).await.unwrap()
    };
    let ended = world.watched(journal.until_death(first)).await;
    assert_eq!(ended, None, "it was to die");
    let (built, seen) = (ended_builds(&world), world.journal.all().len());
    let outcome = world.watched(go_on(&world)).await;
    story.check_end(&outcome);
    assert_eq!(world.contents(), expected.contents());
    if story == Story::BadPatch {
        assert_eq!(world.running(), expected.running(), "the very containers of before serve again");
    }
    assert_eq!((world.on("api"), world.on("web")), (expected.on("api"), expected.on("web")));
    let again: Vec<ImageName> = world
        .journal
        .all()
        .into_iter()
        .skip(seen)
        .filter_map(|recorded| match recorded.event {
            Event::BuildBegan { image, .. } if built.contains(&image) => Some(image),
            _ => None,
        })
        .collect();
    assert!(again.is_empty(), "built again: {again:?}");
    world.check_that_all_was_released();
    assert!(world.journal.unfinished().unwrap().is_empty());
}

fn ended_builds(world: &World) -> BTreeSet<ImageName> {
    let ended = world.journal.all().into_iter().filter(|recorded| recorded.run == RunId(2)).filter_map(|recorded| match recorded.event {
        Event::BuildEnded { image, .. } => Some(image),
        _ => None,
    });
    ended.collect()
}

async fn go_on(world: &World) -> RunOutcome {
    if let Some(run) = world.journal.unfinished().unwrap().first().copied() {
        match world.take_up(run).await.unwrap() {
            CameTo::End(RunOutcome::Refused { .. }) => {}
            CameTo::End(outcome) => return outcome,
            CameTo::Pause { what, why } => panic!("{what} paused: {why}"),
            CameTo::Gate { service, stage } => panic!("{service} waits behind {stage}"),
        }
    }
    match world.journal.run(RunId(2)).unwrap().and_then(|run| run.outcome) {
        None | Some(RunOutcome::Refused { .. }) => world.roll(Change::Everything).await,
        Some(outcome) => outcome,
    }
}

async fn undisturbed(story: Story) -> (World, i64) {
    let world = World::rolled().await;
    story.happens_to(&world);
    story.check_end(&world.roll(Change::Everything).await);
    let events = world.events(2).len();
    (world, i64::try_from(events).unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_patch_survives_death_after_every_event() {
    let (expected, events) = undisturbed(Story::Patch).await;
    for number in 1..=events {
        die(Story::Patch, Death::After(number), &expected).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_patch_survives_death_before_every_event() {
    let (expected, events) = undisturbed(Story::Patch).await;
    for number in 0..events {
        die(Story::Patch, Death::Before(number), &expected).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_way_back_survives_death_after_every_event() {
    let (expected, events) = undisturbed(Story::BadPatch).await;
    for number in 1..=events {
        die(Story::BadPatch, Death::After(number), &expected).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_way_back_survives_death_before_every_event() {
    let (expected, events) = undisturbed(Story::BadPatch).await;
    for number in 0..events {
        die(Story::BadPatch, Death::Before(number), &expected).await;
    }
}

/// A full disk is an error and no death: refit ends by itself, in order, and goes on when there is room again.
#[tokio::test(start_paused = true)]
async fn a_full_disk_under_the_journal_loses_nothing() {
    let (expected, events) = undisturbed(Story::Patch).await;
    for number in 2..events {
        let world = World::rolled().await;
        Story::Patch.happens_to(&world);
        let driver = world.driver();
        world.journal.fail_after(Some(u64::try_from(number).unwrap()));
        let recorder = world.begin(&driver, Change::Everything).await.unwrap();
        let error = driver.carry_on(&recorder).await.unwrap_err();
        assert!(error.to_string().starts_with("no space is left for the journal"), "{error}");
        drop(driver);
        world.journal.fail_after(None);
        assert_eq!(world.watched(go_on(&world)).await, RunOutcome::Done);
        assert_eq!(world.contents(), expected.contents());
    }
}
