//! What a rollout sees, wants, remembers and does, as plain data.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{Digest, HostName, ReleaseNumber, ServiceName, SlotId, serde_duration};
use crate::pipeline::Order;
pub use crate::pipeline::UpdateConfig as Policy;

/// One rollout: one service, from whatever is there to one release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Desired {
    /// The service.
    pub service: ServiceName,
    /// What every slot shall be.
    pub to: Version,
    /// What every slot goes back to when the rollout fails; none on a first rollout (the new ones are then taken away).
    pub back: Option<Version>,
    /// Every slot, in the order in which they are rolled.
    pub slots: Vec<SlotWanted>,
    /// Forward.
    pub update: Policy,
    /// Back.
    pub rollback: Policy,
    /// For how long a container may take to stop.
    #[serde(with = "serde_duration")]
    pub stop_grace_period: Duration,
}

impl Desired {
    /// Whether it only puts right what runs already, and so has nothing else to go back to.
    pub fn is_repair(&self) -> bool {
        self.back.as_ref().is_some_and(|back| back.spec == self.to.spec)
    }
}

/// A version of a service's containers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Version {
    /// The release that it belongs to, for people.
    pub release: ReleaseNumber,
    /// The hash of image and spec: what is compared. Two releases with the same hash need no replacement.
    pub spec: Digest,
}

/// One slot that shall be there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotWanted {
    /// Which.
    pub slot: SlotId,
    /// Which container goes first: the policy's order, or stop-first where two cannot stand side by side (a fixed port, a written volume, a static address).
    pub order: Order,
}

/// What was seen on every host of the rollout.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Observed {
    /// By host. A host that is missing here was not asked yet.
    pub hosts: BTreeMap<HostName, HostSeen>,
}

/// What was seen on one host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostSeen {
    /// It answered: all containers of the service there, stopped ones included.
    Answered(Vec<ContainerSeen>),
    /// It does not answer, since then.
    Silent {
        /// Since when.
        since: Timestamp,
        /// What the attempt said.
        why: String,
    },
}

/// One container of the service, as it was seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContainerSeen {
    /// The engine's id of it.
    pub id: String,
    /// Its name on the engine.
    pub name: String,
    /// The slot in its labels.
    pub slot: SlotId,
    /// The version in its labels.
    pub version: Version,
    /// Its state.
    pub state: ContainerState,
    /// Its health, from the engine and from refit's own probe together.
    pub health: Health,
    /// When it was created: of two containers of one version the younger one counts.
    pub created_at: Timestamp,
}

/// The engine's word for a container's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContainerState {
    /// Made, never started.
    Created,
    /// Runs.
    Running {
        /// Since when.
        since: Timestamp,
        /// How often the engine has restarted it.
        restarts: u32,
    },
    /// The engine restarts it again and again.
    Restarting {
        /// How often.
        restarts: u32,
        /// Its last exit code.
        code: i64,
    },
    /// Frozen by somebody.
    Paused,
    /// Ended.
    Exited {
        /// Its exit code.
        code: i64,
        /// When.
        at: Timestamp,
    },
    /// Being removed, or dead.
    Gone,
}

/// Whether a container is well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Not known yet: starting, or not probed.
    Starting,
    /// Well, without a break, since then. A container without any health check is healthy from its start on.
    Healthy {
        /// Since when.
        since: Timestamp,
    },
    /// Unwell.
    Unhealthy {
        /// What the check said.
        why: String,
    },
}

/// What a rollout remembers from one look to the next. Everything in it can be lost but `phase`, `failed` and `person`, which the journal keeps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Where the rollout is.
    pub phase: Phase,
    /// Slots whose new container failed, and why.
    pub failed: BTreeMap<SlotId, SlotVerdict>,
    /// On the way back: slots whose old container failed, and why.
    #[serde(default)]
    pub failed_back: BTreeMap<SlotId, SlotVerdict>,
    /// Slots in which something could not be cleared away at the end, and why.
    #[serde(default)]
    pub left_lying: BTreeMap<SlotId, String>,
    /// Slots in which an action is under way, or ended after the last look: what was seen of them says nothing yet. The driver fills this in.
    #[serde(default)]
    pub under_way: BTreeSet<SlotId>,
    /// Slots that are through: proven on the target.
    pub done: BTreeSet<SlotId>,
    /// When each slot that is in flight was first worked on.
    pub began: BTreeMap<SlotId, Timestamp>,
    /// When the last slot was done: `delay` counts from here.
    pub last_done_at: Option<Timestamp>,
    /// Hosts that were given up.
    pub left_behind: BTreeMap<HostName, String>,
    /// When to look again at the latest, if nothing happens before.
    pub look_again_at: Option<Timestamp>,
    /// What the last look waits for, one line each, for people.
    pub waiting_for: Vec<String>,
}

/// Where a rollout is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// On the way to the target.
    Forward,
    /// On the way back.
    Back(Back),
    /// Begins no further slot and brings those in flight to their end, then stands still until a person speaks.
    Paused {
        /// Why.
        why: String,
        /// Whether it was on its way back.
        back: Option<Back>,
    },
    /// The target (or the way back) is reached on all slots; stopped old containers are being removed.
    Sweeping(Outcome),
    /// Nothing more to do.
    Finished(Outcome),
}

/// Why a rollout goes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Back {
    /// Why, for people.
    pub why: String,
}

/// How a rollout ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every slot is on the target.
    Done,
    /// Every slot but those on hosts left behind, or (failure_action `continue`) those that failed.
    DoneInPart,
    /// Every slot is back.
    RolledBack {
        /// Why.
        why: String,
    },
    /// The way back failed too, or there is none: a person is needed.
    Stuck {
        /// Why.
        why: String,
    },
}

/// Why a slot failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SlotVerdict {
    /// Its container ended.
    Exited {
        /// With this code.
        code: i64,
    },
    /// Its health check failed.
    Unhealthy {
        /// What the check said.
        why: String,
    },
    /// It was not healthy in time.
    NotHealthyInTime {
        /// The deadline, in milliseconds from the slot's begin.
        deadline_ms: u64,
    },
    /// The engine refused an action for good.
    Refused {
        /// What the engine said.
        why: String,
    },
    /// Its old container was not replaced, because that would have lost data.
    WouldLoseData {
        /// What.
        why: String,
    },
    /// Its host did not answer for `host_timeout`.
    HostSilent {
        /// What the attempt said.
        why: String,
    },
}

/// What a person said about a rollout that goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Person {
    /// Begin no further slot.
    Pause,
    /// Go on.
    Resume,
    /// Go back.
    Abort,
}

/// One thing to do on one host. Each may be done twice: "already so" is success.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Create and start a container of this version in this slot; anonymous volumes of `takes_over` move on to it.
    StartNew {
        /// The slot.
        slot: SlotId,
        /// What it shall be.
        version: Version,
        /// The container whose place it takes.
        takes_over: Option<String>,
    },
    /// Start a container that is there, stopped.
    StartAgain {
        /// The slot.
        slot: SlotId,
        /// The engine's id of the container.
        container: String,
    },
    /// Stop a container; it is kept.
    Stop {
        /// The slot.
        slot: SlotId,
        /// The engine's id of the container.
        container: String,
    },
    /// Remove a stopped container, never its volumes.
    Remove {
        /// The slot.
        slot: SlotId,
        /// The engine's id of the container.
        container: String,
    },
}

impl Action {
    /// The slot that it is about.
    pub fn slot(&self) -> &SlotId {
        match self {
            Self::StartNew { slot, .. } | Self::StartAgain { slot, .. } | Self::Stop { slot, .. } | Self::Remove { slot, .. } => slot,
        }
    }
}
