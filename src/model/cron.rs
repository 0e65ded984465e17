//! Cron patterns of five fields, and the moments that they mean in a time zone.

use std::fmt;
use std::str::FromStr;

use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::zone::Zone;

/// Why a text is no cron pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    /// There are more or fewer than five fields.
    #[error("expected five cron fields such as `0 3 * * TUE`, found `{0}`")]
    Fields(String),
    /// One field cannot be read, or holds what it may not.
    #[error("`{written}` is no {field} of a cron pattern")]
    Field {
        /// What was written.
        written: String,
        /// Which field it is: `minute`, `hour` …
        field: &'static str,
        /// What it may hold, in words.
        may: &'static str,
    },
    /// It can be read, and no day there ever was or will be fits it.
    #[error("`{0}` never comes: no month has such a day")]
    Never(String),
}

/// Each field's name and what it may hold. Source: the pages of crontab(5), and croner's for `L`, `W` and `#`.
const FIELDS: [(&str, &str); 5] = [
    ("minute", "0 to 59"),
    ("hour", "0 to 23"),
    ("day of the month", "1 to 31, `L` for the last, `15W` for the working day nearest to the 15th"),
    ("month", "1 to 12, or JAN to DEC"),
    ("day of the week", "0 to 7, or SUN to SAT, `TUE#2` for the second Tuesday of the month, `FRIL` for the last Friday"),
];

/// Longer texts are nobody's pattern: the longest sensible list of minutes has 170 characters.
const TEXT_CHARS_MAX: usize = 500;

/// A cron pattern: minute, hour, day of the month, month, day of the week.
///
/// Where both days are given one of them is enough, as crontab(5) has it. Fixed times that a clock skips in spring come at the moment at which it
/// skips, and those that it shows twice in autumn come the first time only; patterns with `*` or a step in hours or minutes follow the time that
/// passes, so in autumn they come twice.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct Cron {
    /// As it was written, with one blank between fields.
    text: String,
    pattern: croner::Cron,
}

impl Cron {
    /// The pattern as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The first moment after another at which it comes. None where time ends: in the year 5000.
    pub fn next_after(&self, moment: Timestamp, zone: &Zone) -> Option<Timestamp> {
        let mut next = zone.at(moment);
        // The search takes whole seconds of the wall clock; around its changes only the moments themselves say what is later.
        for _ in 0..STEPS_MAX {
            next = self.pattern.find_next_occurrence(&next, false).ok()?;
            if next.timestamp() > moment {
                return Some(next.timestamp());
            }
        }
        None
    }

    /// The last moment up to another, that one included, at which it came. None before the year 1.
    pub fn last_until(&self, moment: Timestamp, zone: &Zone) -> Option<Timestamp> {
        let mut last = self.pattern.find_previous_occurrence(&zone.at(moment), true).ok()?;
        for _ in 0..STEPS_MAX {
            if last.timestamp() <= moment {
                return Some(last.timestamp());
            }
            last = self.pattern.find_previous_occurrence(&last, false).ok()?;
        }
        None
    }
}

/// One step is enough; a second one is for a change of the clock.
const STEPS_MAX: usize = 4;

impl FromStr for Cron {
    type Err = CronError;
    fn from_str(text: &str) -> Result<Self, CronError> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        if fields.len() != FIELDS.len() || text.len() > TEXT_CHARS_MAX {
            return Err(CronError::Fields(text.chars().take(TEXT_CHARS_MAX).collect()));
        }
        for (index, (field, may)) in FIELDS.into_iter().enumerate() {
            let mut alone = ["*"; FIELDS.len()];
            alone[index] = fields[index];
            parse(&alone.join(" ")).ok_or_else(|| CronError::Field { written: fields[index].to_owned(), field, may })?;
        }
        let text = fields.join(" ");
        let pattern = parse(&text).ok_or_else(|| CronError::Fields(text.clone()))?;
        let cron = Self { text, pattern };
        // `0 0 31 2 *` reads well; only who asks for the next time learns that there is none.
        match cron.next_after(Timestamp::UNIX_EPOCH, &Zone::utc()) {
            Some(_) => Ok(cron),
            None => Err(CronError::Never(cron.text)),
        }
    }
}

fn parse(text: &str) -> Option<croner::Cron> {
    CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build().parse(text).ok()
}

impl TryFrom<String> for Cron {
    type Error = CronError;
    fn try_from(text: String) -> Result<Self, CronError> {
        text.parse()
    }
}

impl From<Cron> for String {
    fn from(cron: Cron) -> String {
        cron.text
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn zone(name: &str) -> Zone {
        name.parse().unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_wrong_is_told_by_field() {
        for (text, message) in [
            ("daily", "expected five cron fields such as `0 3 * * TUE`, found `daily`"),
            ("@daily", "expected five cron fields such as `0 3 * * TUE`, found `@daily`"),
            ("0 0 3 * * TUE", "expected five cron fields such as `0 3 * * TUE`, found `0 0 3 * * TUE`"),
            ("60 3 * * *", "`60` is no minute of a cron pattern"),
            ("0 24 * * *", "`24` is no hour of a cron pattern"),
            ("0 3 32 * *", "`32` is no day of the month of a cron pattern"),
            ("0 3 * 13 *", "`13` is no month of a cron pattern"),
            ("0 3 * * TUESDAY", "`TUESDAY` is no day of the week of a cron pattern"),
            ("0 3 * * 5-", "`5-` is no day of the week of a cron pattern"),
            ("*/0 3 * * *", "`*/0` is no minute of a cron pattern"),
            ("0 0 31 2 *", "`0 0 31 2 *` never comes: no month has such a day"),
            ("0 0 30 FEB *", "`0 0 30 FEB *` never comes: no month has such a day"),
        ] {
            assert_eq!(text.parse::<Cron>().map(|cron| cron.text).map_err(|error| error.to_string()), Err(message.to_owned()));
        }
        assert!("".parse::<Cron>().is_err() && "* ".repeat(100_000).parse::<Cron>().is_err());
        assert_eq!("0  3 *\t* tue".parse::<Cron>().unwrap().as_str(), "0 3 * * tue");
    }

    #[test]
    fn it_comes_after_a_moment_and_never_at_it() {
        let tuesdays: Cron = "0 3 * * TUE".parse().unwrap();
        let brussels = zone("Europe/Brussels");
        assert_eq!(tuesdays.next_after(at("2026-12-08T01:59:59.5Z"), &brussels), Some(at("2026-12-08T02:00:00Z")));
        assert_eq!(tuesdays.next_after(at("2026-12-08T02:00:00Z"), &brussels), Some(at("2026-12-15T02:00:00Z")));
        assert_eq!(tuesdays.last_until(at("2026-12-08T02:00:00Z"), &brussels), Some(at("2026-12-08T02:00:00Z")));
        assert_eq!(tuesdays.last_until(at("2026-12-08T01:59:59.5Z"), &brussels), Some(at("2026-12-01T02:00:00Z")));
        assert_eq!(tuesdays.next_after(Timestamp::MAX, &brussels), None);
        let _ = (tuesdays.last_until(Timestamp::MIN, &brussels), tuesdays.next_after(Timestamp::MIN, &brussels));
    }

    fn pattern() -> impl Strategy<Value = String> {
        let minute = prop_oneof![Just("*".to_owned()), Just("*/20".to_owned()), (0..60u8).prop_map(|n| n.to_string())];
        let hour = prop_oneof![Just("*".to_owned()), Just("*/2".to_owned()), Just("1-3".to_owned()), (0..24u8).prop_map(|n| n.to_string())];
        let day = prop::sample::select(vec!["*", "*", "29", "L", "1,15", "25"]);
        let week = prop::sample::select(vec!["*", "*", "SUN", "SUN#2", "SUNL", "MON-FRI"]);
        (minute, hour, day, week).prop_map(|(minute, hour, day, week)| format!("{minute} {hour} {day} * {week}"))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        /// Looking back finds what looking forward found, across every change of the clock.
        #[test]
        fn back_and_forward_agree(pattern in pattern(), name in prop::sample::select(vec!["Europe/Brussels", "America/New_York", "Australia/Lord_Howe", "UTC"]),
            change in prop::sample::select(vec!["2026-03-08", "2026-03-29", "2026-04-04", "2026-10-04", "2026-10-25", "2026-11-01", "2027-03-14"]), seconds in 0..172_800i64) {
            let (cron, zone): (Cron, Zone) = (pattern.parse().unwrap(), zone(name));
            let now = at(&format!("{change}T00:00:00Z")) + jiff::SignedDuration::from_secs(seconds - 43_200);
            let next = cron.next_after(now, &zone).unwrap();
            prop_assert!(next > now);
            prop_assert_eq!(cron.last_until(next, &zone), Some(next));
            let before = cron.last_until(next - jiff::SignedDuration::from_secs(1), &zone).unwrap();
            prop_assert!(before <= now, "{} lies between {} and {}", before, now, next);
            prop_assert_eq!(cron.next_after(before, &zone), Some(next));
        }

        #[test]
        fn any_text_is_answered(text in prop_oneof!["[-0-9*/,LW#?+@ MONJA]{0,30}", "\\PC{0,40}", "([0-9*/,L#-]{1,4} ){4}[0-9*/,L#-]{1,4}"]) {
            if let Ok(cron) = text.parse::<Cron>() {
                prop_assert_eq!(cron.as_str().parse::<Cron>().unwrap(), cron);
            }
        }
    }
}
