//! One run over many services on real engines: the last of them does not bear the patched base, so all of them go back, most recent first, under
//! load; and nothing applies that base again until somebody says so or something newer comes.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

mod e2e;
mod lab;

use std::time::Duration;

use e2e::Estate;
use lab::Load;
use lab::load::get;
use serde_json::Value;

/// `mail` depends on `store`; by name alone it would come first.
const PIPELINE: &str = r#"
images:
  base: { build: images/base }
  mail: { build: images/mail }
  store: { build: images/store }
  web: { build: images/web }
x-common: &common
  init: true
  stop_grace_period: 1s
  healthcheck: { http: "GET :8080/version", interval: 100ms, timeout: 1s, retries: 3, start_period: 20s }
  deploy: { hosts: "pool=all", update_config: { monitor: 300ms } }
services:
  mail: { <<: *common, image: mail, ports: ["8301:8080"], depends_on: { store: { condition: service_healthy } } }
  store: { <<: *common, image: store, ports: ["8302:8080"] }
  web: { <<: *common, image: web, ports: ["8303:8080"] }
"#;
const SERVER: &str = "FROM base\nRUN cp /etc/patch-level /www/version\nCMD [\"httpd\", \"-f\", \"-p\", \"8080\", \"-h\", \"/www\"]\n";
/// Serves on any base but a bad one.
const FASTIDIOUS: &str = "FROM base\nRUN cp /etc/patch-level /www/version\n\
    CMD [\"sh\", \"-c\", \"grep -q bad /etc/patch-level && { echo cannot bear this base; exit 3; }; exec httpd -f -p 8080 -h /www\"]\n";

/// The services in the order in which the newest run began to roll them, and to take them back: `store mail web <mail <store`.
fn order(estate: &Estate) -> String {
    let began = estate.events("").into_iter().filter(|event| event["event"] == "rollout_began");
    let word = |event: Value| {
        let back = if event["way"].is_object() { "<" } else { "" };
        format!("{back}{}", event["desired"]["service"].as_str().unwrap())
    };
    began.map(word).collect::<Vec<_>>().join(" ")
}

async fn expect_all(estate: &Estate, level: &str) {
    estate.expect_exactly(&[("mail", 2, 1), ("store", 2, 1), ("web", 2, 1)]);
    for (service, port) in [("mail", 8301), ("store", 8302), ("web", 8303)] {
        estate.expect_level(service, level);
        for address in estate.addresses(port) {
            assert_eq!(get(&address, "/version").await.as_deref(), Some(level), "{service} at {address}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_base_that_one_service_cannot_bear_goes_back_everywhere() {
    let Some(lab) = e2e::lab(2).await else { return };
    let images = [("base", "FROM BASE\nRUN echo base\n"), ("mail", SERVER), ("store", SERVER), ("web", FASTIDIOUS)];
    let estate = Estate::new(&lab, "together", PIPELINE, &images);
    estate.patch_base("one", "");
    estate.refit(&["rollout"]).expect_code(0);
    assert_eq!(order(&estate), "store mail web", "what a service depends on rolls first");
    expect_all(&estate, "one").await;

    estate.patch_base("bad", "");
    estate.refit(&["plan"]).expect_code(0).expect_said("back to r1, if it fails").expect_said("after store (healthy)");
    let loads = [8301, 8302, 8303].map(|port| Load::begin(estate.addresses(port), "/version", Duration::from_millis(40)));
    let ended = estate.refit(&["rollout"]).expect_code(1).expect_said("web failed").expect_said("cannot bear this base");
    for load in loads {
        let report = load.stop().await;
        eprintln!("all back, under load: {report:?}");
        assert!(report.all() > 50 && report.failed * 50 <= report.all(), "one of two hosts served at every moment: {report:?}");
    }
    assert_eq!(order(&estate), "store mail web <mail <store", "{}", ended.err);
    expect_all(&estate, "one").await;
    estate.refit(&["status"]).expect_code(0).expect_said("all healthy and as released");

    // Nobody applies it again by himself.
    let held = "r2 is in quarantine";
    estate.refit(&["plan"]).expect_code(0).expect_said(held).expect_said("store stays on r1").expect_said("refit release r2 --unquarantine");
    estate.refit(&["rollout"]).expect_code(0).expect_said(held);
    estate.refit(&["rollout", "--base", &estate.base()]).expect_code(0).expect_said("came with r2");
    expect_all(&estate, "one").await;
    estate.refit(&["release"]).expect_code(0).expect_said("web failed (run-2)");
    estate.refit(&["release", "r2"]).expect_code(0).expect_said("in quarantine: web failed").expect_said("together/os:stable");
    estate.refit(&["release", "r1", "--unquarantine"]).expect_code(2).expect_said("r1 is not in quarantine").expect_said("in quarantine are: r2");
    estate.refit(&["release", "r9"]).expect_code(2).expect_said("there is no release r9");

    // A person may have it tried again; it is still bad.
    estate.refit(&["release", "r2", "--unquarantine"]).expect_code(0);
    estate.refit(&["rollout"]).expect_code(1).expect_said("web failed");
    assert_eq!(order(&estate), "store mail web <mail <store");
    expect_all(&estate, "one").await;

    // Something newer comes.
    estate.patch_base("three", "");
    estate.refit(&["rollout"]).expect_code(0);
    expect_all(&estate, "three").await;
    estate.refit(&["history", "--verify"]).expect_code(0);
}
