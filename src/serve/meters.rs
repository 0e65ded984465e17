//! Counts what happens, and looks at what is so when somebody asks for metrics.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::daemon::{Daemon, Standing};
use crate::driver::{self, Driver, DriverError, Seen};
use crate::journal::{Journal, JournalError};
use crate::model::RunId;
use crate::report::metrics::Snapshot;
use crate::run::{Event, RunState};

/// The journal is looked at so often even if nobody says that something is new.
const LOOKED_AT_EVERY: Duration = Duration::from_secs(5);
const EVENTS_AT_ONCE: usize = 256;

impl Daemon {
    /// Counts the events of the journal from now on, until the daemon stops.
    pub async fn count_events(self: Arc<Self>) {
        let mut position = self.journal.last_position().unwrap_or(0);
        let mut states = BTreeMap::new();
        loop {
            let mut news = self.news.listen();
            if let Err(error) = self.count_after(&mut position, &mut states) {
                tracing::warn!(%error, "what happens could not be counted");
            }
            tokio::select! {
                () = self.stop.cancelled() => return,
                _ = tokio::time::timeout(LOOKED_AT_EVERY, news.recv()) => {}
            }
        }
    }

    fn count_after(&self, position: &mut u64, states: &mut BTreeMap<RunId, RunState>) -> Result<(), JournalError> {
        for recorded in self.journal.events_after(*position, EVENTS_AT_ONCE)? {
            *position = recorded.position;
            let run = recorded.run;
            match states.get_mut(&run) {
                // What cannot follow is the driver's to complain of.
                Some(state) => drop(state.apply(recorded.at, &recorded.event)),
                None => {
                    let events = self.journal.events(run)?;
                    let until_then = events.iter().filter(|other| other.position <= recorded.position);
                    if let Ok(state) = RunState::of(until_then.map(|other| (other.at, &other.event))) {
                        states.insert(run, state);
                    }
                }
            }
            if let Some(state) = states.get(&run) {
                self.meters.event(recorded.at, &recorded.event, state);
            }
            if matches!(recorded.event, Event::RunEnded { .. }) {
                states.remove(&run);
            }
        }
        Ok(())
    }

    /// Keeps what the hosts showed, for those who ask for metrics: they are not asked for each of these.
    pub(super) fn keep_seen(&self, driver: &Driver, seen: &Seen) -> Result<(), DriverError> {
        let mut kept = Snapshot::default();
        kept.count_slots(&driver.status(seen, &driver.expected()?));
        kept.hosts = seen.hosts.iter().map(|(host, found)| (host.clone(), found.is_ok())).collect();
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = kept;
        Ok(())
    }

    /// Metrics, as OpenMetrics text.
    pub fn metrics(&self) -> Result<String, JournalError> {
        let now = self.clock.now();
        let mut snapshot = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let waiting = self.journal.triggers_waiting()?;
        for kept in &waiting {
            *snapshot.queue.entry(kept.trigger.cause.kind()).or_default() += 1;
        }
        snapshot.queue_oldest = waiting.iter().map(|kept| driver::until(kept.first_at, now)).max().unwrap_or_default();
        match self.standing() {
            Standing::Running { .. } => snapshot.runs_running = 1,
            Standing::Paused { .. } => snapshot.runs_waiting = 1,
            Standing::Idle | Standing::Waiting { .. } => {}
        }
        snapshot.notices_waiting = self.notices_waiting().values().sum();
        (snapshot.bases, snapshot.images) = self.staleness()?;
        let counted = self.problems.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (snapshot.problems, snapshot.problems_open, snapshot.problem_oldest) = (counted.of_services, counted.open, counted.oldest);
        Ok(self.meters.encode(&snapshot))
    }
}
