//! Makes a release of the one before, what the builds came to, and what the services are now.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{Release, ReleasedImage, ServiceRelease};
use crate::build::BuildOutcome;
use crate::model::{Digest, ImageName, ImageRef, ReleaseNumber, RunId, ServiceName, SmallMap};
use crate::pipeline::{Estate, Service, ServiceImage};

/// How one image of the run ended, and what it stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageResult {
    /// How.
    pub outcome: BuildOutcome,
    /// Every reference of that build, resolved: bases by digest, images of the estate by id.
    pub bases: SmallMap<ImageRef, Digest>,
    /// The commit of its context.
    pub commit: Option<String>,
    /// The part of its inputs that its own sources and settings make up.
    pub own_inputs: Option<Digest>,
    /// The hash of its context.
    pub context: Option<Digest>,
}

/// What a release is made of.
#[derive(Debug, Clone, Copy)]
pub struct Making<'a> {
    /// The number that it gets.
    pub number: ReleaseNumber,
    /// The run that makes it.
    pub run: RunId,
    /// When.
    pub now: Timestamp,
    /// The latest release, whether it was rolled back or not.
    pub previous: Option<&'a Release>,
    /// What people wrote.
    pub estate: &'a Estate,
    /// How the images of this run ended.
    pub results: &'a BTreeMap<ImageName, ImageResult>,
    /// The services that this run rolls; the others stay as they were in the release before.
    pub rolls: &'a BTreeSet<ServiceName>,
    /// The ids of bases that services run as they are.
    pub external_ids: &'a BTreeMap<ImageRef, Digest>,
}

/// Why a service does not roll to the new release.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Its image failed.
    #[error("its image {image} failed to build: {why}")]
    BuildFailed {
        /// The image.
        image: ImageName,
        /// Why.
        why: String,
    },
    /// Its image was skipped.
    #[error("its image {image} was skipped, because {because} failed to build")]
    BuildSkipped {
        /// The image.
        image: ImageName,
        /// The image that failed.
        because: ImageName,
    },
    /// There is no build of its image.
    #[error("its image {image} was never built")]
    NeverBuilt {
        /// The image.
        image: ImageName,
    },
    /// The base that it runs is not known.
    #[error("its image {} is not on the builder", base.familiar())]
    BaseUnknown {
        /// The base.
        base: ImageRef,
    },
}

/// A release, and the services that it cannot serve.
#[derive(Debug, Clone, PartialEq)]
pub struct Made {
    /// The release.
    pub release: Release,
    /// The services that were to roll and stay where they are (invariant 6).
    pub refused: BTreeMap<ServiceName, Refused>,
}

/// Makes the release. Images that left the estate leave the release; an image whose build failed keeps its build of the release before.
pub fn make(making: &Making<'_>) -> Made {
    let mut images = BTreeMap::new();
    for name in making.estate.images.keys() {
        let before = making.previous.and_then(|release| release.images.get(name));
        if let Some(image) = image(making.results.get(name), before) {
            images.insert(name.clone(), image);
        }
    }
    let mut services = BTreeMap::new();
    let mut refused = BTreeMap::new();
    for (name, service) in &making.estate.services {
        let before = making.previous.and_then(|release| release.services.get(name)).cloned();
        if !making.rolls.contains(name) {
            services.extend(before.map(|before| (name.clone(), before)));
            continue;
        }
        match service_id(making, &images, service) {
            Ok(id) => {
                services.insert(name.clone(), as_service(service, id));
            }
            Err(why) => {
                services.extend(before.map(|before| (name.clone(), before)));
                refused.insert(name.clone(), why);
            }
        }
    }
    Made { release: Release { number: making.number, run: making.run, made_at: making.now, images, services }, refused }
}

/// Whether a release differs from the one before in anything that could be rolled; if not, there is nothing to make.
pub fn differs(new: &Release, previous: Option<&Release>) -> bool {
    previous.is_none_or(|previous| previous.images != new.images || previous.services != new.services)
}

fn image(result: Option<&ImageResult>, before: Option<&ReleasedImage>) -> Option<ReleasedImage> {
    let Some(result) = result else { return before.cloned() };
    match &result.outcome {
        BuildOutcome::Built { id, tag, inputs } | BuildOutcome::Reused { id, tag, inputs } | BuildOutcome::Unchanged { id, tag, inputs } => {
            let (id, tag, inputs) = (*id, tag.clone(), *inputs);
            // A step that only stood there says nothing new of what it was made from.
            let stood = before.filter(|before| before.id == id && before.inputs == inputs && result.bases.is_empty());
            Some(stood.cloned().unwrap_or_else(|| ReleasedImage {
                id,
                inputs,
                tag,
                bases: result.bases.clone(),
                commit: result.commit.clone(),
                own_inputs: result.own_inputs,
                context: result.context,
            }))
        }
        BuildOutcome::Failed { .. } | BuildOutcome::Skipped { .. } => before.cloned(),
    }
}

fn service_id(making: &Making<'_>, images: &BTreeMap<ImageName, ReleasedImage>, service: &Service) -> Result<Digest, Refused> {
    let image = match &service.image {
        ServiceImage::External(base) => {
            return making.external_ids.get(base).copied().ok_or_else(|| Refused::BaseUnknown { base: base.clone() });
        }
        ServiceImage::Estate(image) => image,
    };
    match making.results.get(image).map(|result| &result.outcome) {
        Some(BuildOutcome::Failed { why, .. }) => Err(Refused::BuildFailed { image: image.clone(), why: why.clone() }),
        Some(BuildOutcome::Skipped { because }) => Err(Refused::BuildSkipped { image: image.clone(), because: because.clone() }),
        _ => images.get(image).map(|image| image.id).ok_or_else(|| Refused::NeverBuilt { image: image.clone() }),
    }
}

fn as_service(service: &Service, id: Digest) -> ServiceRelease {
    let image = crate::plan::image_as_written(&service.image);
    ServiceRelease { image, id, container: service.container.clone(), probe: service.probe.clone() }
}
