//! When a trigger comes: its occurrences, with their jitter and the ends of their windows.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::model::TriggerName;
use crate::pipeline::Trigger;

/// One time at which a trigger comes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Occurrence {
    /// When its run begins: `at` and the jitter.
    pub begins: Timestamp,
    /// Whose it is.
    pub trigger: TriggerName,
    /// When it comes by its pattern. With the trigger's name this is the occurrence's identity, and what is remembered once it is handled.
    pub at: Timestamp,
    /// When its run must have stopped at a safe point; none if it goes on until it is done.
    pub closes: Option<Timestamp>,
}

/// The first occurrence that begins after a moment. None where the calendar ends.
pub fn next(trigger: &Trigger, after: Timestamp) -> Option<Occurrence> {
    // The one that came already may still be kept back by its jitter.
    let last = trigger.cron.last_until(after, &trigger.timezone).map(|at| occurrence(trigger, at));
    if let Some(last) = last.filter(|last| last.begins > after) {
        return Some(last);
    }
    trigger.cron.next_after(after, &trigger.timezone).map(|at| occurrence(trigger, at))
}

/// More occurrences of one trigger than these are not listed: every minute for a week.
pub(super) const OCCURRENCES_MAX: usize = 10_080;

/// What begins from one moment up to another, the latter not included, in order; ties by name. At most 10,080 of each trigger.
pub fn occurrences(triggers: &BTreeMap<TriggerName, Trigger>, from: Timestamp, until: Timestamp) -> Vec<Occurrence> {
    let just_before = from.checked_sub(SignedDuration::from_nanos(1)).unwrap_or(from);
    let of = |trigger| std::iter::successors(next(trigger, just_before), |last: &Occurrence| next(trigger, last.begins));
    let mut all: Vec<Occurrence> =
        triggers.values().flat_map(|trigger| of(trigger).take_while(|one| one.begins < until).take(OCCURRENCES_MAX)).collect();
    all.sort();
    all
}

/// When the window closes that a trigger's last occurrence opened. In the past, it says that a run must stop at its next safe point. None if the
/// trigger has no windows, or never came.
pub fn window_closes(now: Timestamp, trigger: &Trigger) -> Option<Timestamp> {
    let at = trigger.cron.last_until(now, &trigger.timezone)?;
    occurrence(trigger, at).closes
}

/// The occurrence at a moment of the trigger's pattern.
pub(super) fn occurrence(trigger: &Trigger, at: Timestamp) -> Occurrence {
    let over = over(trigger, at);
    // A change of the clock can make the time to the next one shorter than the pipeline's check knows; an occurrence begins before it is over.
    let latest = over.checked_sub(SignedDuration::from_secs(1)).unwrap_or(at).max(at);
    let begins = later(at, jitter(trigger, at)).min(latest);
    Occurrence { begins, trigger: trigger.name.clone(), at, closes: trigger.window.map(|_| over) }
}

/// When an occurrence is over: when its window closes, or the next one comes.
pub(super) fn over(trigger: &Trigger, at: Timestamp) -> Timestamp {
    let next = trigger.cron.next_after(at, &trigger.timezone).unwrap_or(Timestamp::MAX);
    trigger.window.map_or(next, |window| later(at, window).min(next))
}

/// A delay from nothing to the trigger's jitter, both included, in whole seconds; always the same for one occurrence of one trigger of one estate.
fn jitter(trigger: &Trigger, at: Timestamp) -> Duration {
    let mut hash = Sha256::new();
    // A zero byte is in no name, so that no two names run into each other.
    for part in [trigger.estate.as_str().as_bytes(), trigger.name.as_str().as_bytes(), &at.as_second().to_be_bytes()] {
        hash.update(part);
        hash.update([0]);
    }
    let hash = hash.finalize();
    let number = hash.iter().take(8).fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    Duration::from_secs(number % trigger.jitter.as_secs().saturating_add(1))
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}
