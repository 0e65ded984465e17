//! The plan as plain data: nothing is left to choose when it is carried out.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::image_as_written;
use super::inputs::settings;
use crate::model::{Digest, HostName, ImageName, ImageRef, Place, ReleaseNumber, ServiceName, SmallMap};
use crate::pipeline::{Condition, CycleRefresh, Estate, Order, RunPolicy, Service};
use crate::rollout::{Stage, Stages};

/// What moved, or who says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Look at everything: bases that moved, contexts that changed, images never built.
    Everything,
    /// Only this base is looked at (and all that stands on it).
    Base(ImageRef),
    /// These are looked at, because somebody says that they moved, and all that stands on them.
    Moved {
        /// Bases of which there may be something newer.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        bases: BTreeSet<ImageRef>,
        /// Images whose sources may have changed: they are built from the newest, whatever stands on them from what is deployed.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        images: BTreeSet<ImageName>,
    },
    /// The patch cycle: every base is looked at, what waited for the cycle is rebuilt, and so is what is made of packages from outside.
    Cycle {
        /// Which images are rebuilt even where nothing below them moved.
        refresh: CycleRefresh,
    },
    /// Something in packages has to go: exactly the images that are named are rebuilt, and what comes of each must not hold it any more.
    Patch(Box<Patch>),
    /// This image and all that stands on it, whether it changed or not.
    Image(ImageName),
    /// Every image is built again, whatever its inputs.
    Rebuild,
    /// Nothing is built; this release is rolled.
    Release(ReleaseNumber),
    /// Nothing is built and nothing newer is rolled: what runs is brought back to what was released.
    Drift,
    /// What runs on a host is stopped there, and nothing is rolled to it until it is counted in again.
    Drain(HostName),
    /// A host that was drained is counted in again: what was released runs on it.
    Undrain(HostName),
    /// Nothing moved: what nobody can need any more is cleared away. Such a run has no plan; it looks at what is there, however often it is begun.
    Prune {
        /// So many releases are kept.
        keep: NonZeroU32,
    },
}

/// What has to go, and where.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Patch {
    /// What has to go: the name of an advisory (`CVE-2024-5535`), or a question about packages (`openssl<3.0.15`).
    pub gone: String,
    /// The images that are rebuilt.
    pub images: BTreeSet<ImageName>,
    /// Those of them that bring it in by steps of their own, so that they are built without the cache.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub afresh: BTreeSet<ImageName>,
    /// The bases that bring it in; what is newer of them is taken, quarantine or not: a person asks for it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub bases: BTreeSet<ImageRef>,
}

/// What a change leads to. Pure data; printed, hashed, journalled and replayed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// What led to it.
    pub change: Change,
    /// The digest of every base that a build of this plan reaches, resolved once.
    pub bases: BTreeMap<ImageRef, Digest>,
    /// The images that the change reaches, in the order in which they are started when all else is equal.
    pub steps: Vec<BuildStep>,
    /// The services that roll when the builds have ended.
    pub rolls: Vec<RollStep>,
    /// The services that would roll, were what they would roll to not in quarantine.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<HeldService>,
    /// The bases that are at a digest which is in quarantine: nothing is rebuilt because of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held_bases: Vec<HeldBase>,
    /// The services that would roll, were they not sick already.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sick: Vec<SickService>,
    /// How much of the run may fail, and what happens when more does.
    #[serde(default)]
    pub run: RunPolicy,
}

impl Plan {
    /// A plan that builds nothing and rolls these services.
    pub fn to_roll(change: Change, rolls: Vec<RollStep>, estate: &Estate) -> Self {
        let mut plan = Self {
            change,
            bases: BTreeMap::new(),
            steps: Vec::new(),
            rolls,
            held: Vec::new(),
            held_bases: Vec::new(),
            sick: Vec::new(),
            run: estate.run.clone(),
        };
        plan.arrange(estate);
        plan
    }

    /// Whether it builds nothing and rolls nothing.
    pub fn does_nothing(&self) -> bool {
        self.rolls.is_empty() && !self.steps.iter().any(|step| step.kind == StepKind::Build)
    }

    /// The bases that it takes anew and that were built on before, each once.
    pub fn moved_bases(&self) -> BTreeSet<MovedBase> {
        let moved = self.steps.iter().flat_map(|step| &step.reasons).filter_map(|reason| match reason {
            Reason::BaseMoved { base, old: Some(old), new, .. } => Some(MovedBase { base: base.clone(), old: *old, new: *new }),
            _ => None,
        });
        moved.collect()
    }

    /// Every host that it rolls to.
    pub fn hosts(&self) -> BTreeSet<HostName> {
        self.rolls.iter().flat_map(|roll| roll.hosts.iter().map(|count| count.host.clone())).collect()
    }
}

/// A base that a plan takes anew: what it was, and what it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MovedBase {
    /// The base.
    pub base: ImageRef,
    /// What was built on.
    pub old: Digest,
    /// What will be.
    pub new: Digest,
}

/// A copy of a volume that is put back before a service goes on from there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Restore {
    /// The host that has both.
    pub host: HostName,
    /// The volume, by its name on the engine.
    pub volume: String,
    /// The copy.
    pub copy: String,
}

/// A service that stays where it is, because what it would roll to is in quarantine: only something newer or a person's word moves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeldService {
    /// Which service.
    pub service: ServiceName,
    /// The release that it is on; none if it never ran.
    pub stays: Option<ReleaseNumber>,
    /// The release that is in quarantine.
    pub refused: ReleaseNumber,
    /// What happened when that was rolled.
    pub why: String,
}

impl std::fmt::Display for HeldService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { service, stays, refused, why } = self;
        let stays = stays.map_or_else(|| "is not begun".to_owned(), |release| format!("stays on {release}"));
        write!(f, "{service} {stays}: {refused} is in quarantine ({why}); `refit release {refused} --unquarantine` lifts that")
    }
}

/// A base that moves nothing, because a release that came with it is in quarantine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeldBase {
    /// The base.
    pub base: ImageRef,
    /// What it is now.
    pub digest: Digest,
    /// The release that came with it.
    pub refused: ReleaseNumber,
}

impl std::fmt::Display for HeldBase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { base, digest, refused } = self;
        let (base, digest) = (base.familiar(), digest.short());
        write!(f, "{base} at sha256:{digest} came with {refused}, which is in quarantine; `refit release {refused} --unquarantine` lifts that")
    }
}

/// A service that was sick before anything was done, and that nobody asked to roll all the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SickService {
    /// Which.
    pub service: ServiceName,
    /// What was seen.
    pub why: String,
}

impl std::fmt::Display for SickService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { service, why } = self;
        write!(f, "{service} is sick already: {why}; `refit rollout {service}`, or `--sick` for all, rolls it all the same")
    }
}

/// What is done about one image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    #[schemars(with = "std::collections::BTreeMap<ImageRef, Pin>")]
    pub pins: SmallMap<ImageRef, Pin>,
    /// Where its files come from, pinned.
    pub context: Arc<Context>,
    /// The hash of all that the build depends on, as far as it is known before its parents are built; see `inputs`.
    pub own_inputs: Digest,
    /// How long it took last time.
    pub took: Option<Duration>,
}

/// Whether an image is built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// Its packages come from outside, where no digest moves: it is built without the cache.
    Refresh,
    /// A step of its own brings in what has to go: it is built without the cache.
    Patch {
        /// What has to go.
        gone: String,
    },
    /// The image that was built is gone from the builder.
    Missing,
    /// Nothing it depends on changed.
    UpToDate,
}

/// One service that rolls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RollStep {
    /// Which service.
    pub service: ServiceName,
    /// The image that it runs, as written.
    pub image: String,
    /// The id of that image where no build of the estate makes it, resolved once: what is agreed to is what is rolled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Digest>,
    /// Its slots per host, in rollout order.
    pub hosts: Vec<SlotCount>,
    /// The release it is on now, if any.
    pub from: Option<ReleaseNumber>,
    /// The release whose version is put in place again, for a repair; none: the release that this run rolls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repair: Option<ReleaseNumber>,
    /// The copies of volumes that are put back before its containers start.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restore: Vec<Restore>,
    /// Whether a rollout is certain, or depends on whether a build comes out changed.
    pub certain: bool,
    /// The release that it goes back to when it fails; none if nothing ran before, so that what is new is taken away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back: Option<ReleaseNumber>,
    /// Whether a person asked for this very service, so that it is rolled even if it is sick.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_asked_for: bool,
    /// What it depends on, rolled by this plan or not: a service of which this is not so when its turn comes holds it back.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub after: BTreeMap<ServiceName, Condition>,
    /// Which container goes first, as far as is known before the images are built.
    #[serde(default = "stop_first")]
    pub order: Order,
    /// The stages in which it goes forward; none if all slots are one, with nothing behind it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<StageStep>,
    /// What the reader should know, such as why it goes stop-first.
    pub notes: Vec<String>,
    /// The digest of all settings of the service, so that the hash of the plan covers how it rolls, too: container, health check, update and
    /// rollback policy, what becomes of its data. None in plans that were made before they had it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<Digest>,
}

/// Plans that were made before they said so.
fn stop_first() -> Order {
    Order::StopFirst
}

/// One stage of a rollout, as it is planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StageStep {
    /// What people know it by, and what stands behind it.
    #[serde(flatten)]
    pub stage: Stage,
    /// So many slots are begun in it, or, in a switch, given over.
    pub slots: usize,
}

impl RollStep {
    /// The rollout of a service on all of its hosts, for certain; about which nothing else is known.
    pub fn of(service: &Service, from: Option<ReleaseNumber>) -> Self {
        Self {
            service: service.name.clone(),
            image: image_as_written(&service.image),
            id: None,
            hosts: service.hosts.iter().map(|host| SlotCount { host: host.clone(), slots: service.replicas }).collect(),
            from,
            repair: None,
            restore: Vec::new(),
            certain: true,
            back: from,
            is_asked_for: false,
            after: service.depends_on.clone(),
            order: service.update.order,
            stages: Vec::new(),
            notes: Vec::new(),
            settings: Some(settings(service)),
        }
    }

    /// Says in which stages it goes forward over the hosts that it has. First rollouts, repairs and ways back have none.
    pub fn stage(&mut self, service: &Service) {
        let hosts: Vec<&HostName> = self.hosts.iter().map(|count| &count.host).collect();
        let Stages { slots, stages } = Stages::of(&service.name, &service.strategy, service.replicas, &hosts, self.order);
        let step = |(number, stage): (usize, Stage)| StageStep {
            slots: slots.iter().filter(|wanted| wanted.stage == number || wanted.switch == number).count(),
            stage,
        };
        let is_staged = self.from.is_some() && self.repair.is_none();
        self.stages = if is_staged { stages.into_iter().enumerate().map(step).collect() } else { Vec::new() };
    }
}

/// How many slots a service has on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SlotCount {
    /// The host.
    pub host: HostName,
    /// Its slots there.
    pub slots: u32,
}
