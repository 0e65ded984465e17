//! A host is emptied, left alone, and used again.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

mod e2e;
mod lab;

use e2e::{Container, Estate};

const PIPELINE: &str = r#"
images:
  app: { build: images/app }
services:
  web:
    image: app
    init: true
    stop_grace_period: 1s
    network_mode: none
    volumes: ["/files"]
    depends_on: { db: { condition: service_healthy } }
    deploy: { hosts: "pool=all", replicas: 2, update_config: { monitor: 300ms, host_timeout: 3s } }
  db:
    image: app
    init: true
    stop_grace_period: 1s
    network_mode: none
    deploy: { hosts: a, update_config: { monitor: 300ms, host_timeout: 3s } }
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_host_is_drained_and_used_again() {
    let Some(lab) = e2e::lab(2).await else { return };
    let estate = Estate::new(&lab, "drains", PIPELINE, &[("app", "FROM BASE\nCMD [\"sleep\", \"100000\"]\n")]);
    estate.patch_base("one", "");
    estate.refit(&["rollout"]).expect_code(0);
    let before = estate.containers();
    what_is_refused_changes_nothing(&estate, &before);

    estate.refit(&["hosts", "drain", "b", "--yes"]).expect_code(0).expect_said("web: stopped on b");
    let stopped = on(&estate, 2);
    assert_eq!(ids(&stopped), ids(&on_of(&before, 2)), "the very same containers, kept");
    assert!(stopped.iter().all(|one| !one.is_running) && on(&estate, 1).iter().all(|one| one.is_running));
    estate.refit(&["hosts", "drain", "b", "--yes"]).expect_code(0).expect_said("b is drained already");
    estate.refit(&["hosts"]).expect_code(0).expect_said("b (drained)");
    estate.refit(&["status"]).expect_code(0).expect_said("all healthy and as released; 2 drained");

    nothing_is_rolled_there(&estate, &stopped);

    estate.refit(&["hosts", "undrain", "b", "--yes"]).expect_code(0);
    let (web, db): (Vec<_>, Vec<_>) = estate.containers().into_iter().partition(|one| one.service == "web");
    assert_eq!((web.len(), db.len()), (4, 1));
    assert!(web.iter().all(|one| one.is_running && one.release == 2), "{web:#?}");
    estate.expect_level("web", "two");
    estate.host(2).docker(&["exec", &web[2].id, "test", "-d", "/files"]).unwrap();
    estate.refit(&["hosts", "undrain", "b", "--yes"]).expect_code(0).expect_said("b is not drained");
    estate.refit(&["status"]).expect_code(0).expect_not_said("drained");

    a_host_that_is_silent_is_drained_when_it_is_back(&estate);
}

fn what_is_refused_changes_nothing(estate: &Estate, before: &[Container]) {
    estate.refit(&["hosts", "drain", "b", "--dry-run"]).expect_code(0).expect_said("web  (2 slots; 2 on 1 other host go on)");
    estate.refit(&["hosts", "drain", "a", "--yes"]).expect_code(2).expect_said("db has no other host than a").expect_said("--leave-none");
    estate.refit(&["hosts", "drain", "bb", "--yes"]).expect_code(2).expect_said("the estate has no host `bb`").expect_said("did you mean `b`?");
    estate.refit(&["hosts", "drain", "b"]).expect_code(2).expect_said("nobody can be asked here");
    assert_eq!(estate.containers(), before);
}

/// Rollouts, repairs and prunes leave it alone, and miss nothing there.
fn nothing_is_rolled_there(estate: &Estate, stopped: &[Container]) {
    estate.patch_base("two", "");
    estate.refit(&["rollout"]).expect_code(0);
    assert!(on(estate, 1).iter().all(|one| one.is_running && one.release == 2));
    estate.refit(&["converge", "--hosts", "b"]).expect_code(0).expect_said("Nothing to do").expect_said("b is drained, nothing is rolled there");
    estate.refit(&["prune", "--yes", "--keep", "1"]).expect_code(0);
    assert_eq!(on(estate, 2), stopped);
    // A person's hand is seen.
    estate.host(2).docker(&["start", &stopped[0].id]).unwrap();
    estate.refit(&["status"]).expect_code(1).expect_said("runs, though its host is drained");
    estate.refit(&["hosts", "drain", "b", "--yes"]).expect_code(0);
    assert!(on(estate, 2).iter().all(|one| !one.is_running));
}

fn a_host_that_is_silent_is_drained_when_it_is_back(estate: &Estate) {
    estate.host(2).cut_off();
    estate.refit(&["hosts", "drain", "b", "--yes"]).expect_code(3).expect_said("b: left behind");
    estate.host(2).heal();
    assert!(on(estate, 2).iter().all(|one| one.is_running), "nobody could stop them");
    estate.refit(&["hosts", "drain", "b", "--yes"]).expect_code(0);
    assert!(on(estate, 2).iter().all(|one| !one.is_running));
    // Once everything is drained, nothing runs, and all of it comes back in the right order.
    estate.refit(&["hosts", "drain", "a", "--yes", "--leave-none"]).expect_code(0);
    assert!(estate.containers().iter().all(|one| !one.is_running));
    for host in ["a", "b"] {
        estate.refit(&["hosts", "undrain", host, "--yes"]).expect_code(0);
    }
    assert!(estate.containers().iter().all(|one| one.is_running && one.release == 2));
    estate.refit(&["status"]).expect_code(0);
    estate.refit(&["history", "--verify"]).expect_code(0);
}

fn on(estate: &Estate, host: usize) -> Vec<Container> {
    on_of(&estate.containers(), host)
}

fn on_of(containers: &[Container], host: usize) -> Vec<Container> {
    containers.iter().filter(|one| one.host == host).cloned().collect()
}

fn ids(containers: &[Container]) -> Vec<&str> {
    containers.iter().map(|one| one.id.as_str()).collect()
}
