//! The plan as plain data: nothing is left to choose when it is carried out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::{Digest, HostName, ImageName, ImageRef, Place, ReleaseNumber, ServiceName, SmallMap};

/// What moved, or who says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Look at everything: bases that moved, contexts that changed, images never built.
    Everything,
    /// Only this base is looked at (and all that stands on it).
    Base(ImageRef),
    /// This image and all that stands on it, whether it changed or not.
    Image(ImageName),
    /// Every image is built again, whatever its inputs.
    Rebuild,
    /// Nothing is built; this release is rolled.
    Release(ReleaseNumber),
    /// Nothing is built and nothing newer is rolled: what runs is brought back to what was released.
    Drift,
}

/// What a change leads to. Pure data; printed, hashed, journalled and replayed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// What led to it.
    pub change: Change,
    /// The digest of every base that a build of this plan reaches, resolved once.
    pub bases: BTreeMap<ImageRef, Digest>,
    /// The images that the change reaches, in the order in which they are started when all else is equal.
    pub steps: Vec<BuildStep>,
    /// The services that roll when the builds have ended.
    pub rolls: Vec<RollStep>,
    /// The services that would roll, had they not come back from just that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<HeldService>,
}

impl Plan {
    /// A plan that builds nothing, and rolls nothing yet.
    pub fn without_builds(change: Change) -> Self {
        Self { change, bases: BTreeMap::new(), steps: Vec::new(), rolls: Vec::new(), held: Vec::new() }
    }
}

/// A service that stays where it is, because it came back from what it would roll to: only something newer or a person's word moves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldService {
    /// Which service.
    pub service: ServiceName,
    /// The release that it is on.
    pub stays: ReleaseNumber,
    /// The release that it came back from.
    pub refused: ReleaseNumber,
    /// Why it came back.
    pub why: String,
}

impl std::fmt::Display for HeldService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { service, stays, refused, why } = self;
        write!(f, "{service} stays on {stays}: {refused} was rolled back ({why}); `refit rollout {service} --release {refused}` rolls it again")
    }
}

/// What is done about one image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BuildStep {
    /// Which image.
    pub image: ImageName,
    /// Built, reused, or left for later.
    pub kind: StepKind,
    /// Why; never empty.
    pub reasons: Vec<Reason>,
    /// The images of this plan that must have ended before it starts.
    pub after: Vec<ImageName>,
    /// What each of its references is pinned to. Images of this plan appear as [`Pin::Image`].
    pub pins: SmallMap<ImageRef, Pin>,
    /// Where its files come from, pinned.
    pub context: Arc<Context>,
    /// The hash of all that the build depends on, as far as it is known before its parents are built; see `inputs`.
    pub own_inputs: Digest,
    /// How long it took last time.
    pub took: Option<Duration>,
}

/// Whether an image is built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// It is built.
    Build,
    /// Its inputs are those of an image already built; that one is taken.
    Reuse {
        /// The image id of that build.
        id: Digest,
    },
    /// Its policy says not now.
    Deferred,
}

/// What a reference in a Dockerfile is pinned to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pin {
    /// The image of the estate that this plan builds, reuses, or that stands unchanged.
    Image(ImageName),
    /// A base at the digest that this plan resolved.
    Base {
        /// The base.
        base: ImageRef,
        /// Its content.
        digest: Digest,
    },
}

/// Where a build's files come from, pinned when the plan is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    /// The hash over the files that are sent (paths, modes, contents).
    pub hash: Digest,
    /// The commit they come from; none outside git.
    pub commit: Option<String>,
    /// Whether the folder differs from that commit.
    pub dirty: bool,
    /// The release whose sources these are, when they are not the newest; see `sources: deployed`.
    pub deployed: Option<ReleaseNumber>,
}

/// Why an image is built. Each prints as one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// No build of it is known.
    NeverBuilt,
    /// A base that it reaches moved.
    BaseMoved {
        /// The base.
        base: ImageRef,
        /// What it was at the last build; none if unknown.
        old: Option<Digest>,
        /// What it is now.
        new: Digest,
        /// Where the image reaches for it.
        at: Place,
    },
    /// An image that it stands on is built by this plan.
    ParentBuilt {
        /// That image.
        parent: ImageName,
        /// Where the image reaches for it.
        at: Place,
    },
    /// The files of its context changed.
    ContextChanged {
        /// The commit of the last build.
        old: Option<String>,
        /// The commit now.
        new: Option<String>,
    },
    /// Arguments, target, labels or another setting of its build changed.
    SettingsChanged,
    /// A person asked for it.
    Asked,
    /// The image that was built is gone from the builder.
    Missing,
    /// Nothing it depends on changed.
    UpToDate,
}

/// One service that rolls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollStep {
    /// Which service.
    pub service: ServiceName,
    /// The image that it runs, as written.
    pub image: String,
    /// Its slots per host, in rollout order.
    pub hosts: Vec<SlotCount>,
    /// The release it is on now, if any.
    pub from: Option<ReleaseNumber>,
    /// The release whose version is put in place again, for a repair; none: the release that this run rolls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repair: Option<ReleaseNumber>,
    /// Whether a rollout is certain, or depends on whether a build comes out changed.
    pub certain: bool,
    /// What the reader should know, such as why it goes stop-first.
    pub notes: Vec<String>,
}

/// How many slots a service has on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotCount {
    /// The host.
    pub host: HostName,
    /// Its slots there.
    pub slots: u32,
}
