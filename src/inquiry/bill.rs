//! An image's contents as the subject of a bill of materials.

use jiff::Timestamp;

use crate::journal::ImageContents;
use crate::model::{Digest, ImageRef};
use crate::sbom::{Gap, Installed, Subject};

/// The subject of a bill. The same image of the same moment gives the same bill, byte for byte.
pub fn subject(name: String, reference: Option<ImageRef>, id: Digest, created: Timestamp, contents: &ImageContents) -> Subject {
    let installed = contents.packages.iter().map(|found| Installed {
        package: crate::inventory::Package::clone(&found.package),
        path: found.path.to_string(),
        layer: found.layer,
        brought_in_by: Some(found.brought_by.to_string()),
    });
    Subject {
        name,
        reference,
        id,
        created,
        refit_version: env!("CARGO_PKG_VERSION").to_owned(),
        distro: contents.distro.clone(),
        packages: installed.collect(),
        unreadable: contents.unreadable.iter().map(|gap| Gap { layer: gap.layer, unreadable: gap.unreadable.clone() }).collect(),
    }
}
