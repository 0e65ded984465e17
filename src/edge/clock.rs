//! The machine's own clock.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::Clock;

/// Wall time and real waiting.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn sleep(&self, for_: Duration) {
        tokio::time::sleep(for_).await;
    }
}
