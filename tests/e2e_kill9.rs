//! `kill -9` of refit at random instants while people use what it rolls: each time it is taken up where it was, and the end is as if nothing had
//! happened. Twenty instants, or as many as REFIT_KILLS says (`make hurt`: two hundred).

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

mod e2e;
mod lab;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use e2e::figures::note;
use e2e::{Dice, Ended, Estate};
use lab::Load;

const KILLS: u32 = 20;
/// One request each so many milliseconds.
const LOAD_EVERY: Duration = Duration::from_millis(20);
const PORT: u16 = 8601;
/// So many kills at most in one run; then it may end.
const KILLS_IN_A_RUN: u32 = 7;

const PIPELINE: &str = r#"
images:
  base: { build: images/base }
  web:
    build: images/web
    tests:
      - run: ["sh", "-c", "sleep 0.3"]
  worker: { build: images/worker }
  shop: { build: images/shop }
volumes:
  orders: {}
services:
  web:
    image: web
    init: true
    network_mode: none
    stop_grace_period: 1s
    healthcheck: { command: ["test", "-e", "/etc/base-level"], interval: 200ms }
    deploy: { hosts: "pool=all", replicas: 2, update_config: { monitor: 300ms, parallelism: 2 } }
  worker:
    image: worker
    init: true
    network_mode: none
    stop_grace_period: 1s
    volumes: ["orders:/orders", "/scratch"]
    deploy: { hosts: "pool=all", update_config: { monitor: 300ms } }
  shop:
    image: shop
    init: true
    stop_grace_period: 1s
    ports: ["8601:8080"]
    healthcheck: { http: "GET :8080/version", interval: 100ms, timeout: 1s, retries: 3, start_period: 20s }
    deploy: { hosts: "pool=all", update_config: { monitor: 300ms } }
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn kills_change_nothing() {
    let Some(lab) = e2e::lab(2).await else { return };
    let sleeper = "CMD [\"sleep\", \"100000\"]\n";
    let estate = Estate::new(
        &lab,
        "nines",
        PIPELINE,
        &[
            ("base", "FROM BASE\nRUN cp /etc/patch-level /etc/base-level && sleep 0.2\n"),
            ("web", &format!("FROM base\nRUN sleep 0.2\n{sleeper}")),
            ("worker", &format!("FROM base\nRUN sleep 0.4\n{sleeper}")),
            ("shop", "FROM base\nRUN cp /etc/base-level /www/version\nCMD [\"httpd\", \"-f\", \"-p\", \"8080\", \"-h\", \"/www\"]\n"),
        ],
    );
    let seed = std::env::var("REFIT_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(|| u64::from(e2e::rand_u32()) | 1);
    eprintln!("seed {seed}; REFIT_SEED={seed} gives the same instants again");
    let mut dice = Dice(seed);
    estate.patch_base("level-0", "");
    let began = Instant::now();
    estate.refit(&["rollout"]).expect_code(0);
    let whole = began.elapsed();
    for worker in estate.of("worker") {
        let write = ["exec", &worker.id, "sh", "-c", "echo one > /orders/kept; echo two > /scratch/kept"];
        estate.host(worker.host).docker(&write).unwrap();
    }

    let kills_wanted = std::env::var("REFIT_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(KILLS);
    let load = Load::begin(estate.addresses(PORT), "/version", LOAD_EVERY);
    let (mut kills, mut level) = (0, 0);
    while kills < kills_wanted {
        level += 1;
        estate.patch_base(&format!("level-{level}"), "");
        let killed = one_run(&estate, &mut dice, whole, kills_wanted.min(kills + KILLS_IN_A_RUN) - kills).await;
        kills += killed;
        eprintln!("run to level {level}: killed {killed} times");
        look_at_the_end(&estate, &format!("level-{level}"));
    }
    let report = load.stop().await;
    estate.refit(&["history", "--verify"]).expect_code(0).expect_said("unbroken");
    // Its port is fixed, so each host has its gap; the other one serves meanwhile, also while refit is dead in the middle. No promise covers a request
    // that hangs in one host's gap until its second attempt falls into the other's: those are counted, and must be rare.
    assert!(report.all() > 50 && report.failed * 50 <= report.all(), "one of two hosts served at every moment: {report:?}");
    let (all, retried, failed) = (report.all(), report.after_retry, report.failed);
    note(
        &format!("`kill -9` of refit at {kills} random instants of {level} runs, under steady HTTP load"),
        &format!("all done, no build twice, nothing left over; of {all} requests {retried} answered by the next host, {failed} by none"),
    );
}

/// One rollout, killed again and again, until it ends; says how often it was.
async fn one_run(estate: &Estate, dice: &mut Dice, whole: Duration, kills_max: u32) -> u32 {
    let mut killed = 0;
    let mut args: &[&str] = &["rollout"];
    loop {
        let mut running = estate.begin(args);
        if killed == kills_max {
            ended_well(running.end());
            return killed;
        }
        // Somewhere in the first quarter of what a whole run took, so that several lives fit into one run, wherever it is by then.
        let life = Duration::from_micros(dice.below(whole.as_micros() as u64 / 4));
        tokio::time::sleep(life).await;
        if running.has_ended() {
            ended_well(running.end());
            return killed;
        }
        let last = running.kill();
        killed += 1;
        eprintln!("  killed after {life:.1?}, it had said: {}", last.err.lines().last().unwrap_or("nothing"));
        // Killed before it began there is nothing to resume, and killed after its end neither.
        let is_open = estate.refit(&["status"]).err.contains("has not ended");
        args = if is_open { &["resume"] } else { &["rollout"] };
    }
}

fn ended_well(ended: Ended) {
    ended.expect_code(0);
}

/// One container per slot and no other, all with the new content; nothing thrown away lies about; no build was done twice; the data is there.
fn look_at_the_end(estate: &Estate, level: &str) {
    let containers = estate.expect_exactly(&[("web", 2, 2), ("worker", 2, 1), ("shop", 2, 1)]);
    for container in &containers {
        assert_eq!(estate.read_in(container, "/etc/base-level"), level, "{container:?}");
    }
    for worker in containers.iter().filter(|one| one.service == "worker") {
        assert_eq!((estate.read_in(worker, "/orders/kept"), estate.read_in(worker, "/scratch/kept")), ("one".into(), "two".into()));
    }
    let thrown_away = estate.builder().docker(&["ps", "-a", "--filter", "label=io.refit.estate=nines"]).unwrap();
    assert_eq!(thrown_away.lines().count(), 1, "{thrown_away}");
    let mut ended = BTreeSet::new();
    for event in estate.events("") {
        let image = event["image"].to_string();
        match event["event"].as_str() {
            Some("build_began") => assert!(!ended.contains(&image), "{image} had ended and began again"),
            Some("build_ended") => assert!(ended.insert(image.clone()), "{image} ended twice"),
            _ => {}
        }
    }
    estate.refit(&["status"]).expect_code(0);
}
