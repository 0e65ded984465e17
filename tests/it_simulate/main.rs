//! A few hundred stories from seeds; `make simulate` tells many more.

#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub, reason = "tests")]

mod simulation;

use refit::journal::Logs;
use simulation::Story;

/// Tells the stories of these seeds; fails with the first in which something is wrong. Says how many did not end well, so that a test can see that
/// the faults do happen.
fn tell(seeds: std::ops::RangeInclusive<u64>) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let mut not_done = 0;
    for seed in seeds {
        let told = simulation::of_seed(seed, &Logs::new(&folder.path().join(seed.to_string())));
        if let Some(wrong) = told.wrong {
            panic!("seed {seed}: {wrong}\n{}\n`make simulate SEED={seed}` replays it", Story::draw(seed).told());
        }
        not_done += u64::from(!told.tally.contains_key("came to: done"));
    }
    not_done
}

/// Invariants 1 to 4, 8 and 10, and that the journal tells the truth.
#[test]
fn whatever_a_seed_brings_no_mess_is_left() {
    assert!(tell(1..=100) > 20);
}

/// The same, so that two processors have something to do.
#[test]
fn whatever_another_seed_brings_no_mess_is_left() {
    assert!(tell(101..=200) > 20);
}

#[test]
fn one_seed_tells_one_story() {
    let folder = tempfile::tempdir().unwrap();
    for seed in 1..=8 {
        let tell = |attempt: u64| simulation::of_seed(seed, &Logs::new(&folder.path().join(format!("{seed}-{attempt}")))).log;
        let first = tell(1);
        assert!(first.lines().count() > 10, "seed {seed} tells too little: {first}");
        assert!(first == tell(2), "seed {seed} told two stories");
    }
}
