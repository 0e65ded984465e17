//! Patch cycles: when one is due, that is put into the queue, once.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::daemon::Daemon;
use crate::journal::JournalError;
use crate::pipeline::Trigger as Cycle;
use crate::trigger::schedule::{self, Due, Fate, Occurrence};
use crate::trigger::{Cause, Heard, Trigger};

/// How often the schedule is looked at: a cycle begins this late at most.
const LOOKED_AT_EVERY: Duration = Duration::from_secs(2);

impl Daemon {
    /// Looks at the schedule until the daemon stops.
    pub async fn keep_schedule(self: Arc<Self>) {
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = self.clock.sleep(LOOKED_AT_EVERY) => {}
            }
            let loaded = self.loaded();
            for cycle in loaded.estate.triggers.values() {
                if let Err(error) = self.look_at_cycle(cycle).await {
                    tracing::error!(%error, "the schedule {} could not be looked at", cycle.name);
                }
            }
        }
    }

    async fn look_at_cycle(&self, cycle: &Cycle) -> Result<(), JournalError> {
        let now = self.clock.now();
        let key = format!("schedule {}", cycle.name);
        let Some(last) = self.journal.mark(&key)?.and_then(|text| text.parse::<Timestamp>().ok()) else {
            // A schedule that is new begins from now on.
            return self.journal.set_mark(now, &key, &now.to_string()).await;
        };
        if let Some(told) = schedule::clock_is_behind(cycle, last, now)
            && self.behind.lock().unwrap_or_else(PoisonError::into_inner).insert(cycle.name.to_string())
        {
            // Said once: it may take long to catch up.
            tracing::warn!("{told}");
        }
        match schedule::due(cycle, last, now) {
            None => Ok(()),
            Some(Due::Skip { occurrence, why, .. }) => {
                tracing::warn!("the cycle {} of {} is left out: {why}", cycle.name, occurrence.at);
                self.journal.set_mark(now, &key, &occurrence.at.to_string()).await
            }
            Some(Due::Begin { occurrence, .. }) => match schedule::fate(cycle, &occurrence, now, &self.loaded().estate.freezes) {
                // It is asked for again in a moment.
                Fate::Waits(_) => Ok(()),
                Fate::Skipped(wait) => {
                    tracing::warn!("the cycle {} of {} is left out: {}", cycle.name, occurrence.at, wait.why);
                    self.journal.set_mark(now, &key, &occurrence.at.to_string()).await
                }
                Fate::Begins => self.begin_cycle(cycle, &occurrence, &key).await,
            },
        }
    }

    /// Puts a cycle into the queue. Should refit die before that is marked, the delivery is known again.
    async fn begin_cycle(&self, cycle: &Cycle, occurrence: &Occurrence, key: &str) -> Result<(), JournalError> {
        let cause = Cause::Cycle {
            name: cycle.name.to_string(),
            at: occurrence.at,
            until: occurrence.closes,
            priority: cycle.priority,
            refresh: cycle.refresh,
        };
        let trigger = Trigger { by: key.to_owned(), words: cause.to_string(), cause };
        self.hear(vec![Heard { trigger, delivery: Some(format!("{key} {}", occurrence.at)) }]).await?;
        self.journal.set_mark(self.clock.now(), key, &occurrence.at.to_string()).await
    }
}
