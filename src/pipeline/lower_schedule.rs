//! Triggers, freezes and maintenance windows: times that are none, zones that nobody knows, windows that would overlap.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};

use super::at::At;
use super::forms::Words;
use super::join::Joined;
use super::lower::Lower;
use super::near::{did_you_mean, nearest};
use super::schedule::{CycleRefresh, Days, Freeze, FreezeAllow, Priority, Trigger, Window};
use super::{raw, raw_schedule};
use crate::model::{Cron, CronError, ServiceName, TriggerName, Zone, format_duration};

impl Lower<'_> {
    /// What begins by itself, by name.
    pub(super) fn triggers(&mut self, joined: &Joined<'_>) -> BTreeMap<TriggerName, Trigger> {
        let triggers = joined.triggers.iter().filter_map(|(key, (at, raw))| self.trigger(at, key, raw));
        triggers.map(|trigger| (trigger.name.clone(), trigger)).collect()
    }

    fn trigger(&mut self, at: &At<'_>, key: &str, raw: &raw_schedule::Trigger) -> Option<Trigger> {
        let name: Option<TriggerName> = self.ok(at, key.parse());
        let cron = self.cron(&at.key("cron"), &raw.cron);
        let timezone = self.zone(&at.key("timezone"), raw.timezone.as_deref());
        let window = self.window_of(&at.key("window"), raw.window.as_deref(), cron.as_ref());
        let jitter = self.jitter(&at.key("jitter"), raw.jitter.as_deref(), window, cron.as_ref());
        let priority = priority(raw.priority);
        let refresh = cycle_refresh(raw.refresh);
        Some(Trigger { name: name?, estate: self.name.clone(), at: at.place(), cron: cron?, timezone: timezone?, window, jitter, priority, refresh })
    }

    fn cron(&mut self, at: &At<'_>, text: &str) -> Option<Cron> {
        text.parse::<Cron>()
            .map_err(|error| {
                let help = match &error {
                    CronError::Fields(_) => "they are minute, hour, day of the month, month and day of the week".to_owned(),
                    CronError::Field { field, may, .. } => format!("the {field} may be {may}, lists, ranges and steps of them, or `*`"),
                    CronError::Never(_) => "choose a day that there is; `L` is the last one of every month".to_owned(),
                };
                self.findings.error(at, error.to_string(), help);
            })
            .ok()
    }

    /// A time zone; UTC if none is named.
    fn zone(&mut self, at: &At<'_>, name: Option<&str>) -> Option<Zone> {
        let Some(name) = name else { return Some(Zone::utc()) };
        name.parse::<Zone>().map_err(|error| self.findings.error(at, error.to_string(), zone_help(name))).ok()
    }

    fn window_of(&mut self, at: &At<'_>, text: Option<&str>, cron: Option<&Cron>) -> Option<Duration> {
        let window = self.opt_duration(at, text)?;
        if window == Duration::ZERO {
            self.findings.error(at, "in a window without any time nothing can begin", "write a longer one, such as `4h`, or remove it");
            return None;
        }
        let gap = cron.and_then(shortest_gap);
        if let Some((gap, cron)) = gap.zip(cron).filter(|(gap, _)| window > *gap) {
            let message = format!("the window of {} reaches beyond the next occurrence: `{cron}` comes again after {}", shown(window), shown(gap));
            self.findings.error(at, message, format!("write at most `{}`", shown(gap).replace(' ', "")));
        }
        Some(window)
    }

    fn jitter(&mut self, at: &At<'_>, text: Option<&str>, window: Option<Duration>, cron: Option<&Cron>) -> Duration {
        let Some(jitter) = self.opt_duration(at, text) else { return Duration::ZERO };
        let gap = cron.and_then(shortest_gap);
        if let Some(window) = window.filter(|window| jitter >= *window) {
            let message = format!("a jitter of {} leaves nothing of the window of {}", shown(jitter), shown(window));
            self.findings.error(at, message, "write a shorter jitter, or a longer window");
        } else if let Some(gap) = gap.filter(|gap| jitter >= *gap) {
            let message = format!("a jitter of {} reaches the next occurrence, which comes after {}", shown(jitter), shown(gap));
            self.findings.error(at, message, "write a shorter one, such as `10m`");
        }
        jitter
    }

    /// The freezes of all files, in the order in which they begin.
    pub(super) fn freezes(&mut self, files: &[(At<'_>, &raw::Pipeline)]) -> Vec<Freeze> {
        let mut freezes = Vec::new();
        for (at, pipeline) in files {
            let at = at.key("freeze");
            freezes.extend(pipeline.freeze.iter().enumerate().filter_map(|(index, raw)| self.freeze(&at.index(index), raw)));
        }
        freezes.sort_by_key(|freeze| (freeze.from, freeze.until));
        freezes
    }

    fn freeze(&mut self, at: &At<'_>, raw: &raw_schedule::Freeze) -> Option<Freeze> {
        let timezone = self.zone(&at.key("timezone"), raw.timezone.as_deref());
        let services = self.frozen_services(&at.key("services"), &raw.services);
        let from = self.day_or_moment(&at.key("from"), &raw.from);
        let to = self.day_or_moment(&at.key("to"), &raw.to);
        let (timezone, from, to) = (timezone?, from?, to?);
        let (from, until) = (self.moment(&at.key("from"), &timezone, from.begin())?, self.moment(&at.key("to"), &timezone, to.end()?)?);
        if until <= from {
            let message = format!("the freeze ends ({}) before it begins ({})", raw.to, raw.from);
            self.findings.error(&at.key("to"), message, "swap the two");
            return None;
        }
        let allow = match raw.allow {
            None | Some(raw_schedule::FreezeAllow::Nothing) => FreezeAllow::Nothing,
            Some(raw_schedule::FreezeAllow::Security) => FreezeAllow::Security,
        };
        Some(Freeze { at: at.place(), from, until, timezone, reason: raw.reason.clone(), services: services?, allow })
    }

    /// The services that a freeze names; none of it if one is unknown, lest the freeze hold more than was meant.
    fn frozen_services(&mut self, at: &At<'_>, names: &[String]) -> Option<BTreeSet<ServiceName>> {
        let mut services = BTreeSet::new();
        let mut is_whole = true;
        for (index, name) in names.iter().enumerate() {
            let known = self.estate.services.contains(name);
            if !known {
                let help = did_you_mean(name, self.estate.services.iter().map(String::as_str), "services", "a freeze without `services` holds all");
                self.findings.error(&at.index(index), format!("there is no service `{name}`"), help);
            }
            let parsed = name.parse::<ServiceName>().ok().filter(|_| known);
            is_whole &= parsed.is_some();
            services.extend(parsed);
        }
        is_whole.then_some(services)
    }

    fn day_or_moment(&mut self, at: &At<'_>, text: &str) -> Option<Written> {
        let parsed = Written::parse(text);
        if parsed.is_none() {
            let message = format!("expected a day such as `2026-12-20` or a time such as `2026-12-20T18:00`, found `{}`", text.escape_debug());
            let help = if text.contains(['Z', '+']) { "leave the offset out and name the time zone: `timezone: Europe/Brussels`" } else { "" };
            self.findings.error(at, message, help);
        }
        parsed
    }

    fn moment(&mut self, at: &At<'_>, timezone: &Zone, time: DateTime) -> Option<Timestamp> {
        let moment = timezone.moment(time);
        if moment.is_none() {
            self.findings.error(at, format!("{} is beyond the end of time", time.date()), "choose a year before 9999");
        }
        moment
    }

    /// The maintenance windows of all files, as they stand.
    pub(super) fn maintenance(&mut self, files: &[(At<'_>, &raw::Pipeline)]) -> Vec<Window> {
        let mut windows = Vec::new();
        for (at, pipeline) in files {
            let at = at.key("maintenance");
            windows.extend(pipeline.maintenance.iter().enumerate().filter_map(|(index, raw)| self.maintenance_window(&at.index(index), raw)));
        }
        windows
    }

    fn maintenance_window(&mut self, at: &At<'_>, raw: &raw_schedule::Window) -> Option<Window> {
        let days = self.days(&at.key("days"), raw.days.as_ref());
        let from = self.time(&at.key("from"), &raw.from.0);
        let to = if raw.to.0 == END_OF_DAY { Some(Time::midnight()) } else { self.time(&at.key("to"), &raw.to.0) };
        let timezone = self.zone(&at.key("timezone"), raw.timezone.as_deref());
        let (from, to) = (from?, to?);
        if from == to && raw.to.0 != END_OF_DAY {
            let help = "write `from: \"00:00\", to: \"24:00\"` for whole days";
            self.findings.error(&at.key("to"), format!("the window closes ({}) when it opens", raw.to.0), help);
            return None;
        }
        Some(Window { at: at.place(), days: days?, from, to, timezone: timezone? })
    }

    fn days(&mut self, at: &At<'_>, words: Option<&Words>) -> Option<Days> {
        let Some(words) = words else { return Some(Days::ALL) };
        let text = words.all().join(",");
        text.parse::<Days>()
            .map_err(|why| {
                self.findings.error(
                    at,
                    format!("expected days such as `MON-FRI` or `SAT,SUN`: {why}"),
                    "they are MON, TUE, WED, THU, FRI, SAT and SUN",
                )
            })
            .ok()
    }

    fn time(&mut self, at: &At<'_>, text: &str) -> Option<Time> {
        let time = time_of_day(text);
        if time.is_none() {
            self.findings.error(at, format!("expected a time of day such as `\"22:00\"`, found `{}`", text.escape_debug()), "");
        }
        time
    }
}

/// How the end of a day is written where the beginning of the next one is meant.
const END_OF_DAY: &str = "24:00";

/// `22:00`, and nothing else that a time of day may look like.
fn time_of_day(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str, digits: std::ops::RangeInclusive<usize>| {
        (digits.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse::<i8>().ok()).flatten()
    };
    Time::new(number(hour, 1..=2)?, number(minute, 2..=2)?, 0, 0).ok()
}

/// One end of a freeze.
#[derive(Debug, Clone, Copy)]
enum Written {
    Day(Date),
    Moment(DateTime),
}

impl Written {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        // A date-time with an offset would be read with the offset left out.
        if text.len() == "2026-12-20".len() {
            text.parse().map(Self::Day).ok()
        } else if text.contains(['T', 't', ' ']) && !text.contains(['Z', 'z', '+', '[']) && text.matches('-').count() == 2 {
            text.parse().map(Self::Moment).ok()
        } else {
            None
        }
    }

    fn begin(self) -> DateTime {
        match self {
            Self::Day(day) => day.to_datetime(Time::midnight()),
            Self::Moment(moment) => moment,
        }
    }

    /// The first time that is after it; the whole of a last day belongs to the freeze.
    fn end(self) -> Option<DateTime> {
        match self {
            Self::Day(day) => Some(day.tomorrow().map_or(DateTime::MAX, |next| next.to_datetime(Time::midnight()))),
            Self::Moment(moment) => Some(moment),
        }
    }
}

fn priority(raw: Option<raw_schedule::Priority>) -> Priority {
    match raw {
        None | Some(raw_schedule::Priority::Normal) => Priority::Normal,
        Some(raw_schedule::Priority::Security) => Priority::Security,
    }
}

fn cycle_refresh(raw: Option<raw_schedule::CycleRefresh>) -> CycleRefresh {
    match raw {
        None | Some(raw_schedule::CycleRefresh::Marked) => CycleRefresh::Marked,
        Some(raw_schedule::CycleRefresh::All) => CycleRefresh::All,
        Some(raw_schedule::CycleRefresh::Never) => CycleRefresh::Never,
    }
}

fn zone_help(name: &str) -> String {
    let names = Zone::names();
    let city = names.iter().find(|known| known.rsplit('/').next().is_some_and(|city| city.eq_ignore_ascii_case(name))).map(String::as_str);
    match city.or_else(|| nearest(name, names.iter().map(String::as_str))) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "write a name of the IANA time zone database, such as `Europe/Brussels` or `UTC`".to_owned(),
    }
}

/// A year of a pattern that comes daily, and longer of rarer ones. Those that come more often are uneven from hour to hour or day to day if at all.
const GAPS_MAX: usize = 400;

/// The shortest time from one occurrence to the next, on a clock that never changes.
fn shortest_gap(cron: &Cron) -> Option<Duration> {
    let utc = Zone::utc();
    let moments = std::iter::successors(cron.next_after(Timestamp::UNIX_EPOCH, &utc), |last| cron.next_after(*last, &utc));
    let moments: Vec<Timestamp> = moments.take(GAPS_MAX).collect();
    moments.windows(2).filter_map(|pair| Duration::try_from(pair[1].duration_since(pair[0])).ok()).min()
}

/// A duration in the words of a pipeline.
fn shown(duration: Duration) -> String {
    format_duration(duration)
}
