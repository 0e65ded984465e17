//! What the planner is told: everything it may know, as plain data.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Change, Context};
use crate::graph::Graph;
use crate::model::{Digest, ImageName, ImageRef, ReleaseNumber, ServiceName};
use crate::pipeline::{Estate, Sources};
use crate::release::{Release, ReleasedImage, ServiceRelease};

/// One question to the planner.
///
/// `graph` is of this estate, and of the Dockerfiles of those sources that [`sources_of`] names for this change.
#[derive(Debug, Clone, Copy)]
pub struct PlanRequest<'a> {
    /// What moved, or who says so.
    pub change: &'a Change,
    /// What people wrote.
    pub estate: &'a Estate,
    /// Who inherits from whom.
    pub graph: &'a Graph,
    /// The digest of each base now. A base that was written with its digest need not be here.
    pub digests: &'a BTreeMap<ImageRef, Digest>,
    /// What is known of each image; one without an entry can be neither built nor compared.
    pub images: &'a BTreeMap<ImageName, ImageFacts>,
    /// Builds that are still on the builder and passed their tests: inputs → image id.
    pub builds: &'a BTreeMap<Digest, Digest>,
    /// What is known of each service that was ever rolled.
    pub services: &'a BTreeMap<ServiceName, ServiceFacts>,
    /// The image ids of bases that services run as they are.
    pub external_ids: &'a BTreeMap<ImageRef, Digest>,
    /// Mount points that built images declare as volumes, by image; they decide who goes first.
    pub volumes: &'a BTreeMap<ImageName, Vec<String>>,
    /// The release to roll, for [`Change::Release`].
    pub release: Option<&'a Release>,
    /// What must not be applied again by itself.
    pub quarantined: &'a Quarantined,
}

/// What must not be applied again by itself, since a run that applied it turned: only something newer, or a person's word, moves on from there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Quarantined {
    /// By service, what it must not go to; the newest last.
    pub services: BTreeMap<ServiceName, Vec<RefusedRelease>>,
    /// By base, the digests at which it must move nothing, and the release with which each came.
    pub bases: BTreeMap<ImageRef, BTreeMap<Digest, ReleaseNumber>>,
}

/// What is known of one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFacts {
    /// Its newest sources.
    pub newest: SourceFacts,
    /// The sources that are deployed, where they can be had again; `None` for a folder outside git, a dirty one, or an image never released.
    pub deployed: Option<SourceFacts>,
    /// Its last released build.
    pub last: Option<LastBuild>,
    /// How long its last real build took.
    pub took: Option<Duration>,
}

/// Sources of one image, pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFacts {
    /// The files; shared with the steps that are built from them.
    pub context: Arc<Context>,
    /// The hash of the Dockerfile's text, before pinning.
    pub dockerfile: Digest,
}

/// The build of an image that the latest release has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastBuild {
    /// As released. `bases` holds every resolved reference by its normal form; images of the estate may be among them.
    pub released: ReleasedImage,
    /// The release in which it came first.
    pub release: ReleaseNumber,
    /// Whether the image is still on the builder.
    pub present: bool,
}

/// What is known of one service.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceFacts {
    /// The release that it is on now.
    pub running: ReleaseNumber,
    /// What it is in that release.
    pub as_released: ServiceRelease,
    /// The release that it goes back to when a rollout fails.
    pub back: ReleaseNumber,
}

/// A release that a service must not go to by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedRelease {
    /// Which.
    pub release: ReleaseNumber,
    /// The hash of the service's image and spec in it: what is compared.
    pub spec: Digest,
    /// What happened when it was rolled.
    pub why: String,
}

/// Which sources an image is built from in a change: for a moved base those that are deployed, unless the estate says otherwise; else the newest.
///
/// Who asks for an image, for everything or for a rebuild wants what is there now; so does who says that the sources of an image moved, of that
/// image alone.
pub fn sources_of(change: &Change, setting: Sources, image: &ImageName) -> Sources {
    match change {
        Change::Base(_) | Change::Cycle { .. } | Change::Patch { .. } => setting,
        Change::Moved { images, .. } if !images.contains(image) => setting,
        _ => Sources::Latest,
    }
}

/// Whether a change is for the sake of a patch, which must not ship somebody's unreleased work.
pub(super) fn is_patch(change: &Change) -> bool {
    matches!(change, Change::Base(_) | Change::Moved { .. } | Change::Cycle { .. } | Change::Patch { .. })
}

impl ImageFacts {
    /// The sources that are built, of those wanted: an image whose deployed sources cannot be had is built from what is there.
    pub fn sources(&self, wanted: Sources) -> &SourceFacts {
        match wanted {
            Sources::Deployed => self.deployed.as_ref().unwrap_or(&self.newest),
            Sources::Latest => &self.newest,
        }
    }
}
