//! Hosts and the daemon, on real engines: one that is away holds nobody up and is brought along when it is back, and what somebody removed runs again,
//! whatever else has to wait.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod e2e;
mod lab;

use e2e::daemon::Daemon;
use e2e::{Container, Estate, until, until_within};
use serde_json::{Value, json};

const PIPELINE: &str = r#"
images:
  web: { build: images/web }
services:
  web:
    image: web
    init: true
    network_mode: none
    stop_grace_period: 1s
    deploy: { hosts: "pool=all", update_config: { monitor: 300ms } }
"#;
const FREEZE: &str = "freeze: [ { from: 2000-01-01, to: 2999-01-01, reason: \"a long winter\" } ]\n";

/// Says at the daemon's socket that the base may have moved.
async fn moved(estate: &Estate) {
    let said = client(estate).post("http://refit/v1/triggers").json(&json!({ "base": estate.base() })).send().await.unwrap();
    assert_eq!(said.status(), 202, "{}", said.text().await.unwrap());
}

async fn get(estate: &Estate, path: &str) -> Value {
    client(estate).get(format!("http://refit{path}")).send().await.unwrap().error_for_status().unwrap().json().await.unwrap()
}

fn client(estate: &Estate) -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().unix_socket(estate.path(".refit/serve.sock")).build().unwrap()
}

/// Whether the containers on these hosts are one each, run, and stand on this level.
fn are(estate: &Estate, hosts: &[usize], level: &str) -> bool {
    let is_so = |one: &Container| {
        let said = estate.host(one.host).docker(&["exec", &one.id, "cat", "/etc/patch-level"]);
        one.is_running && said.is_ok_and(|said| said == level)
    };
    hosts.iter().all(|host| matches!(&e2e::containers_on(estate.host(*host), *host, "hosts")[..], [one] if is_so(one)))
}

fn runs(estate: &Estate) -> Vec<Value> {
    let history: Value = serde_json::from_str(&estate.refit(&["history", "--json"]).expect_code(0).out).unwrap();
    history["runs"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_host_that_is_away_and_a_freeze_keep_nothing_from_what_can_be_done() {
    let Some(lab) = e2e::lab(2).await else { return };
    let estate = Estate::new(&lab, "hosts", PIPELINE, &[("web", "FROM BASE\nCMD [\"sleep\", \"100000\"]\n")]);
    estate.patch_base("one", "");
    estate.refit(&["rollout"]).expect_code(0);
    let args = ["serve", "--offline", "--listen", "127.0.0.1:0", "--debounce", "0s", "--drift-every", "1s"];
    let mut daemon = Daemon::serve(&estate, &args, &[]).await;
    a_silent_host_is_left_behind_and_brought_along(&estate, &mut daemon).await;
    what_was_removed_runs_again_in_a_freeze(&estate, &mut daemon).await;
    daemon.stop();
    estate.refit(&["history", "--verify"]).expect_code(0);
}

async fn a_silent_host_is_left_behind_and_brought_along(estate: &Estate, daemon: &mut Daemon) {
    estate.host(2).kill();
    estate.patch_base("two", "");
    moved(estate).await;
    until_within("the host that is there to be on two", std::time::Duration::from_secs(180), || are(estate, &[1], "two")).await;
    daemon.says("left behind, and repaired when they are back").await;
    until("the run to be over", || runs(estate).iter().all(|run| !run["ended_at"].is_null())).await;
    estate.host(2).up();
    until("both hosts to be on two", || are(estate, &[1, 2], "two")).await;
    until("the repair to be over", || runs(estate).iter().all(|run| run["outcome"]["how"] == "done")).await;
    assert_eq!(runs(estate)[0]["change"], "drift");
}

/// The base that moved waits until the freeze is over; what was released is put in its place again all the same.
async fn what_was_removed_runs_again_in_a_freeze(estate: &Estate, daemon: &mut Daemon) {
    estate.pipeline(&(PIPELINE.to_owned() + FREEZE));
    daemon.says("the new estate is in force").await;
    estate.patch_base("three", "");
    moved(estate).await;
    let before = runs(estate).len();
    let gone = estate.containers().into_iter().find(|one| one.host == 1).unwrap();
    estate.host(1).docker(&["rm", "-f", &gone.id]).unwrap();
    until("what was removed to run again", || are(estate, &[1, 2], "two")).await;
    until("the repair to be over", || runs(estate).len() == before + 1 && runs(estate)[0]["outcome"]["how"] == "done").await;
    let standing = get(estate, "/v1/standing").await;
    assert_eq!(standing["waiting"].as_array().unwrap().len(), 1, "{standing:#}");
    assert!(standing["standing"]["why"].as_str().unwrap().contains("a long winter"), "{standing:#}");
}
