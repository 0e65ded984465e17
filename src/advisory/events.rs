//! From a line of events (introduced, fixed, introduced again) to ranges.
//!
//! Source: "Evaluation" of the OSV schema, <https://ossf.github.io/osv-schema/#evaluation>, which goes through the events in the order of their
//! versions. Ranges say the same: each begins where it is introduced, and ends at the nearest event behind that which ends it.

use std::cmp::Ordering;

use serde::Deserialize;

use super::osv::Line;
use super::{Range, Until};
use crate::inventory::Kind;
use crate::inventory::version::compare;

/// One event; exactly one of the four, as the schema demands.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Event {
    Introduced(Line),
    Fixed(Line),
    LastAffected(Line),
    Limit(Line),
}

/// The version that stands before every other, as `introduced` spells it.
const BEFORE_ALL: &str = "0";
/// The version that stands behind every other, as `limit` spells it.
const BEHIND_ALL: &str = "*";

/// The ranges that a line of events means; in its order, and overlapping where it introduces something twice. O(events²).
pub(super) fn ranges(kind: Kind, events: &[Event]) -> Vec<Range> {
    let limit = limit(kind, events);
    let begins = events.iter().enumerate().filter_map(|(at, event)| match event {
        Event::Introduced(version) => Some((at, (version.0 != BEFORE_ALL).then_some(version.0.as_str()))),
        _ => None,
    });
    let ranges = begins.filter_map(|(at, introduced)| {
        let until = cut(kind, end(kind, introduced, at, events)?, limit);
        Some(Range { introduced: introduced.map(str::to_owned), until })
    });
    ranges.collect()
}

/// Where what is introduced by the event at `at` ends; none if at the same version it is fixed again, so that no version has it.
fn end(kind: Kind, introduced: Option<&str>, at: usize, events: &[Event]) -> Option<Until> {
    let order = |version: &str| introduced.map_or(Ordering::Greater, |introduced| compare(kind, version, introduced));
    let mut end = Until::Open;
    for (place, event) in events.iter().enumerate() {
        let until = match event {
            Event::Fixed(version) => match order(&version.0) {
                Ordering::Greater => Until::Fixed(version.0.clone()),
                Ordering::Equal if place > at => return None,
                _ => continue,
            },
            Event::LastAffected(version) if order(&version.0) != Ordering::Less => Until::Last(version.0.clone()),
            _ => continue,
        };
        if is_nearer(kind, &until, &end) {
            end = until;
        }
    }
    Some(end)
}

fn version(until: &Until) -> Option<&str> {
    match until {
        Until::Fixed(version) | Until::Last(version) | Until::Limit(version) => Some(version),
        Until::Open => None,
    }
}

fn is_nearer(kind: Kind, one: &Until, other: &Until) -> bool {
    match (version(one), version(other)) {
        (Some(one), Some(other)) => compare(kind, one, other) == Ordering::Less,
        (one, _) => one.is_some(),
    }
}

/// The last version of which anything is said; a version needs to be before one of the limits, so the highest decides.
fn limit(kind: Kind, events: &[Event]) -> Option<&str> {
    let mut highest: Option<&str> = None;
    for event in events {
        let Event::Limit(Line(version)) = event else { continue };
        if version == BEHIND_ALL {
            return None;
        }
        if highest.is_none_or(|highest| compare(kind, version, highest) == Ordering::Greater) {
            highest = Some(version);
        }
    }
    highest
}

fn cut(kind: Kind, until: Until, limit: Option<&str>) -> Until {
    let Some(limit) = limit else { return until };
    let stays = version(&until).is_some_and(|version| match compare(kind, version, limit) {
        Ordering::Less => true,
        Ordering::Equal => matches!(until, Until::Fixed(_)),
        Ordering::Greater => false,
    });
    if stays { until } else { Until::Limit(limit.to_owned()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(version: u8) -> Line {
        Line(version.to_string())
    }

    /// The schema's own evaluation, for versions that are numbers.
    fn is_vulnerable(version: u8, events: &[Event]) -> bool {
        let number = |line: &Line| line.0.parse::<u8>().unwrap();
        let limits: Vec<_> = events.iter().filter_map(|event| if let Event::Limit(limit) = event { Some(limit) } else { None }).collect();
        if !limits.is_empty() && !limits.iter().any(|limit| limit.0 == "*" || version < number(limit)) {
            return false;
        }
        let mut sorted: Vec<_> = events.iter().filter(|event| !matches!(event, Event::Limit(_))).collect();
        sorted.sort_by_key(|event| match event {
            Event::Introduced(version) | Event::Fixed(version) | Event::LastAffected(version) | Event::Limit(version) => number(version),
        });
        sorted.iter().fold(false, |vulnerable, event| match event {
            Event::Introduced(from) if version >= number(from) => true,
            Event::Fixed(fixed) if version >= number(fixed) => false,
            Event::LastAffected(last) if version > number(last) => false,
            _ => vulnerable,
        })
    }

    fn events() -> impl Strategy<Value = Vec<Event>> {
        // Introduced and ended at different versions, as in every record that makes sense: at one version the schema leaves their order open.
        let introduced = (0..10_u8).prop_map(|version| Event::Introduced(line(version * 2)));
        let fixed = (0..10_u8).prop_map(|version| Event::Fixed(line(version * 2 + 1)));
        let last = (0..10_u8).prop_map(|version| Event::LastAffected(line(version * 2 + 1)));
        let limit = prop_oneof![(0..20_u8).prop_map(|version| Event::Limit(line(version))), Just(Event::Limit(Line("*".into())))];
        let ends = prop_oneof![Just(true), Just(false)].prop_flat_map(move |by_fix| {
            let end = if by_fix { fixed.clone().boxed() } else { last.clone().boxed() };
            prop::collection::vec(prop_oneof![introduced.clone(), end], 0..8)
        });
        (ends, prop::collection::vec(limit, 0..2)).prop_map(|(events, limits)| [events, limits].concat()).prop_shuffle()
    }

    proptest! {
        #[test]
        fn ranges_say_of_every_version_what_the_events_say(events in events(), version in 0..22_u8) {
            let said = ranges(Kind::Npm, &events).iter().any(|range| range.covers(Kind::Npm, &version.to_string()));
            prop_assert_eq!(said, is_vulnerable(version, &events), "{:?}", events);
        }
    }

    #[test]
    fn a_line_of_events_is_its_ranges() {
        let events: Vec<Event> =
            serde_json::from_str(r#"[{"introduced": "0"}, {"fixed": "1.0.2"}, {"introduced": "3.0.0"}, {"fixed": "3.2.5"}]"#).unwrap();
        let shown: Vec<_> = ranges(Kind::Npm, &events).iter().map(|range| format!("{:?} {:?}", range.introduced, range.until)).collect();
        assert_eq!(shown, ["None Fixed(\"1.0.2\")", "Some(\"3.0.0\") Fixed(\"3.2.5\")"]);
        assert!(serde_json::from_str::<Event>(r#"{"introduced": "1", "fixed": "2"}"#).is_err(), "two in one are invalid");
    }
}
