//! Time that runs when everybody waits: tokio's own clock, which a test pauses (`#[tokio::test(start_paused = true)]`), as wall time.

use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::edge::Clock;

/// A clock that begins at a given moment and goes with tokio's time.
#[derive(Debug, Clone, Copy)]
pub struct SimClock {
    began: Instant,
    began_at: Timestamp,
}

impl SimClock {
    /// A clock that shows `began_at` now. Must be made within a tokio runtime.
    pub fn new(began_at: Timestamp) -> Self {
        Self { began: Instant::now(), began_at }
    }
}

#[async_trait]
impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        self.began_at.checked_add(self.began.elapsed()).unwrap_or(Timestamp::MAX)
    }

    fn steady(&self) -> Timestamp {
        self.now()
    }

    async fn sleep(&self, for_: Duration) {
        tokio::time::sleep(for_).await;
    }
}

/// How somebody sets a machine's time of day anew: at these (true) moments, by so much, forward or back.
#[derive(Debug, Clone, Default)]
pub struct Jumps(pub Vec<(Timestamp, SignedDuration)>);

impl Jumps {
    /// What the machine says that it is at a true moment.
    pub fn told(&self, truth: Timestamp) -> Timestamp {
        let off = self.0.iter().filter(|(at, _)| *at <= truth).fold(SignedDuration::ZERO, |sum, (_, by)| sum.saturating_add(*by));
        truth.checked_add(off).unwrap_or(truth)
    }
}

/// The clock of a machine whose time somebody sets anew now and then, as a process has it that began on it: its time of day jumps, its steady time
/// is off by whatever the time of day was off when the process began.
#[derive(Debug, Clone)]
pub struct JumpyClock {
    true_clock: SimClock,
    jumps: Jumps,
    off: SignedDuration,
}

impl JumpyClock {
    /// The clock of a process that begins now.
    pub fn new(true_clock: SimClock, jumps: Jumps) -> Self {
        let now = true_clock.now();
        Self { true_clock, off: jumps.told(now).duration_since(now), jumps }
    }
}

#[async_trait]
impl Clock for JumpyClock {
    fn now(&self) -> Timestamp {
        self.jumps.told(self.true_clock.now())
    }

    fn steady(&self) -> Timestamp {
        let now = self.true_clock.now();
        now.checked_add(self.off).unwrap_or(now)
    }

    async fn sleep(&self, for_: Duration) {
        self.true_clock.sleep(for_).await;
    }
}
