//! Folds the answers of refit's own probes into a container's health, and joins it with the engine's word. Asks nobody itself.
//!
//! In: who was asked when and what came. Out: [`Health`], and when to ask next. As in Docker's own health checks, `retries` failures in a row make a
//! container unhealthy, failures in the start period do not count until it was well once, and one good answer makes it well again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::Health;
use super::time::after;
use crate::model::ProbeSpec;

/// Until a container was well for the first time it is asked more often than `interval` says, so that a rollout need not wait for the next turn.
/// Answers that come early never count as failures.
const STARTING_INTERVAL_MAX: Duration = Duration::from_millis(500);

/// What the probes of a service's containers have said.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProbeBook {
    containers: BTreeMap<String, Page>,
}

/// What is known of one container.
#[derive(Debug, Clone, PartialEq)]
struct Page {
    /// The start that it is about: a restarted container begins anew.
    running_since: Timestamp,
    asked_at: Timestamp,
    /// Since when it is well without a break.
    healthy_since: Option<Timestamp>,
    /// Failures in a row that count, and when the last of them was.
    failures: u32,
    failed_at: Option<Timestamp>,
    /// What the last failure said.
    why: String,
    is_unhealthy: bool,
}

impl ProbeBook {
    /// When this container is to be asked next; at once if it never was since its start.
    pub fn due_at(&self, container: &str, running_since: Timestamp, spec: &ProbeSpec) -> Timestamp {
        match self.page(container, running_since) {
            None => running_since,
            Some(page) if page.healthy_since.is_none() && !page.is_unhealthy => after(page.asked_at, spec.interval.min(STARTING_INTERVAL_MAX)),
            Some(page) => after(page.asked_at, spec.interval),
        }
    }

    /// Notes an answer: `Ok` for well, else what was wrong. `asked_at` is when it was asked.
    pub fn note(&mut self, container: &str, running_since: Timestamp, spec: &ProbeSpec, answer: Result<(), String>, asked_at: Timestamp) {
        if self.page(container, running_since).is_none() {
            self.containers.insert(container.to_owned(), Page::new(running_since, asked_at));
        }
        if let Some(page) = self.containers.get_mut(container) {
            page.asked_at = asked_at;
            match answer {
                Ok(()) => page.well(asked_at),
                Err(why) => page.unwell(why, spec, asked_at),
            }
        }
    }

    /// What the probes say of this container.
    pub fn health(&self, container: &str, running_since: Timestamp) -> Health {
        match self.page(container, running_since) {
            Some(page) if page.is_unhealthy => Health::Unhealthy { why: page.why.clone() },
            Some(Page { healthy_since: Some(since), .. }) => Health::Healthy { since: *since },
            _ => Health::Starting,
        }
    }

    /// What the last failed answer of a container said, if its last answer was a failure.
    pub fn last_failure(&self, container: &str) -> Option<&str> {
        self.containers.get(container).map(|page| page.why.as_str()).filter(|why| !why.is_empty())
    }

    /// Forgets the containers that are no longer there.
    pub fn keep_only(&mut self, containers: &BTreeSet<&str>) {
        self.containers.retain(|id, _| containers.contains(id.as_str()));
    }

    fn page(&self, container: &str, running_since: Timestamp) -> Option<&Page> {
        self.containers.get(container).filter(|page| page.running_since == running_since)
    }
}

impl Page {
    fn new(running_since: Timestamp, asked_at: Timestamp) -> Self {
        Self { running_since, asked_at, healthy_since: None, failures: 0, failed_at: None, why: String::new(), is_unhealthy: false }
    }

    fn well(&mut self, at: Timestamp) {
        self.failures = 0;
        self.failed_at = None;
        self.is_unhealthy = false;
        self.why.clear();
        self.healthy_since.get_or_insert(at);
    }

    fn unwell(&mut self, why: String, spec: &ProbeSpec, at: Timestamp) {
        self.why = why;
        let in_start_period = self.healthy_since.is_none() && at < after(self.running_since, spec.start_period);
        let is_early = self.failed_at.is_some_and(|last| at < after(last, spec.interval));
        if in_start_period || is_early {
            return;
        }
        self.failures += 1;
        self.failed_at = Some(at);
        if self.failures >= spec.retries {
            self.is_unhealthy = true;
            self.healthy_since = None;
        }
    }
}

/// The engine's word and the probe's together: unwell if either says so, well when both do, since the later of the two.
pub fn combine(engine: Health, probe: Option<Health>) -> Health {
    match (engine, probe) {
        (engine, None) => engine,
        (Health::Unhealthy { why }, _) | (_, Some(Health::Unhealthy { why })) => Health::Unhealthy { why },
        (Health::Starting, _) | (_, Some(Health::Starting)) => Health::Starting,
        (Health::Healthy { since: engine }, Some(Health::Healthy { since: probe })) => Health::Healthy { since: engine.max(probe) },
    }
}
