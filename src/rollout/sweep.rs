//! Clears away what a rollout leaves: old containers kept for the way back, failed new ones, and those of slots that no longer exist.
//!
//! Only containers of this service, on hosts that took part, one step per slot and look: stop it, then remove it. Never a volume, never the
//! container that a slot is to have, and never what somebody started in its place while it does not serve.

use std::collections::HashMap;

use jiff::Timestamp;

use super::look::{is_serving, is_up, own, view};
use super::slot::Move;
use super::time::after;
use super::{Action, ContainerSeen, Desired, HostSeen, Observed, Outcome, Progress, Version};
use crate::model::{HostName, SlotId};

/// How the rollout ended, as far as sweeping is concerned.
struct End<'a> {
    desired: &'a Desired,
    /// What every slot has now; none if nothing was there before and nothing shall be now.
    goal: Option<&'a Version>,
    is_back: bool,
}

/// What to clear away now. Nothing, and no moment to look again, means that all is clean or must be left as it is.
pub(super) fn sweep(desired: &Desired, observed: &Observed, progress: &mut Progress, outcome: &Outcome, now: Timestamp) -> Vec<Action> {
    let is_back = matches!(outcome, Outcome::RolledBack { .. });
    let end = End { desired, goal: if is_back { desired.back.as_ref() } else { Some(&desired.to) }, is_back };
    let wanted: HashMap<(&HostName, u32), ()> = desired.slots.iter().map(|one| ((&one.slot.host, one.slot.index), ())).collect();
    let mut actions = Vec::new();
    let mut containers = Vec::new();
    for (host, seen) in &observed.hosts {
        // A host that was left behind still runs what it ran; it is another rollout that brings it along.
        if progress.left_behind.contains_key(host) {
            continue;
        }
        match seen {
            HostSeen::Silent { since, .. } => wait_for(host, after(*since, desired.update.host_timeout), progress, now),
            HostSeen::Answered(seen) => {
                containers.clear();
                own(seen, &desired.service, host, &mut containers);
                for slot in containers.chunk_by(|a, b| a.slot.index == b.slot.index) {
                    let is_wanted = wanted.contains_key(&(host, slot[0].slot.index));
                    actions.extend(clear(slot, is_wanted, &end, progress));
                }
            }
        }
    }
    actions
}

/// Clearing away is worth a wait, but not a different end.
fn wait_for(host: &HostName, limit: Timestamp, progress: &mut Progress, now: Timestamp) {
    if now < limit {
        progress.look_at(limit);
        progress.waiting_for.push(format!("host {host}: to answer, so that old containers can be removed"));
    }
}

/// The next thing to clear away in one slot.
fn clear(containers: &[&ContainerSeen], is_wanted: bool, end: &End, progress: &Progress) -> Option<Action> {
    let slot = &containers[0].slot;
    if progress.left_lying.contains_key(slot) {
        return None;
    }
    let goes = if !is_wanted {
        surplus(containers, end)
    } else if progress.failed.contains_key(slot) && !end.is_back {
        failed(containers, end)
    } else {
        replaced(containers, end)
    }?;
    Some(if is_up(goes) { Move::Stop(goes).action(slot, &end.desired.to) } else { remove(slot, goes) })
}

/// In a slot that no longer exists everything goes, unless the rollout went back: the release before may have had that slot.
fn surplus<'a>(containers: &[&'a ContainerSeen], end: &End) -> Option<&'a ContainerSeen> {
    containers.iter().copied().find(|_| !end.is_back)
}

/// In a slot that failed and was let be, the old container stays if it serves, and the new one goes; else both stay for a person to look at.
fn failed<'a>(containers: &[&'a ContainerSeen], end: &End) -> Option<&'a ContainerSeen> {
    let is_new = |one: &&ContainerSeen| one.version.spec == end.desired.to.spec;
    let old_serves = containers.iter().any(|one| !is_new(one) && is_serving(one));
    containers.iter().copied().find(|one| old_serves && is_new(one))
}

/// In a slot that is through everything but its container goes.
fn replaced<'a>(containers: &[&'a ContainerSeen], end: &End) -> Option<&'a ContainerSeen> {
    let Some(goal) = end.goal else {
        return containers.iter().copied().find(|one| one.version.spec == end.desired.to.spec);
    };
    let kept = view(containers, goal).goal.filter(|kept| is_up(kept))?;
    // While ours does not serve, one that is up was started by somebody in its place: it may be all that serves, and is not for the sweep to judge.
    let may_go = |one: &&ContainerSeen| one.id != kept.id && (is_serving(kept) || !is_up(one));
    containers.iter().copied().find(may_go)
}

fn remove(slot: &SlotId, one: &ContainerSeen) -> Action {
    Action::Remove { slot: slot.clone(), container: one.id.clone() }
}
