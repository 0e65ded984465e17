//! A whole run, told to a collector: what `OTEL_EXPORTER_OTLP_ENDPOINT` names gets a `POST /v1/traces` with the spans of the run, its builds, its rollouts
//! and their slots, each within the one that it belongs to. Needs the feature `otlp`; `make otlp` runs it.

#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub, dead_code, reason = "a test, which uses a part of the world of others")]

#[path = "it_driver/world.rs"]
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;

use crate::world::World;

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// What a collector was sent: method and path, kind, body.
type Heard = Arc<Mutex<Vec<(String, String, Bytes)>>>;

async fn take(State(heard): State<Heard>, request: Request) -> StatusCode {
    let (head, body) = request.into_parts();
    let kind = head.headers.get("content-type").map(|kind| kind.to_str().unwrap().to_owned()).unwrap_or_default();
    let body = axum::body::to_bytes(axum::body::Body::new(body), usize::MAX).await.unwrap();
    heard.lock().unwrap().push((format!("{} {}", head.method, head.uri.path()), kind, body));
    StatusCode::OK
}

/// A span, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Span {
    trace: Vec<u8>,
    id: Vec<u8>,
    parent: Vec<u8>,
    name: String,
    attributes: BTreeMap<String, String>,
}

/// The fields of a message that have a length, in their order. Source: Protocol Buffers, "Encoding".
fn fields(mut bytes: &[u8]) -> Vec<(u64, &[u8])> {
    fn varint(bytes: &mut &[u8]) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let (byte, rest) = bytes.split_first().expect("a whole number");
            *bytes = rest;
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                return value;
            }
        }
    }
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let length = match key & 7 {
            0 => {
                varint(&mut bytes);
                continue;
            }
            1 => 8,
            2 => usize::try_from(varint(&mut bytes)).unwrap(),
            5 => 4,
            other => panic!("wire type {other}"),
        };
        let (field, rest) = bytes.split_at(length);
        if key & 7 == 2 {
            found.push((key >> 3, field));
        }
        bytes = rest;
    }
    found
}

fn all(bytes: &[u8], number: u64) -> Vec<&[u8]> {
    fields(bytes).into_iter().filter(|(found, _)| *found == number).map(|(_, field)| field).collect()
}

fn one(bytes: &[u8], number: u64) -> &[u8] {
    all(bytes, number).first().copied().unwrap_or_default()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The spans of an export. Source: `opentelemetry/proto/trace/v1/trace.proto` and `common/v1/common.proto`.
fn spans(export: &[u8]) -> Vec<Span> {
    let scopes = all(export, 1).into_iter().flat_map(|resource| all(resource, 2));
    let spans = scopes.flat_map(|scope| all(scope, 2));
    let span = |span: &[u8]| Span {
        trace: one(span, 1).to_vec(),
        id: one(span, 2).to_vec(),
        parent: one(span, 4).to_vec(),
        name: text(one(span, 5)),
        attributes: all(span, 9).into_iter().map(|pair| (text(one(pair, 1)), text(one(one(pair, 2), 1)))).collect(),
    };
    spans.map(span).collect()
}

/// What a process of its own does for the test below: the environment of a process is its own.
#[test]
#[ignore = "run by the other one"]
fn one_rollout() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let telemetry = refit::telemetry::start(None, false, std::env::var_os(ENDPOINT).is_some());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async { World::rolled().await.check_that_all_was_released() });
    drop(telemetry);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_its_builds_and_its_slots_are_at_the_collector_that_the_environment_names() {
    let heard = Heard::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(take).with_state(heard.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "one_rollout", "--ignored", "--nocapture"]).env(ENDPOINT, endpoint).env_remove("http_proxy").env_remove("HTTP_PROXY");
    let ended = tokio::task::spawn_blocking(move || child.output()).await.unwrap().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));

    let exports = heard.lock().unwrap().clone();
    assert!(!exports.is_empty(), "{}", String::from_utf8_lossy(&ended.stderr));
    exports.iter().for_each(|(line, kind, _)| assert_eq!((line.as_str(), kind.as_str()), ("POST /v1/traces", "application/x-protobuf")));
    let spans: Vec<Span> = exports.iter().flat_map(|(_, _, body)| spans(body)).collect();
    let named = |name: &str| spans.iter().filter(|span| span.name == name).collect::<Vec<_>>();
    let of = |spans: &[&Span], field: &str| spans.iter().map(|span| span.attributes[field].clone()).collect::<BTreeSet<_>>();
    let (runs, builds, rollouts, slots) = (named("run"), named("build"), named("rollout"), named("slot"));
    assert_eq!(of(&runs, "run"), BTreeSet::from(["run-1".to_owned()]));
    assert_eq!((runs.len(), runs[0].parent.len()), (1, 0));
    assert_eq!(of(&builds, "image"), ["api", "base", "tools", "web"].map(str::to_owned).into());
    assert_eq!(of(&rollouts, "service"), ["api", "web"].map(str::to_owned).into());
    assert_eq!(of(&slots, "slot").len(), 6, "{:?}", of(&slots, "slot"));
    builds.iter().chain(&rollouts).for_each(|span| assert_eq!(span.parent, runs[0].id, "{span:?}"));
    slots.iter().for_each(|slot| assert!(rollouts.iter().any(|rollout| rollout.id == slot.parent), "{slot:?}"));
    assert!(spans.iter().all(|span| span.trace == runs[0].trace), "one run is one trace");
}
