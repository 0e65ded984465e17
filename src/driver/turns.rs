//! Gives the builds that are ready their turns: one after another, not all places at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::build::Schedule;
use crate::edge::{Clock, Turn};
use crate::model::ImageName;

/// For so long a step keeps one processor busy beside its command: namespaces, mounts, the network. Measured on an engine 28.5 with two processors:
/// of eight that began together each took half a second longer than alone, of eight that began one after another a tenth.
const ONE_STARTS: Duration = Duration::from_millis(150);
/// Within this all places are taken, however many there are: with dozens the processors are busy either way.
const ALL_START: Duration = Duration::from_millis(600);

/// The turns of a run's builds.
pub(super) struct Turns {
    clock: Arc<dyn Clock>,
    between: Duration,
    /// Before this the next one would only be in the way of the one before.
    not_before: Timestamp,
    waiting: BTreeMap<ImageName, Turn>,
}

impl Turns {
    /// For a builder with so many processors, and so many builds at a time.
    pub(super) fn new(clock: Arc<dyn Clock>, cpus: u32, parallel: usize) -> Self {
        let between = (ONE_STARTS / cpus.max(1)).min(ALL_START / u32::try_from(parallel).unwrap_or(u32::MAX).max(1));
        Self { not_before: clock.steady(), clock, between, waiting: BTreeMap::new() }
    }

    /// The turn of a build that begins to get ready.
    pub(super) fn of(&mut self, image: &ImageName) -> Turn {
        self.waiting.entry(image.clone()).or_default().clone()
    }

    /// Lets the next build's turn come, if a place is free for it and it is time.
    pub(super) fn give(&mut self, schedule: &mut Schedule<'_>) {
        let now = self.clock.steady();
        if now < self.not_before {
            return;
        }
        if let Some(turn) = schedule.turn().and_then(|image| self.waiting.remove(&image)) {
            self.not_before = now.checked_add(self.between).unwrap_or(now);
            turn.come();
        }
    }

    /// Waits until the next turn may be given; for ever while there is no place or nobody for it.
    pub(super) async fn next(&self, schedule: &Schedule<'_>) {
        if !schedule.has_turn() {
            return std::future::pending().await;
        }
        let left = Duration::try_from(self.not_before.duration_since(self.clock.steady())).unwrap_or_default();
        self.clock.sleep(left).await;
    }
}
