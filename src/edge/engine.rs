//! What is asked of a Docker Engine, as a builder and as a host, and what it answers of itself and its images.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::Stream;
use jiff::Timestamp;

use super::build::{BuildError, BuildProgress, BuildRequest, TestEnd, TestRun};
use super::container::{ContainerFound, Made, NewContainer, ProbeAnswer};
use super::refusal;
use super::volume::{SnapshotSeen, VolumeCopied, VolumeCopy};
use crate::data::{Adopted, Adoption, Holdings};
use crate::model::{Digest, EstateName, ImageRef, ProbeSpec, ServiceName};
use crate::prune::Stock;

/// A stream of bytes, such as an image on its way from one engine to another.
pub type ByteStream = Pin<Box<dyn Stream<Item = std::io::Result<Bytes>> + Send>>;

/// A Docker Engine, as far as refit needs one: as a builder and as a host.
///
/// Every call has its own time limit and never hangs; an engine that does not answer is [`EngineError::Silent`].
/// Every effect may be done twice: "already so" is success.
#[async_trait]
pub trait Engine: Send + Sync {
    /// Asks the engine who it is.
    async fn info(&self) -> Result<EngineInfo, EngineError>;

    /// Looks for an image by reference or id; `None` if the engine does not have it.
    async fn image(&self, reference: &str) -> Result<Option<ImageSeen>, EngineError>;

    /// The ids of all images that the engine has.
    async fn image_ids(&self) -> Result<BTreeSet<Digest>, EngineError>;

    /// Lets the engine pull an image from its registry, with the user's credentials, and says what came.
    async fn pull(&self, reference: &ImageRef) -> Result<ImageSeen, EngineError>;

    /// Gives an image a further name.
    async fn tag(&self, id: Digest, reference: &ImageRef) -> Result<(), EngineError>;

    /// Takes a name off an image; the image goes when it was its last and no container uses it.
    async fn untag(&self, reference: &ImageRef) -> Result<(), EngineError>;

    /// Lists all images and which containers are made of them, with sizes: what a prune chooses from.
    async fn stock(&self, estate: &EstateName) -> Result<Stock, EngineError>;

    /// Takes these names off an image, and the image away with the last of them; never by force, so one that a container is made of stays.
    async fn remove_image(&self, id: Digest, names: &[ImageRef]) -> Result<(), EngineError>;

    /// Builds an image; progress goes to `progress` as it comes, and no step is run before its turn has come. Dropping the future cancels the
    /// build on the engine.
    async fn build(&self, request: BuildRequest, progress: &dyn BuildProgress) -> Result<Digest, BuildError>;

    /// Runs a command to its end in a throw-away container without network ports, and removes it.
    async fn run_test(&self, test: &TestRun) -> Result<TestEnd, EngineError>;

    /// Removes the throw-away containers of tests and copies that a refit which died left behind. Only for who holds the estate: nobody else's are running.
    async fn remove_tests(&self, _estate: &EstateName) -> Result<(), EngineError> {
        Ok(())
    }

    /// The chain ids of all layers that the engine's images have: what need not be sent to it.
    async fn layer_chains(&self) -> Result<Vec<Digest>, EngineError>;

    /// Streams an image as `docker save` does.
    async fn export(&self, id: Digest) -> Result<ByteStream, EngineError>;

    /// Takes a stream as `docker load` does.
    async fn load(&self, image: ByteStream) -> Result<(), EngineError>;

    /// What the engine's own clock shows, by which it tells all moments; none if it does not say.
    async fn time(&self) -> Result<Option<Timestamp>, EngineError>;

    /// Lists the estate's containers, stopped ones included; only those of `service` if one is given. Health is the engine's own word, and so is
    /// every moment.
    async fn containers(&self, estate: &EstateName, service: Option<&ServiceName>) -> Result<Vec<ContainerFound>, EngineError>;

    /// Creates a container under its deterministic name with all its networks and volumes, and starts it. Returns the engine's id of it.
    async fn start_new(&self, new: &NewContainer) -> Result<String, EngineError>;

    /// The same without starting it. A container that is there already is left as it is.
    async fn make(&self, new: &NewContainer) -> Result<Made, EngineError>;

    /// Starts a container that is there.
    async fn start(&self, container: &str) -> Result<(), EngineError>;

    /// Stops a container with its own stop signal, and kills it after `grace`.
    async fn stop(&self, container: &str, grace: Duration) -> Result<(), EngineError>;

    /// Removes a container that does not run; never a volume.
    async fn remove(&self, container: &str) -> Result<(), EngineError>;

    /// Asks a container for its health once, within the probe's timeout.
    async fn probe(&self, container: &str, probe: &ProbeSpec) -> Result<ProbeAnswer, EngineError>;

    /// The last lines that a container wrote, oldest first.
    async fn last_lines(&self, container: &str, lines: u32) -> Result<Vec<String>, EngineError>;

    /// Waits until the engine reports that a container of the estate started, died or changed its health, or `at_most` is over.
    async fn wait_for_event(&self, estate: &EstateName, at_most: Duration) -> Result<(), EngineError>;

    // What containers hold: see `data`.

    /// What differs in a container from its image, and what is mounted in it.
    async fn holdings(&self, container: &str) -> Result<Holdings, EngineError>;

    /// Of these paths in a container, those that hold something: no folders, sockets and pipes, nothing that has gone meanwhile.
    async fn only_files(&self, container: &str, paths: Vec<String>) -> Result<Vec<String>, EngineError>;

    /// Copies what moves on from one container into another that has not run yet; owners, modes and links stay what they are. Without another one
    /// nothing is copied, only looked at: is it too much? Refused if it is.
    async fn adopt(&self, from: &str, into: Option<&str>, adoption: &Adoption) -> Result<Adopted, EngineError>;

    /// Copies a volume into another, proves the copy, and says what it holds; `None` if there is no such volume.
    async fn copy_volume(&self, copy: &VolumeCopy) -> Result<Option<VolumeCopied>, EngineError>;

    /// The copies of volumes that were made for this estate, finished or not.
    async fn snapshots(&self, estate: &EstateName) -> Result<Vec<SnapshotSeen>, EngineError>;
}

/// Who an engine is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineInfo {
    /// The engine's own id: the same whichever way it is reached.
    pub id: String,
    /// Such as `20.10.24`.
    pub version: String,
    /// Such as `1.41`.
    pub api: String,
    /// `linux/amd64`.
    pub platform: String,
    /// `overlay2`, `io.containerd.snapshotter.v1` …
    pub storage: String,
    /// Processors.
    pub cpus: u32,
}

/// Why a call to an engine did not give what was asked.
#[derive(Debug, Clone, thiserror::Error, miette::Diagnostic)]
pub enum EngineError {
    /// Nobody answered, or not in time. The host is waited for.
    #[error("engine {endpoint} did not answer: {why}")]
    #[diagnostic(help("check that the machine is up and its engine runs: `docker -H {endpoint} version`"))]
    Silent {
        /// Which engine.
        endpoint: String,
        /// What the attempt said.
        why: String,
    },
    /// The engine answered no; asking again will not help.
    #[error("engine {endpoint} refused to {what}: {why}")]
    #[diagnostic(help("{}", refusal::help(endpoint, what, why)))]
    Refused {
        /// Which engine.
        endpoint: String,
        /// What it was asked to do, as a phrase: `create container shop-web-0`.
        what: String,
        /// What the engine said.
        why: String,
    },
    /// What was asked for is not there.
    #[error("engine {endpoint} has no {what}")]
    Missing {
        /// Which engine.
        endpoint: String,
        /// What was asked for: `image sha256:…`, `container …`.
        what: String,
    },
    /// The engine's disk is full.
    #[error("engine {endpoint} has no space left on its disk to {what}")]
    #[diagnostic(help("free space on it (`docker -H {endpoint} system df`), then go on with `refit resume`"))]
    DiskFull {
        /// Which engine.
        endpoint: String,
        /// What it was asked to do.
        what: String,
    },
}

impl EngineError {
    /// Whether the engine did not answer, so that the host is to be waited for.
    pub fn is_silence(&self) -> bool {
        matches!(self, Self::Silent { .. })
    }
}

/// An image as an engine has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSeen {
    /// Its id.
    pub id: Digest,
    /// The uncompressed digests of its layers, lowest first.
    pub layers: Vec<Digest>,
    /// The hash of its configuration without what differs from build to build of the same content (labels that refit sets, dates).
    pub config: Digest,
    /// The digest under which a registry knows it, for each repository.
    pub repo_digests: Vec<String>,
    /// Mount points that the image declares as volumes.
    pub volumes: Vec<String>,
    /// Whether the image has a health check of its own.
    pub has_healthcheck: bool,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Size in bytes, all layers together.
    pub size: u64,
}
