//! The simulated engine keeps the promises of the edge.

use std::time::Duration;

use futures_util::stream;
use jiff::Timestamp;

use super::*;
use crate::edge::{BuildError, BuildProgress, BuildRequest, BuildStepSeen, Clock, ContextEntry, ContextFiles, Engine, EngineError, NewContainer};
use crate::model::{ContainerSpec, Digest, EstateName, ImageRef, ReleaseNumber, RunId, SlotId};
use crate::rollout::{ContainerState, Health, Version};

const START: Timestamp = Timestamp::constant(1_800_000_000, 0);

struct Nothing;

impl ContextFiles for Nothing {
    fn entries(&self) -> std::io::Result<Vec<ContextEntry>> {
        Ok(Vec::new())
    }
    fn open(&self, path: &str) -> std::io::Result<Box<dyn std::io::Read + Send>> {
        Err(std::io::Error::other(path.to_owned()))
    }
}

impl BuildProgress for Nothing {
    fn step(&self, _: BuildStepSeen) {}
    fn output(&self, _: &[u8]) {}
}

fn name(text: &str) -> ImageRef {
    text.parse().unwrap()
}

fn estate() -> EstateName {
    "shop".parse().unwrap()
}

fn engine() -> SimEngine {
    let engine = SimEngine::new("sim://h0", SimClock::new(START));
    engine.state().has_image(&name("base"), sim_image("base"));
    engine
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(START.as_second() + seconds).unwrap()
}

fn web(takes_over: Option<String>, release: u64) -> NewContainer {
    NewContainer {
        estate: estate(),
        slot: SlotId { service: "web".parse().unwrap(), host: "h0".parse().unwrap(), index: 0 },
        version: Version { release: ReleaseNumber(release), spec: Digest::of(&[release as u8]) },
        run: RunId(1),
        image: sim_image("base").id,
        spec: ContainerSpec::default(),
        takes_over,
        sole_writer_of: Vec::new(),
    }
}

fn request(dockerfile: &str) -> BuildRequest {
    BuildRequest {
        context: std::sync::Arc::new(Nothing),
        dockerfile: dockerfile.as_bytes().to_vec(),
        args: Default::default(),
        target: None,
        labels: Default::default(),
        secrets: Default::default(),
        platform: None,
        no_cache: false,
        network: None,
        extra_hosts: Vec::new(),
        tag: name("built"),
    }
}

#[tokio::test(start_paused = true)]
async fn an_effect_done_twice_is_done_once() {
    let engine = engine();
    let first = engine.start_new(&web(None, 1)).await.unwrap();
    assert_eq!(engine.start_new(&web(None, 1)).await.unwrap(), first);
    for _ in 0..2 {
        engine.stop(&first, Duration::ZERO).await.unwrap();
    }
    let second = engine.start_new(&web(Some(first.clone()), 2)).await.unwrap();
    for _ in 0..2 {
        engine.remove(&first).await.unwrap();
    }
    let left = engine.containers(&estate(), None).await.unwrap();
    assert_eq!(left.iter().map(|one| &one.id).collect::<Vec<_>>(), [&second]);
    let state = engine.state();
    assert_eq!(state.machine.volumes().len(), 1, "the second took the first one's volume over");
}

#[tokio::test(start_paused = true)]
async fn a_running_container_is_not_removed_and_others_estates_are_not_listed() {
    let engine = engine();
    let id = engine.start_new(&web(None, 1)).await.unwrap();
    assert!(matches!(engine.remove(&id).await, Err(EngineError::Refused { .. })));
    assert!(matches!(engine.start("nobody").await, Err(EngineError::Missing { .. })));
    assert!(engine.containers(&"other".parse().unwrap(), None).await.unwrap().is_empty());
    assert!(engine.containers(&estate(), Some(&"db".parse().unwrap())).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_has_its_effect_and_a_lost_call_has_none() {
    for (calls, replies, made) in [(100, 0, 0), (0, 100, 1)] {
        let engine = engine();
        engine.state().faults = Faults { calls_lost_percent: calls, replies_lost_percent: replies, ..Faults::default() };
        assert!(engine.start_new(&web(None, 1)).await.unwrap_err().is_silence());
        assert_eq!(engine.state().machine.containers().count(), made);
    }
}

#[tokio::test(start_paused = true)]
async fn an_engine_is_silent_for_a_while_and_takes_the_callers_time() {
    let engine = engine();
    let clock = SimClock::new(START);
    engine.state().faults.silent = vec![(at(0), at(4))];
    assert!(engine.info().await.unwrap_err().is_silence());
    assert!(clock.now() >= at(5) && clock.now() < at(6), "{}", clock.now());
    assert!(engine.info().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_refused_start_leaves_the_container_made() {
    let engine = engine();
    engine.state().faults.starts_refused = Some("port is already allocated".to_owned());
    let refused = engine.start_new(&web(None, 1)).await.unwrap_err();
    assert_eq!(refused.to_string(), "engine sim://h0 refused to start a container: port is already allocated");
    assert_eq!(engine.containers(&estate(), None).await.unwrap()[0].state, ContainerState::Created);
    engine.state().faults = Faults { disk_full: true, ..Faults::default() };
    assert!(matches!(engine.start_new(&web(None, 2)).await, Err(EngineError::DiskFull { .. })));
}

#[tokio::test(start_paused = true)]
async fn containers_follow_their_fate_in_virtual_time() {
    let engine = engine();
    let clock = SimClock::new(START);
    engine.state().fates = vec![FateRule { host: None, index: None, release: Some(ReleaseNumber(1)), fate: Fate::Exits(Duration::from_secs(3), 9) }];
    engine.start_new(&web(None, 1)).await.unwrap();
    let see = async || engine.containers(&estate(), None).await.unwrap().remove(0);
    assert!(matches!((see().await.state, see().await.health), (ContainerState::Running { .. }, Health::Healthy { .. })));
    clock.sleep(Duration::from_secs(3600)).await;
    assert!(matches!(see().await.state, ContainerState::Exited { code: 9, at: ended } if ended < at(4)));
}

#[tokio::test(start_paused = true)]
async fn the_same_inputs_build_the_same_image_and_others_build_others() {
    let engine = engine();
    let first = engine.build(request("FROM base\nRUN true"), &Nothing).await.unwrap();
    assert_eq!(engine.build(request("FROM base\nRUN true"), &Nothing).await.unwrap(), first);
    assert_ne!(engine.build(request("FROM base\nRUN other"), &Nothing).await.unwrap(), first);
    let labelled = BuildRequest { labels: [("run".to_owned(), "2".to_owned())].into(), ..request("FROM base\nRUN true") };
    let labelled = engine.build(labelled, &Nothing).await.unwrap();
    assert_ne!(labelled, first);
    let config = |id: Digest| engine.state().images[&id].config;
    assert_eq!(config(labelled), config(first), "labels are no content");
    for bad in ["FROM base\nRUN false", "FROM nobody", "RUN true"] {
        assert!(matches!(engine.build(request(bad), &Nothing).await, Err(BuildError::Failed { .. })), "{bad}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_image_is_carried_and_its_layers_may_be_left_out_only_where_they_are() {
    let from = engine();
    let id = from.build(request("FROM base\nRUN true"), &Nothing).await.unwrap();
    let bare = SimEngine::new("sim://h1", SimClock::new(START));
    bare.load(from.export(id).await.unwrap()).await.unwrap();
    assert_eq!(bare.image(&id.to_string()).await.unwrap(), from.image(&id.to_string()).await.unwrap());

    let image = from.state().images[&id].clone();
    let whole = super::image::save(&image).unwrap();
    let lacking = without_layer(&whole, &image.layers[0]);
    let load = async |engine: &SimEngine| engine.load(Box::pin(stream::iter([Ok(lacking.clone().into())]))).await;
    assert!(load(&engine()).await.is_ok());
    let refused = load(&SimEngine::new("sim://h2", SimClock::new(START))).await.unwrap_err();
    assert!(refused.to_string().contains("layer.tar: no such file"), "{refused}");
}

fn without_layer(whole: &[u8], layer: &Digest) -> Vec<u8> {
    let mut out = tar::Builder::new(Vec::new());
    for entry in tar::Archive::new(whole).entries().unwrap() {
        let entry = entry.unwrap();
        if !entry.path().unwrap().starts_with(layer.hex()) {
            out.append(&entry.header().clone(), entry).unwrap();
        }
    }
    out.into_inner().unwrap()
}

#[test]
fn chance_follows_from_the_seed() {
    let throw = |seed| {
        let mut faults = Faults { seed, ..Faults::default() };
        (0..1000).map(|_| faults.chance(30)).collect::<Vec<_>>()
    };
    assert_eq!(throw(7), throw(7));
    assert_ne!(throw(7), throw(8));
    let hits = throw(7).iter().filter(|hit| **hit).count();
    assert!((250..350).contains(&hits), "{hits}");
}
