//! What is known, what is there, and what is chosen, as plain data.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Digest, ImageRef, ReleaseNumber, RunId, ServiceName};
use crate::release::Release;

/// What the journal knows of images, and of what they may still be needed for.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Every release.
    pub releases: BTreeMap<ReleaseNumber, Release>,
    /// Every image that was built, with the tags that it was given.
    pub built: BTreeMap<Digest, BTreeSet<ImageRef>>,
    /// Where each service is, and where it can go back to.
    pub services: BTreeMap<ServiceName, Ways>,
    /// The runs that have not ended.
    pub unfinished: Vec<Unfinished>,
    /// The newest release that each image is in, as an image or a service's.
    pub last_in: BTreeMap<Digest, ReleaseNumber>,
    /// The bases that releases were built on.
    pub bases: BTreeSet<Digest>,
}

impl Known {
    /// Takes in every release.
    pub fn with_releases(releases: impl IntoIterator<Item = Release>) -> Self {
        let mut known = Self::default();
        known.releases.extend(releases.into_iter().map(|release| (release.number, release)));
        for release in known.releases.values() {
            let images = release.images.values().map(|image| image.id).chain(release.services.values().map(|service| service.id));
            known.last_in.extend(images.map(|image| (image, release.number)));
            known.bases.extend(release.images.values().flat_map(|image| image.bases.iter().map(|(_, digest)| *digest)));
        }
        known
    }
}

/// Where a service is, and where it can go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ways {
    /// The release that it is on.
    pub current: Option<ReleaseNumber>,
    /// The releases that it was rolled to and stayed on, oldest first.
    pub good: Vec<ReleaseNumber>,
    /// The release that it goes back to by itself when a rollout fails, which need be none of the newest.
    pub back: Option<ReleaseNumber>,
    /// The newest release that it came back from: a person may roll it again.
    pub quarantined: Option<ReleaseNumber>,
}

/// What a run that has not ended (it goes on, is paused, or died) may need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// Which.
    pub run: RunId,
    /// Images that it built or reuses, and bases that it builds on.
    pub images: BTreeSet<Digest>,
    /// Releases that it made or rolls between.
    pub releases: BTreeSet<ReleaseNumber>,
    /// Services that it rolls: their stopped containers are its way back.
    pub services: BTreeSet<ServiceName>,
}

/// Images by what they are needed for; the first reason found stands for all.
pub type Needed = BTreeMap<Digest, String>;

/// What one engine has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stock {
    /// All its images.
    pub images: Vec<ImageThere>,
    /// All its containers, whosesoever and in whatever state: id → image.
    pub containers: BTreeMap<String, Digest>,
}

/// An image on an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageThere {
    /// Its id.
    pub id: Digest,
    /// Its names; none for one that hangs in the air.
    pub names: Vec<ImageRef>,
    /// Whether the engine got it from a registry.
    pub pulled: bool,
    /// Whose its label says that it is.
    pub owner: Owner,
    /// Size in bytes, all layers together.
    pub size: u64,
    /// What it is made of, lowest first; images that begin alike share what is alike on disk.
    pub pieces: Vec<Piece>,
}

/// Whose an image is, by its label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// This estate's.
    Us,
    /// Another estate's.
    Another,
    /// It has no label.
    Nobody,
}

/// A layer of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The same for the same layer.
    pub key: Digest,
    /// Its size.
    pub bytes: u64,
}

/// What is chosen on one engine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Chosen {
    /// What goes: containers, then images.
    pub goes: Vec<Goner>,
    /// What would go, were there not something against it.
    pub stays: Vec<Stays>,
    /// So many images of the estate stay because they are needed.
    pub needed: usize,
    /// About so many bytes of disk become free: what is only in images that go.
    pub bytes: u64,
}

/// Something that goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Goner {
    /// What.
    pub thing: Thing,
    /// Why nothing needs it.
    pub why: String,
}

/// Something that stays although nothing needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Stays {
    /// What.
    pub thing: Thing,
    /// Why.
    pub why: String,
}

/// A thing on an engine. There is no volume among them: refit never removes one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Thing {
    /// A stopped container.
    Container {
        /// The engine's id of it.
        id: String,
        /// Its name.
        name: String,
    },
    /// An image.
    Image {
        /// Its id.
        id: Digest,
        /// Its names, all of which refit gave it.
        names: Vec<ImageRef>,
        /// Size in bytes, all layers together.
        size: u64,
    },
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Container { name, .. } => write!(f, "container {name}"),
            Self::Image { id, names, .. } if names.is_empty() => write!(f, "image {}", id.short()),
            Self::Image { id, names, .. } => {
                let names: Vec<_> = names.iter().map(ImageRef::familiar).collect();
                write!(f, "image {} ({})", names.join(", "), id.short())
            }
        }
    }
}
