//! A [`Machine`] and some images behind the [`Engine`] trait, with the faults of a network in between.

use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use jiff::Timestamp;

use super::deed::{Deed, Deeds, Hits, What};
use super::fate::fate_of;
use super::image::{build, chains, load, save};
use super::machine::{Machine, New, Refusal};
use super::{Fate, FateRule, Faults, SimClock};
use crate::data::{Adopted, Adoption, Change, ChangeKind, Holdings, MountSeen};
use crate::edge::{
    BuildError, BuildProgress, BuildRequest, ByteStream, Clock, ContainerFound, Engine, EngineError, EngineInfo, ImageSeen, Made, NewContainer,
    ProbeAnswer, SnapshotSeen, TestEnd, TestRun, VolumeCopied, VolumeCopy, labels,
};
use crate::model::{Digest, EstateName, ImageRef, ProbeSpec, ServiceName};
use crate::prune::{ImageThere, Owner, Piece, Stock};
use crate::rollout::{ContainerState, Health, NetworkSeen};

/// One simulated engine. Clones are the same engine.
#[derive(Clone)]
pub struct SimEngine {
    endpoint: String,
    clock: SimClock,
    state: Arc<Mutex<SimState>>,
}

/// What a simulated engine has, for tests to set up and to look into.
#[derive(Default)]
pub struct SimState {
    /// Its containers.
    pub machine: Machine,
    /// Its images by id.
    pub images: BTreeMap<Digest, Box<ImageSeen>>,
    /// Names of images, in their normal form.
    pub names: BTreeMap<String, Digest>,
    /// What its registry has, by normal name.
    pub registry: BTreeMap<String, ImageSeen>,
    /// What becomes of containers that are made from now on.
    pub fates: Vec<FateRule>,
    /// How long a build takes.
    pub build_takes: Duration,
    /// Every build that came to an image, by the name that was asked for.
    pub built: Vec<ImageRef>,
    /// What refit's own probes are answered, by the container's id: the engine knows nothing of it, and calls the container well.
    pub unwell: BTreeMap<String, String>,
    /// Files that containers wrote outside their volumes, by the container's id.
    pub written: BTreeMap<String, Vec<String>>,
    /// Where containers have anonymous volumes, by the container's id. They move on to whoever takes its place.
    pub anonymous: BTreeMap<String, Vec<String>>,
    /// What is in its named volumes, each as one text.
    pub volumes: BTreeMap<String, String>,
    /// The labels of volumes that refit made.
    pub volume_labels: BTreeMap<String, BTreeMap<String, String>>,
    /// The networks that it says every container has; none: it does not tell.
    pub networks: Option<Vec<NetworkSeen>>,
    /// What goes wrong.
    pub faults: Faults,
    /// How often it went wrong.
    pub hits: Hits,
    /// What was done to its containers through the engine, if somebody wants to know.
    pub deeds: Deeds,
}

impl SimState {
    /// Gives the engine an image under a name.
    pub fn has_image(&mut self, reference: &ImageRef, image: ImageSeen) {
        self.names.insert(reference.to_string(), image.id);
        self.images.insert(image.id, Box::new(image));
    }

    fn find(&self, reference: &str) -> Option<ImageSeen> {
        let by_id = reference.parse::<Digest>().ok();
        let by_name = || reference.parse::<ImageRef>().ok().and_then(|name| self.names.get(&name.to_string()).copied());
        by_id.or_else(by_name).and_then(|id| self.images.get(&id)).map(|image| (**image).clone())
    }

    fn listed(&self, image: &ImageSeen, estate: &EstateName) -> ImageThere {
        let owner = match image.labels.get(labels::ESTATE) {
            Some(other) if other == estate.as_str() => Owner::Us,
            Some(_) => Owner::Another,
            None => Owner::Nobody,
        };
        let named = self.names.iter().filter(|(_, id)| **id == image.id).filter_map(|(name, _)| name.parse().ok());
        let layers = image.layers.len().max(1) as u64;
        ImageThere {
            id: image.id,
            names: named.collect(),
            pulled: !image.repo_digests.is_empty(),
            owner,
            size: image.size,
            pieces: image.layers.iter().map(|layer| Piece { key: *layer, bytes: image.size / layers }).collect(),
        }
    }

    fn chains(&self) -> BTreeSet<Digest> {
        self.images.values().flat_map(|image| chains(image)).collect()
    }

    /// Makes a container, unless it is there.
    fn make(&mut self, new: &NewContainer, now: Timestamp) -> String {
        let fate = fate_of(&self.fates, &new.slot, new.version.release).unwrap_or(Fate::Healthy(Duration::ZERO));
        let made_before = self.machine.made();
        let id = self.machine.create_once(as_new(new, fate), now);
        if self.machine.made() > made_before
            && let Some(made) = self.machine.container(&id)
        {
            self.deeds.note(|| Deed { at: now, container: id.clone(), what: What::Made(Box::new(made.clone())) });
            if let Some(places) = new.takes_over.as_ref().and_then(|old| self.anonymous.get(old)).cloned() {
                self.anonymous.insert(id.clone(), places);
            }
        }
        id
    }

    fn start(&mut self, id: &str, now: Timestamp) -> Result<(), Refusal> {
        self.change(id, now, What::Started, |machine| machine.start(id, now))
    }

    fn stop(&mut self, id: &str, now: Timestamp) -> Result<(), Refusal> {
        self.change(id, now, What::Stopped, |machine| machine.stop(id, now))
    }

    fn remove(&mut self, id: &str, now: Timestamp) -> Result<(), Refusal> {
        self.change(id, now, What::Removed, |machine| machine.remove(id, now))
    }

    /// Does something to a container, and notes it as a deed if it changed anything.
    fn change(&mut self, id: &str, now: Timestamp, what: What, work: impl FnOnce(&mut Machine) -> Result<(), Refusal>) -> Result<(), Refusal> {
        let is_up = |machine: &Machine| machine.container(id).map(|one| one.is_up(now));
        let before = is_up(&self.machine);
        work(&mut self.machine)?;
        if before != is_up(&self.machine) {
            self.deeds.note(|| Deed { at: now, container: id.to_owned(), what });
        }
        Ok(())
    }
}

/// A call on its way to an engine. When refit dies, what is on the wire may get there all the same, and nobody hears the answer.
struct OnTheWire<'a, T, F: FnOnce(&mut SimState, Timestamp) -> Result<T, EngineError>> {
    engine: &'a SimEngine,
    effect: Option<F>,
    reply: PhantomData<fn() -> T>,
}

impl<T, F: FnOnce(&mut SimState, Timestamp) -> Result<T, EngineError>> Drop for OnTheWire<'_, T, F> {
    fn drop(&mut self) {
        let Some(effect) = self.effect.take() else { return };
        let mut state = self.engine.state();
        let percent = state.faults.orphans_percent;
        // Without this fault no die is thrown, so that it changes no other story.
        if percent == 0 {
            return;
        }
        let now = self.engine.clock.now();
        if !state.faults.is_silent(now) && state.faults.chance(percent) {
            state.hits.orphans += 1;
            let _ = effect(&mut state, now);
        }
    }
}

impl SimEngine {
    /// An engine without images and containers.
    pub fn new(endpoint: &str, clock: SimClock) -> Self {
        Self { endpoint: endpoint.to_owned(), clock, state: Arc::default() }
    }

    /// What the engine has. Never hold it over an `await`.
    pub fn state(&self) -> MutexGuard<'_, SimState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One call: there, the effect, and back; each way may fail, and then nobody here knows whether there was an effect.
    async fn call<T>(&self, effect: impl FnOnce(&mut SimState, Timestamp) -> Result<T, EngineError>) -> Result<T, EngineError> {
        let (latency, call_timeout) = {
            let state = self.state();
            (state.faults.latency.max(Duration::from_millis(1)), state.faults.call_timeout)
        };
        let mut wire = OnTheWire { engine: self, effect: Some(effect), reply: PhantomData };
        self.clock.sleep(latency).await;
        let reply = wire.effect.take().and_then(|effect| self.arrive(effect));
        match reply {
            Some(reply) => reply,
            None => {
                self.clock.sleep(call_timeout).await;
                Err(EngineError::Silent { endpoint: self.endpoint.clone(), why: "simulated: timed out".to_owned() })
            }
        }
    }

    /// The effect of a call, and its reply if that comes back.
    fn arrive<T>(&self, effect: impl FnOnce(&mut SimState, Timestamp) -> T) -> Option<T> {
        let now = self.clock.now();
        let mut state = self.state();
        let (calls_lost, replies_lost) = (state.faults.calls_lost_percent, state.faults.replies_lost_percent);
        state.hits.calls += 1;
        if state.faults.is_silent(now) {
            state.hits.silent += 1;
            return None;
        }
        if state.faults.chance(calls_lost) {
            state.hits.calls_lost += 1;
            return None;
        }
        let reply = effect(&mut state, now);
        let is_lost = state.faults.chance(replies_lost);
        state.hits.replies_lost += u64::from(is_lost);
        (!is_lost).then_some(reply)
    }

    fn refused(&self, what: &str, why: impl ToString) -> EngineError {
        EngineError::Refused { endpoint: self.endpoint.clone(), what: what.to_owned(), why: why.to_string() }
    }

    fn missing(&self, what: impl ToString) -> EngineError {
        EngineError::Missing { endpoint: self.endpoint.clone(), what: what.to_string() }
    }

    fn said_no(&self, what: &str, refusal: Refusal) -> EngineError {
        match refusal {
            Refusal::Missing(id) => self.missing(format!("container {id}")),
            Refusal::Runs(_) => self.refused(what, refusal),
        }
    }

    fn check_disk(&self, state: &mut SimState, what: &str) -> Result<(), EngineError> {
        if !state.faults.disk_full {
            return Ok(());
        }
        state.hits.disk_full += 1;
        Err(EngineError::DiskFull { endpoint: self.endpoint.clone(), what: what.to_owned() })
    }

    fn check_starts(&self, state: &mut SimState, what: &str) -> Result<(), EngineError> {
        let Some(why) = state.faults.starts_refused.clone() else { return Ok(()) };
        state.hits.refused += 1;
        Err(self.refused(what, why))
    }

    /// The container's own word about itself, as far as it can be asked.
    fn health(&self, state: &SimState, container: &str, now: Timestamp) -> Result<Health, EngineError> {
        match state.machine.container(container).map(|one| one.at(now)) {
            None => Err(self.missing(format!("container {container}"))),
            Some((ContainerState::Running { .. }, health)) => Ok(health),
            Some(_) => Ok(Health::Unhealthy { why: "connection refused".to_owned() }),
        }
    }
}

#[async_trait]
impl Engine for SimEngine {
    async fn info(&self) -> Result<EngineInfo, EngineError> {
        let text = str::to_owned;
        self.call(|_, _| {
            Ok(EngineInfo {
                id: self.endpoint.clone(),
                version: text("simulated"),
                api: text("1.41"),
                platform: text("linux/amd64"),
                storage: text("memory"),
                cpus: 2,
            })
        })
        .await
    }

    async fn image(&self, reference: &str) -> Result<Option<ImageSeen>, EngineError> {
        self.call(|state, _| Ok(state.find(reference))).await
    }

    async fn image_ids(&self) -> Result<BTreeSet<Digest>, EngineError> {
        self.call(|state, _| Ok(state.images.keys().copied().collect())).await
    }

    async fn pull(&self, reference: &ImageRef) -> Result<ImageSeen, EngineError> {
        self.call(|state, _| {
            self.check_disk(state, "pull")?;
            let image = state.registry.get(&reference.to_string()).cloned().ok_or_else(|| self.missing(format!("image {reference}")))?;
            state.has_image(reference, image.clone());
            Ok(image)
        })
        .await
    }

    async fn tag(&self, id: Digest, reference: &ImageRef) -> Result<(), EngineError> {
        self.call(|state, _| {
            let image = state.images.get(&id).cloned().ok_or_else(|| self.missing(format!("image {id}")))?;
            state.has_image(reference, *image);
            Ok(())
        })
        .await
    }

    async fn untag(&self, reference: &ImageRef) -> Result<(), EngineError> {
        self.call(|state, _| {
            let Some(id) = state.names.remove(&reference.to_string()) else { return Ok(()) };
            let is_used = state.names.values().any(|other| *other == id) || state.machine.containers().any(|one| one.image == id);
            if !is_used {
                state.images.remove(&id);
            }
            Ok(())
        })
        .await
    }

    async fn stock(&self, estate: &EstateName) -> Result<Stock, EngineError> {
        self.call(|state, _| {
            let images = state.images.values().map(|image| state.listed(image, estate)).collect();
            Ok(Stock { images, containers: state.machine.containers().map(|one| (one.id.clone(), one.image)).collect() })
        })
        .await
    }

    async fn remove_image(&self, id: Digest, names: &[ImageRef]) -> Result<(), EngineError> {
        self.call(|state, _| {
            if state.machine.containers().any(|one| one.image == id) {
                return Err(self.refused("remove an image", "a container is made of it"));
            }
            for name in names {
                state.names.remove(&name.to_string());
            }
            if !state.names.values().any(|other| *other == id) {
                state.images.remove(&id);
            }
            Ok(())
        })
        .await
    }

    async fn build(&self, request: BuildRequest, progress: &dyn BuildProgress) -> Result<Digest, BuildError> {
        progress.turn().wait().await;
        progress.output(b"simulated build\n");
        let takes = self.state().build_takes;
        self.clock.sleep(takes).await;
        let built = self.call(|state, _| {
            self.check_disk(state, "build")?;
            let built = build(&request, |reference| state.find(reference));
            if let Ok(image) = &built {
                state.has_image(&request.tag, image.clone());
                state.built.push(request.tag.clone());
            }
            Ok(built.map(|image| image.id))
        });
        built.await?
    }

    async fn run_test(&self, test: &TestRun) -> Result<TestEnd, EngineError> {
        self.call(|state, _| {
            state.images.get(&test.image).ok_or_else(|| self.missing(format!("image {}", test.image)))?;
            let is_false = test.command.first().is_some_and(|word| word == "false");
            Ok(TestEnd { code: Some(i64::from(is_false)), last_lines: Vec::new() })
        })
        .await
    }

    async fn layer_chains(&self) -> Result<Vec<Digest>, EngineError> {
        self.call(|state, _| Ok(state.chains().into_iter().collect())).await
    }

    async fn export(&self, id: Digest) -> Result<ByteStream, EngineError> {
        let bytes = self.call(|state, _| {
            let image = state.images.get(&id).ok_or_else(|| self.missing(format!("image {id}")))?;
            save(image).map_err(|error| self.refused("export", error))
        });
        let chunks: Vec<_> = bytes.await?.chunks(700).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        Ok(Box::pin(stream::iter(chunks)))
    }

    async fn load(&self, mut image: ByteStream) -> Result<(), EngineError> {
        let mut bytes = Vec::new();
        while let Some(chunk) = image.next().await {
            bytes.extend(chunk.map_err(|error| self.refused("load", error))?);
        }
        self.call(|state, _| {
            self.check_disk(state, "load")?;
            let image = load(&bytes, &state.chains()).map_err(|why| self.refused("load", why))?;
            state.images.insert(image.id, Box::new(image));
            Ok(())
        })
        .await
    }

    async fn containers(&self, estate: &EstateName, service: Option<&ServiceName>) -> Result<Vec<ContainerFound>, EngineError> {
        self.call(|state, now| {
            let is_meant =
                |one: &&super::SimContainer| one.estate.as_ref() == Some(estate) && service.is_none_or(|service| one.slot.service == *service);
            Ok(state.machine.containers().filter(is_meant).map(|one| found(one, state, now)).collect())
        })
        .await
    }

    async fn time(&self) -> Result<Option<Timestamp>, EngineError> {
        self.call(|state, now| Ok(Some(state.faults.clock.told(now)))).await
    }

    async fn start_new(&self, new: &NewContainer) -> Result<String, EngineError> {
        self.call(|state, now| {
            self.check_disk(state, "create a container")?;
            if !state.images.contains_key(&new.image) {
                state.hits.image_missing += 1;
                return Err(self.missing(format!("image {}", new.image)));
            }
            let id = state.make(new, now);
            // As with a real engine, the container is made by the time that its start is refused.
            self.check_starts(state, "start a container")?;
            state.start(&id, now).map_err(|no| self.said_no("start a container", no))?;
            Ok(id)
        })
        .await
    }

    async fn make(&self, new: &NewContainer) -> Result<Made, EngineError> {
        self.call(|state, now| {
            self.check_disk(state, "create a container")?;
            if !state.images.contains_key(&new.image) {
                state.hits.image_missing += 1;
                return Err(self.missing(format!("image {}", new.image)));
            }
            let id = state.make(new, now);
            let seen = state.machine.container(&id).map(|one| one.at(now).0);
            let is_up = matches!(seen, Some(ContainerState::Running { .. } | ContainerState::Restarting { .. } | ContainerState::Paused));
            Ok(Made { id, is_up, has_run: seen != Some(ContainerState::Created) })
        })
        .await
    }

    async fn start(&self, container: &str) -> Result<(), EngineError> {
        self.call(|state, now| {
            self.check_starts(state, "start a container")?;
            state.start(container, now).map_err(|no| self.said_no("start a container", no))
        })
        .await
    }

    async fn stop(&self, container: &str, grace: Duration) -> Result<(), EngineError> {
        let takes = self.state().faults.stop_takes.min(grace);
        if !takes.is_zero() {
            self.clock.sleep(takes).await;
        }
        self.call(|state, now| match state.stop(container, now) {
            // What is not there does not run.
            Ok(()) | Err(Refusal::Missing(_)) => Ok(()),
            Err(no) => Err(self.said_no("stop a container", no)),
        })
        .await
    }

    async fn remove(&self, container: &str) -> Result<(), EngineError> {
        self.call(|state, now| state.remove(container, now).map_err(|no| self.said_no("remove a container", no))).await
    }

    async fn probe(&self, container: &str, _probe: &ProbeSpec) -> Result<ProbeAnswer, EngineError> {
        self.call(|state, now| {
            if let Some(why) = state.unwell.get(container) {
                return Ok(ProbeAnswer::Unwell(why.clone()));
            }
            Ok(match self.health(state, container, now)? {
                Health::Healthy { .. } => ProbeAnswer::Well,
                Health::Starting => ProbeAnswer::Unwell("simulated: not ready".to_owned()),
                Health::Unhealthy { why } => ProbeAnswer::Unwell(why),
            })
        })
        .await
    }

    async fn last_lines(&self, container: &str, _lines: u32) -> Result<Vec<String>, EngineError> {
        self.call(|state, now| Ok(vec![format!("simulated: {:?}", self.health(state, container, now)?)])).await
    }

    async fn wait_for_event(&self, _estate: &EstateName, at_most: Duration) -> Result<(), EngineError> {
        // Events are a convenience that may be late: whoever relies on them alone is found out here.
        self.clock.sleep(at_most).await;
        self.call(|_, _| Ok(())).await
    }

    async fn holdings(&self, container: &str) -> Result<Holdings, EngineError> {
        self.call(|state, _| {
            let one = state.machine.containers().find(|one| one.id == container).ok_or_else(|| self.missing(format!("container {container}")))?;
            let places = state.anonymous.get(container).cloned().unwrap_or_default();
            let mounts = places.into_iter().map(|target| MountSeen { target, anonymous: Some(one.volume.clone()) });
            let written = state.written.get(container).cloned().unwrap_or_default();
            let changes = written.into_iter().map(|path| Change { kind: ChangeKind::Added, path });
            Ok(Holdings { changes: changes.collect(), mounts: mounts.collect() })
        })
        .await
    }

    async fn adopt(&self, from: &str, into: Option<&str>, adoption: &Adoption) -> Result<Adopted, EngineError> {
        self.call(|state, _| {
            let written = state.written.get(from).cloned().unwrap_or_default();
            let moves: Vec<String> = written.into_iter().filter(|path| adoption.takes(path)).collect();
            // In this world every file is as long as its name.
            let (files, bytes) = (moves.len() as u64, moves.iter().map(|path| path.len() as u64).sum());
            if bytes > adoption.bytes_max {
                return Err(self.refused("copy files", format!("they are more than {} bytes", adoption.bytes_max)));
            }
            if let Some(into) = into {
                state.written.entry(into.to_owned()).or_default().extend(moves);
            }
            Ok(Adopted { files, bytes })
        })
        .await
    }

    async fn copy_volume(&self, copy: &VolumeCopy) -> Result<Option<VolumeCopied>, EngineError> {
        self.call(|state, _| {
            self.check_disk(state, "copy a volume")?;
            let Some(content) = state.volumes.get(&copy.from).cloned() else { return Ok(None) };
            let copied = VolumeCopied { files: 1, bytes: content.len() as u64, hash: Digest::of(content.as_bytes()) };
            state.volumes.insert(copy.to.clone(), content);
            state.volume_labels.entry(copy.to.clone()).or_insert_with(|| copy.labels.clone());
            Ok(Some(copied))
        })
        .await
    }

    async fn snapshots(&self, estate: &EstateName) -> Result<Vec<SnapshotSeen>, EngineError> {
        self.call(|state, _| {
            let seen = state.volume_labels.iter().filter(|(_, own)| own.get(labels::ESTATE).is_some_and(|own| own == estate.as_str()));
            Ok(seen.filter_map(|(name, own)| SnapshotSeen::read(name, |key| own.get(key).cloned())).collect())
        })
        .await
    }

    async fn only_files(&self, _container: &str, paths: Vec<String>) -> Result<Vec<String>, EngineError> {
        self.call(|_, _| Ok(paths)).await
    }
}

fn as_new(new: &NewContainer, fate: Fate) -> New {
    New {
        estate: Some(new.estate.clone()),
        name: new.name(),
        slot: new.slot.clone(),
        version: new.version.clone(),
        run: new.run,
        image: new.image,
        takes_over: new.takes_over.clone(),
        fate,
    }
}

/// A container as the engine tells of it, every moment by the engine's own clock.
fn found(one: &super::SimContainer, engine: &SimState, now: Timestamp) -> ContainerFound {
    let clock = &engine.faults.clock;
    let (state, health) = one.at(now);
    let state = match state {
        ContainerState::Running { since, restarts } => ContainerState::Running { since: clock.told(since), restarts },
        ContainerState::Exited { code, at } => ContainerState::Exited { code, at: clock.told(at) },
        other => other,
    };
    let health = match health {
        Health::Healthy { since } => Health::Healthy { since: clock.told(since) },
        other => other,
    };
    ContainerFound {
        id: one.id.clone(),
        name: one.name.clone(),
        slot: one.slot.clone(),
        version: one.version.clone(),
        run: one.run,
        image: one.image,
        state,
        health,
        created_at: clock.told(one.created_at),
        published: BTreeMap::new(),
        networks: engine.networks.clone(),
        anonymous: engine.anonymous.get(&one.id).cloned().unwrap_or_default(),
    }
}
