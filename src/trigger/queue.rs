//! Which of the triggers that wait become one run, and when.
//!
//! Hints about a base come in bursts (a tag for each platform, a retry of the sender), so they are let settle first; what is due together becomes
//! one run, so that an image that stands on two bases is built once. People are not kept waiting.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::{Cause, Trigger, Wish};
use crate::model::{HostName, TriggerId};
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

/// Why what begins by itself is held now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// When it may be asked again.
    pub until: Timestamp,
    /// Why, for people.
    pub why: String,
}

/// What is to be done next about the triggers that wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// These become one run now.
    Begin(Batch),
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
}

/// What triggers ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// Look at a change, and carry out what it leads to.
    Change(Change),
    /// Bring what runs on these hosts back to what was released.
    Repair(BTreeSet<HostName>),
    /// What a person asked for.
    Wish(Wish),
}

/// Decides what is done next. `may_begin` tells whether what begins by itself may begin now; it is asked whether it is for the sake of security.
///
/// A person's wish goes first, the oldest before the others. Then a patch cycle, which answers every base that waits as well; then all bases and
/// sources that are due, as one change; then repairs. A clock that was set back makes nothing wait for it to come round again.
pub fn next(waiting: &[Waiting], rules: &Rules, now: Timestamp, may_begin: impl Fn(bool) -> Result<(), Held>) -> Next {
    if let Some(batch) = wish(waiting) {
        return Next::Begin(batch);
    }
    let due: Vec<&Waiting> = waiting.iter().filter(|one| due_at(one, rules, now) <= now).collect();
    let Some(first) = due.first() else {
        let soonest = waiting.iter().map(|one| due_at(one, rules, now)).min();
        return soonest.map_or(Next::Idle, |until| Next::Wait { until, held: None });
    };
    let is_security = due.iter().any(|one| matches!(one.trigger.cause, Cause::Cycle { is_security: true, .. }));
    if let Err(Held { until, why }) = may_begin(is_security) {
        return Next::Wait { until: until.max(now), held: Some(why) };
    }
    let batch = cycle(&due, waiting).or_else(|| moved(&due)).or_else(|| repair(&due));
    batch.map_or(Next::Wait { until: first.last_at, held: None }, Next::Begin)
}

/// When a trigger has settled.
fn due_at(one: &Waiting, rules: &Rules, now: Timestamp) -> Timestamp {
    let settles = matches!(one.trigger.cause, Cause::Base { .. } | Cause::Sources { .. });
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
    Some(batch(&all, Work::Change(Change::Cycle), until))
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
        Cause::Cycle { name: "patch".into(), at: at(0), until: Some(at(until)), is_security: false }
    }

    fn wish() -> Cause {
        Cause::Wish(Wish { change: Change::Everything, services: Vec::new(), hosts: None, sick: false, plan: None })
    }

    fn free(_: bool) -> Result<(), Held> {
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
        let held = |_| Err(Held { until: at(900), why: "holidays".into() });
        let waiting = [one(1, 0, 0, base("debian")), one(2, 50, 50, wish()), one(3, 50, 50, wish())];
        assert_eq!(begun(next(&waiting, &RULES, at(50), held)).triggers, [TriggerId(2)]);
        assert_eq!(next(&waiting[..1], &RULES, at(50), held), Next::Wait { until: at(900), held: Some("holidays".into()) });
    }

    #[test]
    fn a_cycle_answers_the_bases_that_wait() {
        let waiting = [one(1, 99, 99, base("debian")), one(2, 100, 100, cycle(500)), one(3, 0, 0, Cause::Drift { hosts: BTreeSet::new() })];
        let batch = begun(next(&waiting, &RULES, at(100), free));
        assert_eq!((batch.triggers, batch.work, batch.until), (vec![TriggerId(2), TriggerId(1)], Work::Change(Change::Cycle), Some(at(500))));
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
