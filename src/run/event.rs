//! What happens in a run, as it is journalled. A state is the fold of its events, in life and in recovery alike.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::build::BuildOutcome;
use crate::model::{Digest, HostName, ImageName, ImageRef, ReleaseNumber, ServiceName, SlotId};
use crate::plan::{Change, Plan};
use crate::prune::{Goner, Stays};
use crate::release::Release;
use crate::rollout::{Action, Desired, Gate, Outcome, Person, Phase, SlotVerdict};

/// One entry of the journal. `…Began` and `…Intended` are durable before their effect, `…Ended` after it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A run began.
    RunBegan {
        /// What moved, or who says so.
        change: Change,
        /// Who asked, such as `root@vm`.
        by: String,
        /// The words with which it was asked for.
        words: String,
    },
    /// It was decided what will be done.
    Planned {
        /// The plan.
        plan: Box<Plan>,
    },
    /// A build is about to begin.
    BuildBegan {
        /// Which image.
        image: ImageName,
        /// The hash of all that it depends on, parents included.
        inputs: Digest,
        /// The Dockerfile as it was sent, pinned.
        dockerfile: String,
        /// The bases that it stands on, by digest.
        bases: BTreeMap<ImageRef, Digest>,
    },
    /// A build ended, or was not needed.
    BuildEnded {
        /// Which image.
        image: ImageName,
        /// How.
        outcome: BuildOutcome,
        /// How long it took.
        elapsed_ms: u64,
    },
    /// A release was made.
    Released {
        /// The release.
        release: Box<Release>,
    },
    /// An image was brought to a host, or was there.
    Carried {
        /// The image id.
        image: Digest,
        /// The name that it has there, if it gets one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<ImageRef>,
        /// The host.
        host: HostName,
        /// How it went.
        outcome: CarryOutcome,
    },
    /// Before the run touched anything, some of its services were sick.
    SickBefore {
        /// Which, and what was seen.
        services: BTreeMap<ServiceName, String>,
    },
    /// A service of the plan is not rolled in this run.
    NotRolled {
        /// Which.
        service: ServiceName,
        /// Why.
        why: NotRolled,
    },
    /// A rollout is about to begin.
    RolloutBegan {
        /// From what to what, slot by slot.
        desired: Box<Desired>,
        /// Which way it goes.
        #[serde(default, skip_serializing_if = "Way::is_there")]
        way: Way,
        /// Whether it is about all slots that the service has.
        #[serde(default = "yes")]
        is_whole: bool,
    },
    /// An action is about to be carried out.
    ActionIntended {
        /// Which.
        action: Action,
    },
    /// An action was carried out, or failed.
    ActionEnded {
        /// Which.
        action: Action,
        /// What went wrong; none if it succeeded.
        error: Option<String>,
        /// The engine's id of the container that it made.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        made: Option<String>,
    },
    /// A volume is about to be copied, while nobody writes it.
    CopyBegan {
        /// For which slot.
        slot: SlotId,
        /// The volume that is read.
        from: String,
        /// The volume that is written.
        to: String,
    },
    /// It was copied, and what was read again from the copy is the same.
    Copied {
        /// For which slot.
        slot: SlotId,
        /// The volume that was read.
        from: String,
        /// The volume that was written.
        to: String,
        /// Files and links.
        files: u64,
        /// Their bytes.
        bytes: u64,
        /// The hash of names, owners, modes and contents.
        hash: Digest,
        /// So many copies of the volume are kept on the host now; none where an older one was put back.
        #[serde(default)]
        kept: usize,
    },
    /// What an old container had written outside its volumes was copied into the new one.
    Adopted {
        /// In which slot.
        slot: SlotId,
        /// Files and links.
        files: u64,
        /// Their bytes.
        bytes: u64,
        /// Files of the image that the old container had deleted, and that are there again.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        deleted: Vec<String>,
    },
    /// A slot is proven on its target.
    SlotDone {
        /// Which.
        slot: SlotId,
        /// Whether its target is that nothing runs in it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_empty: bool,
    },
    /// A slot's new container failed.
    SlotFailed {
        /// Which.
        slot: SlotId,
        /// Why.
        verdict: SlotVerdict,
        /// The last lines that the container wrote.
        last_lines: Vec<String>,
    },
    /// A host was given up for this rollout.
    HostLeftBehind {
        /// The service that rolls.
        service: ServiceName,
        /// Which.
        host: HostName,
        /// What the last attempt said.
        why: String,
    },
    /// A rollout turned: paused, on its way back, sweeping.
    PhaseChanged {
        /// The service.
        service: ServiceName,
        /// To what.
        phase: Phase,
    },
    /// A stage of a rollout is through, and what comes next waits for the gate behind it.
    GateReached {
        /// The service.
        service: ServiceName,
        /// The stage, by the name that people know it by.
        stage: String,
        /// What the gate asks for.
        gate: Gate,
    },
    /// A rollout went on to its next stage.
    StageBegan {
        /// The service.
        service: ServiceName,
        /// The stage, by its place in the rollout's stages.
        number: usize,
        /// The same, by the name that people know it by.
        stage: String,
    },
    /// A person said something about the run.
    PersonSaid {
        /// What.
        word: Person,
        /// Who.
        by: String,
    },
    /// A rollout ended.
    RolloutEnded {
        /// The host that it was to empty, for a drain.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        drained: Option<HostName>,
        /// The service.
        service: ServiceName,
        /// The release it was to reach.
        release: ReleaseNumber,
        /// How.
        outcome: Outcome,
    },
    /// What is in the images of a release was read. It goes on beside the rollouts, so other events may stand between.
    ContentsRead {
        /// The release.
        release: ReleaseNumber,
        /// What was read of each image.
        bills: BTreeMap<ImageName, Bill>,
        /// What could not be read, one line each.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        troubles: Vec<String>,
    },
    /// The run turned: the release that it rolled, and the bases that moved with it, are not to be rolled again by themselves.
    Quarantined {
        /// The release.
        release: ReleaseNumber,
        /// The bases, each at the digest that came with the release.
        bases: BTreeMap<ImageRef, Digest>,
        /// Why the run turned.
        why: String,
    },
    /// A person lifted the quarantine of a release. It is recorded in the run that put it there, which is over by then.
    Unquarantined {
        /// The release.
        release: ReleaseNumber,
        /// Who.
        by: String,
    },
    /// A person ended refit (Ctrl-C) while images were built or brought; builds that ran were cancelled, and can be taken up again.
    Interrupted {
        /// Who.
        by: String,
    },
    /// refit died in this run and took it up again.
    Resumed {
        /// Who.
        by: String,
    },
    /// What nobody needs any more is about to be removed from an engine.
    PruneBegan {
        /// The engine, by the names of its hosts.
        engine: String,
        /// What goes, and why.
        goes: Vec<Goner>,
    },
    /// It was removed, but for what failed.
    PruneEnded {
        /// The engine.
        engine: String,
        /// So many things are gone.
        removed: usize,
        /// About so many bytes became free.
        bytes: u64,
        /// What could not be removed, and why.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        failed: Vec<Stays>,
    },
    /// The run is over.
    RunEnded {
        /// How.
        outcome: RunOutcome,
    },
}

fn yes() -> bool {
    true
}

impl Event {
    /// The event's kind, as the journal writes it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::RunBegan { .. } => "run_began",
            Self::Planned { .. } => "planned",
            Self::BuildBegan { .. } => "build_began",
            Self::BuildEnded { .. } => "build_ended",
            Self::Released { .. } => "released",
            Self::Carried { .. } => "carried",
            Self::SickBefore { .. } => "sick_before",
            Self::NotRolled { .. } => "not_rolled",
            Self::RolloutBegan { .. } => "rollout_began",
            Self::ActionIntended { .. } => "action_intended",
            Self::ActionEnded { .. } => "action_ended",
            Self::CopyBegan { .. } => "copy_began",
            Self::Copied { .. } => "copied",
            Self::Adopted { .. } => "adopted",
            Self::SlotDone { .. } => "slot_done",
            Self::SlotFailed { .. } => "slot_failed",
            Self::HostLeftBehind { .. } => "host_left_behind",
            Self::PhaseChanged { .. } => "phase_changed",
            Self::GateReached { .. } => "gate_reached",
            Self::StageBegan { .. } => "stage_began",
            Self::PersonSaid { .. } => "person_said",
            Self::RolloutEnded { .. } => "rollout_ended",
            Self::ContentsRead { .. } => "contents_read",
            Self::Quarantined { .. } => "quarantined",
            Self::Unquarantined { .. } => "unquarantined",
            Self::Interrupted { .. } => "interrupted",
            Self::Resumed { .. } => "resumed",
            Self::PruneBegan { .. } => "prune_began",
            Self::PruneEnded { .. } => "prune_ended",
            Self::RunEnded { .. } => "run_ended",
        }
    }

    /// The service whose rollout the event is about.
    pub fn service(&self) -> Option<&ServiceName> {
        match self {
            Self::RolloutBegan { desired, .. } => Some(&desired.service),
            Self::ActionIntended { action } | Self::ActionEnded { action, .. } => Some(&action.slot().service),
            Self::SlotDone { slot, .. } | Self::SlotFailed { slot, .. } => Some(&slot.service),
            Self::HostLeftBehind { service, .. }
            | Self::PhaseChanged { service, .. }
            | Self::GateReached { service, .. }
            | Self::StageBegan { service, .. }
            | Self::RolloutEnded { service, .. } => Some(service),
            _ => None,
        }
    }
}

/// What was read of an image, in short: enough to prove later that a document about it is the one that was true then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Bill {
    /// So many packages are in it.
    pub packages: usize,
    /// The hash of its bill of materials, as `refit sbom --format cyclonedx` wrote it then.
    pub cyclonedx: Digest,
}

/// Which way a rollout goes from its beginning.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// From what was to what shall be.
    #[default]
    There,
    /// From what this run has rolled back to what was before.
    Back {
        /// Why.
        why: String,
    },
}

impl Way {
    fn is_there(&self) -> bool {
        *self == Self::There
    }
}

/// Why a service of the plan is not rolled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NotRolled {
    /// It runs what it is to run.
    AsItIs,
    /// For this reason.
    Because(String),
}

/// How an image came to a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "how")]
pub enum CarryOutcome {
    /// It was there.
    AlreadyThere,
    /// It was sent.
    Sent {
        /// Bytes that went over the connection.
        bytes: u64,
        /// Layers sent.
        layers: u32,
        /// Layers left out because the host has them.
        kept: u32,
        /// How long it took.
        elapsed_ms: u64,
    },
    /// It could not be sent.
    Failed {
        /// Why.
        why: String,
    },
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "how")]
pub enum RunOutcome {
    /// Everything that was planned is so.
    Done,
    /// There was nothing to do.
    NothingToDo,
    /// Some builds failed; what did not depend on them went on.
    BuildsFailed {
        /// Which.
        images: Vec<ImageName>,
        /// Services that were planned and not rolled, and why.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        not_rolled: BTreeMap<ServiceName, String>,
    },
    /// At least one service went back to its release before.
    RolledBack {
        /// Which, and why.
        services: BTreeMap<ServiceName, String>,
        /// Services that were planned and not rolled, and why.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        not_rolled: BTreeMap<ServiceName, String>,
    },
    /// Done but for hosts left behind or slots that failed.
    InPart {
        /// What is missing, one line each.
        missing: Vec<String>,
    },
    /// It stopped before anything changed on any host.
    Refused {
        /// Why.
        why: String,
    },
    /// A person is needed.
    Stuck {
        /// Which services are in between, and why.
        why: String,
        /// Services that are back on their release before, and why.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        services: BTreeMap<ServiceName, String>,
        /// Services that were planned and not rolled, and why.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        not_rolled: BTreeMap<ServiceName, String>,
    },
    /// A person ended it; whatever it had rolled is back.
    Aborted {
        /// Services that went back to their release before, and why.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        services: BTreeMap<ServiceName, String>,
        /// Services that were planned and not rolled, and why.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        not_rolled: BTreeMap<ServiceName, String>,
    },
}
