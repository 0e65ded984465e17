//! A person at the terminal: Ctrl-C while images are built and while containers are rolled, and the question before hosts are touched. And who
//! ends refit when no person is there: SIGTERM and SIGHUP.

#![allow(clippy::unwrap_used, reason = "a test")]

mod e2e;
mod lab;

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use e2e::{Ended, Estate, Running, until};
use lab::Lab;
use rustix::process::Signal;
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use serde_json::Value;

/// Its build takes as long as the secret `pace` says, which is no input of the image: the same build can be slow at first and quick later.
const SLOW: &str = r#"
secrets:
  pace: { environment: PACE }
images:
  base: { build: images/base }
  web: { build: { context: images/web, secrets: [pace] } }
services:
  web:
    image: web
    init: true
    network_mode: none
    stop_grace_period: 1s
    deploy: { hosts: "pool=all", update_config: { monitor: 300ms } }
"#;
/// Two slots, one after the other. The first process of these containers heeds no signal, so that each stop takes its whole grace: time to speak.
const TWO_SLOTS: &str = r#"
images:
  web: { build: images/web }
services:
  web:
    image: web
    network_mode: none
    stop_grace_period: 3s
    deploy: { hosts: "pool=all", replicas: 2, update_config: { order: stop-first, monitor: 300ms, parallelism: 1 } }
"#;
const SLEEPER: &str = "FROM BASE\nCMD [\"sleep\", \"100000\"]\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_person_at_the_terminal() {
    let Some(lab) = e2e::lab(1).await else { return };
    e2e::side_by_side(vec![
        ("ctrl-c during builds", Box::pin(ctrl_c_during_builds(lab.clone()))),
        ("ctrl-c during a rollout", Box::pin(ctrl_c_during_a_rollout(lab.clone()))),
        ("told to leave", Box::pin(told_to_leave_during_a_rollout(lab.clone()))),
        ("the question", Box::pin(the_question(lab))),
    ])
    .await;
}

/// It ends with 130, the builder stops building, the journal says so; whoever comes next goes on, and what was built is not built again.
async fn ctrl_c_during_builds(lab: Arc<Lab>) {
    let mark = format!("mark-{:08x}", e2e::rand_u32());
    // What comes after the wait keeps the shell, and with it the mark, among the machine's processes.
    let slow = format!("FROM base\nRUN --mount=type=secret,id=pace sleep $(cat /run/secrets/pace); echo {mark}\nCMD [\"sleep\", \"100000\"]\n");
    let estate = Estate::new(&lab, "stopped", SLOW, &[("base", "FROM BASE\nRUN cp /etc/patch-level /etc/level\n"), ("web", &slow)]);
    let quickly = [("PACE", "0")];
    for (run, level, signal, next) in [("1", "one", Signal::INT, "resume"), ("2", "two", Signal::TERM, "rollout")] {
        estate.patch_base(level, "");
        let before = estate.containers();
        let rollout = estate.begin_with(&["rollout"], &[("PACE", "100000")]);
        until("the slow build to run", || runs(&mark)).await;
        rollout.signal(signal);
        rollout.end().expect_code(130).expect_said(&format!("run-{run} stopped here; `refit resume run-{run}` goes on"));
        until("the builder to stop", || !runs(&mark)).await;
        assert_eq!(estate.containers(), before, "no host is touched");
        let events = estate.events(run);
        assert_eq!(events.last().unwrap()["event"], "interrupted", "{events:#?}");
        assert_eq!((count(&events, "build_began"), count(&events, "build_ended")), (2, 1), "the base has ended, the slow one has not");
        estate.refit(&["show", run]).expect_code(0).expect_said("interrupted by");

        let ended = estate.begin_with(&[next], &quickly).end().expect_code(0);
        if next == "rollout" {
            ended.expect_said("run-2 was interrupted and is gone on with first");
        }
        let events = estate.events(run);
        assert_eq!((count(&events, "build_began"), count(&events, "build_ended")), (3, 2), "only the slow one was begun again");
        assert_eq!(events.last().unwrap()["outcome"]["how"], "done");
        estate.expect_exactly(&[("web", 1, 1)]);
        estate.expect_level("web", level);
    }
}

/// The first one pauses, and a rollback takes back what had been rolled; the second one takes back by itself.
async fn ctrl_c_during_a_rollout(lab: Arc<Lab>) {
    let estate = Estate::new(&lab, "paused", TWO_SLOTS, &[("web", SLEEPER)]);
    estate.patch_base("one", "");
    estate.refit(&["rollout"]).expect_code(0);

    estate.patch_base("two", "");
    let mut rollout = rolling(&estate, "2").await;
    rollout.interrupt();
    rollout.says("pausing here").await;
    rollout.end().expect_code(3).expect_said("paused: web: ").expect_said("`refit resume run-2` goes on");
    let on_old = estate.of("web").iter().filter(|one| one.is_running && one.release == 1).count();
    assert_eq!(on_old, 1, "what was begun is carried to its end, and nothing new begins");
    estate.refit(&["rollback"]).expect_code(0).expect_said("run-2 has not ended; what it rolled is taken back first");
    estate.expect_exactly(&[("web", 1, 2)]);
    estate.expect_level("web", "one");

    estate.patch_base("three", "");
    let mut rollout = rolling(&estate, "3").await;
    rollout.interrupt();
    rollout.says("pausing here").await;
    rollout.interrupt();
    rollout.says("goes back, most recent first; please wait").await;
    rollout.end().expect_code(1).expect_said("ROLLED BACK");
    estate.expect_exactly(&[("web", 1, 2)]);
    estate.expect_level("web", "one");
}

/// A supervisor that ends refit, or a terminal that goes, is no wish to go back: what is begun is carried to its end, and the next one goes on.
async fn told_to_leave_during_a_rollout(lab: Arc<Lab>) {
    let estate = Estate::new(&lab, "left", TWO_SLOTS, &[("web", SLEEPER)]);
    estate.patch_base("one", "");
    estate.refit(&["rollout"]).expect_code(0);
    for (run, level, signal, next) in [("2", "two", Signal::TERM, "rollout"), ("3", "three", Signal::HUP, "resume")] {
        estate.patch_base(level, "");
        let mut rollout = rolling(&estate, run).await;
        rollout.signal(signal);
        rollout.says("told to end: what is begun is carried to its end").await;
        rollout.end().expect_code(130).expect_said(&format!("run-{run} stopped here; `refit resume run-{run}` goes on"));
        assert_eq!(estate.events(run).last().unwrap()["event"], "interrupted");
        estate.refit(&[next]).expect_code(0);
        assert_eq!(estate.events(run).last().unwrap()["outcome"]["how"], "done");
        estate.expect_exactly(&[("web", 1, 2)]);
        estate.expect_level("web", level);
    }
}

/// `y` goes on; everything else, and an end of the input, changes nothing and says so.
async fn the_question(lab: Arc<Lab>) {
    let estate = Estate::new(&lab, "asked", TWO_SLOTS, &[("web", SLEEPER)]);
    estate.patch_base("one", "");
    for answer in ["n\n", "\n", "nobody knows\n", "\u{4}"] {
        let ended = answered(&estate, answer).await.expect_code(1);
        ended.expect_said("Roll web on 1 host (a)? [y/N]").expect_said("nothing was begun");
    }
    let history: Value = serde_json::from_str(&estate.refit(&["history", "--json"]).out).unwrap();
    assert_eq!(history["runs"], serde_json::json!([]), "nothing was begun");
    assert_eq!(estate.containers(), []);
    estate.begin_plainly(&["rollout", "--offline"], &[], std::process::Stdio::null()).end().expect_code(2).expect_said("nobody can be asked here");
    answered(&estate, "y\n").await.expect_code(0).expect_not_said("nothing was begun");
    estate.expect_exactly(&[("web", 1, 2)]);
}

/// A rollout, as this run, whose first container is being stopped.
async fn rolling(estate: &Estate, run: &str) -> Running {
    let mut rollout = estate.begin(&["rollout"]);
    rollout.says("roll     web: r").await;
    until("the first action", || count(&estate.events(run), "action_intended") > 0).await;
    rollout
}

/// Runs `refit rollout` with a terminal to read from, and answers its question.
async fn answered(estate: &Estate, answer: &str) -> Ended {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let keyboard: OwnedFd = openpt(flags).unwrap();
    unlockpt(&keyboard).unwrap();
    let terminal = ioctl_tiocgptpeer(&keyboard, flags).unwrap();
    let mut rollout = estate.begin_plainly(&["rollout", "--offline"], &[], terminal.into());
    rollout.says("[y/N]").await;
    let mut keyboard = File::from(keyboard);
    keyboard.write_all(answer.as_bytes()).unwrap();
    rollout.end()
}

/// Whether a process of this machine has this in its command line; those in containers are among them.
fn runs(mark: &str) -> bool {
    let contains = |line: Vec<u8>| line.windows(mark.len()).any(|window| window == mark.as_bytes());
    let mut processes = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path().join("cmdline"));
    processes.any(|path| fs::read(path).is_ok_and(contains))
}

fn count(events: &[Value], kind: &str) -> usize {
    events.iter().filter(|event| event["event"] == kind).count()
}
