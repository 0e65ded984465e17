//! The fold from events to what can be asked for: each event says by itself which records it adds to or changes.
//!
//! Both journals apply the same facts, while events come in and when everything derived is made again.

use crate::model::{ReleaseNumber, ServiceName};
use crate::plan::Change;
use crate::rollout::Outcome;
use crate::run::{BuildOutcome, Event, RunOutcome};

use super::record::{BuildKept, Recorded, ReleaseKept, RolloutKept};

/// Raised whenever the fold changes what it derives, so that older journals derive anew.
pub(super) const FOLD_VERSION: i64 = 1;

/// One change to the derived records.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fact {
    /// There is a new run.
    Run { change: Change, by: String, words: String },
    /// The run is over.
    RunEnded { outcome: RunOutcome },
    /// An image was built.
    Build(BuildKept),
    /// A release was made.
    Release(ReleaseKept),
    /// A rollout began.
    Rollout(RolloutKept),
    /// A rollout ended.
    RolloutEnded { service: ServiceName, to: ReleaseNumber, outcome: Outcome },
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
        Event::Released { release } => Fact::Release(ReleaseKept { number: release.number, run: release.run, made_at: release.made_at }),
        Event::RolloutBegan { desired } => Fact::Rollout(RolloutKept {
            run,
            service: desired.service.clone(),
            to: desired.to.release,
            from: desired.back.as_ref().map(|back| back.release),
            began_at: at,
            ended_at: None,
            outcome: None,
        }),
        Event::RolloutEnded { service, release, outcome } => Fact::RolloutEnded { service: service.clone(), to: *release, outcome: outcome.clone() },
        Event::Planned { .. }
        | Event::BuildBegan { .. }
        | Event::Carried { .. }
        | Event::ActionIntended { .. }
        | Event::ActionEnded { .. }
        | Event::SlotDone { .. }
        | Event::SlotFailed { .. }
        | Event::HostLeftBehind { .. }
        | Event::PhaseChanged { .. }
        | Event::GateReached { .. }
        | Event::StageBegan { .. }
        | Event::PersonSaid { .. }
        | Event::Interrupted { .. }
        | Event::Resumed { .. } => return None,
    })
}
