//! What is in everything that a release is made of.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::{StreamExt, stream};

use super::{READ_AT_ONCE, ask};
use crate::driver::{Driver, DriverError, Recorder};
use crate::fault::causes;
use crate::inquiry::subject;
use crate::journal::{ImageKept, Inventories, JournalError, KnownAs};
use crate::model::{Digest, ImageName};
use crate::release::Release;
use crate::run::{Bill, Event};
use crate::sbom::Format;

/// So many troubles are told of a release; the rest is counted.
const TROUBLES_MAX: usize = 100;

impl Driver {
    /// Reads everything that a release is made of and that nobody has read yet, bases first so that what they bring is known as theirs. What could not
    /// be read is told, one line each.
    pub async fn read_release(&self, inventories: &Arc<Inventories>, release: &Release) -> Vec<String> {
        let known = match ask(inventories, |inventories| inventories.images()).await {
            Ok(images) => images.into_iter().map(|image| (image.id, image)).collect(),
            Err(error) => return vec![causes(&error)],
        };
        let Made { bases, images } = made_of(release);
        let mut troubles = self.read_all(inventories, bases, &known).await;
        troubles.extend(self.read_all(inventories, images, &known).await);
        few(troubles)
    }

    async fn read_all(
        &self,
        inventories: &Arc<Inventories>,
        images: BTreeMap<Digest, BTreeSet<KnownAs>>,
        known: &BTreeMap<Digest, ImageKept>,
    ) -> Vec<String> {
        let is_new = |id: &Digest, names: &BTreeSet<KnownAs>| known.get(id).is_none_or(|kept| !kept.is_current() || !names.is_subset(&kept.names));
        let reads = images.into_iter().filter(|(id, names)| is_new(id, names)).map(|(id, names)| async move {
            let known_as = names.first().map_or_else(|| id.short(), ToString::to_string);
            match self.read_image(inventories, &id.to_string(), names).await {
                // What was read before its image went is known for good.
                Ok(None) if known.get(&id).is_some_and(ImageKept::is_read) => None,
                Ok(None) => Some(format!("{known_as}: it ({}) is not on the builder any more, so nobody can read what is in it", id.short())),
                Ok(Some(_)) => None,
                Err(error) => Some(format!("{known_as}: {}", causes(&error))),
            }
        });
        stream::iter(reads).buffered(READ_AT_ONCE).filter_map(std::future::ready).collect().await
    }

    /// Reads what a run released, and records how each image came out. It is beside the run: what goes wrong in it is only told.
    pub(in crate::driver) async fn read_released(&self, recorder: &Recorder, release: &Release) -> Result<(), DriverError> {
        let Some(inventories) = &self.inventories else { return Ok(()) };
        let mut troubles = self.read_release(inventories, release).await;
        for trouble in &troubles {
            tracing::warn!(trouble, release = %release.number, "contents were not read");
        }
        let of_release = release.clone();
        match ask(inventories, move |inventories| {
            Ok::<_, JournalError>((bills(inventories, &of_release)?, gaps_of_release(inventories, &of_release)?))
        })
        .await
        {
            Ok((bills, gaps)) => {
                troubles.extend(gaps);
                recorder.record(Event::ContentsRead { release: release.number, bills, troubles: few(troubles) }).await
            }
            Err(error) => {
                troubles.push(causes(&error));
                recorder.record(Event::ContentsRead { release: release.number, bills: BTreeMap::new(), troubles }).await
            }
        }
    }
}

/// Everything that a release is made of.
struct Made {
    /// What others stand on, or what services run as it is.
    bases: BTreeMap<Digest, BTreeSet<KnownAs>>,
    /// What is built here.
    images: BTreeMap<Digest, BTreeSet<KnownAs>>,
}

fn made_of(release: &Release) -> Made {
    let mut bases: BTreeMap<Digest, BTreeSet<KnownAs>> = BTreeMap::new();
    let built: BTreeSet<&str> = release.images.values().map(|image| image.tag.name()).collect();
    for (base, digest) in release.images.values().flat_map(|image| image.bases.iter()).filter(|(base, _)| !built.contains(base.name())) {
        bases.entry(*digest).or_default().insert(KnownAs::Base(base.clone()));
    }
    for service in release.services.values() {
        // Of a service that was not rolled the release has an older build of an own image, which is no base.
        let is_own = service.image.parse().is_ok_and(|name: ImageName| release.images.contains_key(&name));
        let base = service.image.parse().ok().filter(|_| !is_own);
        bases.entry(service.id).or_default().extend(base.map(KnownAs::Base));
    }
    let mut images: BTreeMap<Digest, BTreeSet<KnownAs>> = BTreeMap::new();
    for (name, image) in &release.images {
        images.entry(image.id).or_default().insert(KnownAs::Image(name.clone()));
    }
    bases.retain(|id, names| !images.contains_key(id) && !names.is_empty());
    Made { bases, images }
}

/// What could not be read in the images of a release, one line each. A gap of a base is one of every image above it: it is told once.
pub fn gaps_of_release(inventories: &Inventories, release: &Release) -> Result<Vec<String>, JournalError> {
    let Made { bases, images } = made_of(release);
    let (mut lines, mut told) = (Vec::new(), BTreeSet::new());
    for (id, names) in bases.into_iter().chain(images) {
        let Some(contents) = inventories.contents(id)? else { continue };
        let known_as = names.first().map_or_else(|| id.short(), ToString::to_string);
        for gap in contents.unreadable.iter().filter(|gap| told.insert((gap.layer, gap.unreadable.path.clone()))) {
            lines.push(format!("{known_as}: {}", gap.unreadable));
        }
    }
    Ok(few(lines))
}

/// So many lines that each can be read.
fn few(mut lines: Vec<String>) -> Vec<String> {
    let more = lines.len().saturating_sub(TROUBLES_MAX);
    lines.truncate(TROUBLES_MAX);
    lines.extend((more > 0).then(|| format!("and {more} more; `refit inventory show` tells those of an image")));
    lines
}

/// What was read of each image of a release.
fn bills(inventories: &Inventories, release: &Release) -> Result<BTreeMap<ImageName, Bill>, JournalError> {
    let mut bills = BTreeMap::new();
    for (name, image) in &release.images {
        let Some(contents) = inventories.contents(image.id)? else { continue };
        let subject = subject(name.to_string(), Some(image.tag.clone()), image.id, release.made_at, &contents);
        let mut document = Vec::new();
        // Nothing can fail in memory.
        if Format::CycloneDx.write(&subject, &mut document).is_ok() {
            bills.insert(name.clone(), Bill { packages: contents.packages.len(), cyclonedx: Digest::of(&document) });
        }
    }
    Ok(bills)
}
