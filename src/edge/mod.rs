//! The eyes and hands: engines, sources, clock, files. The only room that knows bollard. Decides nothing.
//!
//! Everything that touches the world stands behind a narrow trait here; each has its real body in this room and a simulated one in `sim`.

pub mod buildkit;
pub mod carry;
mod chain;
mod clock;
pub mod context;
pub mod docker;
pub mod dockerfiles;
pub mod git;
pub mod pipeline_files;
mod shown;
pub mod sources;

pub use chain::chain_ids;
pub use clock::SystemClock;
pub use shown::shown;
pub use sources::{SourceError, SourceFound, Sources};

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::Stream;
use jiff::Timestamp;

use crate::data::Holdings;
use crate::model::{ContainerSpec, Digest, EstateName, ImageRef, ProbeSpec, ReleaseNumber, RunId, Secret, ServiceName, SlotId};
use crate::pipeline::BuildSpec;
use crate::rollout::{ContainerState, Health, NetworkSeen, Version};

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

    /// Builds an image; progress goes to `progress` as it comes. Dropping the future cancels the build on the engine.
    async fn build(&self, request: BuildRequest, progress: &dyn BuildProgress) -> Result<Digest, BuildError>;

    /// Runs a command to its end in a throw-away container without network ports, and removes it.
    async fn run_test(&self, test: &TestRun) -> Result<TestEnd, EngineError>;

    /// Removes the throw-away containers of tests that a refit which died left behind. Only for who holds the estate: nobody else's are running.
    async fn remove_tests(&self, _estate: &EstateName) -> Result<(), EngineError> {
        Ok(())
    }

    /// The chain ids of all layers that the engine's images have: what need not be sent to it.
    async fn layer_chains(&self) -> Result<Vec<Digest>, EngineError>;

    /// Streams an image as `docker save` does.
    async fn export(&self, id: Digest) -> Result<ByteStream, EngineError>;

    /// Takes a stream as `docker load` does.
    async fn load(&self, image: ByteStream) -> Result<(), EngineError>;

    /// Lists the estate's containers, stopped ones included; only those of `service` if one is given. Health is the engine's own word.
    async fn containers(&self, estate: &EstateName, service: Option<&ServiceName>) -> Result<Vec<ContainerFound>, EngineError>;

    /// Creates a container under its deterministic name with all its networks and volumes, and starts it. Returns the engine's id of it.
    async fn start_new(&self, new: &NewContainer) -> Result<String, EngineError>;

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
}

/// Who an engine is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineInfo {
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

/// One build, with nothing left to choose.
pub struct BuildRequest {
    /// The files.
    pub context: std::sync::Arc<dyn ContextFiles>,
    /// The pinned Dockerfile's text.
    pub dockerfile: Vec<u8>,
    /// Build arguments.
    pub args: BTreeMap<String, String>,
    /// The stage to build.
    pub target: Option<String>,
    /// Labels, the user's and refit's.
    pub labels: BTreeMap<String, String>,
    /// Secrets by id.
    pub secrets: BTreeMap<String, Secret>,
    /// Platform.
    pub platform: Option<String>,
    /// Without the cache.
    pub no_cache: bool,
    /// Network of RUN steps.
    pub network: Option<String>,
    /// `name:address` lines for RUN steps.
    pub extra_hosts: Vec<String>,
    /// The name that the engine gives the result.
    pub tag: ImageRef,
}

/// The files of a build context: what `.dockerignore` leaves, in the order of their paths.
pub trait ContextFiles: Send + Sync {
    /// Every entry, sorted by path: folders before what they hold.
    fn entries(&self) -> std::io::Result<Vec<ContextEntry>>;
    /// Opens a file by its path within the context.
    fn open(&self, path: &str) -> std::io::Result<Box<dyn std::io::Read + Send>>;
    /// When an entry last changed, in nanoseconds since 1970. The part below a second differs when the content does, so that a builder
    /// which knows an older file of the same size and second is not mistaken.
    fn modified_ns(&self, path: &str) -> i64 {
        let _ = path;
        0
    }
    /// What tells this context from others: a builder that has seen an earlier state of it is sent only what changed. Empty: send all.
    fn key(&self) -> String {
        String::new()
    }
}

/// One entry of a build context.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ContextEntry {
    /// Path within the context, with `/`.
    pub path: String,
    /// File, folder or link.
    pub kind: EntryKind,
    /// Permission bits.
    pub mode: u32,
    /// Size in bytes of a file.
    pub size: u64,
}

/// What an entry of a context is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link and where it points.
    Link(String),
}

/// Takes what a build says while it runs.
pub trait BuildProgress: Send + Sync {
    /// A step began, ended, or was taken from the cache.
    fn step(&self, step: BuildStepSeen);
    /// A piece of the build's output; not necessarily whole lines.
    fn output(&self, text: &[u8]);
}

/// A step of a build, as the builder reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildStepSeen {
    /// Such as `[2/4] RUN apt-get update`.
    pub name: String,
    /// Whether it has ended.
    pub ended: bool,
    /// Whether it came from the cache.
    pub cached: bool,
    /// What went wrong.
    pub error: Option<String>,
}

/// Why a build gave no image.
#[derive(Debug, Clone, thiserror::Error, miette::Diagnostic)]
pub enum BuildError {
    /// A step of the Dockerfile failed.
    #[error("{why}")]
    Failed {
        /// What BuildKit said.
        why: String,
    },
    /// The context could not be read.
    #[error("the build context could not be read: {why}")]
    Context {
        /// Which file, and why.
        why: String,
    },
    /// The engine itself.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Engine(#[from] EngineError),
}

/// A command to run in a throw-away container.
#[derive(Debug, Clone)]
pub struct TestRun {
    /// The image.
    pub image: Digest,
    /// The command's words.
    pub command: Vec<String>,
    /// For how long it may run.
    pub timeout: Duration,
    /// The estate, for the labels that let a later start clean up.
    pub estate: EstateName,
}

/// How a test ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestEnd {
    /// Its exit code; none if it ran out of time and was killed.
    pub code: Option<i64>,
    /// Its last lines.
    pub last_lines: Vec<String>,
}

/// A container of the estate as an engine lists it.
#[derive(Debug, Clone, PartialEq)]
pub struct ContainerFound {
    /// The engine's id of it.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The slot in its labels.
    pub slot: SlotId,
    /// The version in its labels.
    pub version: Version,
    /// The run in its labels.
    pub run: RunId,
    /// The image it was made from.
    pub image: Digest,
    /// Its state.
    pub state: ContainerState,
    /// Health as the engine knows it: `Healthy` from its start on where there is no health check.
    pub health: Health,
    /// When it was created.
    pub created_at: Timestamp,
    /// Addresses at which its published ports are reached from outside: container port → (host address, host port).
    pub published: BTreeMap<u16, (String, u16)>,
    /// Its networks, sorted by name; none if the engine does not tell.
    pub networks: Option<Vec<NetworkSeen>>,
}

/// So much of a name goes into a container's: three of them, and what follows, stay below the 253 characters that a DNS name may have.
const NAME_PART_MAX: usize = 70;

/// A container to create.
#[derive(Debug, Clone)]
pub struct NewContainer {
    /// The estate.
    pub estate: EstateName,
    /// The slot.
    pub slot: SlotId,
    /// The version.
    pub version: Version,
    /// The run that asks.
    pub run: RunId,
    /// The image, by id.
    pub image: Digest,
    /// What it is to be.
    pub spec: ContainerSpec,
    /// The container whose anonymous volumes move on to this one.
    pub takes_over: Option<String>,
}

impl NewContainer {
    /// The name that the container gets on the engine: the same for the same slot and version, so that creating it twice makes one.
    ///
    /// The host's name is in it because one engine may stand for several hosts. Its last part tells apart what the readable ones do not:
    /// versions, and names that have hyphens in them or are cut short here.
    pub fn name(&self) -> String {
        let Self { estate, slot: SlotId { service, host, index }, version, .. } = self;
        let unique = Digest::of(format!("{estate}/{service}/{host}/{index}/{}", version.spec).as_bytes()).hex();
        let [estate, service, host] = [estate.as_str(), service.as_str(), host.as_str()].map(|name| &name[..name.len().min(NAME_PART_MAX)]);
        format!("{estate}-{service}-{host}-{index}-{}", &unique[..8])
    }
}

/// What a probe was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeAnswer {
    /// Well.
    Well,
    /// Unwell: the status, the refused connection, the exit code.
    Unwell(String),
}

/// Wall time and waiting.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;
    /// Waits.
    async fn sleep(&self, for_: Duration);
}

/// Where the files of a build come from.
#[async_trait]
pub trait Source: Send + Sync {
    /// Finds the files of a build: at the commit `at` if one is given, else what is there now.
    async fn find(&self, build: &BuildSpec, at: Option<&str>) -> Result<SourceFound, SourceError>;
}

#[async_trait]
impl Source for Sources {
    async fn find(&self, build: &BuildSpec, at: Option<&str>) -> Result<SourceFound, SourceError> {
        Sources::find(self, build, at).await
    }
}

/// The labels by which refit knows its own. `ESTATE` is on everything it makes.
pub mod labels {
    /// The estate.
    pub const ESTATE: &str = "io.refit.estate";
    /// The service.
    pub const SERVICE: &str = "io.refit.service";
    /// The host's name in the estate; engines do not know their own.
    pub const HOST: &str = "io.refit.host";
    /// The slot's index.
    pub const SLOT: &str = "io.refit.slot";
    /// The release's number.
    pub const RELEASE: &str = "io.refit.release";
    /// The hash of image and spec.
    pub const SPEC: &str = "io.refit.spec";
    /// The run that made it.
    pub const RUN: &str = "io.refit.run";
    /// The hash of inputs of an image.
    pub const INPUTS: &str = "io.refit.inputs";
    /// On throw-away containers: what they are for (`test`).
    pub const ROLE: &str = "io.refit.role";
}

/// Number of a release in a label, for [`ContainerFound`].
pub fn release_label(release: ReleaseNumber) -> String {
    release.0.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(estate: &str, service: &str, host: &str, index: u32, spec: &[u8]) -> String {
        let slot = SlotId { service: service.parse().unwrap(), host: host.parse().unwrap(), index };
        let version = Version { release: ReleaseNumber(1), spec: Digest::of(spec) };
        let (image, spec) = (Digest::of(b"image"), ContainerSpec::default());
        NewContainer { estate: estate.parse().unwrap(), slot, version, run: RunId(1), image, spec, takes_over: None }.name()
    }

    #[test]
    fn a_containers_name_is_readable_and_its_slots_and_versions_own() {
        let name = named("shop", "web", "host-1", 0, b"a");
        assert!(name.starts_with("shop-web-host-1-0-") && name.len() == "shop-web-host-1-0-".len() + 8, "{name}");
        assert_eq!(named("shop", "web", "host-1", 0, b"a"), name);
        let others = [
            named("shop", "web", "host-2", 0, b"a"),
            named("shop", "web", "host-1", 1, b"a"),
            named("shop", "web", "host-1", 0, b"b"),
            named("shop", "web-host", "1", 0, b"a"),
        ];
        assert_eq!(others.iter().chain([&name]).collect::<BTreeSet<_>>().len(), 5, "{others:?}");
    }

    #[test]
    fn long_names_stay_apart_although_they_are_cut_short() {
        let [a, b] = ["a", "b"].map(|end| named(&"e".repeat(128), &"s".repeat(128), &format!("{}{end}", "h".repeat(127)), u32::MAX, b"a"));
        assert_ne!(a, b);
        assert!(a.len() <= 253, "{}", a.len());
    }
}
