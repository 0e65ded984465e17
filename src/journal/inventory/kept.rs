//! What goes into the inventories and comes out of them, as plain data.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::inventory::{Distro, Package, READERS_VERSION, Unreadable};
use crate::model::{Digest, ImageName, ImageRef};

/// A name by which people know an image. Bases come first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KnownAs {
    /// A base that is not built here, or an image that services run as it is.
    Base(ImageRef),
    /// An image of the estate.
    Image(ImageName),
}

impl fmt::Display for KnownAs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Base(base) => f.pad(&base.familiar()),
            Self::Image(image) => f.pad(image.as_str()),
        }
    }
}

/// An image to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageRow {
    /// Its id: the digest of its configuration.
    pub id: Digest,
    /// The names that it is known by. Those of earlier calls stay.
    pub names: BTreeSet<KnownAs>,
}

/// An image that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImageKept {
    /// Its id.
    pub id: Digest,
    /// The names that it is or was known by.
    pub names: BTreeSet<KnownAs>,
    /// Since when it is known.
    pub since: Timestamp,
    /// The version of the readers that read it; less than [`READERS_VERSION`] means that it is to be read again, 0 that some
    /// layer was not read at all.
    pub readers: u32,
}

impl ImageKept {
    /// Whether every layer of it was read.
    pub fn is_read(&self) -> bool {
        self.readers > 0
    }

    /// Whether every layer of it was read by the readers of today.
    pub fn is_current(&self) -> bool {
        self.readers >= READERS_VERSION
    }
}

/// Who brought a layer: the lowest image that is known and stands on it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct BroughtBy {
    /// Its id.
    pub image: Digest,
    /// Its name; none if it has none.
    pub name: Option<KnownAs>,
}

impl fmt::Display for BroughtBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => name.fmt(f),
            None => f.pad(&self.image.short()),
        }
    }
}

/// What is in one image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImageContents {
    /// The distribution.
    pub distro: Option<Distro>,
    /// The packages, in order; one that several files name is there for each of them.
    pub packages: Vec<PackageIn>,
    /// What could not be read, lowest layer first.
    pub unreadable: Vec<Gap>,
}

/// Something in an image that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Gap {
    /// The layer that it is in, by its diff id.
    pub layer: Digest,
    /// Which file, and why.
    #[serde(flatten)]
    pub unreadable: Unreadable,
}

/// A package in an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct PackageIn {
    /// The package.
    pub package: Arc<Package>,
    /// The file that says that it is there.
    pub path: Arc<str>,
    /// The layer that brought it, by its diff id.
    pub layer: Digest,
    /// The image that brought the layer.
    pub brought_by: Arc<BroughtBy>,
}
