//! The text, read as Prometheus reads it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::model::Digest;
use crate::plan::Change;
use crate::rollout::SlotStatus;
use crate::run::{BuildOutcome, Event, RunOutcome, RunState};

/// A sample: its name, its labels, its value.
type Sample = (String, BTreeMap<String, String>, f64);

/// Reads a text strictly: every line is understood, every family is described once and before its samples, and no sample is there twice.
fn parse(text: &str) -> Result<Vec<Sample>, String> {
    let body = text.strip_suffix("# EOF\n").ok_or("it does not end with EOF")?;
    let mut kinds: BTreeMap<&str, &str> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let (mut samples, mut helped, mut family) = (Vec::new(), BTreeSet::new(), "");
    for line in body.lines() {
        match line.split_once(' ').filter(|_| line.starts_with('#')).map(|(_, rest)| rest.splitn(3, ' ').collect::<Vec<_>>()).as_deref() {
            Some(["HELP", name, help]) => {
                if !helped.insert(*name) || !help.ends_with('.') || help.ends_with("..") {
                    return Err(format!("HELP: {line}"));
                }
            }
            Some(["TYPE", name, kind]) => {
                if kinds.insert(name, kind).is_some() || !helped.contains(name) {
                    return Err(format!("TYPE: {line}"));
                }
                family = name;
            }
            Some(["UNIT", name, unit]) if name.ends_with(&format!("_{unit}")) => {}
            Some(_) => return Err(format!("comment: {line}")),
            None => {
                let sample = sample(line).ok_or_else(|| format!("sample: {line}"))?;
                let suffix = sample.0.strip_prefix(family).ok_or_else(|| format!("not of {family}: {line}"))?;
                let is_right = match kinds.get(family).copied() {
                    Some("counter") => suffix == "_total" && sample.2 >= 0.0,
                    Some("gauge") => suffix.is_empty(),
                    Some("info") => suffix == "_info" && sample.2 == 1.0,
                    Some("histogram") => ["_bucket", "_sum", "_count"].contains(&suffix),
                    _ => false,
                };
                if !is_right || !seen.insert((sample.0.clone(), sample.1.clone())) {
                    return Err(format!("{family}: {line}"));
                }
                samples.push(sample);
            }
        }
    }
    Ok(samples)
}

fn sample(line: &str) -> Option<Sample> {
    let (head, value) = line.rsplit_once(' ')?;
    let (name, inner) = match head.split_once('{') {
        Some((name, rest)) => (name, rest.strip_suffix('}')?),
        None => (head, ""),
    };
    let is_name = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    let (mut labels, mut rest) = (BTreeMap::new(), inner);
    while !rest.is_empty() {
        let (key, after) = rest.split_once("=\"")?;
        let mut text = String::new();
        let mut chars = after.char_indices();
        let end = loop {
            match chars.next()? {
                (_, '\\') => text.push(chars.next().filter(|(_, c)| ['\\', '"', 'n'].contains(c))?.1),
                (at, '"') => break at,
                (_, c) => text.push(c),
            }
        };
        labels.insert(key.to_owned(), text);
        rest = after[end + 1..].strip_prefix(',').unwrap_or(&after[end + 1..]);
        is_name(key).then_some(())?;
    }
    (is_name(name) && name.starts_with("refit_")).then(|| Some((name.to_owned(), labels, value.parse().ok()?)))?
}

fn samples(meters: &Meters, snapshot: &Snapshot) -> Vec<Sample> {
    let text = meters.encode(snapshot);
    parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The value of the sample with exactly these labels, written `a=b,c=d`.
#[track_caller]
fn value(samples: &[Sample], name: &str, labels: &str) -> f64 {
    let wanted: BTreeMap<String, String> =
        labels.split(',').filter_map(|pair| pair.split_once('=')).map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    let found = samples.iter().find(|(other, of, _)| other == name && *of == wanted);
    found.unwrap_or_else(|| panic!("no {name} {{{labels}}} in {samples:#?}")).2
}

fn at(second: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(second).unwrap()
}

#[test]
fn hooks_are_counted_by_name_and_result_and_timed() {
    let meters = Meters::new("1.2.3");
    let copy = meters.clone();
    meters.hook(Some("harbor"), HookResult::Accepted, 0.004);
    copy.hook(Some("harbor"), HookResult::Accepted, 0.030);
    copy.hook(Some("harbor"), HookResult::Refused, 0.001);
    copy.hook(None, HookResult::Refused, 7.0);
    let all = samples(&meters, &Snapshot::default());
    assert_eq!(value(&all, "refit_hooks_received_total", "hook=harbor,result=accepted"), 2.0);
    assert_eq!(value(&all, "refit_hooks_received_total", "hook=unknown,result=refused"), 1.0);
    let below = |le: &str| value(&all, "refit_hook_answer_duration_seconds_bucket", &format!("le={le}"));
    assert_eq!((below("0.001"), below("0.005"), below("0.05"), below("5.0"), below("+Inf")), (1.0, 2.0, 3.0, 3.0, 4.0));
    assert_eq!(value(&all, "refit_hook_answer_duration_seconds_count", ""), 4.0);
    assert_eq!(value(&all, "refit_build_info", "version=1.2.3"), 1.0);
}

#[test]
fn a_runs_events_are_counted_as_they_come() {
    let meters = Meters::new("1");
    let first = Event::RunBegan { change: Change::Everything, by: "x".into(), words: "y".into() };
    let state = RunState::begin(at(1_000), &first).unwrap();
    let image: crate::model::ImageName = "web".parse().unwrap();
    let (id, tag) = (Digest::of(b"x"), "web:1".parse().unwrap());
    for outcome in [
        BuildOutcome::Built { id, tag, inputs: id },
        BuildOutcome::Failed { why: "no".into(), last_lines: Vec::new() },
        BuildOutcome::Skipped { because: image.clone() },
    ] {
        meters.event(at(1_020), &Event::BuildEnded { image: image.clone(), outcome, elapsed_ms: 20_000 }, &state);
    }
    meters.event(at(1_030), &Event::RunEnded { outcome: RunOutcome::Refused { why: "no".into() } }, &state);
    meters.event(at(1_030), &Event::Resumed { by: "x".into() }, &state);
    let all = samples(&meters, &Snapshot::default());
    assert_eq!(value(&all, "refit_runs_total", "outcome=refused"), 1.0);
    assert_eq!(value(&all, "refit_builds_total", "outcome=skipped"), 1.0);
    assert_eq!(value(&all, "refit_build_duration_seconds_sum", "outcome=built"), 20.0);
    assert_eq!(value(&all, "refit_build_duration_seconds_bucket", "outcome=failed,le=10.0"), 0.0);
    assert_eq!(value(&all, "refit_build_duration_seconds_bucket", "outcome=failed,le=30.0"), 1.0);
    assert!(!all.iter().any(|(name, labels, _)| name.starts_with("refit_build_duration") && labels["outcome"] == "skipped"));
}

#[test]
fn a_rollout_is_timed_from_its_beginning() {
    let meters = Meters::new("1");
    let first = Event::RunBegan { change: Change::Everything, by: "x".into(), words: "y".into() };
    let mut state = RunState::begin(at(1_000), &first).unwrap();
    let version = serde_json::json!({ "release": 1, "spec": Digest::of(b"x") });
    let policy = serde_json::to_value(crate::rollout::Policy::default()).unwrap();
    let desired = serde_json::json!({ "service": "web", "to": version, "back": null, "slots": [], "update": policy, "rollback": policy, "stop_grace_period": 10_000 });
    state
        .apply(at(1_010), &Event::RolloutBegan { desired: serde_json::from_value(desired).unwrap(), way: Default::default(), is_whole: true })
        .unwrap();
    let ended = Event::RolloutEnded {
        drained: None,
        service: "web".parse().unwrap(),
        release: crate::model::ReleaseNumber(1),
        outcome: crate::rollout::Outcome::Done,
    };
    meters.event(at(1_052), &ended, &state);
    // A clock that was set back does not make a time below nothing.
    meters.event(at(5), &ended, &state);
    let all = samples(&meters, &Snapshot::default());
    assert_eq!(value(&all, "refit_rollout_duration_seconds_sum", "outcome=done"), 42.0);
    assert_eq!(value(&all, "refit_rollout_duration_seconds_count", "outcome=done"), 2.0);
}

#[test]
fn what_is_so_now_is_shown_and_what_is_gone_is_not() {
    let meters = Meters::new("1");
    let slot = |health, drift: Option<&str>| SlotStatus {
        service: "web".parse().unwrap(),
        host: "a".parse().unwrap(),
        index: 0,
        release: None,
        image: None,
        health,
        why: None,
        since: None,
        drift: drift.map(str::to_owned),
    };
    let mut now = Snapshot {
        runs_running: 1,
        queue: BTreeMap::from([("hook", 3), ("poll", 0)]),
        queue_oldest: Duration::from_millis(1_500),
        bases: BTreeMap::from([("debian:12".parse().unwrap(), Duration::from_secs(3_600)), ("redis:7".parse().unwrap(), Duration::ZERO)]),
        images: BTreeMap::from([("shop/web".parse().unwrap(), Duration::from_secs(60))]),
        hosts: BTreeMap::from([("a".parse().unwrap(), true), ("b".parse().unwrap(), false)]),
        problems: BTreeMap::from([("web".parse().unwrap(), (3, 1))]),
        problems_open: 4,
        problem_oldest: Duration::from_secs(86_400),
        ..Snapshot::default()
    };
    now.count_slots(&[slot("healthy", None), slot("healthy", Some("another image")), slot("missing", None)]);
    let all = samples(&meters, &now);
    for (name, labels, expected) in [
        ("refit_runs_running", "", 1.0),
        ("refit_queue_waiting", "kind=hook", 3.0),
        ("refit_queue_waiting", "kind=poll", 0.0),
        ("refit_queue_oldest_age_seconds", "", 1.5),
        ("refit_base_staleness_seconds", "base=debian:12", 3_600.0),
        ("refit_base_staleness_seconds", "base=redis:7", 0.0),
        ("refit_image_staleness_seconds", "image=shop/web", 60.0),
        ("refit_service_fixes_waiting", "service=web", 3.0),
        ("refit_service_problems_without_fix", "service=web", 1.0),
        ("refit_problems_open", "", 4.0),
        ("refit_problem_oldest_age_seconds", "", 86_400.0),
        ("refit_slots", "service=web,state=healthy", 2.0),
        ("refit_slots", "service=web,state=missing", 1.0),
        ("refit_slots_drifted", "service=web", 1.0),
        ("refit_host_reachable", "host=a", 1.0),
        ("refit_host_reachable", "host=b", 0.0),
    ] {
        assert_eq!(value(&all, name, labels), expected, "{name} {labels}");
    }
    let later = samples(&meters, &Snapshot::default());
    assert!(!later.iter().any(|(name, _, _)| name == "refit_host_reachable" || name == "refit_slots"));
}

#[test]
fn polls_notices_and_reloads_are_counted() {
    let meters = Meters::new("1");
    meters.poll(PollResult::Moved);
    meters.notice(&"ops".parse().unwrap(), NoticeResult::Sent);
    meters.notice(&"ops".parse().unwrap(), NoticeResult::GivenUp);
    meters.estate_read(at(1_700_000_000), true);
    meters.estate_read(at(1_700_000_060), false);
    let all = samples(&meters, &Snapshot::default());
    assert_eq!(value(&all, "refit_polls_total", "result=moved"), 1.0);
    assert_eq!(value(&all, "refit_notices_total", "addressee=ops,result=given_up"), 1.0);
    assert_eq!(value(&all, "refit_estate_reloads_total", "result=failed"), 1.0);
    assert_eq!(value(&all, "refit_estate_reload_ok_timestamp_seconds", ""), 1_700_000_000.0);
    assert_eq!(value(&all, "refit_estate_reload_failed_timestamp_seconds", ""), 1_700_000_060.0);
}

#[test]
fn what_never_happened_is_shown_as_nothing() {
    let all = samples(&Meters::new("1"), &Snapshot::default());
    for (name, label, values) in [
        ("refit_runs_total", "outcome", &labels::RUNS[..]),
        ("refit_builds_total", "outcome", &labels::BUILDS),
        ("refit_polls_total", "result", &["unchanged", "moved", "limited", "failed"]),
        ("refit_estate_reloads_total", "result", &labels::RELOADS),
    ] {
        values.iter().for_each(|is| assert_eq!(value(&all, name, &format!("{label}={is}")), 0.0));
        assert_eq!(all.iter().filter(|(other, _, _)| other == name).count(), values.len());
    }
    let stuck = RunOutcome::Stuck { why: String::new(), services: BTreeMap::new(), not_rolled: BTreeMap::new() };
    let aborted = RunOutcome::Aborted { services: BTreeMap::new(), not_rolled: BTreeMap::new() };
    let failed = RunOutcome::BuildsFailed { images: Vec::new(), not_rolled: BTreeMap::new() };
    let back = RunOutcome::RolledBack { services: BTreeMap::new(), not_rolled: BTreeMap::new() };
    let (refused, in_part) = (RunOutcome::Refused { why: String::new() }, RunOutcome::InPart { missing: Vec::new() });
    let ends = [RunOutcome::Done, RunOutcome::NothingToDo, failed, back, in_part, refused, stuck, aborted];
    assert_eq!(ends.each_ref().map(labels::of_run), labels::RUNS);
}

#[test]
fn names_beyond_the_most_are_counted_together() {
    let meters = Meters::new("1");
    (0..3_000).for_each(|n| meters.hook(Some(&format!("h{n}")), HookResult::Refused, 0.001));
    meters.hook(Some("h0"), HookResult::Refused, 0.001);
    let all = samples(&meters, &Snapshot::default());
    let series = all.iter().filter(|(name, _, _)| name == "refit_hooks_received_total").count();
    assert_eq!(series, 1_001);
    assert_eq!(value(&all, "refit_hooks_received_total", "hook=other,result=refused"), 2_000.0);
    assert_eq!(value(&all, "refit_hooks_received_total", "hook=h0,result=refused"), 2.0);
}

#[test]
fn the_guide_names_every_metric() {
    let guide = include_str!("../../../docs/seen-from-outside.md");
    // Families without a sample are not written, so each gets one.
    let meters = Meters::new("1");
    meters.hook(None, HookResult::Ignored, 0.1);
    meters.notice(&"ops".parse().unwrap(), NoticeResult::Sent);
    let text = meters.encode(&Snapshot {
        queue: BTreeMap::from([("hook", 1)]),
        bases: BTreeMap::from([("debian:12".parse().unwrap(), Duration::ZERO)]),
        images: BTreeMap::from([("web".parse().unwrap(), Duration::ZERO)]),
        slots: BTreeMap::from([(("web".parse().unwrap(), "healthy"), 1)]),
        drifted: BTreeMap::from([("web".parse().unwrap(), 0)]),
        hosts: BTreeMap::from([("a".parse().unwrap(), true)]),
        problems: BTreeMap::from([("web".parse().unwrap(), (0, 0))]),
        ..Snapshot::default()
    });
    let families: Vec<(&str, &str)> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
    assert!(families.len() >= 20, "{families:?}");
    for (name, kind) in families {
        let suffix = if kind == "counter" {
            "_total"
        } else if kind == "info" {
            "_info"
        } else {
            ""
        };
        assert!(guide.contains(&format!("`{name}{suffix}`")), "{name}{suffix}");
    }
}

#[test]
fn the_reader_of_these_tests_finds_what_is_wrong() {
    let right = "# HELP refit_x A.\n# TYPE refit_x counter\nrefit_x_total{a=\"b\"} 1\n# EOF\n";
    assert_eq!(parse(right).map(|samples| samples.len()), Ok(1));
    for (from, to) in
        [("# EOF\n", ""), ("_total", ""), ("a=\"b\"", "a=\"b"), (" 1\n", " one\n"), ("# HELP refit_x A.\n", ""), ("refit_x_total{", "x_total{")]
    {
        assert!(parse(&right.replace(from, to)).is_err(), "{from:?} → {to:?}");
    }
    assert!(parse(&right.replace("# EOF", "refit_x_total{a=\"b\"} 2\n# EOF")).is_err());
}

proptest! {
    #[test]
    fn no_name_breaks_the_text(name in "\\PC{0,20}|[\"\\\\\n{},=]{0,6}", seconds in prop::num::f64::ANY) {
        let meters = Meters::new(&name);
        meters.hook(Some(&name), HookResult::Ignored, seconds);
        let text = meters.encode(&Snapshot::default());
        prop_assert!(parse(&text).is_ok(), "{:?}\n{}", parse(&text), text);
    }
}
