//! Reads what is in images on the builder, and keeps it; and says what of it must not be there any more.
//!
//! Reading looks at what is known and not at what was done: an image whose layers are all known is not asked for again, and one that could not be read
//! this time is read the next. It goes on beside the builds and rollouts of a run and never holds one up, but for a patch, where it decides.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::{StreamExt, stream};

use super::{Driver, DriverError, Recorder};
use crate::advisory::{Advisory, Asked};
use crate::edge::ImageSeen;
use crate::edge::layers::{LayersError, read_layers};
use crate::inquiry::subject;
use crate::inventory::Unreadable;
use crate::journal::{Gap, ImageContents, ImageRow, Inventories, JournalError, KnownAs};
use crate::model::{Digest, ImageName};
use crate::release::Release;
use crate::run::{Bill, Event};
use crate::sbom::Format;

/// So many images are read side by side: each streams past as a whole, which a disk does not do better for many.
pub(super) const READ_AT_ONCE: usize = 2;

/// So many troubles are told of a release; the rest is counted.
const TROUBLES_MAX: usize = 100;

/// Why it cannot be said what is in an image.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ContentsError {
    /// The builder does not have it, or does not answer.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Engine(#[from] crate::edge::EngineError),
    /// It could not be read.
    #[error("what is in {image} could not be read")]
    #[diagnostic(help("`refit inventory scan` reads again what is missing"))]
    Layers {
        /// Which image.
        image: String,
        /// Why.
        #[source]
        source: LayersError,
    },
    /// Whether something is gone from it cannot be proven.
    #[error("it cannot be proven: {why}")]
    #[diagnostic(help("`refit inventory show` tells what could be read of the image"))]
    Unproven {
        /// Why.
        why: String,
    },
    /// It could not be kept.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Journal(#[from] JournalError),
}

/// Inventories, from asynchronous code: they wait for the disk, so on a thread that may.
pub(crate) async fn ask<T: Send + 'static>(
    inventories: &Arc<Inventories>,
    question: impl FnOnce(&Inventories) -> Result<T, JournalError> + Send + 'static,
) -> Result<T, JournalError> {
    let inventories = inventories.clone();
    let asked = tokio::task::spawn_blocking(move || question(&inventories)).await;
    asked.unwrap_or_else(|error| Err(JournalError::Other { path: "the inventories".into(), why: error.to_string() }))
}

impl Driver {
    /// Reads an image that the builder has, by reference or id, unless it is known already, and keeps it under these names.
    ///
    /// `None` if there is no such image on the builder. What is unreadable in it is part of its contents, and no error.
    pub async fn read_contents(
        &self,
        inventories: &Arc<Inventories>,
        image: &str,
        names: BTreeSet<KnownAs>,
    ) -> Result<Option<ImageContents>, ContentsError> {
        let Some(seen) = self.engines.builder().image(image).await? else { return Ok(None) };
        self.read_seen(inventories, &seen, names).await?;
        Ok(ask(inventories, move |inventories| inventories.contents(seen.id)).await?)
    }

    /// The same for an image that was looked at; whether it had to be read.
    async fn read_seen(&self, inventories: &Arc<Inventories>, seen: &ImageSeen, names: BTreeSet<KnownAs>) -> Result<bool, ContentsError> {
        let layers = seen.layers.clone();
        let missing = ask(inventories, move |inventories| inventories.missing(&layers)).await?;
        let wanted: BTreeSet<Digest> = missing.into_iter().collect();
        let found = if wanted.is_empty() {
            BTreeMap::new()
        } else {
            let image = names.first().map_or_else(|| seen.id.to_string(), ToString::to_string);
            let archive = self.engines.builder().export(seen.id).await?;
            read_layers(archive, &wanted).await.map_err(|source| ContentsError::Layers { image, source })?
        };
        let (row, layers, at) = (ImageRow { id: seen.id, names }, seen.layers.clone(), self.clock.now());
        ask(inventories, move |inventories| inventories.keep(&row, &layers, &found, at)).await?;
        Ok(!wanted.is_empty())
    }

    /// Reads everything that a release is made of, bases first so that what they bring is known as theirs. What could not be read is told, one line each.
    pub async fn read_release(&self, inventories: &Arc<Inventories>, release: &Release) -> Vec<String> {
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
        let mut troubles = self.read_all(inventories, bases).await;
        troubles.extend(self.read_all(inventories, images).await);
        let more = troubles.len().saturating_sub(TROUBLES_MAX);
        troubles.truncate(TROUBLES_MAX);
        troubles.extend((more > 0).then(|| format!("and {more} more; `refit inventory show` tells those of an image")));
        troubles
    }

    async fn read_all(&self, inventories: &Arc<Inventories>, images: BTreeMap<Digest, BTreeSet<KnownAs>>) -> Vec<String> {
        let reads = images.into_iter().map(|(id, names)| async move {
            let known_as = names.first().map_or_else(|| id.short(), ToString::to_string);
            match self.read_contents(inventories, &id.to_string(), names).await {
                Ok(Some(contents)) => (known_as, contents.unreadable, None),
                Ok(None) => {
                    let known = ask(inventories, move |inventories| inventories.contents(id)).await.ok().flatten();
                    // What was read before its image went is known for good.
                    let why = format!("it ({}) is not on the builder any more, so nobody can read what is in it", id.short());
                    (known_as, Vec::new(), known.is_none().then_some(why))
                }
                Err(error) => (known_as, Vec::new(), Some(chain(&error))),
            }
        });
        let read: Vec<(String, Vec<Gap>, Option<String>)> = stream::iter(reads).buffered(READ_AT_ONCE).collect().await;
        let (mut troubles, mut told) = (Vec::new(), BTreeSet::new());
        for (known_as, gaps, failed) in read {
            troubles.extend(failed.map(|why| format!("{known_as}: {why}")));
            // A gap of a base is one of every image above it: it is told once.
            troubles.extend(
                gaps.iter().filter(|gap| told.insert((gap.layer, gap.unreadable.path.clone()))).map(|gap| unreadable(&known_as, &gap.unreadable)),
            );
        }
        troubles
    }

    /// What of what has to go is still in an image: a line for each package, and who brought it.
    pub(super) async fn still_there(&self, image: &ImageName, id: Digest, gone: &Asked) -> Result<Vec<String>, ContentsError> {
        let unproven = |why: String| ContentsError::Unproven { why };
        let inventories = self.inventories.as_ref().ok_or_else(|| unproven("nothing is read of images here".into()))?;
        let names = [KnownAs::Image(image.clone())].into();
        let contents = self.read_contents(inventories, &id.to_string(), names).await?;
        let contents = contents.ok_or_else(|| unproven(format!("{} is not on the builder", id.short())))?;
        let advisories = self.advisories(gone).await?;
        if matches!(gone, Asked::Problem(_)) && advisories.is_empty() {
            return Err(unproven(format!("no advisory is called {gone} any more")));
        }
        match contents.unreadable.iter().find(|gap| hides_packages(&gap.unreadable)) {
            Some(gap) => Err(unproven(unreadable(image.as_str(), &gap.unreadable))),
            None => Ok(lines(&contents, gone, &advisories)),
        }
    }

    /// The advisories that a problem is known by; none for a question about packages.
    async fn advisories(&self, gone: &Asked) -> Result<Vec<Advisory>, ContentsError> {
        let (Some(inventories), Asked::Problem(name)) = (&self.inventories, gone) else { return Ok(Vec::new()) };
        let name = name.clone();
        Ok(ask(inventories, move |inventories| inventories.advisories_called(&name)).await?)
    }

    /// Reads what a run released, and records how each image came out. It is beside the run: what goes wrong in it is only told.
    pub(super) async fn read_released(&self, recorder: &Recorder, release: &Release) -> Result<(), DriverError> {
        let Some(inventories) = &self.inventories else { return Ok(()) };
        let mut troubles = self.read_release(inventories, release).await;
        for trouble in &troubles {
            tracing::warn!(trouble, release = %release.number, "contents were not read");
        }
        let of_release = release.clone();
        let bills = ask(inventories, move |inventories| bills(inventories, &of_release)).await;
        let bills = bills.unwrap_or_else(|error| {
            troubles.push(chain(&error));
            BTreeMap::new()
        });
        recorder.record(Event::ContentsRead { release: release.number, bills, troubles }).await
    }
}

/// An error and what is behind it, on one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    std::iter::once(error.to_string()).chain(causes.map(ToString::to_string)).collect::<Vec<_>>().join(": ")
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

/// Whether what could not be read may hold any number of packages: a whole layer, or a package manager's own list.
fn hides_packages(gap: &Unreadable) -> bool {
    let lists = ["lib/dpkg/", "lib/apk/db/", "lib/rpm/", "lib/sysimage/rpm/"];
    gap.path.is_empty() || lists.iter().any(|list| gap.path.contains(list))
}

fn unreadable(image: &str, gap: &Unreadable) -> String {
    match gap.path.is_empty() {
        true => format!("{image}: a layer could not be read: {}", gap.why),
        false => format!("{image}: /{} could not be read: {}", gap.path, gap.why),
    }
}

fn lines(contents: &ImageContents, gone: &Asked, advisories: &[Advisory]) -> Vec<String> {
    let still = contents.packages.iter().filter_map(|found| {
        let fixed = gone.hit(advisories, &found.package, contents.distro.as_ref())?;
        let fixed = fixed.map(|fixed| format!(", fixed in {fixed}")).unwrap_or_default();
        Some(format!("{} {} (brought in by {}{fixed})", found.package.name, found.package.version, found.brought_by))
    });
    still.collect::<BTreeSet<_>>().into_iter().collect()
}
