//! The real Docker Engine, through bollard: the trait [`Engine`] over a [`Connection`].
//!
//! Read in this order: the connection and the roads under it; the engine's errors as refit's; a spec in the engine's words; what is
//! done to containers, networks and volumes; what is seen of them; images; probes, tests, events. Nothing here decides.

mod connect;
mod road;
mod ssh;
mod tls;
mod wire;

mod error;
mod words;

mod containers;
mod copy;
mod holdings;
mod networks;
mod volume_copy;
mod volumes;

mod events;
mod images;
mod login;
mod look;
mod probe;
mod stock;
mod trial;

mod build;

pub use connect::{AsyncReadWrite, Connection, RawStream};
pub use login::login_trouble;

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{
    BuildError, BuildProgress, BuildRequest, ByteStream, ContainerFound, Engine, EngineError, EngineInfo, ImageSeen, Made, NewContainer, ProbeAnswer,
    SnapshotSeen, TestEnd, TestRun, VolumeCopied, VolumeCopy,
};
use crate::data::{Adopted, Adoption, Holdings};
use crate::model::{Digest, EstateName, ImageRef, ProbeSpec, ServiceName};
use crate::pipeline::Endpoint;
use crate::prune::Stock;

/// A Docker Engine at an endpoint. Connects with the first call; many calls may be under way at once.
pub struct DockerEngine {
    connection: Connection,
    healthy_since: Mutex<look::HealthySince>,
    events_seen: events::Seen,
}

impl DockerEngine {
    /// Prepares an engine; nothing is sent. Errors if the endpoint's TLS files cannot be used.
    pub fn new(endpoint: Endpoint) -> Result<Self, EngineError> {
        let connection = Connection::new(endpoint)?;
        Ok(Self { connection, healthy_since: Mutex::default(), events_seen: Mutex::default() })
    }

    /// The connection, for what speaks to the engine's socket by itself.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }
}

#[async_trait]
impl Engine for DockerEngine {
    async fn info(&self) -> Result<EngineInfo, EngineError> {
        let docker = self.connection.docker(containers::LOOK_MAX).await?;
        let asked = async { tokio::try_join!(docker.version(), docker.info()) };
        let (version, info) = self.connection.within(containers::LOOK_MAX, "say what it is", asked).await?;
        Ok(EngineInfo {
            id: info.id.unwrap_or_default(),
            version: version.version.unwrap_or_default(),
            api: self.connection.api_version().await?,
            platform: format!("{}/{}", version.os.unwrap_or_default(), version.arch.unwrap_or_default()),
            storage: info.driver.unwrap_or_default(),
            cpus: info.ncpu.and_then(|cpus| u32::try_from(cpus).ok()).unwrap_or(1),
        })
    }

    async fn time(&self) -> Result<Option<Timestamp>, EngineError> {
        let docker = self.connection.docker(containers::LOOK_MAX).await?;
        let info = self.connection.within(containers::LOOK_MAX, "say what time it has", docker.info()).await?;
        Ok(info.system_time.and_then(|text| text.parse().ok()))
    }

    async fn image(&self, reference: &str) -> Result<Option<ImageSeen>, EngineError> {
        images::image(&self.connection, reference).await
    }

    async fn image_ids(&self) -> Result<BTreeSet<Digest>, EngineError> {
        images::image_ids(&self.connection).await
    }

    async fn pull(&self, reference: &ImageRef) -> Result<ImageSeen, EngineError> {
        images::pull(&self.connection, reference).await
    }

    async fn tag(&self, id: Digest, reference: &ImageRef) -> Result<(), EngineError> {
        images::tag(&self.connection, id, reference).await
    }

    async fn untag(&self, reference: &ImageRef) -> Result<(), EngineError> {
        images::untag(&self.connection, reference).await
    }

    async fn stock(&self, estate: &EstateName) -> Result<Stock, EngineError> {
        stock::stock(&self.connection, estate).await
    }

    async fn remove_image(&self, id: Digest, names: &[ImageRef]) -> Result<(), EngineError> {
        stock::remove_image(&self.connection, id, names).await
    }

    async fn build(&self, request: BuildRequest, progress: &dyn BuildProgress) -> Result<Digest, BuildError> {
        build::build(&self.connection, request, progress).await
    }

    async fn run_test(&self, test: &TestRun) -> Result<TestEnd, EngineError> {
        trial::run(&self.connection, test).await
    }

    async fn remove_tests(&self, estate: &EstateName) -> Result<(), EngineError> {
        trial::remove_left_behind(&self.connection, estate).await
    }

    async fn layer_chains(&self) -> Result<Vec<Digest>, EngineError> {
        images::layer_chains(&self.connection).await
    }

    async fn export(&self, id: Digest) -> Result<ByteStream, EngineError> {
        images::export(&self.connection, id).await
    }

    async fn load(&self, image: ByteStream) -> Result<(), EngineError> {
        images::load(&self.connection, image).await
    }

    async fn containers(&self, estate: &EstateName, service: Option<&ServiceName>) -> Result<Vec<ContainerFound>, EngineError> {
        look::containers(&self.connection, estate, service, &self.healthy_since).await
    }

    async fn start_new(&self, new: &NewContainer) -> Result<String, EngineError> {
        containers::start_new(&self.connection, new).await
    }

    async fn make(&self, new: &NewContainer) -> Result<Made, EngineError> {
        containers::make(&self.connection, new).await
    }

    async fn start(&self, container: &str) -> Result<(), EngineError> {
        containers::start(&self.connection, container).await
    }

    async fn stop(&self, container: &str, grace: Duration) -> Result<(), EngineError> {
        containers::stop(&self.connection, container, grace).await
    }

    async fn remove(&self, container: &str) -> Result<(), EngineError> {
        containers::remove(&self.connection, container).await
    }

    async fn probe(&self, container: &str, probe: &ProbeSpec) -> Result<ProbeAnswer, EngineError> {
        probe::probe(&self.connection, container, probe).await
    }

    async fn last_lines(&self, container: &str, lines: u32) -> Result<Vec<String>, EngineError> {
        trial::last_lines(&self.connection, container, lines).await
    }

    async fn wait_for_event(&self, estate: &EstateName, at_most: Duration) -> Result<(), EngineError> {
        events::wait(&self.connection, estate, at_most, &self.events_seen).await
    }

    async fn holdings(&self, container: &str) -> Result<Holdings, EngineError> {
        holdings::holdings(&self.connection, container).await
    }

    async fn only_files(&self, container: &str, paths: Vec<String>) -> Result<Vec<String>, EngineError> {
        holdings::only_files(&self.connection, container, paths).await
    }

    async fn adopt(&self, from: &str, into: Option<&str>, adoption: &Adoption) -> Result<Adopted, EngineError> {
        holdings::adopt(&self.connection, from, into, adoption).await
    }

    async fn copy_volume(&self, copy: &VolumeCopy) -> Result<Option<VolumeCopied>, EngineError> {
        volume_copy::copy_volume(&self.connection, copy).await
    }

    async fn snapshots(&self, estate: &EstateName) -> Result<Vec<SnapshotSeen>, EngineError> {
        volume_copy::snapshots(&self.connection, estate).await
    }
}
