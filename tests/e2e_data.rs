//! What a container wrote outside its volumes is not lost without a word; and what was asked of its networks is what it has.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

mod e2e;
mod lab;

use std::sync::Arc;

use e2e::{Container, Estate, side_by_side, until};
use lab::Lab;

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn data_is_guarded() {
    let Some(lab) = e2e::lab(2).await else { return };
    side_by_side(vec![
        ("refuse and discard", Box::pin(refuse_and_discard(lab.clone()))),
        ("an orphaned volume", Box::pin(an_orphaned_volume(lab.clone()))),
        ("networks as asked", Box::pin(networks_as_asked(lab.clone()))),
        ("written after the look", Box::pin(written_after_the_look(lab.clone()))),
    ])
    .await;
}

fn image(version: &str) -> String {
    format!("FROM BASE\nRUN echo {version} > /www/version && mkdir -p /srv/app && echo seed > /srv/app/seed\nCMD [\"sleep\", \"9999\"]\n")
}

/// A service without networks, with further lines of its own.
fn keeper(more: &str) -> String {
    format!(
        "images:\n  keeper: {{ build: images/keeper }}\nservices:\n  keeper:\n    image: keeper\n    init: true\n    stop_grace_period: 1s\n    \
         network_mode: none\n    healthcheck: {{ command: [\"test\", \"-e\", \"/www/version\"], interval: 200ms }}\n    \
         deploy: {{ hosts: \"pool=all\", update_config: {{ monitor: 300ms }} }}\n{more}"
    )
}

fn rewrite(estate: &Estate, version: &str) {
    estate.write("images/keeper/Dockerfile", &image(version).replace("BASE", &estate.base()));
}

fn run_in(estate: &Estate, container: &Container, command: &str) {
    estate.host(container.host).docker(&["exec", &container.id, "sh", "-c", command]).unwrap();
}

fn rolled(lab: &Arc<Lab>, name: &str, pipeline: &str) -> (Estate, Vec<Container>) {
    let estate = Estate::new(lab, name, pipeline, &[("keeper", &image("one"))]);
    estate.patch_base("one", "");
    estate.refit(&["rollout"]).expect_code(0);
    let containers = estate.expect_exactly(&[("keeper", 2, 1)]);
    (estate, containers)
}

/// Everything that would be lost is told at once and nothing is touched; what is harmless or ignored hinders nobody; a person may let it go.
async fn refuse_and_discard(lab: Arc<Lab>) {
    let (estate, before) = rolled(&lab, "keeper", &keeper(""));
    // Nothing of this is missed: what is made for the moment, a folder, a socket's folder, a shell's history, a file of the image that is gone.
    for one in &before {
        run_in(&estate, one, "touch /tmp/x /root/.ash_history; mkdir -p /run /var/tmp /srv/app/empty; touch /run/a.pid; rm /srv/app/seed");
    }
    rewrite(&estate, "two");
    estate.refit(&["rollout"]).expect_code(0);
    let before = estate.expect_exactly(&[("keeper", 2, 1)]);

    run_in(&estate, &before[0], "echo mine > /srv/app/mine; echo more >> /srv/app/seed");
    run_in(&estate, &before[1], "mkdir /srv/new; for n in 1 2 3 4 5 6 7 8 9 10 11 12; do echo $n > /srv/new/$n; done");
    rewrite(&estate, "three");
    let refused = estate.refit(&["rollout"]).expect_code(1).expect_said("data would be lost; nothing was changed on any host");
    let refused = refused
        .expect_said("keeper@a/0")
        .expect_said("keeper@b/0")
        .expect_said("files outside its volumes would be lost: /srv/app/mine, /srv/app/seed");
    let refused = refused.expect_said("/srv/new/1, /srv/new/10, /srv/new/11").expect_said("and 2 more").expect_said("data: discard");
    assert!(!refused.err.contains("/srv/app/empty"), "{}", refused.err);
    assert_eq!(estate.expect_exactly(&[("keeper", 2, 1)]), before, "not even restarted");
    estate.refit(&["show"]).expect_code(0).expect_said("/srv/app/mine");

    // Some may go, the rest may not.
    estate.pipeline(&keeper("    data: { ignore: [\"/srv/new\"] }\n"));
    let refused = estate.refit(&["rollout"]).expect_code(1).expect_said("/srv/app/mine").expect_not_said("/srv/new");
    assert!(!refused.err.contains("keeper@b/0 ("), "{}", refused.err);
    estate.pipeline(&keeper("    data: { ignore: [\"/srv/new\", \"/srv/**/mine\", \"/srv/app/see?\"] }\n"));
    estate.refit(&["rollout"]).expect_code(0);
    let after = estate.expect_exactly(&[("keeper", 2, 1)]);
    assert_ne!(after[0].id, before[0].id);

    for one in &after {
        run_in(&estate, one, "echo mine > /srv/app/mine");
    }
    estate.pipeline(&keeper("    data: discard\n"));
    rewrite(&estate, "four");
    estate.refit(&["rollout"]).expect_code(0);
    for one in estate.expect_exactly(&[("keeper", 2, 1)]) {
        assert_eq!(estate.read_in(&one, "/www/version"), "four");
    }
}

/// An anonymous volume moves on, unless something else is mounted in its place.
async fn an_orphaned_volume(lab: Arc<Lab>) {
    let (estate, before) = rolled(&lab, "orphans", &keeper("    volumes: [\"/cache\"]\n"));
    for one in &before {
        run_in(&estate, one, "echo kept > /cache/kept");
    }
    rewrite(&estate, "two");
    estate.refit(&["rollout"]).expect_code(0);
    let before = estate.expect_exactly(&[("keeper", 2, 1)]);
    before.iter().for_each(|one| assert_eq!(estate.read_in(one, "/cache/kept"), "kept"));

    estate.pipeline(&(keeper("    volumes: [\"named:/cache\"]\n") + "volumes: { named: }\n"));
    estate.refit(&["rollout"]).expect_code(1).expect_said("would be left behind: the new container mounts something else at /cache");
    assert_eq!(estate.expect_exactly(&[("keeper", 2, 1)]), before);
}

/// A container that is not on the networks that were asked for fails its slot, and the old one serves on.
async fn networks_as_asked(lab: Arc<Lab>) {
    let pipeline = keeper("").replace("network_mode: none", "networks: { front: { ipv4_address: 10.213.9.9, aliases: [kept] }, back: }");
    let pipeline = pipeline.replace("monitor: 300ms", "monitor: 3s");
    let networks = "networks:\n  front: { ipam: { config: [{ subnet: 10.213.9.0/24 }] } }\n  back: {}\n";
    let (estate, before) = rolled(&lab, "wired", &(pipeline + networks));
    rewrite(&estate, "two");
    let running = estate.begin(&["rollout"]);
    let is_new = |one: &Container| one.release == 2 && one.is_running;
    until("the first new container to run", || estate.of("keeper").iter().any(is_new)).await;
    let new = estate.of("keeper").into_iter().find(is_new).unwrap();
    estate.host(new.host).docker(&["network", "disconnect", "wired_back", &new.id]).unwrap();
    running.end().expect_code(1).expect_said("its networks are not as asked: asked for network wired_back, is not on it");
    let after = estate.expect_exactly(&[("keeper", 2, 1)]);
    assert_eq!(after.iter().map(|one| &one.id).collect::<Vec<_>>(), before.iter().map(|one| &one.id).collect::<Vec<_>>());
}

/// What is written between the first look and a container's own turn is found too: its slot fails, and all go back to what they were.
async fn written_after_the_look(lab: Arc<Lab>) {
    let slow = keeper("").replace("monitor: 300ms", "monitor: 2s");
    let (estate, before) = rolled(&lab, "lately", &slow);
    rewrite(&estate, "two");
    let running = estate.begin(&["rollout"]);
    until("the first new container to run", || estate.of("keeper").iter().any(|one| one.release == 2 && one.is_running)).await;
    run_in(&estate, &before[1], "echo late > /srv/late");
    running.end().expect_code(1).expect_said("/srv/late");
    let after = estate.expect_exactly(&[("keeper", 2, 1)]);
    let ids = |all: &[Container]| all.iter().map(|one| one.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&after), ids(&before), "the very containers from before serve");
    assert_eq!(estate.read_in(&after[1], "/srv/late"), "late");
}
