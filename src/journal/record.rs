//! What the journal gives back: events as they were recorded, and the short records that are derived from them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{Digest, ImageName, ImageRef, ReleaseNumber, RunId, ServiceName};
use crate::plan::Change;
use crate::rollout::Outcome;
use crate::run::{Event, RunOutcome};

/// One event of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// Its place in the whole journal, counted from 1.
    pub position: u64,
    /// Its run.
    pub run: RunId,
    /// Its place in its run, counted from 1.
    pub seq: u64,
    /// When it was appended.
    pub at: Timestamp,
    /// What happened.
    pub event: Event,
    /// Its hash, which covers everything before it.
    pub hash: Digest,
}

/// One run in short.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    /// Which.
    pub run: RunId,
    /// When it began.
    pub began_at: Timestamp,
    /// Who asked.
    pub by: String,
    /// With which words.
    pub words: String,
    /// For what.
    pub change: Change,
    /// The release that it made, if it made one.
    pub release: Option<ReleaseNumber>,
    /// When it ended; none while it goes on.
    pub ended_at: Option<Timestamp>,
    /// How it ended.
    pub outcome: Option<RunOutcome>,
}

/// One release in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseKept {
    /// Its number.
    pub number: ReleaseNumber,
    /// The run that made it.
    pub run: RunId,
    /// When.
    pub made_at: Timestamp,
}

/// One image that was built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildKept {
    /// Which image.
    pub image: ImageName,
    /// What it was built from.
    pub inputs: Digest,
    /// The image id that these inputs led to.
    pub id: Digest,
    /// Its immutable tag.
    pub tag: ImageRef,
    /// The run that built it.
    pub run: RunId,
    /// When it was ready.
    pub at: Timestamp,
    /// How long it took.
    pub elapsed_ms: u64,
}

/// One rollout of one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutKept {
    /// The run that rolled.
    pub run: RunId,
    /// The service.
    pub service: ServiceName,
    /// The release it was to reach.
    pub to: ReleaseNumber,
    /// The release it would have gone back to.
    pub from: Option<ReleaseNumber>,
    /// When it began.
    pub began_at: Timestamp,
    /// When it ended; none while it goes on.
    pub ended_at: Option<Timestamp>,
    /// How it ended.
    pub outcome: Option<Outcome>,
}

/// What the journal knows about one service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceState {
    /// The release that its last good rollout brought it to.
    pub current: Option<ReleaseNumber>,
    /// Since when.
    pub since: Option<Timestamp>,
    /// Releases that it must not go to by itself, because it came back from them.
    pub quarantined: BTreeMap<ReleaseNumber, Quarantine>,
    /// The rollout that has not ended, and to which release it was to go.
    pub rolling: Option<(RunId, ReleaseNumber)>,
}

/// Why a service must not go to a release by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantine {
    /// Why it came back from it.
    pub why: String,
    /// In which run.
    pub run: RunId,
    /// When.
    pub at: Timestamp,
}

/// Folds rollouts, in the order in which they ended, into what each service is on.
pub fn service_states(rollouts: &[RolloutKept]) -> BTreeMap<ServiceName, ServiceState> {
    let mut states: BTreeMap<ServiceName, ServiceState> = BTreeMap::new();
    for rollout in rollouts {
        states.entry(rollout.service.clone()).or_default().take(rollout);
    }
    states
}

impl ServiceState {
    fn take(&mut self, rollout: &RolloutKept) {
        let (Some(outcome), Some(at)) = (&rollout.outcome, rollout.ended_at) else {
            self.rolling = Some((rollout.run, rollout.to));
            return;
        };
        let quarantine = |why: &str| Quarantine { why: why.to_owned(), run: rollout.run, at };
        match outcome {
            Outcome::Done | Outcome::DoneInPart => {
                // A person (nobody else may) went back from a later release, so it is not to be rolled again by itself.
                if let Some(left) = rollout.from.filter(|from| *from > rollout.to) {
                    self.quarantined.insert(left, quarantine("rolled back by hand"));
                }
                self.quarantined.remove(&rollout.to);
                (self.current, self.since) = (Some(rollout.to), Some(at));
            }
            // A repair that came to nothing says nothing about the release that the service is on.
            Outcome::Stuck { .. } if self.current == Some(rollout.to) || rollout.from == Some(rollout.to) => {}
            Outcome::RolledBack { why } | Outcome::Stuck { why } => {
                self.quarantined.insert(rollout.to, quarantine(why));
            }
        }
    }
}
