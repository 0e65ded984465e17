//! Real engines and links, broken in the middle of each step of a rollout. What must hold is looked up on the engines.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

mod e2e;
mod lab;

use std::sync::Arc;
use std::time::{Duration, Instant};

use e2e::figures::note;
use e2e::{Estate, Running, until};
use lab::Lab;

/// The image of a service that is well when it has its file.
fn image(version: u64) -> String {
    format!("FROM BASE\nRUN echo {version} > /www/version\nCMD [\"httpd\", \"-f\", \"-p\", \"8080\", \"-h\", \"/www\"]\n")
}

/// An engine 20.10 that was killed ends what it finds running, and takes that for a person's stop: with `unless-stopped` nothing would begin it again.
fn pipeline(replicas: u32, order: &str) -> String {
    format!(
        "images:\n  web: {{ build: images/web }}\nservices:\n  web:\n    image: web\n    init: true\n    restart: always\n    stop_grace_period: 2s\n    \
         network_mode: none\n    healthcheck: {{ test: [\"CMD\", \"test\", \"-e\", \"/www/version\"], interval: 200ms }}\n    \
         deploy: {{ hosts: \"pool=all\", replicas: {replicas}, update_config: {{ order: {order}, monitor: 2s, host_timeout: 120s }} }}\n"
    )
}

/// An estate whose release 1 is rolled.
fn rolled(lab: &Arc<Lab>, name: &str, replicas: u32, order: &str) -> Estate {
    let estate = Estate::new(lab, name, &pipeline(replicas, order), &[("web", &image(1))]);
    estate.patch_base("one", "");
    estate.refit(&["rollout"]).expect_code(0);
    estate
}

/// Begins to roll the next version.
fn begin(estate: &Estate, version: u64) -> Running {
    estate.write("images/web/Dockerfile", &image(version).replace("BASE", &estate.base()));
    estate.begin(&["rollout"])
}

/// One container in each slot and no other, all of this version.
fn expect_version(estate: &Estate, replicas: usize, version: u64) {
    let hosts = estate.hosts().count();
    for container in estate.expect_exactly(&[("web", hosts, replicas)]) {
        assert_eq!(estate.read_in(&container, "/www/version"), version.to_string(), "{container:?}");
    }
    estate.refit(&["status"]).expect_code(0);
}

/// `kill -9` of an engine in the middle of each step of a slot: the run waits for it, and all is as if nothing had happened. Or all is as it was: an
/// engine that starts again ends the containers that it had, before it begins them again, and a new one that is seen ended has failed its slot.
#[ignore = "takes minutes: a part of `make hurt`"]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_engine_is_killed_in_every_phase() {
    let Some(lab) = e2e::lab(2).await else { return };
    for order in ["start-first", "stop-first"] {
        let estate = rolled(&lab, &format!("phases-{order}"), 1, order);
        let mut version = 1;
        // The engine's word, and whether it is about the new release or the old one. The end of the first probe is when a container is well.
        for (phase, event, is_new) in [
            ("create", "create", true),
            ("start", "start", true),
            ("monitor", "exec_die", true),
            ("stop", "kill", false),
            ("sweep", "destroy", false),
        ] {
            version += 1;
            let events = estate.host(2).events(&estate.name);
            let running = begin(&estate, version);
            events.wait_for(event, if is_new { version } else { version - 1 });
            estate.host(2).kill();
            let killed = Instant::now();
            estate.host(2).up();
            let ended = running.end();
            let is_back = ended.code == Some(1) && ended.err.contains("ROLLED BACK");
            assert!(ended.code == Some(0) || is_back, "code {:?}: {}", ended.code, ended.err);
            let why = ": the engine that starts again ends the container that it had just made, which fails the slot";
            let came = format!("{} {} after it{}", if is_back { "rolled back" } else { "done" }, seconds(killed), if is_back { why } else { "" });
            // The engine may begin its containers again only after the run has ended.
            until("the engine to have begun its containers again", || estate.containers().iter().all(|one| one.is_running)).await;
            if is_back {
                expect_version(&estate, 1, version - 1);
                estate.refit(&["rollout", "--release", &version.to_string()]).expect_code(0);
            }
            expect_version(&estate, 1, version);
            note(&format!("kill -9 of an engine, {order}, while it should {phase}"), &came);
        }
        estate.refit(&["history", "--verify"]).expect_code(0);
    }
}

/// Links that break, crawl and lose, a person's own hand, and refit's clock set on by an hour: one lab, one after the other.
#[ignore = "takes minutes: a part of `make hurt`"]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_host_is_troubled_in_the_middle_of_a_slot() {
    let Some(lab) = e2e::lab(2).await else { return };
    let estate = rolled(&lab, "troubled", 1, "start-first");
    a_link_is_down_for_a_while(&estate, 2);
    a_link_is_slow(&estate, 3);
    a_link_loses(&estate, 4);
    a_new_container_is_removed_by_hand(&estate, 5);
    the_clock_is_set_on_by_an_hour(&estate, 6).await;
    the_clock_is_set_back_by_an_hour(&estate, 7).await;
    estate.refit(&["history", "--verify"]).expect_code(0);
}

/// Longer than a look may take, so that refit notices.
const OUTAGE: Duration = Duration::from_secs(7);

fn a_link_is_down_for_a_while(estate: &Estate, version: u64) {
    let events = estate.host(2).events(&estate.name);
    let running = begin(estate, version);
    events.wait_for("start", version);
    estate.host(2).cut_off();
    // The outage is what happens here, not something that is waited for.
    tokio::task::block_in_place(|| std::thread::sleep(OUTAGE));
    estate.host(2).heal();
    let healed = Instant::now();
    running.end().expect_code(0);
    expect_version(estate, 1, version);
    note(&format!("a host's link down for {} s while its slot is in flight", OUTAGE.as_secs()), &format!("done {} after it", seconds(healed)));
}

fn a_link_is_slow(estate: &Estate, version: u64) {
    estate.host(2).slow("256kbit");
    let began = Instant::now();
    begin(estate, version).end().expect_code(0);
    estate.host(2).quick();
    expect_version(estate, 1, version);
    note("a rollout over a link of 256 kbit/s, each way", &format!("done in {}", seconds(began)));
}

fn a_link_loses(estate: &Estate, version: u64) {
    estate.host(2).lose("0.2");
    let began = Instant::now();
    begin(estate, version).end().expect_code(0);
    estate.host(2).lose_no_more("0.2");
    expect_version(estate, 1, version);
    note("a rollout over a link that loses a fifth of all packets, each way", &format!("done in {}", seconds(began)));
}

/// `docker rm -f` of the new container while it is watched: another one is made, and watched for as long.
fn a_new_container_is_removed_by_hand(estate: &Estate, version: u64) {
    let events = estate.host(2).events(&estate.name);
    let running = begin(estate, version);
    let first = events.wait_for("exec_die", version);
    estate.host(2).docker(&["rm", "-f", &first]).unwrap();
    let second = events.wait_for("start", version);
    assert_ne!(first, second);
    running.end().expect_code(0);
    expect_version(estate, 1, version);
    note("`docker rm -f` of a new container while it is watched", "another one is made and proven, done");
}

/// refit's own machine gets another time of day in the middle: nothing passes sooner, nothing waits longer.
async fn the_clock_is_set_on_by_an_hour(estate: &Estate, version: u64) {
    let watched = with_clock_set(estate, version, "+3600").await;
    note("refit's clock set on by an hour while a container is watched (`monitor` 2 s)", &format!("watched for {watched:.1} s, done"));
}

async fn the_clock_is_set_back_by_an_hour(estate: &Estate, version: u64) {
    let watched = with_clock_set(estate, version, "-3600").await;
    note("refit's clock set back by an hour while a container is watched (`monitor` 2 s)", &format!("watched for {watched:.1} s, done"));
}

/// For how long the new container of a slot was watched, by true time, although the clock was set in the middle of it.
async fn with_clock_set(estate: &Estate, version: u64, by: &str) -> f32 {
    let offset = estate.path("offset");
    std::fs::write(&offset, "+0\n").unwrap();
    estate.write("images/web/Dockerfile", &image(version).replace("BASE", &estate.base()));
    let events = estate.host(1).events(&estate.name);
    let preload = lab::faketime();
    let environment = [
        ("LD_PRELOAD", preload.to_str().unwrap()),
        ("FAKETIME_TIMESTAMP_FILE", offset.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        // What a machine's clock is set to, its monotonic clock knows nothing of.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ];
    let mut running = estate.begin_with(&["rollout"], &environment);
    events.wait_for("exec_die", version);
    let healthy = Instant::now();
    std::fs::write(&offset, format!("{by}\n")).unwrap();
    running.says("web@a/0: proven healthy").await;
    let watched = healthy.elapsed();
    running.end().expect_code(0);
    // Counted from when the engine's event came in here, which on a busy machine is later than refit's own look.
    assert!(watched >= Duration::from_secs(1), "proven after {watched:?}, `monitor` is 2 s");
    assert!(watched < Duration::from_secs(60), "it waited for {watched:?}");
    let events = estate.refit(&["show", "--json"]).expect_code(0).out;
    assert!(is_set_by_an_hour(&events), "the clock was set, else this shows nothing: {events}");
    expect_version(estate, 1, version);
    watched.as_secs_f32()
}

/// Whether two events of a run that follow each other are an hour apart.
fn is_set_by_an_hour(events: &str) -> bool {
    let events: serde_json::Value = serde_json::from_str(events).unwrap();
    let moments: Vec<jiff::Timestamp> = events.as_array().unwrap().iter().map(|event| event["at"].as_str().unwrap().parse().unwrap()).collect();
    moments.windows(2).any(|pair| pair[1].duration_since(pair[0]).abs().as_secs() > 3_000)
}

/// The disk of a host fills up while its first slot is watched: its other slot cannot be made. Whatever refit does about it, both slots serve at
/// every moment, and when there is room again the estate becomes whole.
#[ignore = "takes minutes: a part of `make hurt`"]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_disk_fills_up_in_the_middle() {
    let Some(lab) = e2e::lab_with_disks(1, Some(64)).await else { return };
    let estate = rolled(&lab, "fills", 2, "start-first");
    // Time to fill the disk before the second slot is begun.
    estate.pipeline(&pipeline(2, "start-first").replace("monitor: 2s", "monitor: 2s, delay: 10s"));
    let events = estate.host(1).events(&estate.name);
    let running = begin(&estate, 2);
    events.wait_for("exec_die", 2);
    let filler = estate.host(1).socket.parent().unwrap().join("data/filler");
    let _ = std::io::copy(&mut std::io::repeat(1), &mut std::fs::File::create(&filler).unwrap());
    let ended = running.end();
    assert!(matches!(ended.code, Some(1 | 3)), "code {:?}: {}", ended.code, ended.err);
    assert!(ended.err.contains("no space left"), "it says why: {}", ended.err);
    let serving = estate.containers().into_iter().filter(|one| one.is_running).map(|one| one.slot).collect::<std::collections::BTreeSet<_>>();
    assert_eq!(serving.len(), 2, "each slot has a container that runs: {:#?}", estate.containers());

    std::fs::remove_file(filler).unwrap();
    if ended.code == Some(3) {
        let resumed = estate.refit(&["resume"]);
        assert!(matches!(resumed.code, Some(0 | 1)), "{}", resumed.err);
    }
    estate.refit(&["rollout", "--release", "2"]).expect_code(0);
    expect_version(&estate, 2, 2);
    estate.refit(&["history", "--verify"]).expect_code(0);
    note("a data-root fills up between two slots of a host", "both slots serve on, and with room again the release is reached");
}

/// An engine that takes connections and never answers, in the middle of a stop.
#[ignore = "takes minutes: a part of `make hurt`"]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_engine_hangs_in_the_middle() {
    let Some(lab) = e2e::lab(2).await else { return };
    let estate = rolled(&lab, "hangs", 1, "stop-first");
    let events = estate.host(2).events(&estate.name);
    let running = begin(&estate, 2);
    events.wait_for("kill", 1);
    estate.host(2).hang();
    tokio::task::block_in_place(|| std::thread::sleep(OUTAGE));
    estate.host(2).unhang();
    let thawed = Instant::now();
    running.end().expect_code(0);
    expect_version(&estate, 1, 2);
    note(&format!("an engine that hangs for {} s while it should stop a container", OUTAGE.as_secs()), &format!("done {} after it", seconds(thawed)));
}

fn seconds(since: Instant) -> String {
    format!("{:.1} s", since.elapsed().as_secs_f32())
}
