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

    async fn sleep(&self, for_: Duration) {
        tokio::time::sleep(for_).await;
    }
}

/// The clock of a machine whose time somebody sets anew now and then: it goes as [`SimClock`] does, and jumps.
#[derive(Debug, Clone)]
pub struct JumpyClock {
    true_clock: SimClock,
    jumps: Vec<(Timestamp, SignedDuration)>,
}

impl JumpyClock {
    /// A clock that jumps at these (true) moments by so much, forward or back.
    pub fn new(true_clock: SimClock, jumps: Vec<(Timestamp, SignedDuration)>) -> Self {
        Self { true_clock, jumps }
    }
}

#[async_trait]
impl Clock for JumpyClock {
    fn now(&self) -> Timestamp {
        let now = self.true_clock.now();
        let off = self.jumps.iter().filter(|(at, _)| *at <= now).fold(SignedDuration::ZERO, |sum, (_, by)| sum.saturating_add(*by));
        now.checked_add(off).unwrap_or(now)
    }

    async fn sleep(&self, for_: Duration) {
        self.true_clock.sleep(for_).await;
    }
}
