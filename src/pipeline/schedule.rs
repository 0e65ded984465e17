//! When refit begins runs by itself, and when it must not: triggers, freezes and maintenance windows, as they are meant.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::{Time, Weekday};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Cron, EstateName, Place, ServiceName, TriggerName, Zone, serde_duration};

/// What begins a patch cycle by itself: a run that looks at all bases and rebuilds all that is out of date.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ScheduleTrigger")]
pub struct Trigger {
    /// Its key.
    pub name: TriggerName,
    /// The estate's name. Together with the trigger's own it spreads the jitter: estates that share a trigger's text do not begin together.
    pub estate: EstateName,
    /// Where it was written.
    pub at: Place,
    /// When it comes, on the wall clock of `timezone`.
    pub cron: Cron,
    /// The time zone that `cron` is meant in.
    pub timezone: Zone,
    /// How long after that its run may go on; not longer than the time to the next one. None: until it is done.
    pub window: Option<Duration>,
    /// A run begins at most so much later; shorter than `window`. Whole seconds count.
    #[serde(with = "serde_duration")]
    #[schemars(with = "u64")]
    pub jitter: Duration,
    /// Whether its runs may pass where others wait.
    pub priority: Priority,
    /// Which images its runs rebuild even where nothing below them moved.
    pub refresh: CycleRefresh,
}

/// Whether a run may pass where others wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Priority {
    /// It waits for freezes to end and maintenance to open.
    #[default]
    Normal,
    /// It passes freezes that allow it, and needs no maintenance window.
    Security,
}

/// Which images a patch cycle rebuilds even where nothing below them moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CycleRefresh {
    /// Those that say `refresh: always`.
    #[default]
    Marked,
    /// All of them.
    All,
    /// None.
    Never,
}

/// Whether an image is rebuilt although nothing below it moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Refresh {
    /// Only when something moved.
    #[default]
    OnChange,
    /// In every patch cycle: its packages come from outside, where refit sees no digest move.
    Always,
}

/// A time in which nothing is rolled: from one moment to another, the latter not included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Freeze {
    /// Where it was written.
    pub at: Place,
    /// When it begins.
    pub from: Timestamp,
    /// The first moment at which it is over.
    pub until: Timestamp,
    /// The time zone in which it was written, and is shown.
    pub timezone: Zone,
    /// Why, for those who wait.
    pub reason: Option<String>,
    /// The services that it holds; all that is in the estate if there are none.
    pub services: BTreeSet<ServiceName>,
    /// Who may pass.
    pub allow: FreezeAllow,
}

/// Who may pass a freeze.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FreezeAllow {
    /// Nobody.
    #[default]
    Nothing,
    /// Runs with [`Priority::Security`].
    Security,
}

/// A time of the week in which runs begin that nobody asked for at a time of its own: those by webhook and poll.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Window {
    /// Where it was written.
    pub at: Place,
    /// The days on which it opens; never empty.
    pub days: Days,
    /// When it opens.
    pub from: Time,
    /// When it closes; on the day after if that is not later than `from`. Midnight is the end of the day.
    pub to: Time,
    /// The time zone of both.
    pub timezone: Zone,
}

impl std::fmt::Display for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let to = if self.to == Time::midnight() { "24:00".to_owned() } else { self.to.strftime("%H:%M").to_string() };
        write!(f, "{} {}-{to} {}", self.days, self.from.strftime("%H:%M"), self.timezone)
    }
}

/// The days' names, as cron and people shorten them.
const DAYS: [(&str, Weekday); 7] = [
    ("MON", Weekday::Monday),
    ("TUE", Weekday::Tuesday),
    ("WED", Weekday::Wednesday),
    ("THU", Weekday::Thursday),
    ("FRI", Weekday::Friday),
    ("SAT", Weekday::Saturday),
    ("SUN", Weekday::Sunday),
];

/// Days of the week, one at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct Days([bool; 7]);

impl Days {
    /// Every day.
    pub const ALL: Self = Self([true; 7]);

    /// Whether a day is one of them.
    pub fn contains(self, day: Weekday) -> bool {
        DAYS.iter().zip(self.0).any(|((_, known), is_in)| *known == day && is_in)
    }
}

impl std::str::FromStr for Days {
    type Err = String;
    /// Reads days and ranges, which may go over the week's end: `MON-FRI`, `SAT,SUN`, `FRI-MON`.
    fn from_str(text: &str) -> Result<Self, String> {
        let day = |name: &str| {
            let name = name.trim();
            if name.is_empty() {
                return Err("a day is missing".to_owned());
            }
            DAYS.iter().position(|(known, _)| known.eq_ignore_ascii_case(name)).ok_or_else(|| format!("`{}` is no day", name.escape_debug()))
        };
        let mut days = [false; 7];
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (day(first)?, day(last)?);
            let count = (last + days.len() - first) % days.len() + 1;
            (first..first + count).for_each(|at| days[at % 7] = true);
        }
        Ok(Self(days))
    }
}

impl TryFrom<String> for Days {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Days> for String {
    fn from(days: Days) -> String {
        days.to_string()
    }
}

impl std::fmt::Display for Days {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let is_in = |at: usize| self.0.get(at).copied().unwrap_or(false);
        let mut parts = Vec::new();
        let mut at = 0;
        while at < DAYS.len() {
            let end = (at..DAYS.len()).find(|day| !is_in(*day)).unwrap_or(DAYS.len());
            match end - at {
                0 => {}
                1 => parts.push(DAYS[at].0.to_owned()),
                _ => parts.push(format!("{}-{}", DAYS[at].0, DAYS[end - 1].0)),
            }
            at = end + 1;
        }
        f.write_str(&parts.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read_in_ranges_and_shown_shortest() {
        for (text, shown) in [
            ("MON-FRI", "MON-FRI"),
            ("sat, sun", "SAT-SUN"),
            ("FRI-MON", "MON,FRI-SUN"),
            ("WED", "WED"),
            ("MON-SUN", "MON-SUN"),
            ("SUN-SAT", "MON-SUN"),
        ] {
            let days: Days = text.parse().unwrap();
            assert_eq!(days.to_string(), shown);
            assert_eq!(shown.parse::<Days>(), Ok(days));
        }
        let weekend: Days = "SAT,SUN".parse().unwrap();
        assert!(weekend.contains(Weekday::Sunday) && !weekend.contains(Weekday::Monday));
        for bad in ["", ",", "MON-", "-", "MONDAY", "1-5", "MON FRI", "MON--FRI", "é"] {
            assert!(bad.parse::<Days>().is_err(), "{bad:?}");
        }
    }
}
