//! What nobody can need any more goes from hosts and builder, and nothing else; every rollback that is promised still works.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

mod e2e;
mod lab;

use std::sync::Arc;

use e2e::Estate;
use lab::{Lab, LabHost};
use serde_json::Value;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_nobody_needs_goes() {
    let Some(lab) = e2e::lab(2).await else { return };
    // One after the other: the second one's host falls silent.
    stopped_containers(&lab);
    images_and_the_way_back(&lab);
}

fn image(version: &str) -> String {
    format!(
        "FROM BASE\nRUN echo {version} > /www/version && dd if=/dev/urandom of=/www/bulk bs=1k count=200 2>/dev/null\nCMD [\"sleep\", \"9999\"]\n"
    )
}

const PIPELINE: &str = "prune: { keep: 2 }\nimages:\n  app: { build: images/app }\nservices:\n  app:\n    image: app\n    init: true\n    \
     stop_grace_period: 1s\n    network_mode: none\n    volumes: [\"/scratch\"]\n    \
     deploy: { hosts: \"pool=all\", update_config: { monitor: 300ms } }\n";

fn roll(estate: &Estate, version: &str) {
    estate.write("images/app/Dockerfile", &image(version).replace("BASE", &estate.base()));
    estate.refit(&["rollout"]).expect_code(0);
}

/// The ids of an estate's images on one engine, and of everything else there.
fn images(host: &LabHost, estate: &str) -> (Vec<String>, Vec<String>) {
    let all = host.docker(&["images", "-aq", "--no-trunc"]).unwrap();
    let ours = host.docker(&["images", "-aq", "--no-trunc", "--filter", &format!("label=io.refit.estate={estate}")]).unwrap();
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>();
    let ours = lines(&ours);
    (ours.clone(), lines(&all).into_iter().filter(|id| !ours.contains(id)).collect())
}

fn volumes(estate: &Estate) -> Vec<String> {
    estate.hosts().map(|host| host.docker(&["volume", "ls", "-q"]).unwrap()).collect()
}

fn images_and_the_way_back(lab: &Arc<Lab>) {
    let estate = Estate::new(lab, "prunes", PIPELINE, &[("app", &image("1"))]);
    for level in ["one", "two", "three", "four"] {
        // Each release stands on another base, of which the builder keeps every one.
        estate.patch_base(level, "");
        roll(&estate, level);
    }
    // A stranger's image made on top of an old one, and an old one that a person named: neither is refit's to remove.
    let host = estate.host(1);
    let old = images(host, "prunes").0;
    assert_eq!(old.len(), 4);
    let by_tag = estate.events("1").iter().find(|event| event["event"] == "released").unwrap()["release"]["images"]["app"]["id"].clone();
    host.docker(&["tag", by_tag.as_str().unwrap(), "somebody/kept:1"]).unwrap();
    let (before, volumes_before) = (estate.expect_exactly(&[("app", 2, 1)]), volumes(&estate));
    let strangers: Vec<_> = estate.hosts().map(|host| images(host, "prunes").1).collect();

    // It only says what it would do.
    let said = estate.refit(&["prune", "--dry-run"]).expect_code(0).expect_said("was last in r2").expect_said("somebody named it somebody/kept:1");
    assert!(said.out.contains("only older releases stand on it"), "{}", said.out);
    let json: Value = serde_json::from_str(&estate.refit(&["prune", "--dry-run", "--json"]).expect_code(0).out).unwrap();
    assert!(json["engines"].as_array().unwrap().iter().any(|one| one["bytes"].as_u64() > Some(200_000)), "{json:#}");
    assert_eq!(images(host, "prunes").0, old);
    // Nobody can be asked here.
    estate.refit(&["prune"]).expect_code(2).expect_said("nobody can be asked here");
    assert_eq!(images(host, "prunes").0, old);

    let bases = |estate: &Estate| estate.builder().docker(&["images", "-q", "prunes/os"]).unwrap().lines().count();
    assert!(bases(&estate) >= 4);
    estate.refit(&["prune", "--yes"]).expect_code(0).expect_said("removed from 3 engines");
    assert_eq!(images(host, "prunes").0.len(), 3, "the last two, and the one that somebody named");
    assert_eq!(images(estate.host(2), "prunes").0.len(), 2);
    assert_eq!(images(estate.builder(), "prunes").0.len(), 2);
    let strangers_after: Vec<_> = estate.hosts().map(|host| images(host, "prunes").1).collect();
    assert_eq!((estate.expect_exactly(&[("app", 2, 1)]), volumes(&estate), strangers_after), (before, volumes_before, strangers));
    let left = estate.builder().docker(&["images", "--format", "{{.Repository}}:{{.Tag}}", "prunes/os"]).unwrap();
    assert_eq!(left.lines().filter(|name| name.contains(":refit-")).count(), 1, "the base of the latest release: {left}");

    // Twice is as good as once, the journal tells, and what was promised is possible: back, and forward again, and another release on the same base.
    estate.refit(&["prune", "--yes"]).expect_code(0).expect_said("Nothing to remove");
    estate.refit(&["history", "--verify"]).expect_code(0);
    estate.refit(&["rollback"]).expect_code(0);
    estate.expect_exactly(&[("app", 2, 1)]).iter().for_each(|one| assert_eq!(estate.read_in(one, "/www/version"), "three"));
    estate.refit(&["prune", "--yes"]).expect_code(0);
    estate.refit(&["rollout", "--release", "r4"]).expect_code(0);
    roll(&estate, "five");

    // A host that is silent is told and left; the others are cleared.
    estate.host(2).cut_off();
    estate.refit(&["prune", "--yes", "--keep", "1"]).expect_code(3).expect_said("did not answer");
    estate.host(2).heal();
    assert_eq!(images(host, "prunes").0.len(), 2, "the last one, and the one that somebody named");
    assert_eq!(images(estate.host(2), "prunes").0.len(), 3);
    estate.refit(&["prune", "--yes", "--keep", "1"]).expect_code(0);
    assert_eq!(images(estate.host(2), "prunes").0.len(), 1);
}

/// A stopped container beside the one that serves goes, unless it holds something; a stopped one that nothing replaced stays.
fn stopped_containers(lab: &Arc<Lab>) {
    let estate = Estate::new(lab, "stopped", PIPELINE, &[("app", &image("1"))]);
    // Another base than the other estate's, on the same builder: what another one names stays.
    estate.patch_base("zero", "");
    roll(&estate, "one");
    let old = estate.expect_exactly(&[("app", 2, 1)]);
    // What a rollout leaves on a host that fell silent at its end: the old container, stopped, under its own name and labels.
    let copies: Vec<String> = old.iter().map(|one| leftover_of(&estate, one)).collect();
    let host = estate.host(1);
    host.docker(&["start", &copies[0]]).unwrap();
    host.docker(&["exec", &copies[0], "sh", "-c", "echo mine > /www/mine"]).unwrap();
    host.docker(&["stop", "-t", "0", &copies[0]]).unwrap();
    let volumes_before = volumes(&estate);
    let said = estate.refit(&["prune", "--yes"]).expect_code(0);
    assert!(said.err.contains("would be lost: /www/mine"), "{}", said.err);
    let is_there = |host: usize, id: &str| estate.host(host).docker(&["inspect", id]).is_ok();
    assert!(is_there(1, &copies[0]) && !is_there(2, &copies[1]));
    assert_eq!(volumes(&estate), volumes_before);

    // The only container of a slot is nobody's garbage, stopped or not.
    let serving = estate.of("app").into_iter().find(|one| one.host == 2).unwrap();
    estate.host(2).docker(&["stop", "-t", "0", &serving.id]).unwrap();
    estate.refit(&["prune", "--yes"]).expect_code(0).expect_said("nothing that was released serves in its place");
    assert!(is_there(2, &serving.id));
}

/// Makes a stopped container like this one, with its labels and volumes.
fn leftover_of(estate: &Estate, one: &e2e::Container) -> String {
    let host = estate.host(one.host);
    let found: Value = serde_json::from_str(&host.docker(&["inspect", &one.id]).unwrap()).unwrap();
    let labels = found[0]["Config"]["Labels"].as_object().unwrap();
    let mut args: Vec<String> = ["create", "--network", "none", "--volumes-from", &one.id].map(str::to_owned).to_vec();
    for (key, value) in labels.iter().filter(|(key, _)| key.starts_with("io.refit.")) {
        let value = value.as_str().unwrap();
        let value = if key == "io.refit.spec" { format!("sha256:{}", "ab".repeat(32)) } else { value.to_owned() };
        args.extend(["--label".to_owned(), format!("{key}={value}")]);
    }
    args.push(one.image.clone());
    host.docker(&args.iter().map(String::as_str).collect::<Vec<_>>()).unwrap()
}
