//! How a run as a whole ended, by what its builds and rollouts came to.

use std::collections::BTreeMap;

use crate::model::{ReleaseNumber, ServiceName};
use crate::plan::Plan;
use crate::rollout::{Outcome, Person};
use crate::run::{BuildOutcome, RunOutcome, RunState};

/// Services that were planned and not rolled, and why.
pub(super) type NotRolled = BTreeMap<ServiceName, String>;

/// The service whose rollout ended so badly that nothing is rolled after it: what comes next would stand on the same new base.
pub(super) fn stopped_by(state: &RunState) -> Option<String> {
    state.rollouts.iter().find_map(|rollout| match &rollout.ended.as_ref()?.1 {
        Outcome::Done | Outcome::DoneInPart => None,
        Outcome::RolledBack { .. } => Some(format!("{} had to go back, and the run stops there", rollout.desired.service)),
        Outcome::Stuck { .. } => Some(format!("{} needs a person, and the run stops there", rollout.desired.service)),
    })
}

/// What a person said, if no rollout is under way that hears it: it is about what would come next.
pub(super) fn word_between(state: &RunState) -> Option<Person> {
    let is_rolling = state.rollouts.iter().any(|rollout| rollout.ended.is_none());
    state.person.filter(|_| !is_rolling)
}

/// Whether the run made this release, or rolled a service to it. A repair alone does neither: the newest release may be one that was rolled back.
pub(super) fn leads_to(state: &RunState, release: ReleaseNumber) -> bool {
    state.release.as_ref().is_some_and(|made| made.number == release)
        || state.rollouts.iter().any(|rollout| rollout.desired.to.release == release && !rollout.desired.is_repair())
}

/// How the run ended; the gravest word counts.
pub(super) fn run_outcome(state: &RunState, plan: &Plan, not_rolled: NotRolled) -> RunOutcome {
    let stuck = ended(state, |outcome| if let Outcome::Stuck { why } = outcome { Some(why.clone()) } else { None });
    if let Some((service, why)) = stuck.into_iter().next() {
        return RunOutcome::Stuck { why: format!("{service}: {why}"), not_rolled };
    }
    let services = ended(state, |outcome| if let Outcome::RolledBack { why } = outcome { Some(why.clone()) } else { None });
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

fn ended(state: &RunState, wanted: fn(&Outcome) -> Option<String>) -> BTreeMap<ServiceName, String> {
    let ended = state.rollouts.iter().filter_map(|rollout| Some((rollout.desired.service.clone(), &rollout.ended.as_ref()?.1)));
    ended.filter_map(|(service, outcome)| Some((service, wanted(outcome)?))).collect()
}

/// What is missing in the rollouts that ended in part.
fn in_part(state: &RunState) -> impl Iterator<Item = String> {
    state.rollouts.iter().filter(|rollout| matches!(rollout.ended, Some((_, Outcome::DoneInPart)))).flat_map(|rollout| {
        let hosts = rollout.left_behind.iter().map(|(host, why)| format!("{}: host {host} was left behind: {why}", rollout.desired.service));
        hosts.chain(rollout.failed.iter().map(|(slot, verdict)| format!("{slot}: {verdict}")))
    })
}
