//! Time as refit is told it: the wall clock for people, and steady time for everything that is measured.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::Timestamp;

/// Wall time, steady time, and waiting.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The time of day: for the journal, labels, schedules, and people. Somebody may set it on or back at any moment, so nothing is measured by it.
    fn now(&self) -> Timestamp;

    /// The same to begin with, and from then on only so much later as time has passed, whatever becomes of the time of day. Deadlines, and how long
    /// something was well, are measured by it. Means nothing to another process or another machine; stands still while this machine sleeps.
    fn steady(&self) -> Timestamp;

    /// Waits, in steady time.
    async fn sleep(&self, for_: Duration);
}

/// The machine's own clocks, and real waiting.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

/// One pair for the whole process, so that all its steady times can be compared.
static BEGAN: LazyLock<(Timestamp, Instant)> = LazyLock::new(|| (Timestamp::now(), Instant::now()));

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn steady(&self) -> Timestamp {
        let (began_at, began) = *BEGAN;
        began_at.checked_add(began.elapsed()).unwrap_or(Timestamp::MAX)
    }

    async fn sleep(&self, for_: Duration) {
        tokio::time::sleep(for_).await;
    }
}
