//! What is to be rebuilt so that something is gone from every container: the cure, and the change that carries it out.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fixes::Fixes;
use super::{AskError, Sought};
use crate::advisory::{Asked, Because, Bringer, Cure, Finding, Fix, Fixed, NewerBase, Outlook, Problem, Reason, Situation, cure};
use crate::dockerfile::EdgeClass;
use crate::graph::{Graph, Node};
use crate::inventory::{Distro, Package, SourcePackage};
use crate::journal::{Filter, ImageHolding, ImageKept, Inventories, JournalError, KnownAs, When};
use crate::model::{Digest, ImageName, ImageRef, ServiceName};
use crate::plan::{Change, Patch};
use crate::release::Release;

/// What is to be done so that something is gone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Remedy {
    /// What is to be gone.
    pub gone: String,
    /// What must be rebuilt, which bases must move, and what nobody can cure yet.
    pub cure: Cure,
    /// The change that carries it out; none if there is nothing that can be done.
    pub change: Option<Change>,
    /// Services that run an image as it is in which it is.
    pub as_they_are: AsTheyAre,
    /// Services that have it only because they run another build of their image than the newest release has: rolling that takes it away.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub left_behind: BTreeSet<ServiceName>,
}

/// By service, the image that it runs as it is.
pub type AsTheyAre = BTreeMap<ServiceName, AsItIs>;

/// An image that a service runs as it is, and that has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AsItIs {
    /// The image.
    pub base: ImageRef,
    /// Whether something newer of it is without it.
    pub is_cured: bool,
}

impl Remedy {
    /// Whether nothing is left when its change is carried out.
    pub fn is_whole(&self) -> bool {
        self.cure.hopeless.is_empty() && self.as_they_are.values().all(|one| one.is_cured) && self.left_behind.is_empty()
    }

    /// Whether no container has it.
    pub fn is_gone(&self) -> bool {
        self.cure.images.is_empty() && self.cure.hopeless.is_empty() && self.as_they_are.is_empty() && self.left_behind.is_empty()
    }
}

/// What is deployed, as far as a cure depends on it.
pub struct Deployed<'a> {
    /// Who inherits from whom.
    pub graph: &'a Graph,
    /// The newest release.
    pub release: &'a Release,
    /// The digest of each base now.
    pub bases: &'a BTreeMap<ImageRef, Digest>,
}

/// Finds the smallest set of images whose rebuild cures every container. What the newest digests of bases hold counts as far as it was read.
pub fn remedy(inventories: &Inventories, asked: &Asked, deployed: &Deployed<'_>) -> Result<Remedy, AskError> {
    let found = Found::look(inventories, asked, deployed)?;
    let Running { images: running, as_they_are, left_behind } = found.running(inventories, deployed)?;
    let (parents, copies) = inheritance(deployed.graph);
    let situation = Situation { parents, copies, running, findings: found.findings(deployed.release), newer: found.newer(deployed) };
    let cure = cure(&situation);
    let change = change(asked, &cure, &as_they_are);
    Ok(Remedy { gone: asked.to_string(), cure, change, as_they_are, left_behind })
}

fn change(asked: &Asked, cure: &Cure, as_they_are: &AsTheyAre) -> Option<Change> {
    let moves = |(_, outlook): &(Problem, Outlook)| matches!(outlook, Outlook::Cured(_) | Outlook::Newer(_));
    // Of a base that brings in several, each move counts.
    let moving = cure.bases.iter().filter(|base| base.problems.iter().any(moves)).map(|base| base.base.clone());
    let bases: BTreeSet<ImageRef> = moving.chain(as_they_are.values().filter(|one| one.is_cured).map(|one| one.base.clone())).collect();
    // Where no newer base helps, steps that upgrade what the base brought may. And who had it from something that is not below it any more, or is known by
    // another name, has no edge along which something comes: it is simply built. The new image tells.
    let is_built_in_any_case = |reason: &Reason| match &reason.because {
        Because::StandsOnBase(base) => !bases.contains(base),
        Because::StoodOn(_) => true,
        Because::BringsIt { .. } | Because::StandsOn(_) => false,
    };
    let afresh = cure.images.iter().filter(|rebuild| rebuild.is_without_cache() || rebuild.reasons.iter().any(is_built_in_any_case));
    let afresh: BTreeSet<ImageName> = afresh.map(|rebuild| rebuild.image.clone()).collect();
    let images: BTreeSet<ImageName> = cure.images.iter().map(|rebuild| rebuild.image.clone()).collect();
    (!images.is_empty() || !bases.is_empty()).then(|| Change::Patch(Box::new(Patch { gone: asked.to_string(), images, afresh, bases })))
}

/// What runs.
#[derive(Default)]
struct Running {
    images: BTreeSet<ImageName>,
    as_they_are: AsTheyAre,
    left_behind: BTreeSet<ServiceName>,
}

/// It, in an image.
struct InImage {
    problem: Problem,
    /// What is without it.
    fix: Option<Fix>,
    /// Who brought it in.
    by: Option<KnownAs>,
}

/// Everything in which it is, by image: of what runs, what is released, and the bases as they are now.
struct Found {
    images: BTreeMap<Digest, Vec<InImage>>,
    /// The images that were read at all.
    read: BTreeSet<Digest>,
}

impl Found {
    fn look(inventories: &Inventories, asked: &Asked, deployed: &Deployed<'_>) -> Result<Self, AskError> {
        let run = inventories.stays(When::Now)?.into_iter().filter_map(|stay| stay.ran.image);
        let released = deployed.release.images.values().map(|image| image.id);
        let matter: BTreeSet<Digest> = run.chain(released).chain(deployed.bases.values().copied()).collect();
        let sought = Sought::of(inventories, asked)?;
        let held = inventories.which_have(&Filter { names: sought.names(), matches: &|package| sought.may_be(package) }, &matter)?;
        let distros = inventories.distros(&held.iter().map(|holding| holding.image).collect())?;
        let fixes = match asked {
            Asked::Packages(_) => Fixes::of(inventories, held.iter().map(|holding| holding.package.as_ref()))?,
            Asked::Problem(_) => Fixes::default(),
        };
        let mut images: BTreeMap<Digest, Vec<_>> = BTreeMap::new();
        for ImageHolding { image, package, brought_by, .. } in held {
            let distro = distros.get(&image);
            let Some(fixed) = sought.hit(&package, distro) else { continue };
            let fix = match asked {
                // A rebuild does not bring what only subscribers get.
                Asked::Problem(_) => fixed.and_then(Fixed::for_all).map(Fix::Version),
                Asked::Packages(_) => Some(another_version(&sought, &fixes, &package, distro)),
            };
            let problem = Problem { advisory: asked.to_string(), package: package.name.clone() };
            images.entry(image).or_default().push(InImage { problem, fix, by: brought_by.name.clone() });
        }
        let read = inventories.images()?.into_iter().filter(ImageKept::is_read).map(|image| image.id).collect();
        Ok(Self { images, read })
    }

    /// What runs, as far as it matters here.
    fn running(&self, inventories: &Inventories, deployed: &Deployed<'_>) -> Result<Running, JournalError> {
        let mut running = Running::default();
        for stay in inventories.stays(When::Now)? {
            let Some(name) = stay.ran.name.as_deref() else { continue };
            let has_it = stay.ran.image.is_some_and(|image| self.images.contains_key(&image));
            let released = name.parse::<ImageName>().ok().and_then(|image| Some((deployed.release.images.get(&image)?.id, image)));
            match (released, name.parse::<ImageRef>()) {
                (Some((newest, image)), _) => {
                    // What was taken back, or left out when the rest was rolled, runs an older build.
                    if has_it && stay.ran.image != Some(newest) && !self.images.contains_key(&newest) {
                        running.left_behind.insert(stay.slot.service);
                    }
                    running.images.insert(image);
                }
                (None, Ok(base)) if has_it => {
                    let is_cured = deployed.bases.get(&base).is_some_and(|now| self.read.contains(now) && !self.images.contains_key(now));
                    running.as_they_are.insert(stay.slot.service, AsItIs { base, is_cured });
                }
                (None, _) => {}
            }
        }
        Ok(running)
    }

    fn findings(&self, release: &Release) -> BTreeMap<ImageName, Vec<Finding>> {
        let known = release.images.iter().filter(|(_, image)| self.read.contains(&image.id));
        known
            .map(|(name, image)| {
                let found = self.images.get(&image.id).into_iter().flatten();
                let finding = |InImage { problem, fix, by }: &InImage| Finding {
                    problem: problem.clone(),
                    fix: fix.clone(),
                    by: match by {
                        Some(KnownAs::Image(by)) => Bringer::Image(by.clone()),
                        Some(KnownAs::Base(by)) => Bringer::Base(by.clone()),
                        None => Bringer::Image(name.clone()),
                    },
                };
                (name.clone(), found.map(finding).collect())
            })
            .collect()
    }

    /// The bases of which there is something newer than what images stand on.
    fn newer(&self, deployed: &Deployed<'_>) -> BTreeMap<ImageRef, NewerBase> {
        let built_on = |base: &ImageRef| deployed.release.images.values().filter_map(|image| image.bases.get(base)).collect::<BTreeSet<_>>();
        let newer = deployed.bases.iter().filter(|(base, now)| built_on(base).iter().any(|then| then != now));
        newer
            .map(|(base, now)| {
                let has = || self.images.get(now).into_iter().flatten().map(|one| one.problem.clone()).collect();
                (base.clone(), NewerBase { digest: *now, has: self.read.contains(now).then(has) })
            })
            .collect()
    }
}

/// What is there instead of a package that is to be gone: what advisories call fixed, unless that was asked about itself.
fn another_version(sought: &Sought, fixes: &Fixes, package: &Package, distro: Option<&Distro>) -> Fix {
    let is_another = |version: &String| {
        let source = package.source.as_ref().map(|source| SourcePackage { name: source.name.clone(), version: version.clone() });
        sought.hit(&Package { version: version.clone(), source, ..package.clone() }, distro).is_none()
    };
    let fixed = fixes.known(package, distro).fixed.and_then(Fixed::for_all);
    fixed.filter(is_another).map_or(Fix::NotAskedAbout, Fix::Version)
}

/// What each image stands on, and the images out of which it copies.
fn inheritance(graph: &Graph) -> (BTreeMap<ImageName, BTreeSet<Bringer>>, BTreeMap<ImageName, BTreeSet<ImageName>>) {
    let (mut parents, mut copies): (BTreeMap<_, BTreeSet<_>>, BTreeMap<_, BTreeSet<_>>) = (BTreeMap::new(), BTreeMap::new());
    for (id, image) in graph.images().filter_map(|id| Some((id, graph.name(id)?))) {
        let stands_on = parents.entry(image.clone()).or_default();
        for (edge, to) in graph.reaches(id) {
            match (edge.class, graph.node(to)) {
                (EdgeClass::Runtime, Node::Image { name, .. }) => drop(stands_on.insert(Bringer::Image(name.clone()))),
                (EdgeClass::Runtime, Node::Base(base)) => drop(stands_on.insert(Bringer::Base(base.clone()))),
                (EdgeClass::Build, Node::Image { name, .. }) => drop(copies.entry(image.clone()).or_default().insert(name.clone())),
                // A base of which files are copied is at its newest in every rebuild.
                (EdgeClass::Build, Node::Base(_)) => {}
            }
        }
    }
    (parents, copies)
}
