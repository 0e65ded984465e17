//! Small estates for tests, in which everything was built once: `base: debian, web: base` as in the graph's own samples.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::graph::{Graph, ImageReaches, samples};
use crate::model::{ContainerSpec, Digest, ImageName, ImageRef, ReleaseNumber, ServiceName, SlotId};
use crate::pipeline::{BuildSpec, Estate, Image, Order, RebuildPolicy, Refresh, RunPolicy, Service, ServiceImage, Sources, UpdateConfig};
use crate::release::{ReleasedImage, ServiceRelease};

/// All that a [`PlanRequest`] borrows.
pub(crate) struct Sample {
    pub(crate) estate: Estate,
    pub(crate) reaches: Vec<ImageReaches>,
    pub(crate) digests: BTreeMap<ImageRef, Digest>,
    pub(crate) images: BTreeMap<ImageName, ImageFacts>,
    pub(crate) builds: BTreeMap<Digest, Digest>,
    pub(crate) services: BTreeMap<ServiceName, ServiceFacts>,
    pub(crate) external_ids: BTreeMap<ImageRef, Digest>,
    pub(crate) volumes: BTreeMap<ImageName, Vec<String>>,
    pub(crate) quarantined: Quarantined,
}

pub(crate) fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

pub(crate) fn name(text: &str) -> ImageName {
    text.parse().unwrap()
}

fn update() -> UpdateConfig {
    UpdateConfig { order: Order::StartFirst, ..UpdateConfig::default() }
}

pub(crate) fn service(text: &str, image: ServiceImage) -> Service {
    let slot = SlotId { service: text.parse().unwrap(), host: "host-1".parse().unwrap(), index: 0 };
    Service {
        name: slot.service,
        at: crate::model::Place { file: "pipelines/shop.yaml".into(), line: 1 },
        image,
        container: ContainerSpec::default(),
        probe: None,
        hosts: vec![slot.host, "host-2".parse().unwrap()],
        replicas: 2,
        update: update(),
        rollback: update(),
        strategy: crate::pipeline::UpdateStrategy::default(),
        concurrent: false,
        shares: Default::default(),
        data: crate::pipeline::DataPolicy::default(),
        depends_on: BTreeMap::new(),
        drained: Vec::new(),
    }
}

fn image(name: &ImageName) -> Image {
    Image {
        name: name.clone(),
        reference: name.as_str().parse().unwrap(),
        at: crate::model::Place { file: "pipelines/shop.yaml".into(), line: 1 },
        build: BuildSpec::of_folder(format!("/shop/{name}")),
        tests: Vec::new(),
        tag: None,
        rebuild: RebuildPolicy::default(),
        refresh: Refresh::default(),
    }
}

pub(crate) fn sources(text: &str) -> SourceFacts {
    let context = Context { hash: digest(text), commit: Some(text.to_owned()), dirty: false, deployed: None };
    SourceFacts { context: context.into(), dockerfile: digest("Dockerfile") }
}

impl Sample {
    /// Nothing was ever built.
    pub(crate) fn fresh(text: &str) -> Self {
        let reaches = samples::reaches(text);
        let images: BTreeMap<_, _> = reaches.iter().map(|one| (one.image.clone(), image(&one.image))).collect();
        let facts = |name: &ImageName| ImageFacts { newest: sources(&format!("{name}-1")), deployed: None, last: None, took: None };
        let bases = reaches.iter().flat_map(|one| &one.reaches).map(|reach| &reach.base);
        Self {
            digests: bases.map(|base| (base.clone(), digest(&base.familiar()))).collect(),
            images: images.keys().map(|name| (name.clone(), facts(name))).collect(),
            estate: Estate {
                name: "shop".parse().unwrap(),
                bases: BTreeMap::new(),
                registries: BTreeMap::new(),
                images,
                builders: BTreeMap::new(),
                hosts: BTreeMap::new(),
                services: BTreeMap::new(),
                sources: Sources::Deployed,
                run: RunPolicy::default(),
                keep: std::num::NonZeroU32::MIN,
                triggers: BTreeMap::new(),
                freezes: Vec::new(),
                maintenance: Vec::new(),
                notify: BTreeMap::new(),
                hooks: BTreeMap::new(),
            },
            reaches,
            builds: BTreeMap::new(),
            services: BTreeMap::new(),
            external_ids: BTreeMap::new(),
            volumes: BTreeMap::new(),
            quarantined: Quarantined::default(),
        }
    }

    /// Everything was built in release r1, one second each.
    pub(crate) fn built(text: &str) -> Self {
        let mut sample = Self::fresh(text);
        let plan = sample.plan(Change::Everything).unwrap();
        for step in &plan.steps {
            let id = |image: &ImageName| Some(digest(&format!("{image}-id")));
            let pins = resolve_pins(&step.pins, id).unwrap();
            let released = ReleasedImage {
                id: id(&step.image).unwrap(),
                inputs: inputs(step.own_inputs, &pins),
                tag: format!("{}:1", step.image).parse().unwrap(),
                bases: pins.iter().map(|(reference, pinned)| (reference.clone(), *pinned)).collect(),
                commit: step.context.commit.clone(),
                own_inputs: Some(step.own_inputs),
                context: Some(step.context.hash),
            };
            sample.builds.insert(released.inputs, released.id);
            let facts = sample.images.get_mut(&step.image).unwrap();
            facts.deployed = Some(facts.newest.clone());
            facts.took = Some(Duration::from_secs(1));
            facts.last = Some(LastBuild { released, release: ReleaseNumber(1), present: true });
        }
        sample
    }

    /// A service of an image, rolled in r1 if that was built.
    pub(crate) fn serve(&mut self, text: &str, image: &str) -> &mut Service {
        let service = service(text, ServiceImage::Estate(name(image)));
        if let Some(last) = self.images.get(&name(image)).and_then(|facts| facts.last.as_ref()) {
            let as_released = ServiceRelease { image: image.to_owned(), id: last.released.id, container: service.container.clone(), probe: None };
            let facts = ServiceFacts { running: ReleaseNumber(1), as_released, back: ReleaseNumber(1) };
            self.services.insert(service.name.clone(), facts);
        }
        self.estate.services.entry(service.name.clone()).or_insert(service)
    }

    pub(crate) fn image(&mut self, image: &str) -> &mut Image {
        self.estate.images.get_mut(&name(image)).unwrap()
    }

    pub(crate) fn facts(&mut self, image: &str) -> &mut ImageFacts {
        self.images.get_mut(&name(image)).unwrap()
    }

    pub(crate) fn last(&mut self, image: &str) -> &mut LastBuild {
        self.facts(image).last.as_mut().unwrap()
    }

    pub(crate) fn move_base(&mut self, base: &str) {
        self.digests.insert(base.parse().unwrap(), digest(&format!("{base} moved")));
    }

    pub(crate) fn graph(&self) -> Graph {
        Graph::new(&self.estate, &self.reaches).0
    }

    pub(crate) fn plan(&self, change: Change) -> Result<Plan, PlanError> {
        plan(&PlanRequest {
            change: &change,
            estate: &self.estate,
            graph: &self.graph(),
            digests: &self.digests,
            images: &self.images,
            builds: &self.builds,
            services: &self.services,
            external_ids: &self.external_ids,
            volumes: &self.volumes,
            release: None,
            quarantined: &self.quarantined,
        })
    }
}

/// `--base debian`.
pub(crate) fn base(text: &str) -> Change {
    Change::Base(text.parse().unwrap())
}
