//! `refit schedule`: what will happen when, what will hold it back, and until when.

use std::collections::BTreeMap;

use jiff::{Timestamp, Zoned};
use schemars::JsonSchema;
use serde::Serialize;

use crate::model::{ImageName, TriggerName, Zone, format_duration};
use crate::pipeline::{Freeze, FreezeAllow, Priority, Window};
use crate::trigger::schedule::{Fate, Outlook, Planned, Poll, Wait};

/// An outlook as one document.
#[derive(Serialize, JsonSchema)]
pub struct Schedule<'a> {
    from: Timestamp,
    until: Timestamp,
    cycles: Vec<Cycle<'a>>,
    refreshes: &'a BTreeMap<TriggerName, Vec<ImageName>>,
    freezes: &'a [Freeze],
    maintenance: &'a [Window],
    events_wait: Option<&'a Wait>,
    polls: &'a [Poll],
}

/// A cycle, with its moments on the wall clock of its zone besides.
#[derive(Serialize, JsonSchema)]
struct Cycle<'a> {
    #[serde(flatten)]
    planned: &'a Planned,
    begins_local: Zoned,
    closes_local: Option<Zoned>,
}

/// For machines: moments in UTC, those of cycles also in the zone of their trigger (RFC 9557).
pub fn as_json(outlook: &Outlook) -> Schedule<'_> {
    Schedule {
        from: outlook.from,
        until: outlook.until,
        cycles: outlook.cycles.iter().map(cycle).collect(),
        refreshes: &outlook.refreshes,
        freezes: &outlook.freezes,
        maintenance: &outlook.maintenance,
        events_wait: outlook.events_wait.as_ref(),
        polls: &outlook.polls,
    }
}

fn cycle(planned: &Planned) -> Cycle<'_> {
    let Planned { occurrence, timezone, .. } = planned;
    Cycle { planned, begins_local: timezone.at(occurrence.begins), closes_local: occurrence.closes.map(|closes| timezone.at(closes)) }
}

/// For people: a table of the cycles in order, then what they rebuild, what holds runs back, and which bases are asked for.
pub fn as_text(outlook: &Outlook) -> Vec<String> {
    let parts = [cycles(outlook), refreshes(outlook), freezes(outlook), events(outlook), polls(outlook)];
    parts.concat()
}

/// More cycles of one trigger are counted and not listed; `--json` has all.
const CYCLES_SHOWN_MAX: usize = 40;

fn cycles(outlook: &Outlook) -> Vec<String> {
    let (from, until) = (utc(outlook.from), utc(outlook.until));
    if outlook.cycles.is_empty() {
        return vec![format!("no patch cycle begins from {from} to {until} UTC; `triggers:` in a pipeline makes some")];
    }
    let mut seen: BTreeMap<&TriggerName, usize> = BTreeMap::new();
    let mut rows = Vec::new();
    for planned in &outlook.cycles {
        let count = seen.entry(&planned.occurrence.trigger).or_default();
        *count += 1;
        if *count <= CYCLES_SHOWN_MAX {
            rows.push(row(planned));
        }
    }
    let mut lines = vec![format!("From {from} to {until} UTC:"), String::new()];
    lines.extend(super::table(["TRIGGER", "BEGINS", "UTC", "CLOSES", "WHAT"], rows));
    let more = seen.into_iter().filter(|(_, count)| *count > CYCLES_SHOWN_MAX);
    lines.extend(more.map(|(trigger, count)| format!("{trigger} begins {} more times until then", count - CYCLES_SHOWN_MAX)));
    lines
}

fn row(planned: &Planned) -> [String; 5] {
    let Planned { occurrence, timezone, .. } = planned;
    let closes = occurrence.closes.map_or_else(|| "-".to_owned(), |closes| timezone.at(closes).strftime("%m-%d %H:%M").to_string());
    [occurrence.trigger.to_string(), local(timezone, occurrence.begins), utc(occurrence.begins), closes, what(planned)]
}

fn what(planned: &Planned) -> String {
    let priority = if planned.priority == Priority::Security { " (security)" } else { "" };
    let held: Vec<String> = planned.held.iter().map(|(service, wait)| format!("{service} ({})", wait.why)).collect();
    let without = if held.is_empty() { String::new() } else { format!(", without {}", held.join(", ")) };
    match &planned.fate {
        Fate::Begins => format!("begins{priority}{without}"),
        Fate::Waits(wait) => format!("waits until {}{priority}: {}{without}", local(&planned.timezone, wait.until), wait.why),
        Fate::Skipped(wait) => format!("does not begin{priority}: {}", wait.why),
    }
}

fn refreshes(outlook: &Outlook) -> Vec<String> {
    let line = |(trigger, images): (&TriggerName, &Vec<ImageName>)| {
        let names = images.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        format!("{trigger} rebuilds, even where nothing moved: {names}")
    };
    spaced(outlook.refreshes.iter().map(line).collect())
}

fn freezes(outlook: &Outlook) -> Vec<String> {
    spaced(outlook.freezes.iter().map(freeze).collect())
}

fn freeze(freeze: &Freeze) -> String {
    let (from, until) = (local(&freeze.timezone, freeze.from), local(&freeze.timezone, freeze.until));
    let services = freeze.services.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let whom = if services.is_empty() { String::new() } else { format!(" of {services}") };
    let reason = freeze.reason.as_deref().map_or(String::new(), |reason| format!(": {reason}"));
    let allow = if freeze.allow == FreezeAllow::Security { "; security passes" } else { "" };
    format!("freeze{whom} from {from} until {until}{reason}{allow} ({})", freeze.at)
}

/// What is said of runs that begin by webhook and poll.
fn events(outlook: &Outlook) -> Vec<String> {
    let windows = outlook.maintenance.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let when = if windows.is_empty() { "at any time".to_owned() } else { format!("in {windows}") };
    let now = outlook.events_wait.as_ref().map_or(String::new(), |wait| format!("; now they wait until {} UTC: {}", utc(wait.until), wait.why));
    spaced(vec![format!("runs by webhook and poll begin {when}{now}")])
}

fn polls(outlook: &Outlook) -> Vec<String> {
    let line = |poll: &Poll| format!("{} is asked for every {}, {} times until then", poll.base.familiar(), format_duration(poll.every), poll.times);
    outlook.polls.iter().map(line).collect()
}

/// With an empty line before them.
fn spaced(lines: Vec<String>) -> Vec<String> {
    if lines.is_empty() { lines } else { std::iter::once(String::new()).chain(lines).collect() }
}

fn local(zone: &Zone, moment: Timestamp) -> String {
    format!("{} {zone}", zone.at(moment).strftime("%a %Y-%m-%d %H:%M"))
}

fn utc(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%d %H:%M").to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::pipeline::{Estate, Given, PipelineText, draft};
    use crate::trigger::schedule::outlook;

    fn estate(text: &str) -> Estate {
        let file = PipelineText { file: "pipelines/shop.yaml".into(), text: text.into() };
        let reading = draft(&[file], &Given { folder: "/srv/shop".into(), vars: BTreeMap::new() }).finish(&BTreeMap::new());
        reading.estate.unwrap_or_else(|| panic!("{:#?}", reading.findings))
    }

    fn shown(text: &str, from: &str, days: i64) -> String {
        let from: Timestamp = from.parse().unwrap();
        as_text(&outlook(&estate(text), from, from + jiff::SignedDuration::from_hours(24 * days))).join("\n")
    }

    const SHOP: &str = r#"
bases: { "debian:bookworm-slim": { watch: 15m }, "redis:7": { watch: 6h }, "nginx:1": }
images: { base: { build: "https://x/y.git", refresh: always }, web: { build: "https://x/y.git" } }
hosts: { a: { endpoint: "unix:///x" } }
services: { shop: { image: web }, web: { image: web } }
triggers:
  patch-tuesday: { cron: "0 3 * * TUE", timezone: Europe/Brussels, window: 4h, jitter: 10m }
  urgent: { cron: "30 2 * * SUN", timezone: Europe/Brussels, priority: security, refresh: never }
freeze:
  - { from: 2026-10-26, to: 2026-10-31, timezone: Europe/Brussels, reason: "autumn fair", allow: security }
  - { from: "2026-11-03T00:00", to: "2026-11-03T05:00", timezone: Europe/Brussels, allow: security }
  - { from: 2026-10-25, to: 2026-10-25, services: [shop], reason: stocktaking }
  - { from: 2027-10-25, to: 2027-10-25 }
maintenance:
  - { days: MON-FRI, from: "22:00", to: "04:00", timezone: Europe/Brussels }
"#;

    #[test]
    fn what_comes_is_told_with_what_holds_it() {
        insta::assert_snapshot!(shown(SHOP, "2026-10-24T12:00:00Z", 14), @r#"
        From 2026-10-24 12:00 to 2026-11-07 12:00 UTC:

        TRIGGER        BEGINS                                UTC               CLOSES       WHAT
        urgent         Sun 2026-10-25 02:30 Europe/Brussels  2026-10-25 00:30  -            begins (security), without shop (freeze until Mon 2026-10-26 00:00 UTC: stocktaking (pipelines/shop.yaml:12))
        patch-tuesday  Tue 2026-10-27 03:04 Europe/Brussels  2026-10-27 02:04  10-27 07:00  does not begin: freeze until Sun 2026-11-01 00:00 Europe/Brussels: autumn fair (pipelines/shop.yaml:10)
        urgent         Sun 2026-11-01 02:30 Europe/Brussels  2026-11-01 01:30  -            begins (security)
        patch-tuesday  Tue 2026-11-03 03:05 Europe/Brussels  2026-11-03 02:05  11-03 07:00  waits until Tue 2026-11-03 05:00 Europe/Brussels: freeze until Tue 2026-11-03 05:00 Europe/Brussels (pipelines/shop.yaml:11)

        patch-tuesday rebuilds, even where nothing moved: base

        freeze of shop from Sun 2026-10-25 00:00 UTC until Mon 2026-10-26 00:00 UTC: stocktaking (pipelines/shop.yaml:12)
        freeze from Mon 2026-10-26 00:00 Europe/Brussels until Sun 2026-11-01 00:00 Europe/Brussels: autumn fair; security passes (pipelines/shop.yaml:10)
        freeze from Tue 2026-11-03 00:00 Europe/Brussels until Tue 2026-11-03 05:00 Europe/Brussels; security passes (pipelines/shop.yaml:11)

        runs by webhook and poll begin in MON-FRI 22:00-04:00 Europe/Brussels; now they wait until 2026-11-02 21:00 UTC: maintenance opens at Mon 2026-10-26 22:00 Europe/Brussels (MON-FRI 22:00-04:00 Europe/Brussels), then freeze until Sun 2026-11-01 00:00 Europe/Brussels: autumn fair (pipelines/shop.yaml:10), then maintenance opens at Mon 2026-11-02 22:00 Europe/Brussels (MON-FRI 22:00-04:00 Europe/Brussels)
        debian:bookworm-slim is asked for every 15m, 1344 times until then
        redis:7 is asked for every 6h, 56 times until then
        "#);
    }

    #[test]
    fn an_estate_in_which_nothing_begins_is_told_so() {
        insta::assert_snapshot!(shown("images: { web: { build: \"https://x/y.git\" } }", "2026-10-24T12:00:00Z", 14), @r#"
        no patch cycle begins from 2026-10-24 12:00 to 2026-11-07 12:00 UTC; `triggers:` in a pipeline makes some

        runs by webhook and poll begin at any time
        "#);
    }

    #[test]
    fn of_many_cycles_the_rest_is_counted() {
        let text = shown("triggers: { often: { cron: \"*/10 * * * *\" } }", "2026-10-24T12:00:00Z", 1);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines.len(), lines[43]), (46, "often begins 104 more times until then"));
    }

    #[test]
    fn machines_get_every_moment_twice() {
        let from: Timestamp = "2026-10-24T12:00:00Z".parse().unwrap();
        let outlook = outlook(&estate(SHOP), from, from + jiff::SignedDuration::from_hours(24 * 5));
        insta::assert_json_snapshot!(as_json(&outlook), @r#"
        {
          "from": "2026-10-24T12:00:00Z",
          "until": "2026-10-29T12:00:00Z",
          "cycles": [
            {
              "begins": "2026-10-25T00:30:00Z",
              "trigger": "urgent",
              "at": "2026-10-25T00:30:00Z",
              "closes": null,
              "timezone": "Europe/Brussels",
              "priority": "security",
              "fate": "begins",
              "held": {
                "shop": {
                  "until": "2026-10-26T00:00:00Z",
                  "why": "freeze until Mon 2026-10-26 00:00 UTC: stocktaking (pipelines/shop.yaml:12)"
                }
              },
              "begins_local": "2026-10-25T02:30:00+02:00[Europe/Brussels]",
              "closes_local": null
            },
            {
              "begins": "2026-10-27T02:04:10Z",
              "trigger": "patch-tuesday",
              "at": "2026-10-27T02:00:00Z",
              "closes": "2026-10-27T06:00:00Z",
              "timezone": "Europe/Brussels",
              "priority": "normal",
              "fate": {
                "skipped": {
                  "until": "2026-10-31T23:00:00Z",
                  "why": "freeze until Sun 2026-11-01 00:00 Europe/Brussels: autumn fair (pipelines/shop.yaml:10)"
                }
              },
              "held": {},
              "begins_local": "2026-10-27T03:04:10+01:00[Europe/Brussels]",
              "closes_local": "2026-10-27T07:00:00+01:00[Europe/Brussels]"
            }
          ],
          "refreshes": {
            "patch-tuesday": [
              "base"
            ]
          },
          "freezes": [
            {
              "at": {
                "file": "pipelines/shop.yaml",
                "line": 12
              },
              "from": "2026-10-25T00:00:00Z",
              "until": "2026-10-26T00:00:00Z",
              "timezone": "UTC",
              "reason": "stocktaking",
              "services": [
                "shop"
              ],
              "allow": "nothing"
            },
            {
              "at": {
                "file": "pipelines/shop.yaml",
                "line": 10
              },
              "from": "2026-10-25T23:00:00Z",
              "until": "2026-10-31T23:00:00Z",
              "timezone": "Europe/Brussels",
              "reason": "autumn fair",
              "services": [],
              "allow": "security"
            }
          ],
          "maintenance": [
            {
              "at": {
                "file": "pipelines/shop.yaml",
                "line": 15
              },
              "days": "MON-FRI",
              "from": "22:00:00",
              "to": "04:00:00",
              "timezone": "Europe/Brussels"
            }
          ],
          "events_wait": {
            "until": "2026-11-02T21:00:00Z",
            "why": "maintenance opens at Mon 2026-10-26 22:00 Europe/Brussels (MON-FRI 22:00-04:00 Europe/Brussels), then freeze until Sun 2026-11-01 00:00 Europe/Brussels: autumn fair (pipelines/shop.yaml:10), then maintenance opens at Mon 2026-11-02 22:00 Europe/Brussels (MON-FRI 22:00-04:00 Europe/Brussels)"
          },
          "polls": [
            {
              "base": "docker.io/library/debian:bookworm-slim",
              "every_ms": 900000,
              "times": 480
            },
            {
              "base": "docker.io/library/redis:7",
              "every_ms": 21600000,
              "times": 20
            }
          ]
        }
        "#);
    }
}
