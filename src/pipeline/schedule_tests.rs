//! Triggers, freezes and maintenance windows, from text to what they mean.

use std::time::Duration;

use super::tests::read;
use super::*;

#[track_caller]
fn estate(text: &str) -> Estate {
    let reading = read(&[text]);
    assert_eq!(reading.findings, []);
    reading.estate.unwrap()
}

/// What is said of a text: each finding's key, message and help.
fn said(text: &str) -> Vec<String> {
    let shown = |finding: &Finding| format!("{}: {} ({})", finding.key, finding.message, finding.help.as_deref().unwrap_or_default());
    read(&[text]).findings.iter().map(shown).collect()
}

#[test]
fn everything_of_a_schedule_is_read() {
    let estate = estate(
        r#"
images: { web: { build: web, refresh: always }, shop: { build: shop } }
hosts: { a: { endpoint: "unix:///x" } }
services: { web: { image: web } }
triggers:
  urgent: { cron: "*/30 * * * *", timezone: europe/brussels, window: 20m, jitter: 10m, priority: security, refresh: all }
  weekly: { cron: "0 3 * * TUE" }
freeze:
  - { from: 2027-03-27T18:00, to: "2027-03-28T02:30", timezone: Europe/Brussels, reason: fair, services: [web], allow: security }
  - { from: 2026-12-20, to: 2026-12-20, timezone: America/New_York }
maintenance:
  - { days: MON-FRI, from: "22:00", to: "04:00", timezone: Europe/Brussels }
  - { days: [SAT, sun], from: 0:00, to: "24:00" }
"#,
    );
    let urgent = &estate.triggers[&"urgent".parse().unwrap()];
    assert_eq!(
        (urgent.timezone.as_str(), urgent.window, urgent.jitter),
        ("Europe/Brussels", Some(Duration::from_secs(1_200)), Duration::from_secs(600))
    );
    assert_eq!((urgent.priority, urgent.refresh), (Priority::Security, CycleRefresh::All));
    let weekly = &estate.triggers[&"weekly".parse().unwrap()];
    assert_eq!((weekly.timezone.as_str(), weekly.window, weekly.jitter.as_secs()), ("UTC", None, 0));
    assert_eq!((weekly.priority, weekly.refresh), (Priority::Normal, CycleRefresh::Marked));
    let refresh = |image: &str| estate.images[&image.parse().unwrap()].refresh;
    assert_eq!((refresh("web"), refresh("shop")), (Refresh::Always, Refresh::OnChange));
    let times: Vec<(String, String)> = estate.freezes.iter().map(|one| (one.from.to_string(), one.until.to_string())).collect();
    let pair = |from: &str, until: &str| (from.to_owned(), until.to_owned());
    // The first in time comes first; the other ends in the hour that is skipped.
    assert_eq!(times, [pair("2026-12-20T05:00:00Z", "2026-12-21T05:00:00Z"), pair("2027-03-27T17:00:00Z", "2027-03-28T01:00:00Z")]);
    assert_eq!(
        (estate.freezes[0].allow, estate.freezes[1].allow, estate.freezes[1].services.len()),
        (FreezeAllow::Nothing, FreezeAllow::Security, 1)
    );
    let windows: Vec<String> = estate.maintenance.iter().map(ToString::to_string).collect();
    assert_eq!(windows, ["MON-FRI 22:00-04:00 Europe/Brussels", "SAT-SUN 00:00-24:00 UTC"]);
    let again: Estate = serde_json::from_value(serde_json::to_value(&estate).unwrap()).unwrap();
    assert_eq!(again, estate);
}

#[test]
fn an_estate_that_was_kept_before_there_were_schedules_is_still_read() {
    let mut value = serde_json::to_value(estate("images: { web: { build: web } }")).unwrap();
    for key in ["triggers", "freezes", "maintenance"] {
        assert!(value.as_object_mut().unwrap().remove(key).is_some());
    }
    assert!(value["images"]["web"].as_object_mut().unwrap().remove("refresh").is_some());
    assert_eq!(serde_json::from_value::<Estate>(value).unwrap(), estate("images: { web: { build: web } }"));
}

#[test]
fn mistakes_in_triggers_are_told() {
    let text = r#"
triggers:
  a: { cron: daily, timezone: Europe/Brussel, window: 4 hours }
  b: { cron: "0 25 * * *", timezone: Brussels, window: 0s }
  c: { cron: "0 0 31 2 *", timezone: "+02:00" }
  d: { cron: "0 */2 * * *", window: 4h, jitter: 1h }
  e: { cron: "0 3 * * TUE", window: 4h, jitter: 4h }
  f: { cron: "0 3 * * *", jitter: 2d }
  "g h": { cron: "0 3 * * *" }
  i: { cron: "0 3 * * *", priority: urgent, refresh: sometimes }
"#;
    insta::assert_snapshot!(said(text).join("\n"), @r##"
    triggers.a.cron: expected five cron fields such as `0 3 * * TUE`, found `daily` (they are minute, hour, day of the month, month and day of the week)
    triggers.a.timezone: "Europe/Brussel" is no time zone (did you mean `Europe/Brussels`?)
    triggers.a.window: expected a duration such as `10s`, `500ms` or `1m30s`, found `4 hours` ()
    triggers.b.cron: `25` is no hour of a cron pattern (the hour may be 0 to 23, lists, ranges and steps of them, or `*`)
    triggers.b.timezone: "Brussels" is no time zone (did you mean `Europe/Brussels`?)
    triggers.b.window: in a window without any time nothing can begin (write a longer one, such as `4h`, or remove it)
    triggers.c.cron: `0 0 31 2 *` never comes: no month has such a day (choose a day that there is; `L` is the last one of every month)
    triggers.c.timezone: "+02:00" is no time zone (write a name of the IANA time zone database, such as `Europe/Brussels` or `UTC`)
    triggers.d.window: the window of 4h reaches beyond the next occurrence: `0 */2 * * *` comes again after 2h (write at most `2h`)
    triggers.e.jitter: a jitter of 4h leaves nothing of the window of 4h (write a shorter jitter, or a longer window)
    triggers.f.jitter: a jitter of 2d reaches the next occurrence, which comes after 1d (write a shorter one, such as `10m`)
    triggers.g h: "g h" is no trigger name: letters, digits, `-`, `_` and `.` are allowed ()
    triggers.i.priority: expected one of `normal`, `security`, found `urgent` ()
    triggers.i.refresh: expected one of `marked`, `all`, `never`, found `sometimes` ()
    "##);
}

#[test]
fn mistakes_in_freezes_and_windows_are_told() {
    let text = r#"
services: { web: { image: nginx:1 } }
hosts: { a: { endpoint: "unix:///x" } }
freeze:
  - { from: soon, to: 2026-12-20T25:00 }
  - { from: 2026-12-20, to: 2026-12-19 }
  - { from: 2026-12-20T10:00, to: 2026-12-20T10:00 }
  - { from: 2026-12-20T10:00Z, to: 2026-12-21T10:00+01:00, timezone: Mars/Base }
  - { from: 2026-12-20, to: 9999-12-31, services: [wbe] }
  - { from: 2026-13-20, to: 2026-02-30, allow: everybody }
maintenance:
  - { days: MON-FRY, from: "22", to: "4:0" }
  - { days: [], from: "22:00", to: "22:00" }
  - { from: "24:00", to: "24:00", timezone: UCT+1 }
  - { days: [SAT, DIM], from: "23:00", to: "25:00" }
"#;
    insta::assert_snapshot!(said(text).join("\n"), @r##"
    freeze[0].from: expected a day such as `2026-12-20` or a time such as `2026-12-20T18:00`, found `soon` ()
    freeze[0].to: expected a day such as `2026-12-20` or a time such as `2026-12-20T18:00`, found `2026-12-20T25:00` ()
    freeze[1].to: the freeze ends (2026-12-19) before it begins (2026-12-20) (swap the two)
    freeze[2].to: the freeze ends (2026-12-20T10:00) before it begins (2026-12-20T10:00) (swap the two)
    freeze[3].from: expected a day such as `2026-12-20` or a time such as `2026-12-20T18:00`, found `2026-12-20T10:00Z` (leave the offset out and name the time zone: `timezone: Europe/Brussels`)
    freeze[3].to: expected a day such as `2026-12-20` or a time such as `2026-12-20T18:00`, found `2026-12-21T10:00+01:00` (leave the offset out and name the time zone: `timezone: Europe/Brussels`)
    freeze[3].timezone: "Mars/Base" is no time zone (write a name of the IANA time zone database, such as `Europe/Brussels` or `UTC`)
    freeze[4].to: 9999-12-31 is beyond the end of time (choose a year before 9999)
    freeze[4].services[0]: there is no service `wbe` (did you mean `web`?)
    freeze[5].from: expected a day such as `2026-12-20` or a time such as `2026-12-20T18:00`, found `2026-13-20` ()
    freeze[5].to: expected a day such as `2026-12-20` or a time such as `2026-12-20T18:00`, found `2026-02-30` ()
    freeze[5].allow: expected one of `nothing`, `security`, found `everybody` ()
    maintenance[0].days: expected days such as `MON-FRI` or `SAT,SUN`: `FRY` is no day (they are MON, TUE, WED, THU, FRI, SAT and SUN)
    maintenance[0].from: expected a time of day such as `"22:00"`, found `22` ()
    maintenance[0].to: expected a time of day such as `"22:00"`, found `4:0` ()
    maintenance[1].days: expected days such as `MON-FRI` or `SAT,SUN`: a day is missing (they are MON, TUE, WED, THU, FRI, SAT and SUN)
    maintenance[1].to: the window closes (22:00) when it opens (write `from: "00:00", to: "24:00"` for whole days)
    maintenance[2].from: expected a time of day such as `"22:00"`, found `24:00` ()
    maintenance[2].timezone: "UCT+1" is no time zone (write a name of the IANA time zone database, such as `Europe/Brussels` or `UTC`)
    maintenance[3].days: expected days such as `MON-FRI` or `SAT,SUN`: `DIM` is no day (they are MON, TUE, WED, THU, FRI, SAT and SUN)
    maintenance[3].to: expected a time of day such as `"22:00"`, found `25:00` ()
    "##);
}

#[test]
fn two_files_share_freezes_and_windows_but_no_trigger() {
    let one = "triggers: { weekly: { cron: '0 3 * * TUE' } }\nfreeze: [ { from: 2027-01-01, to: 2027-01-02 } ]\nmaintenance: [ { from: '01:00', to: '02:00' } ]\n";
    let two = "triggers: { nightly: { cron: '0 3 * * *' } }\nfreeze: [ { from: 2026-01-01, to: 2026-01-02 } ]\nmaintenance: [ { from: '03:00', to: '04:00' } ]\n";
    let estate = read(&[one, two]).estate.unwrap();
    assert_eq!((estate.triggers.len(), estate.freezes.len(), estate.maintenance.len()), (2, 2, 2));
    let reading = read(&[one, one]);
    assert_eq!(reading.findings.iter().map(|finding| finding.message.as_str()).collect::<Vec<_>>(), ["two pipelines define the trigger `weekly`"]);
}
