//! The edge's promises about hosts, kept by real engines: containers, networks, volumes, health, images on their way, silence, and every road.
//!
//! Without an engine these fail and say how to get one; `REFIT_NO_ENGINE=1` leaves them out, and says so.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "this whole target is a test")]

#[path = "../lab/mod.rs"]
mod lab;

mod carrying;
mod health;
mod life;
mod odd_engine;
mod roads;
mod spec;
mod trouble;
mod wiring;

use lab::{Lab, LabHost};
use refit::edge::docker::DockerEngine;
use refit::edge::{Engine, NewContainer};
use refit::model::{ContainerSpec, Digest, ReleaseNumber, RunId, SlotId};
use refit::pipeline::Endpoint;
use refit::rollout::Version;

const BASE: &str = "os:stable";

/// Hosts with engines of their own. On an engine that somebody uses these tests would meet, and leave, what is not theirs.
async fn hosts(count: u32) -> Option<Lab> {
    Lab::separate_hosts(count, None).await
}

/// A host's engine as refit reaches it over the network.
fn engine(host: &LabHost) -> DockerEngine {
    DockerEngine::new(Endpoint::Tcp { host: host.address.clone(), port: 2375, tls: None }).unwrap()
}

/// A container of the estate `shop` at the slot web@host-1/0, of a version that is called `version`, that sleeps and heeds SIGTERM.
fn new(image: &str, version: &str) -> NewContainer {
    let words = ["sleep", "1000"].map(str::to_owned).to_vec();
    NewContainer {
        estate: "shop".parse().unwrap(),
        slot: SlotId { service: "web".parse().unwrap(), host: "host-1".parse().unwrap(), index: 0 },
        version: Version { release: ReleaseNumber(7), spec: Digest::of(version.as_bytes()) },
        run: RunId(3),
        image: image.parse().unwrap(),
        spec: ContainerSpec { command: Some(words), init: Some(true), ..ContainerSpec::default() },
        takes_over: None,
        sole_writer_of: Vec::new(),
    }
}

/// One value of an inspection, by a Go template.
fn inspect(host: &LabHost, thing: &str, template: &str) -> String {
    host.docker(&["inspect", "--format", template, thing]).unwrap()
}

/// An inspection as a whole.
fn inspect_all(host: &LabHost, thing: &str) -> serde_json::Value {
    serde_json::from_str(&host.docker(&["inspect", "--format", "{{json .}}", thing]).unwrap()).unwrap()
}

/// All containers of the estate.
async fn found(engine: &dyn Engine) -> Vec<refit::edge::ContainerFound> {
    engine.containers(&"shop".parse().unwrap(), None).await.unwrap()
}
