//! Hosts that die, go silent or have no room in the middle of a rollout.

#![allow(clippy::unwrap_used, reason = "a test")]

mod e2e;
mod lab;

use std::sync::Arc;

use e2e::{Container, Estate, side_by_side, until};
use lab::Lab;
use lab::load::get;

const HTTPD: &str = "CMD [\"httpd\", \"-f\", \"-p\", \"8080\", \"-h\", \"/www\"]\n";

fn image(version: &str) -> String {
    format!("FROM BASE\nRUN echo {version} > /www/version\n{HTTPD}")
}

fn pipeline(service: &str, monitor: &str, host_timeout: &str) -> String {
    format!(
        "images:\n  {service}: {{ build: images/{service} }}\nservices:\n  {service}:\n    image: {service}\n    init: true\n    \
         stop_grace_period: 1s\n    network_mode: none\n    healthcheck: {{ command: [\"test\", \"-e\", \"/www/version\"], interval: 200ms }}\n    \
         deploy: {{ hosts: \"pool=all\", update_config: {{ monitor: {monitor}, host_timeout: {host_timeout} }} }}\n"
    )
}

fn rewrite(estate: &Estate, name: &str, dockerfile: &str) {
    estate.write(&format!("images/{name}/Dockerfile"), &dockerfile.replace("BASE", &estate.base()));
}

fn expect_version(estate: &Estate, service: &str, version: &str) -> Vec<Container> {
    let containers = estate.expect_exactly(&[(service, 3, 1)]);
    for container in &containers {
        assert_eq!(estate.read_in(container, "/www/version"), version, "{container:?}");
    }
    containers
}

/// The scenarios of one lab go one after another here: what happens to a host happens to every estate on it.
#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn hosts_are_hurt_in_the_middle_of_a_rollout() {
    let Some(lab) = e2e::lab(3).await else { return };
    side_by_side(vec![(
        "killed, then cut off",
        Box::pin(async move {
            an_engine_is_killed_and_comes_back(lab.clone()).await;
            a_host_is_cut_off_for_too_long(lab).await;
        }),
    )])
    .await;
}

/// The engine of a slot in flight is killed and started again: the run waits for it and ends well.
async fn an_engine_is_killed_and_comes_back(lab: Arc<Lab>) {
    let estate = Estate::new(&lab, "killed", &pipeline("web", "1s", "60s"), &[("web", &image("v1"))]);
    estate.patch_base("one", "");
    estate.refit(&["rollout"]).expect_code(0);
    rewrite(&estate, "web", &image("v2"));
    let mut running = estate.begin(&["rollout"]);
    running.says("web@a/0: proven healthy").await;
    until("the slot on b to be in flight", || e2e::containers_on(estate.host(2), 2, "killed").iter().any(|one| one.release == 2)).await;
    estate.host(2).kill();
    estate.host(2).up();
    let ended = running.end();
    // An engine that starts again ends the containers that it had, before it begins them again: a new one that is seen just then has failed.
    if ended.code == Some(1) {
        ended.expect_said("ROLLED BACK").expect_said("web@b/0: its container exited with code 143");
        expect_version(&estate, "web", "v1");
        estate.refit(&["rollout", "--release", "2"]).expect_code(0);
    } else {
        ended.expect_code(0);
    }
    expect_version(&estate, "web", "v2");
    estate.refit(&["status"]).expect_code(0);
}

/// A host that is silent for longer than `host_timeout` before its turn is left behind; one whose new container was in flight turns the rollout.
/// Both converge when they are back.
async fn a_host_is_cut_off_for_too_long(lab: Arc<Lab>) {
    let estate = Estate::new(&lab, "cutoff", &pipeline("web", "2s", "3s"), &[("web", &image("v1"))]);
    estate.patch_base("one", "");
    estate.refit(&["rollout"]).expect_code(0);
    rewrite(&estate, "web", &image("v2"));
    let mut running = estate.begin(&["rollout"]);
    until("the slot on a to be in flight", || e2e::containers_on(estate.host(1), 1, "cutoff").iter().any(|one| one.release == 2)).await;
    // Two monitor times before its turn: by then it has been asked, and was silent.
    estate.host(3).cut_off();
    let ended = running.end().expect_code(3);
    assert!(ended.err.contains("host     c: left behind"), "{}", ended.err);
    let versions: Vec<u64> = estate.containers().iter().map(|one| one.release).collect();
    assert_eq!(versions, [2, 2, 1], "what was left behind runs what it ran");
    // While it is away nothing can be rolled to it; that is said before anything is touched.
    estate.refit(&["rollout", "--release", "1"]).expect_code(1).expect_said("nothing was changed on any host");
    estate.refit(&["converge"]).expect_code(3).expect_said("c is left out, it does not answer");
    estate.host(3).heal();
    // The network remembers for a moment that there was no way.
    until("every host to answer", || estate.refit(&["hosts"]).code == Some(0)).await;
    // Newer work waits for a rollout: a host that is back gets what the others have.
    rewrite(&estate, "web", &image("v2-and-more"));
    let shown = estate.refit(&["converge", "--dry-run"]).expect_code(0);
    assert!(shown.out.contains("c/0: runs r1; r2 is released"), "{}", shown.out);
    estate.refit(&["converge"]).expect_code(0);
    expect_version(&estate, "web", "v2");
    assert!(estate.refit(&["converge"]).expect_code(0).out.contains("Nothing to do"));

    // In flight: nobody can tell whether the new release silenced it, so the others go back.
    rewrite(&estate, "web", &image("v3"));
    running = estate.begin(&["rollout"]);
    running.says("web@a/0: proven healthy").await;
    until("the slot on b to be in flight", || e2e::containers_on(estate.host(2), 2, "cutoff").iter().any(|one| one.release == 3)).await;
    estate.host(2).cut_off();
    running.end().expect_code(1).expect_said("web@b/0: FAILED").expect_said("ROLLED BACK");
    estate.host(2).heal();
    until("every host to answer", || estate.refit(&["hosts"]).code == Some(0)).await;
    estate.refit(&["rollout"]).expect_code(0);
    expect_version(&estate, "web", "v2");
    estate.refit(&["history", "--verify"]).expect_code(0);
}

/// A host without room for the new image: one clear error, and what runs runs on.
#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_host_has_no_room_for_the_image() {
    let Some(lab) = e2e::lab_with_disks(1, Some(64)).await else { return };
    let pipeline = pipeline("web", "300ms", "10s").replace("network_mode: none", "ports: [\"8301:8080\"]");
    let estate = Estate::new(&lab, "fullup", &pipeline, &[("web", &image("v1"))]);
    estate.patch_base("one", "");
    estate.refit(&["rollout"]).expect_code(0);
    let before = estate.containers();

    let filler = estate.host(1).socket.parent().unwrap().join("data/filler");
    let _ = std::io::copy(&mut std::io::repeat(1), &mut std::fs::File::create(&filler).unwrap());
    rewrite(&estate, "web", &image("v2").replace("CMD", "RUN dd if=/dev/urandom of=/big bs=1M count=4 2>&1\nCMD"));
    let ended = estate.refit(&["rollout"]).expect_code(1).expect_said("nothing was changed on any host");
    assert!(ended.err.contains("a: ") && ended.err.to_lowercase().contains("no space left"), "{}", ended.err);
    assert!(ended.err.contains("free some") && ended.err.contains("system df"), "it says what to do: {}", ended.err);
    assert_eq!(estate.containers(), before);
    assert_eq!(get(&estate.addresses(8301)[0], "/version").await.as_deref(), Some("v1"));

    std::fs::remove_file(filler).unwrap();
    estate.refit(&["rollout"]).expect_code(0);
    assert_eq!(get(&estate.addresses(8301)[0], "/version").await.as_deref(), Some("v2"));
    estate.expect_exactly(&[("web", 1, 1)]);
}
