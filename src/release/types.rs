//! The release as plain data.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{ContainerSpec, Digest, ImageName, ImageRef, ProbeSpec, ReleaseNumber, RunId, ServiceName, SmallMap, spec_hash};

/// An immutable set {image → digest}, and what each service was then; made by one run, never changed afterwards.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Release {
    /// Its number.
    pub number: ReleaseNumber,
    /// The run that made it.
    pub run: RunId,
    /// When.
    pub made_at: Timestamp,
    /// Every image of the estate, those that this run did not touch included.
    pub images: BTreeMap<ImageName, ReleasedImage>,
    /// Every service, so that rolling this release again makes the same containers whatever the pipelines say by then.
    pub services: BTreeMap<ServiceName, ServiceRelease>,
}

/// One image of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReleasedImage {
    /// The image id: the same on every engine that holds it.
    pub id: Digest,
    /// What it was built from; see `plan::inputs`.
    pub inputs: Digest,
    /// The immutable tag it was given.
    pub tag: ImageRef,
    /// The bases that it was built on, each at the digest of that build.
    #[schemars(with = "std::collections::BTreeMap<ImageRef, Digest>")]
    pub bases: SmallMap<ImageRef, Digest>,
    /// The commit of its context; none outside git, or where files differed from it.
    pub commit: Option<String>,
    /// The part of `inputs` that its own sources and settings make up.
    #[serde(default)]
    pub own_inputs: Option<Digest>,
    /// The hash of its context.
    #[serde(default)]
    pub context: Option<Digest>,
}

/// One service of a release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceRelease {
    /// The image it runs, as written in the pipeline.
    pub image: String,
    /// The image id that its containers get.
    pub id: Digest,
    /// What its containers are.
    pub container: ContainerSpec,
    /// How refit probes them.
    pub probe: Option<ProbeSpec>,
}

impl ServiceRelease {
    /// The hash that a container of this service and release carries in its label.
    pub fn spec_hash(&self) -> Digest {
        spec_hash(self.id, &self.container, self.probe.as_ref())
    }
}
