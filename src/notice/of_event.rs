//! Which events are news.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::Notice;
use crate::model::{EstateName, RunId, ServiceName, format_duration};
use crate::pipeline::NoticeKind;
use crate::rollout::{Gate, Phase};
use crate::run::{Event, RunOutcome};

/// The news in an event; none if people need not be told of it. A rollout that goes back is told once, when the run that turned has ended.
pub fn of_event(run: RunId, at: Timestamp, event: &Event, estate: &EstateName) -> Option<Notice> {
    let notice = |kind, title: &str| Notice::new(estate, Some(run), at, kind, title);
    Some(match event {
        Event::RunBegan { by, words, .. } => {
            Notice { by: Some(by.clone()), words: Some(words.clone()), next: show(run), ..notice(NoticeKind::Began, "began") }
        }
        Event::GateReached { service, stage, gate } if gate.approve => Notice {
            services: one(service, &gate_words(gate)),
            next: Some(format!("refit approve {run}")),
            ..notice(NoticeKind::Waits, &format!("waits for approval behind {stage} of {service}"))
        },
        Event::PhaseChanged { service, phase: Phase::Paused { why, back } } => {
            let way = if back.is_some() { "paused on its way back" } else { "paused" };
            Notice {
                services: one(service, way),
                reason: Some(why.clone()),
                next: Some(format!("refit resume {run}, or refit abort {run}")),
                ..notice(NoticeKind::Paused, &format!("paused in the rollout of {service}"))
            }
        }
        Event::Quarantined { release, bases, why } => {
            let held: Vec<String> = bases.iter().map(|(base, digest)| format!(", and {} at {}", base.familiar(), digest.short())).collect();
            Notice {
                release: Some(*release),
                reason: Some(why.clone()),
                next: Some(format!("refit release {} --unquarantine, once it is known to be right", release.0)),
                ..notice(NoticeKind::Quarantined, &format!("put {release}{} into quarantine", held.concat()))
            }
        }
        Event::RunEnded { outcome } => of_end(notice, run, outcome),
        _ => return None,
    })
}

/// A run that stands still before its next step because a person said so.
pub fn of_pause(run: RunId, at: Timestamp, what: &str, why: &str, estate: &EstateName) -> Notice {
    Notice {
        reason: Some(why.to_owned()),
        next: Some(format!("refit resume {run}, or refit abort {run}")),
        ..Notice::new(estate, Some(run), at, NoticeKind::Paused, format!("paused before {what}"))
    }
}

/// Pipelines that cannot be used; the estate from before stays in force. `findings` are the places and what is wrong there, one line each.
pub fn estate_broken(at: Timestamp, findings: &[String], estate: &EstateName) -> Notice {
    Notice {
        reason: Some(findings.join("\n")).filter(|reason| !reason.is_empty()),
        next: Some("refit check".to_owned()),
        ..Notice::new(estate, None, at, NoticeKind::EstateBroken, "the pipelines cannot be used; the estate from before stays in force")
    }
}

fn of_end(notice: impl Fn(NoticeKind, &str) -> Notice, run: RunId, outcome: &RunOutcome) -> Notice {
    let of = match outcome {
        RunOutcome::Done => notice(NoticeKind::Done, "done"),
        RunOutcome::NothingToDo => notice(NoticeKind::Done, "done: there was nothing to do"),
        RunOutcome::BuildsFailed { images, not_rolled } => Notice {
            images: images.iter().cloned().collect::<BTreeSet<_>>(),
            services: with_left_out(BTreeMap::new(), not_rolled),
            ..notice(NoticeKind::Failed, "ended with builds that failed")
        },
        RunOutcome::RolledBack { services, not_rolled } => {
            Notice { services: with_left_out(back(services), not_rolled), ..notice(NoticeKind::RolledBack, "rolled back") }
        }
        RunOutcome::InPart { missing } => {
            Notice { reason: Some(missing.join("\n")), ..notice(NoticeKind::InPart, "done in part: something is missing") }
        }
        RunOutcome::Refused { why } => Notice { reason: Some(why.clone()), ..notice(NoticeKind::Failed, "failed before anything was changed") },
        RunOutcome::Stuck { why, services, not_rolled } => Notice {
            reason: Some(why.clone()),
            services: with_left_out(back(services), not_rolled),
            ..notice(NoticeKind::Stuck, "is stuck: a person is needed")
        },
        RunOutcome::Aborted { services, not_rolled } => {
            Notice { services: with_left_out(back(services), not_rolled), ..notice(NoticeKind::Aborted, "aborted by a person") }
        }
    };
    Notice { next: show(run), ..of }
}

fn show(run: RunId) -> Option<String> {
    Some(format!("refit show {run}"))
}

fn one(service: &ServiceName, what: &str) -> BTreeMap<ServiceName, String> {
    BTreeMap::from([(service.clone(), what.to_owned())])
}

fn back(services: &BTreeMap<ServiceName, String>) -> BTreeMap<ServiceName, String> {
    services.iter().map(|(service, why)| (service.clone(), format!("rolled back: {why}"))).collect()
}

fn with_left_out(mut all: BTreeMap<ServiceName, String>, not_rolled: &BTreeMap<ServiceName, String>) -> BTreeMap<ServiceName, String> {
    for (service, why) in not_rolled {
        all.entry(service.clone()).or_insert_with(|| format!("not rolled: {why}"));
    }
    all
}

fn gate_words(gate: &Gate) -> String {
    if gate.bake.is_zero() { "waits for approval".to_owned() } else { format!("waits for approval, and bakes for {}", format_duration(gate.bake)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notice::samples::{at, shop};

    fn told(event: &Event) -> Option<Notice> {
        of_event(RunId(7), at(), event, &shop())
    }

    fn ended(outcome: RunOutcome) -> Notice {
        told(&Event::RunEnded { outcome }).unwrap()
    }

    fn because(names: &[&str]) -> BTreeMap<ServiceName, String> {
        names.iter().map(|name| (name.parse().unwrap(), "it was ill".to_owned())).collect()
    }

    #[test]
    fn a_gate_is_news_only_if_a_person_must_open_it() {
        let gate = |approve| Event::GateReached {
            service: "web".parse().unwrap(),
            stage: "canary".into(),
            gate: Gate { bake: std::time::Duration::from_secs(300), approve },
        };
        assert_eq!(told(&gate(false)), None);
        let waits = told(&gate(true)).unwrap();
        assert_eq!((waits.kind, waits.headline().as_str()), (NoticeKind::Waits, "shop run-7 waits for approval behind canary of web"));
        assert_eq!(waits.services.values().next().unwrap(), "waits for approval, and bakes for 5m");
        assert_eq!(waits.next.as_deref(), Some("refit approve run-7"));
    }

    #[test]
    fn a_pause_is_news_and_other_phases_are_none() {
        let changed = |phase| Event::PhaseChanged { service: "web".parse().unwrap(), phase };
        let paused = told(&changed(Phase::Paused { why: "2 of 3 failed".into(), back: None })).unwrap();
        assert_eq!((paused.kind, paused.reason.as_deref()), (NoticeKind::Paused, Some("2 of 3 failed")));
        assert_eq!(told(&changed(Phase::Forward)), None);
        assert_eq!(of_pause(RunId(7), at(), "builds", "a person said so", &shop()).headline(), "shop run-7 paused before builds");
    }

    #[test]
    fn every_end_of_a_run_is_news() {
        let not_rolled = because(&["db"]);
        let failed = ended(RunOutcome::BuildsFailed { images: vec!["web".parse().unwrap()], not_rolled: not_rolled.clone() });
        assert_eq!((failed.kind, failed.images.len()), (NoticeKind::Failed, 1));
        assert_eq!(failed.services.values().collect::<Vec<_>>(), ["not rolled: it was ill"]);
        let back = ended(RunOutcome::RolledBack { services: because(&["web"]), not_rolled: not_rolled.clone() });
        assert_eq!(back.services.values().collect::<Vec<_>>(), ["not rolled: it was ill", "rolled back: it was ill"]);
        for (outcome, kind) in [
            (RunOutcome::Done, NoticeKind::Done),
            (RunOutcome::NothingToDo, NoticeKind::Done),
            (RunOutcome::RolledBack { services: because(&["web"]), not_rolled: BTreeMap::new() }, NoticeKind::RolledBack),
            (RunOutcome::InPart { missing: vec!["a".into(), "b".into()] }, NoticeKind::InPart),
            (RunOutcome::Refused { why: "no".into() }, NoticeKind::Failed),
            (RunOutcome::Stuck { why: "no".into(), services: BTreeMap::new(), not_rolled: BTreeMap::new() }, NoticeKind::Stuck),
            (RunOutcome::Aborted { services: BTreeMap::new(), not_rolled: BTreeMap::new() }, NoticeKind::Aborted),
        ] {
            let notice = ended(outcome);
            assert_eq!((notice.kind, notice.next.as_deref(), notice.run), (kind, Some("refit show run-7"), Some(RunId(7))));
        }
    }

    #[test]
    fn a_quarantine_says_what_is_held_and_how_it_is_lifted() {
        let bases = BTreeMap::from([("debian:12".parse().unwrap(), crate::model::Digest::of(b"x"))]);
        let held = told(&Event::Quarantined { release: crate::model::ReleaseNumber(9), bases, why: "web failed".into() }).unwrap();
        assert!(held.title.starts_with("put r9, and debian:12 at "), "{}", held.title);
        assert!(held.next.unwrap().starts_with("refit release 9 --unquarantine"));
    }

    #[test]
    fn what_the_state_knows_completes_it() {
        let first = Event::RunBegan { change: crate::plan::Change::Everything, by: "hook:harbor".into(), words: "debian:12 moved".into() };
        let state = crate::run::RunState::begin(at(), &first).unwrap();
        let done = ended(RunOutcome::Done).with(&state);
        assert_eq!((done.by.as_deref(), done.words.as_deref()), (Some("hook:harbor"), Some("debian:12 moved")));
        assert_eq!(told(&first).unwrap().with(&state).by.as_deref(), Some("hook:harbor"));
    }

    #[test]
    fn small_steps_are_no_news() {
        assert_eq!(told(&Event::Resumed { by: "x".into() }), None);
        assert_eq!(told(&Event::Interrupted { by: "x".into() }), None);
    }
}
