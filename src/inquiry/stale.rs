//! How far behind what runs is: bases that moved since, and fixes that wait.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fixes::Fixes;
use crate::graph::{Graph, Node, NodeId};
use crate::journal::{Inventories, JournalError};
use crate::model::{Digest, ImageName, ImageRef, ReleaseNumber, ServiceName};
use crate::pipeline::ServiceImage;
use crate::release::Release;

/// How far behind a service is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceBehind {
    /// The service.
    pub service: ServiceName,
    /// The image that it runs, as it is written in the pipeline.
    pub image: String,
    /// The release that it is on.
    pub release: ReleaseNumber,
    /// The bases below it that moved since it was built.
    pub bases: Vec<BaseBehind>,
    /// The problems in it for which there is a fix; none if its image was not read.
    pub fixes: Option<BTreeSet<String>>,
    /// The problems in it for which there is none yet.
    pub unfixed: Option<usize>,
}

impl ServiceBehind {
    /// Whether something newer is there for it: a base that moved, or a fix.
    pub fn is_stale(&self) -> bool {
        !self.bases.is_empty() || self.fixes.as_ref().is_some_and(|fixes| !fixes.is_empty())
    }
}

/// A base that moved.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct BaseBehind {
    /// The base.
    pub base: ImageRef,
    /// What was built on.
    pub built_on: Digest,
    /// What it is now.
    pub now: Digest,
    /// Since when refit knows of that; none if it sees it for the first time.
    pub since: Option<Timestamp>,
}

/// What staleness is told from.
pub struct Services<'a> {
    /// What people wrote, as far as it matters here: the image of each service.
    pub images: BTreeMap<ServiceName, ServiceImage>,
    /// Who inherits from whom.
    pub graph: &'a Graph,
    /// The release that each service is on.
    pub releases: &'a BTreeMap<ServiceName, Release>,
    /// The image of each base now.
    pub bases: &'a BTreeMap<ImageRef, Digest>,
    /// Since when refit knows of what a base is now.
    pub since: &'a dyn Fn(&ImageRef) -> Option<Timestamp>,
}

/// How far behind each service is, by name; those that are up to date included.
pub fn stale(inventories: &Inventories, services: &Services<'_>) -> Result<Vec<ServiceBehind>, JournalError> {
    let mut behind = Vec::new();
    for (service, image) in &services.images {
        let Some(release) = services.releases.get(service) else { continue };
        let Some(id) = release.services.get(service).map(|service| service.id) else { continue };
        let bases = match image {
            ServiceImage::Estate(image) => bases_below(services, release, image),
            ServiceImage::External(base) => moved(services, base, id).into_iter().collect(),
        };
        let known = problems_of_image(inventories, id)?;
        behind.push(ServiceBehind {
            service: service.clone(),
            image: crate::plan::image_as_written(image),
            release: release.number,
            bases: bases.into_iter().collect(),
            unfixed: known.as_ref().map(|known| known.unfixable.len()),
            fixes: known.map(|known| known.fixable),
        });
    }
    Ok(behind)
}

/// The bases below an image that moved since its release was built.
fn bases_below(services: &Services<'_>, release: &Release, image: &ImageName) -> BTreeSet<BaseBehind> {
    let (mut found, mut seen) = (BTreeSet::new(), BTreeSet::new());
    let mut open: Vec<NodeId> = services.graph.image(image).into_iter().collect();
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        let Some(released) = services.graph.name(id).and_then(|name| release.images.get(name)) else { continue };
        for (_, to) in services.graph.reaches(id) {
            match services.graph.node(to) {
                Node::Image { .. } => open.push(to),
                Node::Base(base) => found.extend(released.bases.get(base).and_then(|then| moved(services, base, *then))),
            }
        }
    }
    found
}

fn moved(services: &Services<'_>, base: &ImageRef, built_on: Digest) -> Option<BaseBehind> {
    let now = services.bases.get(base).copied().filter(|now| *now != built_on)?;
    Some(BaseBehind { base: base.clone(), built_on, now, since: (services.since)(base) })
}

/// The problems of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageProblems {
    /// Those for which there is a fix.
    pub fixable: BTreeSet<String>,
    /// Those for which there is none yet.
    pub unfixable: BTreeSet<String>,
}

/// The problems of an image; nothing if it was not read.
pub fn problems_of_image(inventories: &Inventories, image: Digest) -> Result<Option<ImageProblems>, JournalError> {
    let Some(contents) = inventories.contents(image)? else { return Ok(None) };
    let packages = || contents.packages.iter().map(|found| found.package.as_ref());
    let all = Fixes::of(inventories, packages())?;
    let mut problems = ImageProblems::default();
    for package in packages() {
        let known = all.known(package, contents.distro.as_ref());
        problems.fixable.extend(known.fixable);
        problems.unfixable.extend(known.unfixable);
    }
    let ImageProblems { fixable, unfixable } = &mut problems;
    unfixable.retain(|problem| !fixable.contains(problem));
    Ok(Some(problems))
}
