//! Judges the container that a slot is to have: proven, still young, stopped, or failed; and whether too many slots have failed.

use std::time::Duration;

use jiff::Timestamp;

use super::time::after;
use super::{ContainerSeen, ContainerState, Health, Policy, Progress, SlotVerdict};

/// One restart can be a dependency that was late; a second one in the time that a slot has to prove itself is a loop.
const RESTARTS_MAX: u32 = 2;

/// What a slot's container of the wanted version is worth now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Judged {
    /// Healthy for `monitor` without a break.
    Proven,
    /// Healthy, but not for long enough.
    Young {
        /// Since when.
        healthy_since: Timestamp,
        /// When it will be proven.
        proven_at: Timestamp,
    },
    /// Up, not healthy yet.
    Rising,
    /// There, but not running, through no fault of its own as far as can be told.
    Stopped,
    /// Not good enough.
    Failed(SlotVerdict),
}

/// Judges `container`; `began` is when its slot was begun, if it was.
///
/// A container that ended before its slot was begun was stopped by refit or by somebody else, and gets a (further) chance; one that ended after that failed.
pub(super) fn judge(container: &ContainerSeen, began: Option<Timestamp>, policy: &Policy, now: Timestamp) -> Judged {
    match (&container.state, &container.health) {
        (ContainerState::Created | ContainerState::Gone, _) => Judged::Stopped,
        (ContainerState::Exited { code, at }, _) if began.is_some_and(|began| *at > began) => Judged::Failed(SlotVerdict::Exited { code: *code }),
        (ContainerState::Exited { .. }, _) => Judged::Stopped,
        (ContainerState::Restarting { restarts, code }, _) if *restarts >= RESTARTS_MAX => Judged::Failed(SlotVerdict::Exited { code: *code }),
        (ContainerState::Restarting { .. } | ContainerState::Paused, _) => Judged::Rising,
        (ContainerState::Running { .. }, Health::Unhealthy { why }) => Judged::Failed(SlotVerdict::Unhealthy { why: why.clone() }),
        (ContainerState::Running { .. }, Health::Starting) => Judged::Rising,
        (ContainerState::Running { since, .. }, Health::Healthy { since: healthy }) => {
            let healthy_since = (*since).max(*healthy);
            let proven_at = after(healthy_since, policy.monitor);
            if now >= proven_at { Judged::Proven } else { Judged::Young { healthy_since, proven_at } }
        }
    }
}

/// By when a slot begun at `began` must be healthy. Stopping what was there before takes its own time and does not count.
pub(super) fn deadline(began: Timestamp, policy: &Policy, stop_grace_period: Duration) -> Timestamp {
    after(after(began, policy.healthy_deadline), stop_grace_period)
}

/// The verdict on a slot that is not healthy when its deadline is over.
pub(super) fn too_late(policy: &Policy) -> SlotVerdict {
    SlotVerdict::NotHealthyInTime { deadline_ms: deadline_ms(policy) }
}

/// The verdict on a slot that is not empty when its deadline is over.
pub(super) fn not_stopped(policy: &Policy) -> SlotVerdict {
    SlotVerdict::NotStoppedInTime { deadline_ms: deadline_ms(policy) }
}

fn deadline_ms(policy: &Policy) -> u64 {
    u64::try_from(policy.healthy_deadline.as_millis()).unwrap_or(u64::MAX)
}

/// Whether `failures` of `slots` are more than `max_failure_ratio` allows.
pub(super) fn too_many(failures: usize, slots: usize, max_failure_ratio: f64) -> bool {
    // 0.29 × 100 is a little less than 29 in binary; nobody who writes 0.29 means 28.
    const ROUNDING: f64 = 1e-9;
    failures as f64 > max_failure_ratio * slots as f64 + ROUNDING
}

/// Says why a rollout of `slots` turns, for people: how many failed, and the first of them.
pub(super) fn why_it_turns(failed: &std::collections::BTreeMap<crate::model::SlotId, SlotVerdict>, slots: usize) -> String {
    match failed.first_key_value() {
        Some((slot, verdict)) => format!("{} of {slots} slots failed; {slot}: {verdict}", failed.len()),
        None => "no slot failed".to_owned(),
    }
}

impl std::fmt::Display for SlotVerdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exited { code } => write!(f, "its container exited with code {code}"),
            Self::Unhealthy { why } => write!(f, "unhealthy: {why}"),
            Self::NotStoppedInTime { deadline_ms } => {
                write!(f, "not stopped within {}", crate::model::format_duration(Duration::from_millis(*deadline_ms)))
            }
            Self::NotHealthyInTime { deadline_ms } => {
                write!(f, "not healthy within {}", crate::model::format_duration(Duration::from_millis(*deadline_ms)))
            }
            Self::Refused { why } => write!(f, "the engine refused: {why}"),
            Self::WouldLoseData { why } => write!(f, "its old container was not replaced: {why}"),
            Self::HostSilent { why } => write!(f, "its host went silent in the middle: {why}"),
        }
    }
}

impl Progress {
    /// The failures that count on the present way.
    pub(super) fn failures(&mut self, is_back: bool) -> &mut std::collections::BTreeMap<crate::model::SlotId, SlotVerdict> {
        if is_back { &mut self.failed_back } else { &mut self.failed }
    }
}
