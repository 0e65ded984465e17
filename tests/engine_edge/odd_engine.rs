//! A real engine with one oddity before it: for what an engine does only at a bad moment.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use refit::data::{Adopted, Adoption};
use refit::edge::{
    BuildError, BuildProgress, BuildRequest, ByteStream, ContainerFound, Engine, EngineError, EngineInfo, ImageSeen, Made, NewContainer, ProbeAnswer,
    SnapshotSeen, TestEnd, TestRun, VolumeCopied, VolumeCopy,
};
use refit::model::{Digest, EstateName, ImageRef, ProbeSpec, ServiceName};
use refit::prune::Stock;

pub(crate) struct OddEngine<'a> {
    pub(crate) engine: &'a dyn Engine,
    /// What it says that it has.
    pub(crate) claims: Option<Vec<Digest>>,
    /// So many loads are refused, after the stream was read to its end.
    pub(crate) refuses: u32,
    pub(crate) loads: AtomicU32,
}

impl<'a> OddEngine<'a> {
    pub(crate) fn new(engine: &'a dyn Engine) -> Self {
        Self { engine, claims: None, refuses: 0, loads: AtomicU32::new(0) }
    }
}

#[async_trait]
impl Engine for OddEngine<'_> {
    async fn layer_chains(&self) -> Result<Vec<Digest>, EngineError> {
        match &self.claims {
            Some(claims) => Ok(claims.clone()),
            None => self.engine.layer_chains().await,
        }
    }
    async fn load(&self, mut image: ByteStream) -> Result<(), EngineError> {
        if self.loads.fetch_add(1, Ordering::SeqCst) >= self.refuses {
            return self.engine.load(image).await;
        }
        while futures_util::StreamExt::next(&mut image).await.is_some() {}
        Err(EngineError::Refused { endpoint: "odd".into(), what: "load an image".into(), why: "it wants every layer".into() })
    }
    async fn info(&self) -> Result<EngineInfo, EngineError> {
        self.engine.info().await
    }
    async fn time(&self) -> Result<Option<jiff::Timestamp>, EngineError> {
        self.engine.time().await
    }
    async fn image(&self, reference: &str) -> Result<Option<ImageSeen>, EngineError> {
        self.engine.image(reference).await
    }
    async fn image_ids(&self) -> Result<BTreeSet<Digest>, EngineError> {
        self.engine.image_ids().await
    }
    async fn pull(&self, reference: &ImageRef) -> Result<ImageSeen, EngineError> {
        self.engine.pull(reference).await
    }
    async fn tag(&self, id: Digest, reference: &ImageRef) -> Result<(), EngineError> {
        self.engine.tag(id, reference).await
    }
    async fn stock(&self, estate: &EstateName) -> Result<Stock, EngineError> {
        self.engine.stock(estate).await
    }
    async fn remove_image(&self, id: Digest, names: &[ImageRef]) -> Result<(), EngineError> {
        self.engine.remove_image(id, names).await
    }
    async fn untag(&self, reference: &ImageRef) -> Result<(), EngineError> {
        self.engine.untag(reference).await
    }
    async fn build(&self, request: BuildRequest, progress: &dyn BuildProgress) -> Result<Digest, BuildError> {
        self.engine.build(request, progress).await
    }
    async fn run_test(&self, test: &TestRun) -> Result<TestEnd, EngineError> {
        self.engine.run_test(test).await
    }
    async fn export(&self, id: Digest) -> Result<ByteStream, EngineError> {
        self.engine.export(id).await
    }
    async fn containers(&self, estate: &EstateName, service: Option<&ServiceName>) -> Result<Vec<ContainerFound>, EngineError> {
        self.engine.containers(estate, service).await
    }
    async fn make(&self, new: &NewContainer) -> Result<Made, EngineError> {
        self.engine.make(new).await
    }
    async fn adopt(&self, from: &str, into: Option<&str>, adoption: &Adoption) -> Result<Adopted, EngineError> {
        self.engine.adopt(from, into, adoption).await
    }
    async fn copy_volume(&self, copy: &VolumeCopy) -> Result<Option<VolumeCopied>, EngineError> {
        self.engine.copy_volume(copy).await
    }
    async fn snapshots(&self, estate: &EstateName) -> Result<Vec<SnapshotSeen>, EngineError> {
        self.engine.snapshots(estate).await
    }
    async fn start_new(&self, new: &NewContainer) -> Result<String, EngineError> {
        self.engine.start_new(new).await
    }
    async fn start(&self, container: &str) -> Result<(), EngineError> {
        self.engine.start(container).await
    }
    async fn stop(&self, container: &str, grace: Duration) -> Result<(), EngineError> {
        self.engine.stop(container, grace).await
    }
    async fn remove(&self, container: &str) -> Result<(), EngineError> {
        self.engine.remove(container).await
    }
    async fn probe(&self, container: &str, probe: &ProbeSpec) -> Result<ProbeAnswer, EngineError> {
        self.engine.probe(container, probe).await
    }
    async fn last_lines(&self, container: &str, lines: u32) -> Result<Vec<String>, EngineError> {
        self.engine.last_lines(container, lines).await
    }
    async fn wait_for_event(&self, estate: &EstateName, at_most: Duration) -> Result<(), EngineError> {
        self.engine.wait_for_event(estate, at_most).await
    }
    async fn holdings(&self, container: &str) -> Result<refit::data::Holdings, EngineError> {
        self.engine.holdings(container).await
    }
    async fn only_files(&self, container: &str, paths: Vec<String>) -> Result<Vec<String>, EngineError> {
        self.engine.only_files(container, paths).await
    }
}
