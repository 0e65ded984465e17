//! How a run as a whole ended, by what its builds and rollouts came to.

use std::collections::BTreeMap;

use super::{BuildOutcome, NotRolled, RunOutcome, RunState};
use crate::model::ServiceName;
use crate::plan::Plan;
use crate::rollout::{Outcome, Person};

/// How the run ended; the gravest word counts.
pub(super) fn outcome(state: &RunState, plan: &Plan) -> RunOutcome {
    let not_rolled = not_rolled(state);
    let stuck = ended(state, |outcome| if let Outcome::Stuck { why } = outcome { Some(why.clone()) } else { None });
    let services = ended(state, |outcome| if let Outcome::RolledBack { why } = outcome { Some(why.clone()) } else { None });
    if !stuck.is_empty() {
        let why: Vec<String> = stuck.iter().map(|(service, why)| format!("{service}: {why}")).collect();
        return RunOutcome::Stuck { why: why.join("; "), services, not_rolled };
    }
    if state.person == Some(Person::Abort) {
        return RunOutcome::Aborted { services, not_rolled };
    }
    if !services.is_empty() {
        return RunOutcome::RolledBack { services, not_rolled };
    }
    let failed = state.builds.iter().filter(|(_, build)| matches!(build.ended, Some((BuildOutcome::Failed { .. }, _))));
    let images: Vec<_> = failed.map(|(image, _)| image.clone()).collect();
    if !images.is_empty() {
        return RunOutcome::BuildsFailed { images, not_rolled };
    }
    let missing: Vec<String> = in_part(state).chain(not_rolled.iter().map(|(service, why)| format!("{service}: not rolled: {why}"))).collect();
    match (missing.is_empty(), plan.steps.is_empty() && plan.rolls.is_empty()) {
        (false, _) => RunOutcome::InPart { missing },
        (true, true) => RunOutcome::NothingToDo,
        (true, false) => RunOutcome::Done,
    }
}

fn not_rolled(state: &RunState) -> BTreeMap<ServiceName, String> {
    let because = |why: &NotRolled| if let NotRolled::Because(why) = why { Some(why.clone()) } else { None };
    state.not_rolled.iter().filter_map(|(service, why)| Some((service.clone(), because(why)?))).collect()
}

/// By service, what the last rollout of each came to, where that is what is looked for.
fn ended(state: &RunState, wanted: fn(&Outcome) -> Option<String>) -> BTreeMap<ServiceName, String> {
    let last: BTreeMap<&ServiceName, &Outcome> =
        state.rollouts.iter().filter_map(|rollout| Some((&rollout.desired.service, &rollout.ended.as_ref()?.1))).collect();
    last.into_iter().filter_map(|(service, outcome)| Some((service.clone(), wanted(outcome)?))).collect()
}

/// What is missing in the rollouts that ended in part.
fn in_part(state: &RunState) -> impl Iterator<Item = String> {
    state.rollouts.iter().filter(|rollout| matches!(rollout.ended, Some((_, Outcome::DoneInPart)))).flat_map(|rollout| {
        let hosts = rollout.left_behind.iter().map(|(host, why)| format!("{}: host {host} was left behind: {why}", rollout.desired.service));
        hosts.chain(rollout.failed.iter().map(|(slot, verdict)| format!("{slot}: {verdict}")))
    })
}
