//! What the journal gives back: events as they were recorded, and the short records that are derived from them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Digest, ImageName, ImageRef, ReleaseNumber, RunId, ServiceName};
use crate::plan::Change;
use crate::rollout::Outcome;
use crate::run::{Event, RunOutcome};

/// One event of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// Whether it took back what its run had rolled before.
    #[serde(default)]
    pub is_way_back: bool,
    /// Whether it was about all slots that the service had then.
    #[serde(default)]
    pub is_whole: bool,
    /// The position in the journal of its begin.
    #[serde(default)]
    pub began: u64,
    /// The position in the journal of its end.
    #[serde(default)]
    pub ended: Option<u64>,
}

/// A word about the quarantine of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantineKept {
    /// The release.
    pub release: ReleaseNumber,
    /// The run that rolled it.
    pub run: RunId,
    /// When it was said.
    pub at: Timestamp,
    /// Its position in the journal.
    pub position: u64,
    /// What was said.
    pub word: QuarantineWord,
}

/// What was said about the quarantine of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuarantineWord {
    /// Its run put it there.
    Put {
        /// Why.
        why: String,
        /// The bases that moved with it.
        bases: BTreeMap<ImageRef, Digest>,
    },
    /// A person took it out.
    Lifted {
        /// Who.
        by: String,
    },
}
