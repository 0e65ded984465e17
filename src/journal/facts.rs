//! The fold from events to what can be asked for: each event says by itself which records it adds to or changes.
//!
//! Both journals apply the same facts, while events come in and when everything derived is made again.

use crate::model::{ImageName, ReleaseNumber, ServiceName};
use crate::plan::Change;
use crate::release::{Release, ServiceRelease};
use crate::rollout::{Action, Desired, Outcome, Phase, SlotVerdict, Version};
use crate::run::{BuildOutcome, Event, RunOutcome, Way};

use super::record::{BuildKept, QuarantineKept, QuarantineWord, Recorded, ReleaseKept, RolloutKept};
use super::stays::{Failure, Goal, Rolling, StayFact, VersionKept};

/// Raised whenever the fold changes what it derives, so that older journals derive anew.
pub(super) const FOLD_VERSION: i64 = 4;

/// One change to the derived records.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fact {
    /// There is a new run.
    Run { change: Change, by: String, words: String },
    /// The run is over.
    RunEnded { outcome: RunOutcome },
    /// An image was built.
    Build(BuildKept),
    /// A release was made, in which services are made from this.
    Release { release: ReleaseKept, versions: Vec<VersionKept> },
    /// A rollout began, and leads there.
    Rollout { rollout: RolloutKept, rolling: Rolling },
    /// A rollout ended: that of its service in this run which began last, or, if none is known, just this.
    RolloutEnded(RolloutKept),
    /// Something began or ceased to run.
    Stay(StayFact),
    /// Something was said about the quarantine of a release.
    Quarantine(QuarantineKept),
}

/// What an event adds to the derived records.
pub(super) fn fact(recorded: &Recorded) -> Option<Fact> {
    let Recorded { run, at, .. } = *recorded;
    Some(match &recorded.event {
        Event::RunBegan { change, by, words } => Fact::Run { change: change.clone(), by: by.clone(), words: words.clone() },
        Event::RunEnded { outcome } => Fact::RunEnded { outcome: outcome.clone() },
        Event::BuildEnded { image, outcome, elapsed_ms } => match outcome {
            // An image that came out unchanged has an id for its new inputs too: the next plan reuses it.
            BuildOutcome::Built { id, tag, inputs } | BuildOutcome::Unchanged { id, tag, inputs } => {
                Fact::Build(BuildKept { image: image.clone(), inputs: *inputs, id: *id, tag: tag.clone(), run, at, elapsed_ms: *elapsed_ms })
            }
            BuildOutcome::Reused { .. } | BuildOutcome::Failed { .. } | BuildOutcome::Skipped { .. } => return None,
        },
        Event::Released { release } => {
            Fact::Release { release: ReleaseKept { number: release.number, run: release.run, made_at: release.made_at }, versions: versions(release) }
        }
        Event::RolloutBegan { desired, way, is_whole } => Fact::Rollout {
            rolling: rolling(desired, way),
            rollout: RolloutKept {
                run,
                service: desired.service.clone(),
                to: desired.to.release,
                from: desired.back.as_ref().map(|back| back.release),
                began_at: at,
                ended_at: None,
                outcome: None,
                is_way_back: matches!(way, Way::Back { .. }),
                is_whole: *is_whole,
                began: recorded.position,
                ended: None,
            },
        },
        Event::RolloutEnded { service, release, outcome, .. } => Fact::RolloutEnded(RolloutKept {
            run,
            service: service.clone(),
            to: *release,
            from: None,
            began_at: at,
            ended_at: Some(at),
            outcome: Some(outcome.clone()),
            is_way_back: false,
            is_whole: true,
            began: recorded.position,
            ended: Some(recorded.position),
        }),
        Event::ActionIntended { action: Action::StartNew { slot, version, takes_over: Some(old) } } => {
            Fact::Stay(StayFact::Intended { slot: slot.clone(), goal: goal(version), takes_over: old.clone() })
        }
        Event::ActionEnded { action, error: None, made } => Fact::Stay(done(action, made.clone())),
        Event::SlotDone { slot, is_empty: true } => Fact::Stay(StayFact::Emptied { slot: slot.clone() }),
        Event::SlotDone { slot, is_empty: false } => Fact::Stay(StayFact::Proven { slot: slot.clone() }),
        Event::SlotFailed { slot, verdict, .. } => Fact::Stay(StayFact::Failed { slot: slot.clone(), failure: failure(verdict) }),
        Event::PhaseChanged { service, phase } => Fact::Stay(StayFact::Turned { service: service.clone(), is_back: is_back(phase) }),
        Event::Quarantined { release, bases, why } => quarantine(recorded, *release, QuarantineWord::Put { why: why.clone(), bases: bases.clone() }),
        Event::Unquarantined { release, by } => quarantine(recorded, *release, QuarantineWord::Lifted { by: by.clone() }),
        Event::Planned { .. }
        | Event::SickBefore { .. }
        | Event::ContentsRead { .. }
        | Event::BuildBegan { .. }
        | Event::NotRolled { .. }
        | Event::Carried { .. }
        | Event::ActionIntended { .. }
        | Event::ActionEnded { error: Some(_), .. }
        | Event::CopyBegan { .. }
        | Event::Copied { .. }
        | Event::Adopted { .. }
        | Event::HostLeftBehind { .. }
        | Event::GateReached { .. }
        | Event::StageBegan { .. }
        | Event::PersonSaid { .. }
        | Event::PruneBegan { .. }
        | Event::PruneEnded { .. }
        | Event::Interrupted { .. }
        | Event::Resumed { .. } => return None,
    })
}

/// What services are made from. A base that a service runs as it is has no tag of refit's.
fn versions(release: &Release) -> Vec<VersionKept> {
    // An image that could not be built again is in the release as it was, and its service too: then the ids agree.
    let tag = |service: &ServiceRelease| {
        let image = release.images.get(&service.image.parse::<ImageName>().ok()?)?;
        (image.id == service.id).then(|| image.tag.clone())
    };
    let version = |(name, service): (&ServiceName, &ServiceRelease)| VersionKept {
        service: name.clone(),
        spec: service.spec_hash(),
        image: service.id,
        name: service.image.clone(),
        tag: tag(service),
    };
    release.services.iter().map(version).collect()
}

fn rolling(desired: &Desired, way: &Way) -> Rolling {
    let is_back = matches!(way, Way::Back { .. });
    Rolling { service: desired.service.clone(), to: goal(&desired.to), back: desired.back.as_ref().map(goal), is_back }
}

fn goal(version: &Version) -> Goal {
    Goal { release: version.release, spec: version.spec }
}

fn done(action: &Action, made: Option<String>) -> StayFact {
    match action.clone() {
        Action::StartNew { slot, version, takes_over } => StayFact::Started { slot, goal: goal(&version), takes_over, made },
        Action::StartAgain { slot, container } => StayFact::StartedAgain { slot, container },
        Action::Stop { slot, container } | Action::Remove { slot, container } => StayFact::Ended { slot, container },
    }
}

/// What a verdict says of the container that it is about.
fn failure(verdict: &SlotVerdict) -> Failure {
    match verdict {
        SlotVerdict::Exited { .. } => Failure::Ended,
        SlotVerdict::Unhealthy { .. } => Failure::Unwell,
        SlotVerdict::NotHealthyInTime { .. }
        | SlotVerdict::NotStoppedInTime { .. }
        | SlotVerdict::Refused { .. }
        | SlotVerdict::WouldLoseData { .. }
        | SlotVerdict::HostSilent { .. } => Failure::Unknown,
    }
}

/// Whether a rollout that is there leads back.
fn is_back(phase: &Phase) -> bool {
    match phase {
        Phase::Forward => false,
        Phase::Back(_) => true,
        Phase::Paused { back, .. } => back.is_some(),
        Phase::Sweeping(outcome) | Phase::Finished(outcome) => matches!(outcome, Outcome::RolledBack { .. }),
    }
}

fn quarantine(recorded: &Recorded, release: ReleaseNumber, word: QuarantineWord) -> Fact {
    Fact::Quarantine(QuarantineKept { release, run: recorded.run, at: recorded.at, position: recorded.position, word })
}
