//! Whatever goes wrong on the way, a run ends, and once the world is well again so is the estate.

use std::time::Duration;

use proptest::prelude::*;
use refit::driver::CameTo;
use refit::edge::Clock;
use refit::journal::Journal;
use refit::model::RunId;
use refit::plan::Change;
use refit::rollout::Person;
use refit::run::RunOutcome;
use refit::sim::{Fate, Faults};

use crate::dying::{Death, DyingJournal};
use crate::world::World;

/// What goes wrong in one run.
#[derive(Debug, Clone)]
struct Trouble {
    seed: u64,
    lost_percent: u64,
    /// From when on and for how long `h2` is silent, in milliseconds.
    silent: Option<(u64, u64)>,
    starts_refused: bool,
    disk_full: bool,
    bad: Option<u8>,
    /// What people say, and when.
    words: Vec<(u64, u8)>,
    /// When refit is killed, one life after the other.
    lives: Vec<u64>,
}

fn trouble() -> impl Strategy<Value = Trouble> {
    let silent = prop::option::of((0..12_000_u64, 100..60_000_u64));
    let words = prop::collection::vec((0..14_000_u64, 0..3_u8), 0..4);
    let lives = prop::collection::vec(100..9_000_u64, 0..3);
    (1..u64::MAX, 0..8_u64, silent, prop::bool::weighted(0.2), prop::bool::weighted(0.2), prop::option::of(0..3_u8), words, lives).prop_map(
        |(seed, lost_percent, silent, starts_refused, disk_full, bad, words, lives)| Trouble {
            seed,
            lost_percent,
            silent,
            starts_refused,
            disk_full,
            bad,
            words,
            lives,
        },
    )
}

async fn survive(trouble: Trouble) {
    let world = World::rolled().await;
    world.patch("patched");
    let mut journal = DyingJournal::new(world.journal.clone(), Death::Sudden);
    let mut driver = world.driver_with(journal.clone());
    let recorder = world.begin(&driver, Change::Everything).await.unwrap();
    strike(&world, &trouble);
    let words = async {
        let mut words = trouble.words.clone();
        words.sort();
        let mut passed = 0;
        for (at, word) in words {
            tokio::time::sleep(Duration::from_millis(at - passed)).await;
            passed = at;
            world.say(RunId(2), [Person::Pause, Person::Resume, Person::Abort][usize::from(word)]);
        }
        std::future::pending::<()>().await
    };
    let lives = async {
        let mut first = Some(recorder);
        for life in trouble.lives.iter().copied().map(Some).chain(std::iter::repeat_n(None, 20)) {
            let work = async {
                let recorder = match first.take() {
                    Some(recorder) => recorder,
                    None => driver.take_up(RunId(2), "bob@desk").await?,
                };
                driver.carry_on(&recorder).await
            };
            let limit = Duration::from_millis(life.unwrap_or(3_600_000));
            let ended = tokio::time::timeout(limit, work).await;
            journal.kill();
            journal = DyingJournal::new(world.journal.clone(), Death::Sudden);
            driver = world.driver_with(journal.clone());
            match (ended, life) {
                (Ok(Ok(CameTo::End(outcome))), _) => return outcome,
                (Ok(Ok(CameTo::Pause { .. } | CameTo::Gate { .. })), _) => world.say(RunId(2), Person::Resume),
                (Ok(Err(_)), _) if world.journal.unfinished().unwrap().is_empty() => return RunOutcome::NothingToDo,
                (Ok(Err(_)), _) | (Err(_), Some(_)) => {}
                (Err(_), None) => panic!("no end within an hour"),
            }
        }
        // A way back that stays refused calls for a person again and again, rightly.
        RunOutcome::Aborted { not_rolled: Default::default() }
    };
    let _ = world
        .watched(async {
            tokio::select! { outcome = lives => outcome, () = words => unreachable!() }
        })
        .await;
    world.check_that_all_was_released();
    heal(&world);
    for run in world.journal.unfinished().unwrap() {
        assert!(matches!(world.resume(run).await.unwrap(), CameTo::End(_)));
    }
    for _ in 0..2 {
        let _ = world.roll(Change::Everything).await;
    }
    assert_eq!(world.running().len(), 6);
    assert!(world.plan(&Change::Everything).await.rolls.is_empty());
}

fn strike(world: &World, trouble: &Trouble) {
    let now = world.clock.now();
    for (name, host) in &world.hosts {
        let mut state = host.state();
        let is_struck = name.as_str() == "h2";
        let moment = |ms| now + Duration::from_millis(ms);
        state.faults = Faults {
            calls_lost_percent: trouble.lost_percent,
            replies_lost_percent: trouble.lost_percent,
            silent: trouble.silent.filter(|_| is_struck).map(|(from, long)| (moment(from), moment(from + long))).into_iter().collect(),
            starts_refused: (trouble.starts_refused && is_struck).then(|| "port is already allocated".into()),
            disk_full: trouble.disk_full && is_struck,
            seed: trouble.seed,
            ..Faults::default()
        };
    }
    match trouble.bad {
        Some(0) => world.fate(2, Some("h1"), Fate::NeverHealthy),
        Some(1) => world.fate(2, Some("h2"), Fate::Exits(Duration::from_millis(500), 1)),
        Some(_) => world.fate(2, None, Fate::Loops(1)),
        None => {}
    }
}

fn heal(world: &World) {
    for host in world.hosts.values() {
        let mut state = host.state();
        state.faults = Faults::default();
        state.fates.clear();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Invariants 1, 3, 5 and 8.
    #[test]
    fn a_run_ends_and_the_estate_is_well_once_the_world_is(trouble in trouble()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(survive(trouble));
    }
}
