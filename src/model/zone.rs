//! Time zones by their names in the IANA database, and what a time on their wall clocks means.
//!
//! The database is refit's own (jiff's bundled one), never the machine's: a pipeline means the same on every machine, a minimal one without
//! `/usr/share/zoneinfo` included. A country that changes its rules needs a newer refit.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, Zoned};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The text names no time zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no time zone")]
pub struct ZoneError(pub String);

static DATABASE: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// A time zone of the IANA database, such as `Europe/Brussels`. Its name is kept as the database writes it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct Zone(TimeZone);

impl Zone {
    /// The zone of those who name none.
    pub fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// All names of the database, sorted.
    pub fn names() -> Vec<String> {
        let mut names: Vec<String> = DATABASE.available().map(|name| name.to_string()).collect();
        names.sort_unstable();
        names
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// A moment on this zone's wall clock.
    pub fn at(&self, moment: Timestamp) -> Zoned {
        moment.to_zoned(self.0.clone())
    }

    /// The moment at which the wall clock shows a time. One that it skips in spring is the moment at which it skips; one that it shows twice in
    /// autumn is the first of the two. So a later time never means an earlier moment. None beyond what a timestamp can hold (the year 9999).
    pub fn moment(&self, time: DateTime) -> Option<Timestamp> {
        let ambiguous = self.0.to_ambiguous_timestamp(time);
        match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(time).ok(),
            AmbiguousOffset::Fold { before, .. } => before.to_timestamp(time).ok(),
            AmbiguousOffset::Gap { after, .. } => {
                // By the offset that holds afterwards, a skipped time lies before the skip.
                let earlier = after.to_timestamp(time).ok()?;
                self.0.following(earlier).next().map(|skip| skip.timestamp())
            }
        }
    }
}

impl FromStr for Zone {
    type Err = ZoneError;
    fn from_str(text: &str) -> Result<Self, ZoneError> {
        let zone = DATABASE.get(text).map_err(|_| ZoneError(text.to_owned()))?;
        // The database also answers with the zone of those who know none, which has no name.
        zone.iana_name().is_some().then_some(Self(zone)).ok_or_else(|| ZoneError(text.to_owned()))
    }
}

impl TryFrom<String> for Zone {
    type Error = ZoneError;
    fn try_from(text: String) -> Result<Self, ZoneError> {
        text.parse()
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> String {
        zone.as_str().to_owned()
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(zone: &str, time: &str) -> String {
        zone.parse::<Zone>().unwrap().moment(time.parse().unwrap()).unwrap().to_string()
    }

    #[test]
    fn a_time_that_is_skipped_is_the_skip_and_one_that_is_there_twice_the_first() {
        for (zone, time, utc) in [
            ("Europe/Brussels", "2026-07-01T12:00", "2026-07-01T10:00:00Z"),
            ("Europe/Brussels", "2026-03-29T02:00", "2026-03-29T01:00:00Z"),
            ("Europe/Brussels", "2026-03-29T02:59", "2026-03-29T01:00:00Z"),
            ("Europe/Brussels", "2026-03-29T03:00", "2026-03-29T01:00:00Z"),
            ("Europe/Brussels", "2026-10-25T02:30", "2026-10-25T00:30:00Z"),
            ("America/New_York", "2027-03-14T02:30", "2027-03-14T07:00:00Z"),
            ("America/New_York", "2027-11-07T01:30", "2027-11-07T05:30:00Z"),
            ("UTC", "2026-03-29T02:30", "2026-03-29T02:30:00Z"),
        ] {
            assert_eq!(moment(zone, time), utc, "{time} in {zone}");
        }
    }

    #[test]
    fn zones_are_known_by_name_in_any_case_and_nothing_else() {
        assert_eq!("europe/brussels".parse::<Zone>().unwrap().as_str(), "Europe/Brussels");
        assert_eq!(serde_json::to_string(&Zone::utc()).unwrap(), "\"UTC\"");
        for bad in ["", "Brussels", "Europe/Brussel", "+02:00", "local", "Etc/Unknown", "../UTC", "é", &"x".repeat(10_000)] {
            assert!(bad.parse::<Zone>().is_err(), "{bad:?}");
        }
        assert!(Zone::names().iter().any(|name| name == "America/New_York"));
        assert!(Zone::names().iter().all(|name| name.parse::<Zone>().is_ok()), "every name that is offered is taken");
    }

    #[test]
    fn the_end_of_time_is_no_moment_and_no_panic() {
        let zone: Zone = "America/New_York".parse().unwrap();
        assert_eq!(zone.moment(DateTime::MAX), None);
        assert_eq!("Asia/Tokyo".parse::<Zone>().unwrap().moment(DateTime::MIN), None);
    }
}
