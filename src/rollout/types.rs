//! What a rollout sees, wants, remembers and does, as plain data.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Digest, HostName, ReleaseNumber, ServiceName, SlotId, serde_duration};
use crate::pipeline::{FailureAction, Order, UpdateConfig};

/// One rollout: one service, from whatever is there to one release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Desired {
    /// The service.
    pub service: ServiceName,
    /// What every slot shall be.
    pub to: Version,
    /// What every slot goes back to when the rollout fails; none on a first rollout (the new ones are then taken away).
    pub back: Option<Version>,
    /// Every slot, in the order in which those of one stage are rolled.
    pub slots: Vec<SlotWanted>,
    /// The stages of the way forward, in order; none means one, with nothing behind it. The way back has no stages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<Stage>,
    /// How many hosts may have slots in flight at once, there and back; none means any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_parallel_hosts: Option<u32>,
    /// The value of the `spread` label, by host: of hosts with the same value one at most has slots in flight, there and back.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub spread: BTreeMap<HostName, String>,
    /// Forward.
    pub update: Policy,
    /// Back.
    pub rollback: Policy,
    /// For how long a container may take to stop.
    #[serde(with = "serde_duration")]
    #[schemars(with = "u64")]
    pub stop_grace_period: Duration,
}

impl Desired {
    /// Whether it brings nothing newer: what was released is put right, or is not to run for a while.
    pub fn is_repair(&self) -> bool {
        self.back.as_ref().is_some_and(|back| back.spec == self.to.spec)
    }

    /// The host whose slots it empties. It can go back to what is in them, although that is no other version.
    pub fn drains(&self) -> Option<&HostName> {
        self.slots.iter().find(|wanted| wanted.is_absent).map(|wanted| &wanted.slot.host)
    }
}

/// A version of a service's containers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Version {
    /// The release that it belongs to, for people.
    pub release: ReleaseNumber,
    /// The hash of image and spec: what is compared. Two releases with the same hash need no replacement.
    pub spec: Digest,
}

/// One slot that shall be there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SlotWanted {
    /// Which.
    pub slot: SlotId,
    /// Which container goes first: the policy's order, or stop-first where two cannot stand side by side (a fixed port, a written volume, a static address).
    pub order: Order,
    /// The stage in which it is begun.
    #[serde(default)]
    pub stage: usize,
    /// The stage from which on its old container may be stopped: the same, or, where all are switched together, a later one.
    #[serde(default)]
    pub switch: usize,
    /// Whether nothing shall run in it: what does is stopped, and kept. On the way back it is a slot like any other.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_absent: bool,
}

/// One stage of the way forward: what is rolled before the gate behind it opens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Stage {
    /// What people know it by: `canary`, `wave 2`, `switch`.
    pub name: String,
    /// What stands behind it.
    #[serde(default)]
    pub gate: Gate,
}

/// What must be so before what comes after a stage is begun. It opens at once if nothing was moved in the stage.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Gate {
    /// For how long the stage's containers must have stayed healthy, from the moment at which the last of them was proven.
    #[serde(with = "serde_duration")]
    #[schemars(with = "u64")]
    pub bake: Duration,
    /// Whether a person must say so. One who says so earlier ends the bake.
    pub approve: bool,
}

/// How fast a way goes, and what counts as well.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Policy {
    /// Slots in flight at once over all hosts; 0 means all.
    pub parallelism: u32,
    /// Between one batch and the next.
    #[serde(with = "serde_duration")]
    #[schemars(with = "u64")]
    pub delay: Duration,
    /// How long a slot must stay healthy before it counts.
    #[serde(with = "serde_duration")]
    #[schemars(with = "u64")]
    pub monitor: Duration,
    /// By when, counted from its start, a slot must have become healthy.
    #[serde(with = "serde_duration")]
    #[schemars(with = "u64")]
    pub healthy_deadline: Duration,
    /// By when, counted from the last slot that became healthy, the next one must. Runs neither at gates nor in pauses and delays.
    #[serde(with = "serde_duration", default = "never")]
    #[schemars(with = "u64")]
    pub progress_deadline: Duration,
    /// Which container goes first, as it was asked for; how a slot really goes is said by the slot.
    pub order: Order,
    /// What happens when too many slots fail.
    pub failure_action: FailureAction,
    /// The part of all slots that may fail, from 0 to 1.
    pub max_failure_ratio: f64,
    /// How long a host that does not answer is waited for.
    #[serde(with = "serde_duration")]
    #[schemars(with = "u64")]
    pub host_timeout: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self::of(&UpdateConfig::default(), 1, Order::StopFirst)
    }
}

/// Rollouts that were begun before there was a progress deadline have none.
fn never() -> Duration {
    Duration::MAX
}

/// What was seen on every host of the rollout.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Observed {
    /// By host. A host that is missing here was not asked yet.
    pub hosts: BTreeMap<HostName, HostSeen>,
    /// When the look at a host began that brought this: what is there is judged by that moment. A host that is missing here was looked at in the
    /// moment of the decision.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub looked_at: BTreeMap<HostName, Timestamp>,
    /// Hosts that answered then, are being asked again, and take long to answer: they may be silent soon. No slot is begun there, and what served
    /// there counts as missing.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub overdue: BTreeSet<HostName>,
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
    /// Slots whose new container is proven, and whose old one stays up until all are switched together.
    #[serde(default)]
    pub ready: BTreeSet<SlotId>,
    /// Where it is among the stages of the way forward.
    #[serde(default)]
    pub stage: StageProgress,
    /// From when the progress deadline runs; none where it does not.
    #[serde(default)]
    pub progressed_at: Option<Timestamp>,
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

/// Where a rollout is among its stages. The journal keeps it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageProgress {
    /// The stage that is under way, by its place in [`Desired::stages`].
    pub number: usize,
    /// Whether anything was moved in it: else there is nothing to bake or to approve.
    pub has_moved: bool,
    /// Since when all of it is through, and the gate behind it is what is waited for.
    pub at_gate: Option<Timestamp>,
    /// Whether a person has opened that gate.
    pub is_approved: bool,
    /// Whether nothing but a person can open it any more.
    pub needs_person: bool,
}

/// Where a rollout is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

/// Which way containers are moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heading {
    /// To the target.
    Forward,
    /// To what was before.
    Back,
}

impl Phase {
    /// Which way the slots in flight are moved; none when all that is left is to clear away. A pause brings them to the end of the way that it
    /// interrupted, so whatever holds on that way holds in the pause as well.
    pub fn heading(&self) -> Option<Heading> {
        match self {
            Self::Forward | Self::Paused { back: None, .. } => Some(Heading::Forward),
            Self::Back(_) | Self::Paused { back: Some(_), .. } => Some(Heading::Back),
            Self::Sweeping(_) | Self::Finished(_) => None,
        }
    }
}

/// Why a rollout goes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Back {
    /// Why, for people.
    pub why: String,
}

/// How a rollout ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// What was to be empty was not in time: too much else did not serve for it to be stopped.
    NotStoppedInTime {
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Person {
    /// Begin no further slot.
    Pause,
    /// Go on.
    Resume,
    /// Go back.
    Abort,
    /// Go on behind the gate at which it waits.
    Approve,
}

/// One thing to do on one host. Each may be done twice: "already so" is success.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
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
