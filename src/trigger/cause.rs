//! What was heard: a reason to look, never an order.

use std::collections::BTreeSet;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Wish;
use crate::model::{Digest, HostName, ImageName, ImageRef, ServiceName};
use crate::pipeline::{CycleRefresh, Priority};

/// Something that may begin a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Trigger {
    /// What may have moved, or who wishes what.
    pub cause: Cause,
    /// Who said so: `hook registry`, `watch`, `schedule patch-tuesday`, `ann@vm`.
    pub by: String,
    /// The words in which it was said; for people, and in the journal of the run.
    pub words: String,
}

/// What may have moved, or who wishes what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// There may be something newer under the name of a base.
    Base {
        /// The base, as Dockerfiles name it.
        base: ImageRef,
        /// What is said to be there now. A hint: what counts is what the registry says when the run is planned.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digest: Option<Digest>,
    },
    /// The sources of images may have changed.
    Sources {
        /// Which images.
        images: BTreeSet<ImageName>,
    },
    /// A patch cycle is due.
    Cycle {
        /// The schedule that says so.
        name: String,
        /// The occurrence, before its jitter.
        at: Timestamp,
        /// When its window closes; what has not begun by then waits for the next one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
        /// Whether it may pass where others are held.
        priority: Priority,
        /// Which images it rebuilds even where nothing below them moved.
        refresh: CycleRefresh,
    },
    /// Services that were frozen when a run rolled the others are behind.
    Behind {
        /// Which.
        services: BTreeSet<ServiceName>,
        /// When nothing holds them any more, as far as was known.
        not_before: Timestamp,
    },
    /// What runs on hosts that are back is not what was released.
    Drift {
        /// The hosts.
        hosts: BTreeSet<HostName>,
    },
    /// A person's wish.
    Wish(Wish),
}

/// A trigger on its way into the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// What was heard.
    pub trigger: Trigger,
    /// What the sender calls this delivery, prefixed with the sender's own name here; one that comes again is the same.
    pub delivery: Option<String>,
}

impl Cause {
    /// What two triggers share when one run answers both, if the first still waits. Wishes of people are each their own.
    pub fn same_as(&self) -> Option<String> {
        match self {
            Self::Base { base, .. } => Some(format!("base {base}")),
            Self::Sources { images } => Some(format!("sources {}", images.iter().map(ImageName::as_str).collect::<Vec<_>>().join(" "))),
            Self::Cycle { name, .. } => Some(format!("cycle {name}")),
            Self::Behind { services, .. } => Some(format!("behind {}", services.iter().map(ServiceName::as_str).collect::<Vec<_>>().join(" "))),
            Self::Drift { .. } => Some("drift".to_owned()),
            Self::Wish(_) => None,
        }
    }

    /// The word for metrics and lists.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Base { .. } => "base",
            Self::Sources { .. } => "sources",
            Self::Cycle { .. } => "cycle",
            Self::Behind { .. } => "behind",
            Self::Drift { .. } => "drift",
            Self::Wish(_) => "wish",
        }
    }
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Base { base, digest: Some(digest) } => write!(f, "{} may have moved to sha256:{}", base.familiar(), digest.short()),
            Self::Base { base, digest: None } => write!(f, "{} may have moved", base.familiar()),
            Self::Sources { images } => {
                let names: Vec<_> = images.iter().map(ToString::to_string).collect();
                write!(f, "the sources of {} may have changed", names.join(", "))
            }
            Self::Cycle { name, at, .. } => write!(f, "the cycle {name} of {at:.0}"),
            Self::Behind { services, .. } => {
                let names: Vec<_> = services.iter().map(ToString::to_string).collect();
                write!(f, "{} stood still in a freeze", names.join(", "))
            }
            Self::Drift { hosts } => {
                let names: Vec<_> = hosts.iter().map(ToString::to_string).collect();
                write!(f, "what runs on {} is not what was released", names.join(", "))
            }
            Self::Wish(_) => f.write_str("somebody asked"),
        }
    }
}
