//! Decides what a run does next about its services: roll one, take one back, leave one out, stand still, or end.
//!
//! In: what has happened so far. Out: one step; the driver carries it out, journals what came of it, and asks again. So a run that was interrupted
//! at any event goes on from there, and what it comes to follows from its events alone.

use std::collections::BTreeMap;

use super::outcome::outcome;
use super::{NotRolled, RolloutState, RunOutcome, RunState, Way};
use crate::model::{ReleaseNumber, ServiceName};
use crate::pipeline::{Condition, OnExceeded};
use crate::plan::Plan;
use crate::rollout::{Outcome, Person};

/// What a run does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Rolls a service of the plan, or goes on with that.
    Roll {
        /// Which.
        service: ServiceName,
    },
    /// Takes a service back that this run has rolled, or goes on with that.
    TakeBack {
        /// Which.
        service: ServiceName,
        /// Why.
        why: String,
    },
    /// Puts the release that it rolled into quarantine.
    Quarantine {
        /// Which.
        release: ReleaseNumber,
        /// The release before it: what moved between the two is put there too.
        before: Option<ReleaseNumber>,
        /// Why.
        why: String,
    },
    /// Leaves a service of the plan as it is.
    LeaveOut {
        /// Which.
        service: ServiceName,
        /// Why.
        why: String,
    },
    /// Stands still, before this service, until a person says something.
    Pause {
        /// Which service would come next.
        before: ServiceName,
    },
    /// Is over.
    End(RunOutcome),
}

/// Why a run rolls nothing more, and whether it takes back what it has rolled.
struct Turn {
    why: String,
    is_back: bool,
}

/// Decides what comes next, once the builds have ended. O(services) for each step.
pub fn next(state: &RunState) -> Next {
    let Some(plan) = &state.plan else {
        return Next::End(RunOutcome::Refused { why: "it was interrupted before it had a plan".into() });
    };
    if let Some(rollout) = state.rollouts.iter().find(|rollout| rollout.ended.is_none()) {
        return under_way(rollout);
    }
    let step = match turn(state, plan) {
        Some(turn) => turned(state, plan, &turn),
        None => forward(state, plan),
    };
    match step {
        // What is only said costs nobody anything; what touches hosts waits for whoever said so.
        Some(Next::Roll { service } | Next::TakeBack { service, .. }) if state.person == Some(Person::Pause) => Next::Pause { before: service },
        Some(step) => step,
        None => Next::End(outcome(state, plan)),
    }
}

fn under_way(rollout: &RolloutState) -> Next {
    let service = rollout.desired.service.clone();
    match &rollout.way {
        Way::There => Next::Roll { service },
        Way::Back { why } => Next::TakeBack { service, why: why.clone() },
    }
}

/// Whether the run turns: a person says so, or more services failed than may.
fn turn(state: &RunState, plan: &Plan) -> Option<Turn> {
    if state.person == Some(Person::Abort) {
        return Some(Turn { why: "the run was aborted".into(), is_back: true });
    }
    let failed: Vec<&str> = state.blamed().map(ServiceName::as_str).collect();
    let allowed = plan.run.max_failed_services as usize;
    let why = match (&failed[..], allowed) {
        (all, allowed) if all.len() <= allowed => return None,
        ([one], _) => format!("{one} failed"),
        (all, allowed) => format!("{} services failed ({}), and {allowed} may", all.len(), all.join(", ")),
    };
    Some(Turn { why, is_back: plan.run.on_exceeded == OnExceeded::Rollback })
}

/// The first service of the plan that is not settled, unless what it depends on failed.
fn forward(state: &RunState, plan: &Plan) -> Option<Next> {
    let step = plan.rolls.iter().find(|step| !state.is_settled(&step.service))?;
    let service = step.service.clone();
    Some(match step.after.iter().find_map(|(other, condition)| Some((other, why_not(state, other, *condition)?))) {
        Some((other, why)) => Next::LeaveOut { service, why: format!("it depends on {other}, which {why}") },
        None => Next::Roll { service },
    })
}

/// Why what depends on this service may not roll.
fn why_not(state: &RunState, service: &ServiceName, condition: Condition) -> Option<&'static str> {
    let ended = state.rollout(service).and_then(|rollout| rollout.ended.as_ref()).map(|(_, outcome)| outcome);
    match (state.not_rolled.get(service), ended) {
        (Some(NotRolled::Because(_)), _) => Some("was not rolled"),
        (_, Some(Outcome::RolledBack { .. } | Outcome::Stuck { .. })) => Some("failed"),
        (_, Some(Outcome::DoneInPart)) if condition == Condition::ServiceHealthy => Some("is not healthy in every slot"),
        (_, None) if condition == Condition::ServiceHealthy && state.sick_before.contains_key(service) => Some("is sick"),
        _ => None,
    }
}

/// What it rolled is put into quarantine; what has not begun is left out; then, if the run goes back, what it has rolled is taken back, most recent first.
fn turned(state: &RunState, plan: &Plan, turn: &Turn) -> Option<Next> {
    if let Some((release, before)) = newest(state).filter(|_| state.quarantined.is_none()) {
        return Some(Next::Quarantine { release, before, why: turn.why.clone() });
    }
    if let Some(step) = plan.rolls.iter().find(|step| !state.is_settled(&step.service)) {
        return Some(Next::LeaveOut { service: step.service.clone(), why: format!("{}, and the run stops there", turn.why) });
    }
    let last: BTreeMap<&ServiceName, &RolloutState> = state.rollouts.iter().map(|rollout| (&rollout.desired.service, rollout)).collect();
    let stands = |rollout: &&RolloutState| is_through(rollout) && std::ptr::eq(last[&rollout.desired.service], *rollout);
    let newest = state.rollouts.iter().rev().filter(|_| turn.is_back).find(stands)?;
    Some(Next::TakeBack { service: newest.desired.service.clone(), why: turn.why.clone() })
}

/// The newest release that the run has rolled to, and the one before it. Who went to an older one, or repaired, has nothing new to be blamed.
fn newest(state: &RunState) -> Option<(ReleaseNumber, Option<ReleaseNumber>)> {
    let forward = state.rollouts.iter().map(|rollout| (rollout.desired.to.release, rollout.desired.back.as_ref().map(|back| back.release)));
    forward.filter(|(to, back)| back.is_none_or(|back| back < *to)).max()
}

/// Whether a rollout has brought its service somewhere else. A repair puts in place what was there, so there is nothing to take back; a drain can
/// be taken back, although nothing newer came of it.
fn is_through(rollout: &RolloutState) -> bool {
    let is_done = matches!(rollout.ended, Some((_, Outcome::Done | Outcome::DoneInPart)));
    is_done && rollout.way == Way::There && (!rollout.desired.is_repair() || rollout.desired.drains().is_some())
}

#[cfg(test)]
mod tests;
