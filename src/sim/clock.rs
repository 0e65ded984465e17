//! Time that runs when everybody waits: tokio's own clock, which a test pauses (`#[tokio::test(start_paused = true)]`), as wall time.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
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
