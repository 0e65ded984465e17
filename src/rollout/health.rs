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

    /// Notes an answer: `Ok` for well, else what was wrong. It was asked at the first moment and had answered at the second: a probe may take its
    /// time, and nobody knows at which moment of it the container became well.
    pub fn note(
        &mut self,
        container: &str,
        running_since: Timestamp,
        spec: &ProbeSpec,
        answer: Result<(), String>,
        (asked_at, answered_at): (Timestamp, Timestamp),
    ) {
        if self.page(container, running_since).is_none() {
            self.containers.insert(container.to_owned(), Page::new(running_since, asked_at));
        }
        if let Some(page) = self.containers.get_mut(container) {
            page.asked_at = asked_at;
            match answer {
                Ok(()) => page.well(answered_at),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ProbeKind;

    const START: Timestamp = Timestamp::constant(1_800_000_000, 0);

    fn at(ms: u64) -> Timestamp {
        after(START, Duration::from_millis(ms))
    }

    /// Asked and answered at one moment.
    fn twice(moment: Timestamp) -> (Timestamp, Timestamp) {
        (moment, moment)
    }

    fn spec(start_period_ms: u64) -> ProbeSpec {
        ProbeSpec {
            kind: ProbeKind::Tcp { port: 80 },
            interval: Duration::from_secs(2),
            timeout: Duration::from_secs(1),
            retries: 3,
            start_period: Duration::from_millis(start_period_ms),
        }
    }

    /// Reads answers such as `500- 2000+`, a moment in ms and how it went, and says what they come to.
    fn check(answers: &str, start_period_ms: u64, expected: &str) {
        let mut book = ProbeBook::default();
        for answer in answers.split_whitespace() {
            let (ms, mark) = answer.split_at(answer.len() - 1);
            let answer = if mark == "+" { Ok(()) } else { Err("HTTP 500".to_owned()) };
            book.note("a", START, &spec(start_period_ms), answer, twice(at(ms.parse().unwrap())));
        }
        let seen = match book.health("a", START) {
            Health::Starting => "starting".to_owned(),
            Health::Healthy { since } => format!("healthy since {}", since.duration_since(START).as_millis()),
            Health::Unhealthy { why } => format!("unhealthy: {why}"),
        };
        assert_eq!(seen, expected, "{answers}");
    }

    #[test]
    fn answers_in_a_row_make_health() {
        //     answers                             start period   health
        check("", 0, "starting");
        check("0+", 0, "healthy since 0");
        check("0- 2000+ 4000+", 0, "healthy since 2000");
        check("0- 2000-", 0, "starting");
        check("0- 2000- 4000-", 0, "unhealthy: HTTP 500");
        check("0- 500- 1000- 1500-", 0, "starting");
        check("0- 2000- 4000-", 5_000, "starting");
        check("0- 2000- 4000- 6000- 8000-", 5_000, "starting");
        check("0+ 2000- 4000- 6000-", 60_000, "unhealthy: HTTP 500");
        check("0+ 2000- 4000- 6000+", 0, "healthy since 0");
        check("0+ 2000- 4000- 6000- 8000+", 0, "healthy since 8000");
    }

    #[test]
    fn a_restarted_container_begins_anew_and_one_that_is_gone_is_forgotten() {
        let mut book = ProbeBook::default();
        book.note("a", START, &spec(0), Ok(()), twice(at(0)));
        assert_eq!(book.health("a", at(9000)), Health::Starting);
        book.keep_only(&BTreeSet::from(["b"]));
        assert_eq!(book, ProbeBook::default());
    }

    #[test]
    fn a_container_is_asked_often_until_it_is_well_for_the_first_time() {
        let mut book = ProbeBook::default();
        assert_eq!(book.due_at("a", START, &spec(0)), START);
        book.note("a", START, &spec(0), Err("refused".to_owned()), twice(at(100)));
        assert_eq!((book.due_at("a", START, &spec(0)), book.last_failure("a")), (at(600), Some("refused")));
        book.note("a", START, &spec(0), Ok(()), (at(600), at(900)));
        assert_eq!((book.due_at("a", START, &spec(0)), book.last_failure("a")), (at(2600), None));
        assert_eq!(book.health("a", START), Health::Healthy { since: at(900) });
    }

    #[test]
    fn engine_and_probe_must_agree_on_health() {
        let well = |ms| Health::Healthy { since: at(ms) };
        let unwell = || Health::Unhealthy { why: "no".to_owned() };
        assert_eq!(combine(well(5), None), well(5));
        assert_eq!(combine(well(5), Some(well(9))), well(9));
        assert_eq!(combine(well(5), Some(Health::Starting)), Health::Starting);
        assert_eq!(combine(Health::Starting, Some(well(5))), Health::Starting);
        assert_eq!(combine(Health::Starting, Some(unwell())), unwell());
        assert_eq!(combine(unwell(), Some(well(5))), unwell());
    }
}
