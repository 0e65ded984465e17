//! What holds a run back: freezes and maintenance windows, and the first moment at which nothing does.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::maintenance;
use crate::model::{ServiceName, Zone};
use crate::pipeline::{Freeze, FreezeAllow, Priority, Window};

/// Who asks whether a run may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// What it begins by.
    pub origin: Origin,
    /// Whether it may pass where others wait.
    pub priority: Priority,
}

/// What a run begins by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The time of a trigger, which somebody chose: it needs no maintenance window.
    Cycle,
    /// A webhook or a poll, which may come at any time.
    Event,
}

/// Until when something waits, and for what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Wait {
    /// The first moment at which it may begin, as far as is known now.
    pub until: Timestamp,
    /// What it waits for, one after the other, in words.
    pub why: String,
}

/// Whether a run may begin now, as far as the whole estate is concerned. Freezes of some services hold no run back, only those services: see
/// [`may_roll`].
pub fn may_begin(now: Timestamp, asked: Asked, freezes: &[Freeze], maintenance: &[Window]) -> Result<(), Wait> {
    let freezes: Vec<&Freeze> = freezes.iter().filter(|freeze| freeze.services.is_empty() && holds(freeze, asked.priority)).collect();
    let needs_window = asked.origin == Origin::Event && asked.priority == Priority::Normal && !maintenance.is_empty();
    first_moment(now, &freezes, if needs_window { maintenance } else { &[] })
}

/// Whether a service may be rolled now: no freeze of it or of the whole estate holds it.
pub fn may_roll(now: Timestamp, service: &ServiceName, priority: Priority, freezes: &[Freeze]) -> Result<(), Wait> {
    let is_of = |freeze: &Freeze| freeze.services.is_empty() || freeze.services.contains(service);
    let freezes: Vec<&Freeze> = freezes.iter().filter(|freeze| is_of(freeze) && holds(freeze, priority)).collect();
    first_moment(now, &freezes, &[])
}

fn holds(freeze: &Freeze, priority: Priority) -> bool {
    match (freeze.allow, priority) {
        (FreezeAllow::Security, Priority::Security) => false,
        (FreezeAllow::Nothing | FreezeAllow::Security, Priority::Normal) | (FreezeAllow::Nothing, Priority::Security) => true,
    }
}

/// Goes from the end of one hold to the end of the next, until nothing holds.
fn first_moment(now: Timestamp, freezes: &[&Freeze], maintenance: &[Window]) -> Result<(), Wait> {
    let mut until = now;
    let mut reasons: Vec<String> = Vec::new();
    // Each step leaves a freeze for good, or goes from a freeze's end to a window's beginning, so there are no more steps than this.
    for _ in 0..=2 * freezes.len() + 1 {
        let Some((end, why)) = held(until, freezes, maintenance) else { break };
        reasons.push(why);
        until = end;
    }
    if reasons.is_empty() { Ok(()) } else { Err(Wait { until, why: words(&reasons) }) }
}

/// What holds at a moment, until when, and why.
fn held(at: Timestamp, freezes: &[&Freeze], maintenance: &[Window]) -> Option<(Timestamp, String)> {
    // Of several freezes the one that ends last; where they follow one another, the next step finds the next.
    let freeze = freezes.iter().filter(|freeze| freeze.from <= at && at < freeze.until).max_by_key(|freeze| freeze.until);
    if let Some(freeze) = freeze {
        return Some((freeze.until, frozen(freeze)));
    }
    if maintenance.is_empty() {
        return None;
    }
    let (opens, window) = maintenance::opens(maintenance, at)?;
    (opens > at).then(|| (opens, format!("maintenance opens at {} ({window})", shown(&window.timezone, opens))))
}

fn frozen(freeze: &Freeze) -> String {
    let reason = freeze.reason.as_deref().map_or(String::new(), |reason| format!(": {reason}"));
    format!("freeze until {}{reason} ({})", shown(&freeze.timezone, freeze.until), freeze.at)
}

/// More reasons than these tell nobody more.
const REASONS_MAX: usize = 3;

fn words(reasons: &[String]) -> String {
    let more = reasons.len().saturating_sub(REASONS_MAX);
    let text = reasons.iter().take(REASONS_MAX).map(String::as_str).collect::<Vec<_>>().join(", then ");
    if more > 0 { format!("{text}, then {more} more") } else { text }
}

/// A moment on a zone's wall clock: `Tue 2026-12-22 03:00 Europe/Brussels`.
pub(super) fn shown(zone: &Zone, moment: Timestamp) -> String {
    format!("{} {zone}", zone.at(moment).strftime("%a %Y-%m-%d %H:%M"))
}
