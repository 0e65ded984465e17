//! Looks at everything that a plan is made of: sources, graph, bases, what the builder has, what the journal knows. Decides nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};

use super::inheritance::{ImageRead, graph_of, only_warnings, read_images};
use super::{BaseNow, Driver, DriverError, NotPulled};
use crate::edge::{Engine, SourceFound};
use crate::graph::{Graph, NodeId};
use crate::journal::{BuildKept, Standing};
use crate::model::{Digest, ImageName, ImageRef, ReleaseNumber, ServiceName};
use crate::pipeline::ServiceImage;
use crate::plan::{self, Change, ImageFacts, LastBuild, PlanRequest, Quarantined, RefusedRelease, ServiceFacts, SourceFacts};
use crate::release::Release;

/// So many bases are looked at side by side.
const LOOKS_AT_ONCE: usize = 8;

/// Everything that was looked at for one change.
pub struct Looked {
    /// Who inherits from whom, in the sources that the change is built from.
    pub graph: Graph,
    /// What people should know of the graph, one line each.
    pub warnings: Vec<String>,
    /// The digest of each base that the change may concern.
    pub bases: BTreeMap<ImageRef, Digest>,
    /// Bases that could not be pulled, so that the builder's own image was taken: one line each.
    pub not_pulled: Vec<String>,
    /// What is known of each image.
    pub images: BTreeMap<ImageName, ImageFacts>,
    /// The Dockerfile of each image.
    pub dockerfiles: BTreeMap<ImageName, Vec<u8>>,
    builds: BTreeMap<Digest, Digest>,
    services: BTreeMap<ServiceName, ServiceFacts>,
    external_ids: BTreeMap<ImageRef, Digest>,
    volumes: BTreeMap<ImageName, Vec<String>>,
    release: Option<Release>,
    quarantined: Quarantined,
}

impl Looked {
    /// The digest of each base that Dockerfiles reach for, and of each image that services run as it is.
    pub fn all_bases(&self) -> BTreeMap<ImageRef, Digest> {
        self.bases.iter().chain(&self.external_ids).map(|(base, digest)| (base.clone(), *digest)).collect()
    }

    /// The question that these looks let the planner answer.
    pub fn request<'a>(&'a self, driver: &'a Driver, change: &'a Change) -> PlanRequest<'a> {
        PlanRequest {
            change,
            estate: &driver.estate,
            graph: &self.graph,
            digests: &self.bases,
            images: &self.images,
            builds: &self.builds,
            services: &self.services,
            external_ids: &self.external_ids,
            volumes: &self.volumes,
            release: self.release.as_ref(),
            quarantined: &self.quarantined,
        }
    }
}

impl Driver {
    /// Looks at all that the plan for a change is made of.
    pub async fn look(&self, change: &Change) -> Result<Looked, DriverError> {
        let latest = self.journal.latest_release()?;
        let standing = self.journal.standing()?;
        let wanted = |image: &ImageName| plan::sources_of(change, self.estate.sources, image);
        let (read, unread) = read_images(&self.estate, self.sources.as_ref(), latest.as_ref(), wanted).await;
        let (graph, findings) = graph_of(&self.estate, &read, wanted);
        let findings = unread.into_iter().chain(findings).chain(self.of_other_platforms(&graph).await?);
        let warnings = only_warnings(findings.collect())?;
        let (bases, not_pulled) = self.resolve_bases(&graph, change, latest.as_ref()).await?;
        let on_builder = self.engines.builder().image_ids().await?;
        let kept = self.journal.builds()?;
        let images = self.image_facts(&read, latest.as_ref(), &kept, &on_builder);
        let builds = kept.iter().filter(|build| on_builder.contains(&build.id)).map(|build| (build.inputs, build.id)).collect();
        let (external_ids, more_not_pulled) = self.external_ids(latest.as_ref()).await?;
        let release = match change {
            Change::Release(number) => Some(self.release(*number)?),
            _ => None,
        };
        Ok(Looked {
            graph,
            warnings,
            bases,
            not_pulled: not_pulled.into_iter().chain(more_not_pulled).collect::<BTreeSet<_>>().into_iter().collect(),
            images,
            dockerfiles: read.iter().map(|image| (image.name.clone(), image.wanted(wanted(&image.name)).dockerfile.clone())).collect(),
            builds,
            services: self.service_facts(&standing)?,
            quarantined: self.quarantined(&standing)?,
            external_ids,
            volumes: self.volumes(latest.as_ref()).await?,
            release,
        })
    }

    /// A release by its number.
    pub fn release(&self, number: ReleaseNumber) -> Result<Release, DriverError> {
        self.journal.release(number)?.ok_or(DriverError::UnknownRelease(number))
    }

    /// Asks for every base that the change may concern, once.
    async fn resolve_bases(
        &self,
        graph: &Graph,
        change: &Change,
        latest: Option<&Release>,
    ) -> Result<(BTreeMap<ImageRef, Digest>, Vec<String>), DriverError> {
        if matches!(change, Change::Release(_)) {
            return Ok((BTreeMap::new(), Vec::new()));
        }
        let needed = needed(graph, change);
        let wanted: Vec<(ImageRef, String)> = graph
            .bases()
            .filter(|id| needed.as_ref().is_none_or(|needed| needed.contains(id)))
            .filter_map(|id| {
                let place = graph.reached_by(id).next().map(|(edge, _)| edge.at.to_string())?;
                Some((graph.node(id).reference().clone(), place))
            })
            .collect();
        self.resolve(wanted, latest).await
    }

    async fn external_ids(&self, latest: Option<&Release>) -> Result<(BTreeMap<ImageRef, Digest>, Vec<String>), DriverError> {
        let external = self.estate.services.values().filter_map(|service| match &service.image {
            ServiceImage::External(reference) => Some((reference.clone(), service.at.to_string())),
            ServiceImage::Estate(_) => None,
        });
        self.resolve(external.collect(), latest).await
    }

    async fn resolve(
        &self,
        wanted: Vec<(ImageRef, String)>,
        latest: Option<&Release>,
    ) -> Result<(BTreeMap<ImageRef, Digest>, Vec<String>), DriverError> {
        let asked = wanted.into_iter().map(|(base, place)| async move {
            let found = self.resolve_one(&base, &place, latest).await;
            (base, found)
        });
        let mut bases = BTreeMap::new();
        let mut not_pulled = Vec::new();
        let mut failed = Vec::new();
        for (base, found) in stream::iter(asked).buffered(LOOKS_AT_ONCE).collect::<Vec<_>>().await {
            match found {
                Ok((id, note)) => {
                    not_pulled.extend(note);
                    bases.insert(base, id);
                }
                Err(error) => failed.push(error),
            }
        }
        match failed.len() {
            0 => Ok((bases, not_pulled)),
            1 => Err(failed.remove(0)),
            _ => Err(DriverError::Several {
                what: format!("{} bases cannot be had", failed.len()),
                lines: failed.iter().flat_map(told).collect(),
                next: "`refit graph` tells where each is reached for".to_owned(),
            }),
        }
    }

    /// The image of a base: pulled where a registry can be reached, the builder's own where not.
    async fn resolve_one(&self, base: &ImageRef, place: &str, latest: Option<&Release>) -> Result<(Digest, Option<String>), DriverError> {
        let builder: &Arc<dyn Engine> = self.engines.builder();
        let now = match &self.settings.bases {
            Some(rules) => rules.now(base).await,
            None => BaseNow { name: base.clone(), held: None },
        };
        if let Some(why) = &now.held
            && let Some(id) = self.as_it_was(base, latest).await?
        {
            return Ok((id, Some(format!("{} was not pulled, what is there is taken: {why}", base.familiar()))));
        }
        let pulled = if self.settings.offline { None } else { Some(builder.pull(&now.name).await) };
        let why = match pulled {
            Some(Ok(seen)) => return Ok((seen.id, None)),
            Some(Err(error)) => Some(NotPulled::of(&error)),
            None => None,
        };
        match self.without_pull(base, latest).await? {
            Some((id, whose)) => {
                let taken = |no: NotPulled| format!("{} was not pulled, {whose} is taken: {}; {}", base.familiar(), no.why, no.next);
                Ok((id, why.map(taken)))
            }
            None => Err(DriverError::BaseUnknown {
                base: base.clone(),
                builder: self.engines.builder.0.to_string(),
                endpoint: self.builder_endpoint(),
                why,
                place: place.to_owned(),
            }),
        }
    }

    /// The image of a base that no registry can be asked for, and whose it is. Where a base follows other tags, nothing need ever have had its own name.
    async fn without_pull(&self, base: &ImageRef, latest: Option<&Release>) -> Result<Option<(Digest, &'static str)>, DriverError> {
        if let Some(seen) = self.engines.builder().image(&base.to_string()).await? {
            return Ok(Some((seen.id, "the builder's own image")));
        }
        if self.estate.bases.get(base).is_none_or(|base| base.follow.is_none()) {
            return Ok(None);
        }
        Ok(self.as_it_was(base, latest).await?.map(|id| (id, "what was used last")))
    }

    /// The image of a base that was built on last, or that a service was given as it is, or, if there is none, the builder's own under that name; none if
    /// it has none of them any more.
    async fn as_it_was(&self, base: &ImageRef, latest: Option<&Release>) -> Result<Option<Digest>, DriverError> {
        let released = latest.and_then(|release| last_used(release, base));
        for name in released.map(|id| id.to_string()).into_iter().chain([base.to_string()]) {
            if let Some(seen) = self.engines.builder().image(&name).await? {
                return Ok(Some(seen.id));
            }
        }
        Ok(None)
    }

    /// How the builder is reached, for commands that people type.
    fn builder_endpoint(&self) -> String {
        self.estate.builders.get(&self.engines.builder.0).map_or_else(String::new, |builder| builder.endpoint.to_string())
    }

    fn image_facts(
        &self,
        read: &[ImageRead],
        latest: Option<&Release>,
        kept: &[BuildKept],
        on_builder: &BTreeSet<Digest>,
    ) -> BTreeMap<ImageName, ImageFacts> {
        let mut took: BTreeMap<&ImageName, u64> = BTreeMap::new();
        kept.iter().for_each(|build| {
            took.insert(&build.image, build.elapsed_ms);
        });
        let fact = |image: &ImageRead| {
            let last = latest.and_then(|release| Some((release.number, release.images.get(&image.name)?))).map(|(number, released)| LastBuild {
                released: released.clone(),
                release: number,
                present: on_builder.contains(&released.id),
            });
            let facts = ImageFacts {
                newest: facts_of(&image.newest),
                deployed: image.deployed.as_ref().map(facts_of),
                last,
                took: took.get(&image.name).copied().map(Duration::from_millis),
            };
            (image.name.clone(), facts)
        };
        read.iter().map(fact).collect()
    }

    fn service_facts(&self, standing: &Standing) -> Result<BTreeMap<ServiceName, ServiceFacts>, DriverError> {
        let mut facts = BTreeMap::new();
        for (name, state) in &standing.services {
            let Some(running) = state.current else { continue };
            let Some(as_released) = self.release(running)?.services.get(name).cloned() else { continue };
            facts.insert(name.clone(), ServiceFacts { running, as_released, back: state.way_back().unwrap_or(running) });
        }
        Ok(facts)
    }

    /// What no service must go to by itself, and no base must move.
    fn quarantined(&self, standing: &Standing) -> Result<Quarantined, DriverError> {
        let mut quarantined = Quarantined::default();
        for service in self.estate.services.keys() {
            for (release, quarantine) in standing.refused(service) {
                let Some(then) = self.release(release)?.services.get(service).cloned() else { continue };
                let refused = RefusedRelease { release, spec: then.spec_hash(), why: quarantine.why };
                quarantined.services.entry(service.clone()).or_default().push(refused);
            }
        }
        for (number, release) in &standing.quarantined {
            for (base, digest) in &release.bases {
                quarantined.bases.entry(base.clone()).or_default().insert(*digest, *number);
            }
        }
        Ok(quarantined)
    }

    /// The volumes that the images of services declare, as far as those images are built.
    async fn volumes(&self, latest: Option<&Release>) -> Result<BTreeMap<ImageName, Vec<String>>, DriverError> {
        let mut volumes = BTreeMap::new();
        for service in self.estate.services.values() {
            let ServiceImage::Estate(name) = &service.image else { continue };
            let Some(released) = latest.and_then(|release| release.images.get(name)) else { continue };
            if let Some(seen) = self.engines.builder().image(&released.id.to_string()).await? {
                volumes.insert(name.clone(), seen.volumes);
            }
        }
        Ok(volumes)
    }
}

/// An error among others: a line, and its next move below it.
fn told(error: &DriverError) -> Vec<String> {
    let help = miette::Diagnostic::help(error).map(|help| format!("    {help}"));
    std::iter::once(error.to_string()).chain(help).collect()
}

fn facts_of(found: &SourceFound) -> SourceFacts {
    SourceFacts { context: found.context.clone().into(), dockerfile: Digest::of(&found.dockerfile) }
}

/// The nodes that matter to a change about some bases and images: what stands on them, and all that those are built from. Everything, if it is about
/// everything; a base that nobody can have any more must not hold up the patch of another one.
fn needed(graph: &Graph, change: &Change) -> Option<BTreeSet<NodeId>> {
    let base = |base: &ImageRef| graph.find(base);
    let image = |name: &ImageName| graph.image(name);
    let subject: Vec<NodeId> = match change {
        Change::Base(moved) => base(moved).into_iter().collect(),
        Change::Image(asked) => image(asked).into_iter().collect(),
        Change::Moved { bases, images } => bases.iter().filter_map(base).chain(images.iter().filter_map(image)).collect(),
        Change::Patch(patch) => patch.bases.iter().filter_map(base).chain(patch.images.iter().filter_map(image)).collect(),
        _ => return None,
    };
    let reached = graph.reaching(&subject);
    let mut open: Vec<NodeId> = subject.into_iter().chain(graph.images().filter(|id| reached[id.index()])).collect();
    let mut needed = BTreeSet::new();
    while let Some(id) = open.pop() {
        if needed.insert(id) && graph.is_image(id) {
            open.extend(graph.reaches(id).map(|(_, to)| to));
        }
    }
    Some(needed)
}

/// The image that a base was in a release: under its images, or for a service that runs it as it is.
fn last_used(release: &Release, base: &ImageRef) -> Option<Digest> {
    let under = release.images.values().find_map(|image| image.bases.get(base).copied());
    let as_it_is = || release.services.values().find(|service| service.image == base.familiar()).map(|service| service.id);
    under.or_else(as_it_is)
}
