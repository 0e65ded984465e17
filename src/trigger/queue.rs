//! Which of the triggers that wait become one run, and when.
//!
//! Hints about a base come in bursts (a tag for each platform, a retry of the sender), so they are let settle first; what is due together becomes
//! one run, so that an image that stands on two bases is built once. People are not kept waiting.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::schedule::{Asked, Origin, Wait};
use super::{Cause, Trigger, Wish};
use crate::model::{HostName, ServiceName, TriggerId};
use crate::pipeline::{CycleRefresh, Priority};
use crate::plan::Change;

/// A trigger that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Which.
    pub id: TriggerId,
    /// When it was heard first.
    pub first_at: Timestamp,
    /// When it was heard last.
    pub last_at: Timestamp,
    /// What was heard.
    pub trigger: Trigger,
}

/// How long hints are let settle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// So long after the last one about the same thing.
    pub debounce: Duration,
    /// But no longer than this after the first.
    pub debounce_max: Duration,
}

/// What is to be done next about the triggers that wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// These become one run now.
    Begin(Batch),
    /// These are answered without a run.
    Drop {
        /// Which.
        triggers: Vec<TriggerId>,
        /// Why.
        why: String,
    },
    /// Nothing yet.
    Wait {
        /// When to ask again, if nothing else comes.
        until: Timestamp,
        /// What holds them; none if they only settle.
        held: Option<String>,
    },
    /// Nothing waits.
    Idle,
}

/// Triggers that are answered by one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Which; never empty.
    pub triggers: Vec<TriggerId>,
    /// What they ask for together.
    pub work: Work,
    /// Who said so.
    pub by: String,
    /// The words in which it was said.
    pub words: String,
    /// When it has to stop at a safe point; what is left waits for the next cycle.
    pub until: Option<Timestamp>,
    /// Whether it may pass where others are held.
    pub priority: Priority,
}

/// What triggers ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// Look at a change, and carry out what it leads to.
    Change(Change),
    /// Bring these services to the newest release.
    CatchUp(BTreeSet<ServiceName>),
    /// Bring what runs on these hosts back to what was released.
    Repair(BTreeSet<HostName>),
    /// What a person asked for.
    Wish(Wish),
}

/// Decides what is done next. `may_begin` tells whether what begins by itself may begin now.
///
/// A person's wish goes first, the oldest before the others. Then a patch cycle, which answers every base that waits as well; then all bases and
/// sources that are due, as one change; then what is behind, and repairs. A clock that was set back makes nothing wait for it to come round again.
pub fn next(waiting: &[Waiting], rules: &Rules, now: Timestamp, may_begin: impl Fn(Asked) -> Result<(), Wait>) -> Next {
    if let Some(batch) = wish(waiting) {
        return Next::Begin(batch);
    }
    if let Some(triggers) = out_of_window(waiting, now) {
        return Next::Drop { triggers, why: "its window closed before it could begin; the next cycle looks again".to_owned() };
    }
    let due: Vec<&Waiting> = waiting.iter().filter(|one| due_at(one, rules, now) <= now).collect();
    let Some(batch) = cycle(&due, waiting).or_else(|| moved(&due)).or_else(|| behind(&due)).or_else(|| repair(&due)) else {
        let soonest = waiting.iter().map(|one| due_at(one, rules, now)).min();
        return soonest.map_or(Next::Idle, |until| Next::Wait { until, held: None });
    };
    if matches!(batch.work, Work::Repair(_)) {
        return Next::Begin(batch);
    }
    match may_begin(asked(&batch)) {
        Ok(()) => Next::Begin(batch),
        // A repair brings nothing newer, so nothing holds it.
        Err(Wait { until, why }) => match repair(&due) {
            Some(repair) => Next::Begin(repair),
            None => Next::Wait { until: until.max(now), held: Some(why) },
        },
    }
}

/// What a batch begins by. One that holds a patch cycle has a time of its own.
fn asked(batch: &Batch) -> Asked {
    let origin = if matches!(batch.work, Work::Change(Change::Cycle { .. })) { Origin::Cycle } else { Origin::Event };
    Asked { origin, priority: batch.priority }
}

fn priority(one: &Waiting) -> Option<Priority> {
    if let Cause::Cycle { priority, .. } = one.trigger.cause { Some(priority) } else { None }
}

fn out_of_window(waiting: &[Waiting], now: Timestamp) -> Option<Vec<TriggerId>> {
    let is_over = |one: &&Waiting| matches!(one.trigger.cause, Cause::Cycle { until: Some(until), .. } if until <= now);
    let over: Vec<TriggerId> = waiting.iter().filter(is_over).map(|one| one.id).collect();
    (!over.is_empty()).then_some(over)
}

/// When a trigger has settled.
fn due_at(one: &Waiting, rules: &Rules, now: Timestamp) -> Timestamp {
    let settles = matches!(one.trigger.cause, Cause::Base { .. } | Cause::Sources { .. });
    if let Cause::Behind { not_before, .. } = one.trigger.cause {
        return not_before;
    }
    if !settles || one.last_at > now {
        return now;
    }
    after(one.last_at, rules.debounce).min(after(one.first_at, rules.debounce_max))
}

fn after(at: Timestamp, span: Duration) -> Timestamp {
    at.checked_add(span).unwrap_or(Timestamp::MAX)
}

fn wish(waiting: &[Waiting]) -> Option<Batch> {
    waiting.iter().find_map(|one| match &one.trigger.cause {
        Cause::Wish(wish) => Some(batch(&[one], Work::Wish(wish.clone()), None)),
        _ => None,
    })
}

/// A cycle looks at every base, so whatever waits about one is answered too, settled or not.
fn cycle(due: &[&Waiting], waiting: &[Waiting]) -> Option<Batch> {
    let is_cycle = |one: &&Waiting| matches!(one.trigger.cause, Cause::Cycle { .. });
    let cycles: Vec<&Waiting> = due.iter().copied().filter(is_cycle).collect();
    if cycles.is_empty() {
        return None;
    }
    let until = cycles.iter().filter_map(|one| if let Cause::Cycle { until, .. } = one.trigger.cause { until } else { None }).max();
    let bases = waiting.iter().filter(|one| matches!(one.trigger.cause, Cause::Base { .. }));
    let all: Vec<&Waiting> = cycles.iter().copied().chain(bases).collect();
    let refreshes: Vec<CycleRefresh> =
        cycles.iter().filter_map(|one| if let Cause::Cycle { refresh, .. } = one.trigger.cause { Some(refresh) } else { None }).collect();
    let refresh = [CycleRefresh::All, CycleRefresh::Marked].into_iter().find(|one| refreshes.contains(one)).unwrap_or(CycleRefresh::Never);
    Some(batch(&all, Work::Change(Change::Cycle { refresh }), until))
}

fn moved(due: &[&Waiting]) -> Option<Batch> {
    let (mut bases, mut images) = (BTreeSet::new(), BTreeSet::new());
    let mut joined = Vec::new();
    for one in due.iter().copied() {
        match &one.trigger.cause {
            Cause::Base { base, .. } => drop(bases.insert(base.clone())),
            Cause::Sources { images: more } => images.extend(more.iter().cloned()),
            _ => continue,
        }
        joined.push(one);
    }
    (!joined.is_empty()).then(|| batch(&joined, Work::Change(Change::Moved { bases, images }), None))
}

fn behind(due: &[&Waiting]) -> Option<Batch> {
    let services_of = |one: &&Waiting| if let Cause::Behind { services, .. } = &one.trigger.cause { Some(services.clone()) } else { None };
    let joined: Vec<&Waiting> = due.iter().copied().filter(|one| services_of(one).is_some()).collect();
    let services: BTreeSet<ServiceName> = joined.iter().filter_map(services_of).flatten().collect();
    (!joined.is_empty()).then(|| batch(&joined, Work::CatchUp(services), None))
}

fn repair(due: &[&Waiting]) -> Option<Batch> {
    let hosts_of = |one: &&Waiting| if let Cause::Drift { hosts } = &one.trigger.cause { Some(hosts.clone()) } else { None };
    let joined: Vec<&Waiting> = due.iter().copied().filter(|one| hosts_of(one).is_some()).collect();
    let hosts: BTreeSet<HostName> = joined.iter().filter_map(hosts_of).flatten().collect();
    (!joined.is_empty()).then(|| batch(&joined, Work::Repair(hosts), None))
}

fn batch(of: &[&Waiting], work: Work, until: Option<Timestamp>) -> Batch {
    let distinct = |texts: Vec<&str>| {
        let mut seen = BTreeSet::new();
        texts.into_iter().filter(|text| seen.insert(*text)).collect::<Vec<_>>().join("; ")
    };
    Batch {
        triggers: of.iter().map(|one| one.id).collect(),
        by: distinct(of.iter().map(|one| one.trigger.by.as_str()).collect()),
        words: distinct(of.iter().map(|one| one.trigger.words.as_str()).collect()),
        priority: of.iter().filter_map(|one| priority(one)).max().unwrap_or_default(),
        work,
        until,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULES: Rules = Rules { debounce: Duration::from_secs(30), debounce_max: Duration::from_secs(300) };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    fn one(id: u64, first: i64, last: i64, cause: Cause) -> Waiting {
        let trigger = Trigger { by: format!("by {}", cause.kind()), words: cause.to_string(), cause };
        Waiting { id: TriggerId(id), first_at: at(first), last_at: at(last), trigger }
    }

    fn base(name: &str) -> Cause {
        Cause::Base { base: name.parse().unwrap(), digest: None }
    }

    fn cycle(until: i64) -> Cause {
        Cause::Cycle { name: "patch".into(), at: at(0), until: Some(at(until)), priority: Priority::Normal, refresh: CycleRefresh::Marked }
    }

    fn wish() -> Cause {
        Cause::Wish(Wish::of(Change::Everything))
    }

    fn free(_: Asked) -> Result<(), Wait> {
        Ok(())
    }

    fn begun(next: Next) -> Batch {
        match next {
            Next::Begin(batch) => batch,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_nobody_said_begins_nothing() {
        assert_eq!(next(&[], &RULES, at(0), free), Next::Idle);
    }

    #[test]
    fn a_base_settles_first_but_not_for_ever() {
        let waiting = [one(1, 0, 10, base("debian"))];
        assert_eq!(next(&waiting, &RULES, at(10), free), Next::Wait { until: at(40), held: None });
        assert_eq!(begun(next(&waiting, &RULES, at(40), free)).triggers, [TriggerId(1)]);
        // It is said again and again.
        let busy = [one(1, 0, 299, base("debian"))];
        assert_eq!(next(&busy, &RULES, at(299), free), Next::Wait { until: at(300), held: None });
        assert_eq!(begun(next(&busy, &RULES, at(300), free)).triggers, [TriggerId(1)]);
    }

    #[test]
    fn all_that_is_due_is_one_run() {
        let images = Cause::Sources { images: ["web".parse().unwrap()].into() };
        let waiting = [one(1, 0, 0, base("debian")), one(2, 5, 5, base("alpine")), one(3, 0, 0, images), one(4, 29, 29, base("busybox"))];
        let batch = begun(next(&waiting, &RULES, at(35), free));
        assert_eq!(batch.triggers, [TriggerId(1), TriggerId(2), TriggerId(3)]);
        let bases = ["alpine".parse().unwrap(), "debian".parse().unwrap()].into();
        assert_eq!(batch.work, Work::Change(Change::Moved { bases, images: ["web".parse().unwrap()].into() }));
        assert_eq!(batch.by, "by base; by sources");
    }

    #[test]
    fn a_person_does_not_wait_and_is_not_held() {
        let held = |_| Err(Wait { until: at(900), why: "holidays".into() });
        let waiting = [one(1, 0, 0, base("debian")), one(2, 50, 50, wish()), one(3, 50, 50, wish())];
        assert_eq!(begun(next(&waiting, &RULES, at(50), held)).triggers, [TriggerId(2)]);
        assert_eq!(next(&waiting[..1], &RULES, at(50), held), Next::Wait { until: at(900), held: Some("holidays".into()) });
        // Nor is a repair: what was released once runs again.
        let drifted = [waiting[0].clone(), one(4, 0, 0, Cause::Drift { hosts: BTreeSet::new() })];
        assert_eq!(begun(next(&drifted, &RULES, at(50), held)).triggers, [TriggerId(4)]);
    }

    #[test]
    fn a_cycle_answers_the_bases_that_wait() {
        let waiting = [one(1, 99, 99, base("debian")), one(2, 100, 100, cycle(500)), one(3, 0, 0, Cause::Drift { hosts: BTreeSet::new() })];
        let batch = begun(next(&waiting, &RULES, at(100), free));
        assert_eq!(
            (batch.triggers, batch.work, batch.until),
            (vec![TriggerId(2), TriggerId(1)], Work::Change(Change::Cycle { refresh: CycleRefresh::Marked }), Some(at(500)))
        );
        assert!(matches!(next(&waiting, &RULES, at(500), free), Next::Drop { triggers, .. } if triggers == [TriggerId(2)]), "its window is closed");
    }

    #[test]
    fn a_clock_that_was_set_back_holds_nobody_up() {
        let waiting = [one(1, 5000, 5000, base("debian"))];
        assert_eq!(begun(next(&waiting, &RULES, at(0), free)).triggers, [TriggerId(1)]);
    }

    proptest! {
        /// Whatever waits: asked again when it says so, it begins something, and in the end nothing is left.
        #[test]
        fn everything_is_answered_in_the_end(said in proptest::collection::vec((0..5u8, 0..600i64, 0..300i64), 0..12)) {
            let cause = |kind: u8, n: usize| match kind {
                0 => base(&format!("base{}", n % 3)),
                1 => Cause::Sources { images: [format!("image{}", n % 3).parse().unwrap()].into() },
                2 => cycle(10_000),
                3 if n.is_multiple_of(2) => Cause::Behind { services: BTreeSet::new(), not_before: at(400) },
                3 => Cause::Drift { hosts: BTreeSet::new() },
                _ => wish(),
            };
            let mut waiting: Vec<_> = said.iter().enumerate().map(|(n, (kind, first, more))| one(n as u64, *first, first + more, cause(*kind, n))).collect();
            let mut now = at(0);
            for _ in 0..100 {
                match next(&waiting, &RULES, now, free) {
                    Next::Idle => break,
                    Next::Wait { until, held } => {
                        prop_assert!(until > now && held.is_none());
                        now = until;
                    }
                    Next::Drop { .. } => prop_assert!(false, "no window closes here"),
                    Next::Begin(batch) => {
                        prop_assert!(!batch.triggers.is_empty());
                        waiting.retain(|one| !batch.triggers.contains(&one.id));
                    }
                }
            }
            prop_assert!(waiting.is_empty());
        }
    }
}
