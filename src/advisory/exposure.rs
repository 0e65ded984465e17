//! For how long a problem was there while it could be known: the clock of each.
//!
//! In: since when it is known, and when each container with it came and went. Out: when it came, whether it is still there, and for how long that
//! was. Knows no clock: who asks says what time it is.

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A time in which a container, or at least one of several, had it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Span {
    /// Since when.
    pub since: Timestamp,
    /// Until when; none while it lasts.
    pub until: Option<Timestamp>,
}

/// How long a problem was there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Exposure {
    /// Since when it could be known: the day of its publication, or when refit first read of it if that is not said.
    pub known_since: Timestamp,
    /// When the first container with it came, known or not.
    pub first_seen: Timestamp,
    /// When the last container with it went; none while there is one.
    pub last_gone: Option<Timestamp>,
    /// When there was one: in order, apart from one another, and only the last without an end.
    pub spans: Vec<Span>,
}

/// The clock of a problem, from the times of the containers with it in any order; none if no container ever had it. O(times · log times).
pub fn exposure(known_since: Timestamp, had_it: impl IntoIterator<Item = Span>) -> Option<Exposure> {
    let spans = merged(had_it.into_iter().collect());
    let (first, last) = (spans.first()?, spans.last()?);
    Some(Exposure { known_since, first_seen: first.since, last_gone: last.until, spans })
}

/// The same times, in order and each once.
fn merged(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_unstable_by_key(|span| span.since);
    let mut merged: Vec<Span> = Vec::new();
    for mut span in spans {
        // A clock that was set back between coming and going.
        span.until = span.until.map(|until| until.max(span.since));
        match merged.last_mut() {
            Some(last) if last.until.is_none_or(|until| span.since <= until) => {
                last.until = last.until.and_then(|until| span.until.map(|other| other.max(until)));
            }
            _ => merged.push(span),
        }
    }
    merged
}

impl Exposure {
    /// Whether a container has it.
    pub fn is_open(&self) -> bool {
        self.last_gone.is_none()
    }

    /// Since when it was both known and there; may be after it was gone, if it became known too late to matter.
    pub fn began(&self) -> Timestamp {
        self.known_since.max(self.first_seen)
    }

    /// For how long it has been known and there by now; none if it is gone.
    pub fn age(&self, now: Timestamp) -> Option<SignedDuration> {
        self.is_open().then(|| self.total(now))
    }

    /// For how long it was known and not gone for good: from the later of both to when the last container went, or to now. Never negative.
    pub fn total(&self, now: Timestamp) -> SignedDuration {
        between(self.began(), self.last_gone.unwrap_or(now))
    }

    /// For how long of that a container really had it: without the times between, in which there was none.
    pub fn running(&self, now: Timestamp) -> SignedDuration {
        let known = self.spans.iter().map(|span| between(span.since.max(self.known_since), span.until.unwrap_or(now)));
        known.fold(SignedDuration::ZERO, SignedDuration::saturating_add)
    }
}

fn between(since: Timestamp, until: Timestamp) -> SignedDuration {
    until.duration_since(since).max(SignedDuration::ZERO)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(hour * 3600).unwrap()
    }

    fn span((since, until): (i64, Option<i64>)) -> Span {
        Span { since: at(since), until: until.map(at) }
    }

    #[test]
    fn the_clock_runs_from_when_it_was_known_and_there_until_the_last_went() {
        type Case<'a> = (i64, &'a [(i64, Option<i64>)], bool, i64, i64);
        //    known  since, until                         open   total running   at 100 h
        let cases: [Case<'_>; 7] = [
            (10, &[(20, Some(30))], false, 10, 10),
            (25, &[(20, Some(30)), (22, Some(40))], false, 15, 15),
            (50, &[(20, Some(30))], false, 0, 0),
            (10, &[(20, Some(30)), (60, None)], true, 80, 50),
            (10, &[(20, None), (60, Some(70))], true, 80, 80),
            (110, &[(20, None)], true, 0, 0),
            (0, &[(30, Some(20))], false, 0, 0),
        ];
        for (known, spans, open, total, running) in cases {
            let clock = exposure(at(known), spans.iter().copied().map(span)).unwrap();
            let hours = (clock.total(at(100)).as_hours(), clock.running(at(100)).as_hours());
            assert_eq!((clock.is_open(), hours), (open, (total, running)), "{spans:?}");
            assert_eq!(clock.age(at(100)).map(|age| age.as_hours()), open.then_some(total));
        }
        assert_eq!(exposure(at(0), []), None, "what no container had has no clock");
    }

    proptest! {
        #[test]
        fn every_hour_counts_once_if_it_was_known_and_there(
            known in 0..24_i64,
            stays in prop::collection::vec((0..24_i64, prop::option::of(0..24_i64)), 1..8),
        ) {
            let stays: Vec<_> = stays.into_iter().map(|(since, long)| span((since, long.map(|long| since + long)))).collect();
            let is_there = |hour: i64| stays.iter().any(|stay| stay.since <= at(hour) && stay.until.is_none_or(|until| at(hour) < until));
            let now = 30;
            let clock = exposure(at(known), stays.iter().copied()).unwrap();
            // A stay that goes on began before now, and one that began later has no length yet.
            let hours = (known..now).filter(|hour| is_there(*hour)).count() as i64;
            let seen = clock.spans.iter().map(|span| Span { since: span.since, until: Some(span.until.unwrap_or(at(now)).min(at(now))) });
            let seen: i64 = seen.map(|span| between(span.since.max(at(known)), span.until.unwrap()).as_hours()).sum();
            prop_assert_eq!(seen, hours);
            prop_assert!(clock.running(at(now)) <= clock.total(at(now).max(clock.last_gone.unwrap_or(at(now)))));
            prop_assert_eq!(clock.is_open(), stays.iter().any(|stay| stay.until.is_none()));
        }
    }
}
