//! Waves, canaries and blue-green on real engines: what is asked for goes first and alone, waits for its gate, and switches together.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

mod e2e;
mod lab;

use std::sync::Arc;
use std::time::{Duration, Instant};

use e2e::{Container, Estate, side_by_side, until};
use lab::Lab;

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn services_go_forward_in_stages() {
    let Some(lab) = e2e::lab(2).await else { return };
    side_by_side(vec![
        ("a canary that waits for a person", Box::pin(a_canary_that_waits(lab.clone()))),
        ("a bake that a person ends", Box::pin(a_bake_that_a_person_ends(lab.clone()))),
        ("blue-green", Box::pin(blue_green(lab.clone()))),
    ])
    .await;
}

/// A pipeline of one service, deployed like this.
fn pipeline(deploy: &str) -> String {
    format!(
        "images:\n  web: {{ build: images/web }}\nservices:\n  web:\n    image: web\n    init: true\n    stop_grace_period: 1s\n    \
         healthcheck: {{ command: [\"test\", \"-f\", \"/etc/patch-level\"], interval: 100ms, timeout: 5s, retries: 3, start_period: 20s }}\n    \
         deploy:\n      hosts: \"pool=all\"\n      replicas: 2\n{deploy}"
    )
}

/// An estate with one service of two containers on each of two hosts, on its own base at level `one`.
fn estate(lab: &Arc<Lab>, name: &str, deploy: &str) -> Estate {
    let estate = Estate::new(lab, name, &pipeline(deploy), &[("web", "FROM BASE\nCMD [\"sleep\", \"100000\"]\n")]);
    estate.patch_base("one", "");
    estate.refit(&["rollout"]).expect_code(0);
    estate.expect_exactly(&[("web", 2, 2)]);
    estate.patch_base("two", "");
    estate
}

/// What runs, as its engine says: host, slot and level of each container that is up.
fn levels(estate: &Estate) -> Vec<(usize, String, String)> {
    let up = estate.of("web").into_iter().filter(|one| one.is_running);
    up.map(|one| (one.host, one.slot.clone(), estate.read_in(&one, "/etc/patch-level"))).collect()
}

fn all_on(level: &str) -> Vec<(usize, String, String)> {
    [(1, "0"), (1, "1"), (2, "0"), (2, "1")].map(|(host, slot)| (host, slot.to_owned(), level.to_owned())).to_vec()
}

/// The canary of the first wave is all that moves until a person says so; where nobody is there, the run ends with 3 and says how.
async fn a_canary_that_waits(lab: Arc<Lab>) {
    let estate = estate(
        &lab,
        "canary",
        "      update_config: { monitor: 300ms, order: start-first }\n      \
         waves: [ { hosts: a, canary: 1, bake: 1s, approve: true }, { hosts: \"*\" } ]\n",
    );
    let stages = "in stages: canary of wave 1 (1 slot, then healthy for 1s, then a person's word) → wave 1 (1 slot) → wave 2 (2 slots)";
    estate.refit(&["plan"]).expect_code(0).expect_said(stages);
    let ended = estate.refit(&["rollout"]).expect_code(3);
    ended.expect_said("waits for approval: web: canary of wave 1 is through").expect_said("`refit approve run-2` goes on");
    let mut expected = all_on("one");
    expected[0].2 = "two".to_owned();
    assert_eq!(levels(&estate), expected, "the canary is all that has moved");
    estate.refit(&["status"]).expect_said("run-2 waits at the gate behind canary of wave 1 of web");
    estate.refit(&["show"]).expect_code(0).expect_said("gate     web: canary of wave 1 is through");
    // Whoever resumes without a word comes to the same gate.
    estate.refit(&["resume"]).expect_code(3).expect_said("waits for approval");
    assert_eq!(levels(&estate), expected);

    estate.refit(&["approve", "--offline"]).expect_code(0);
    estate.expect_exactly(&[("web", 2, 2)]);
    assert_eq!(levels(&estate), all_on("two"));
    // By hand it goes back without canary, bake and approval.
    estate.refit(&["rollback"]).expect_code(0);
    assert_eq!(levels(&estate), all_on("one"));
    estate.refit(&["rollout", "--release", "r2"]).expect_code(3).expect_said("waits for approval");
    estate.refit(&["approve", "--offline"]).expect_code(0);
    assert_eq!(levels(&estate), all_on("two"));
    estate.refit(&["approve", "--offline"]).expect_code(2).expect_said("no run is under way");
    estate.refit(&["approve", "2", "--offline"]).expect_code(2).expect_said("run-2 is over");
}

/// Another process bakes; a word ends the bake within a second.
async fn a_bake_that_a_person_ends(lab: Arc<Lab>) {
    let estate = estate(&lab, "bake", "      update_config: { monitor: 300ms, parallelism: 50% }\n      waves: [ { canary: 25%, bake: 10m } ]\n");
    let mut rollout = estate.begin(&["rollout"]);
    rollout.says("gate     web: canary is through").await;
    assert_eq!(levels(&estate).iter().filter(|(_, _, level)| level == "two").count(), 1);
    estate.refit(&["approve", "--offline"]).expect_code(0).expect_said("carried out by another process; it was told to go on");
    let said = Instant::now();
    rollout.says("stage    web: all").await;
    eprintln!("a bake of ten minutes ended {:.2} s after the word", said.elapsed().as_secs_f32());
    rollout.end().expect_code(0);
    assert_eq!(levels(&estate), all_on("two"));
    estate.expect_exactly(&[("web", 2, 2)]);
}

/// All new ones stand beside all old ones, then the old ones stop; they are kept, so that an abort is back at once; a release that is let be ends alone.
async fn blue_green(lab: Arc<Lab>) {
    let estate = estate(&lab, "green", "      strategy: blue-green\n      keep: 2m\n      update_config: { monitor: 1s }\n");
    let old = estate.of("web");
    let running = |estate: &Estate| estate.of("web").into_iter().filter(|one| one.is_running).collect::<Vec<Container>>();
    let mut rollout = estate.begin(&["rollout"]);
    until("all new ones beside all old ones", || running(&estate).len() == 8).await;
    rollout.says("gate     web: switch is through").await;
    assert_eq!(levels(&estate), all_on("two"));
    assert_eq!(estate.of("web").len(), 8, "the old ones are kept");
    estate.refit(&["abort"]).expect_code(0);
    rollout.end().expect_code(1);
    let same = |one: &Container| (one.host, one.slot.clone(), one.id.clone());
    assert_eq!(estate.of("web").iter().map(same).collect::<Vec<_>>(), old.iter().map(same).collect::<Vec<_>>(), "the very same containers are back");
    assert_eq!(levels(&estate), all_on("one"));

    estate.pipeline(&pipeline("      strategy: blue-green\n      keep: 3s\n      update_config: { monitor: 1s }\n"));
    estate.patch_base("three", "");
    let began = Instant::now();
    estate.refit(&["rollout"]).expect_code(0);
    assert!(began.elapsed() > Duration::from_secs(3), "the old ones were kept for their time");
    estate.expect_exactly(&[("web", 2, 2)]);
    assert_eq!(levels(&estate), all_on("three"));
}
