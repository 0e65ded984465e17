//! The fold from events to what can be asked for: each event says by itself which records it adds to or changes.
//!
//! Both journals apply the same facts, while events come in and when everything derived is made again.

use crate::model::ReleaseNumber;
use crate::plan::Change;
use crate::run::{BuildOutcome, Event, RunOutcome, Way};

use super::record::{BuildKept, QuarantineKept, QuarantineWord, Recorded, ReleaseKept, RolloutKept};

/// Raised whenever the fold changes what it derives, so that older journals derive anew.
pub(super) const FOLD_VERSION: i64 = 2;

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
    /// A rollout ended: that of its service in this run which began last, or, if none is known, just this.
    RolloutEnded(RolloutKept),
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
        Event::Released { release } => Fact::Release(ReleaseKept { number: release.number, run: release.run, made_at: release.made_at }),
        Event::RolloutBegan { desired, way, is_whole } => Fact::Rollout(RolloutKept {
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
        }),
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
        Event::Quarantined { release, bases, why } => quarantine(recorded, *release, QuarantineWord::Put { why: why.clone(), bases: bases.clone() }),
        Event::Unquarantined { release, by } => quarantine(recorded, *release, QuarantineWord::Lifted { by: by.clone() }),
        Event::Planned { .. }
        | Event::SickBefore { .. }
        | Event::BuildBegan { .. }
        | Event::NotRolled { .. }
        | Event::Carried { .. }
        | Event::ActionIntended { .. }
        | Event::ActionEnded { .. }
        | Event::CopyBegan { .. }
        | Event::Copied { .. }
        | Event::Adopted { .. }
        | Event::SlotDone { .. }
        | Event::SlotFailed { .. }
        | Event::HostLeftBehind { .. }
        | Event::PhaseChanged { .. }
        | Event::GateReached { .. }
        | Event::StageBegan { .. }
        | Event::PersonSaid { .. }
        | Event::PruneBegan { .. }
        | Event::PruneEnded { .. }
        | Event::Interrupted { .. }
        | Event::Resumed { .. } => return None,
    })
}

fn quarantine(recorded: &Recorded, release: ReleaseNumber, word: QuarantineWord) -> Fact {
    Fact::Quarantine(QuarantineKept { release, run: recorded.run, at: recorded.at, position: recorded.position, word })
}
