//! What a release changed in what is in its images.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::inventory::Contents;
use crate::inventory::{Difference, differ};
use crate::journal::{ImageContents, Inventories, JournalError};
use crate::model::{Digest, ImageName, ReleaseNumber};
use crate::release::Release;

/// What changed from one release to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReleaseDifference {
    /// From which.
    pub before: ReleaseNumber,
    /// To which.
    pub after: ReleaseNumber,
    /// The images in which something changed, by name.
    pub images: BTreeMap<ImageName, ImageDifference>,
}

/// What changed in an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImageDifference {
    /// These packages.
    Packages(Difference),
    /// It was not there before.
    New {
        /// So many packages are in it; none if it was not read.
        packages: Option<usize>,
    },
    /// It is not there any more.
    Gone,
    /// One of the two was not read, so nobody can say.
    NotRead {
        /// Which.
        id: Digest,
    },
}

/// What changed in the images of two releases. Those that are the same are left out.
pub fn difference(inventories: &Inventories, before: &Release, after: &Release) -> Result<ReleaseDifference, JournalError> {
    let mut images = BTreeMap::new();
    for name in before.images.keys().chain(after.images.keys()) {
        let (old, new) = (before.images.get(name).map(|image| image.id), after.images.get(name).map(|image| image.id));
        if old == new || images.contains_key(name) {
            continue;
        }
        let difference = match (old, new) {
            (Some(old), Some(new)) => of_images(inventories, old, new)?,
            (None, Some(new)) => Some(ImageDifference::New { packages: inventories.contents(new)?.map(|contents| laid_out(&contents).all().len()) }),
            _ => Some(ImageDifference::Gone),
        };
        images.extend(difference.map(|difference| (name.clone(), difference)));
    }
    Ok(ReleaseDifference { before: before.number, after: after.number, images })
}

/// What differs between two images; nothing if the same packages are in both.
pub fn of_images(inventories: &Inventories, old: Digest, new: Digest) -> Result<Option<ImageDifference>, JournalError> {
    let Some(before) = inventories.contents(old)? else { return Ok(Some(ImageDifference::NotRead { id: old })) };
    let Some(after) = inventories.contents(new)? else { return Ok(Some(ImageDifference::NotRead { id: new })) };
    let difference = differ(&laid_out(&before), &laid_out(&after));
    Ok((!difference.is_empty()).then_some(ImageDifference::Packages(difference)))
}

fn laid_out(contents: &ImageContents) -> Contents {
    let mut packages: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for found in &contents.packages {
        packages.entry(found.path.to_string()).or_default().push(crate::inventory::Package::clone(&found.package));
    }
    Contents { packages, ..Contents::default() }
}
