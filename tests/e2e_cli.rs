//! What a user sees of the commands that need engines: one estate's life from its first plan to a way back, on real engines, told by snapshots.
//!
//! Ids, times, sizes and addresses are other ones each time and are blotted out; everything else must be the same.

#![allow(clippy::unwrap_used, reason = "a test")]

mod e2e;
mod lab;

use std::process::{Command, Stdio};

use e2e::{Estate, until};

/// One image and one service on one host, so that everything happens in one order.
const PIPELINE: &str = r#"images:
  web: { build: images/web }
services:
  web:
    image: web
    init: true
    stop_grace_period: 1s
    ports: ["8131:8080"]
    healthcheck: { http: "GET :8080/version", interval: 100ms, timeout: 1s, retries: 3, start_period: 20s }
    deploy: { hosts: "pool=all", update_config: { monitor: 300ms } }
"#;
const DOCKERFILE: &str = "FROM BASE\nRUN cp /etc/patch-level /www/version\nCMD [\"httpd\", \"-f\", \"-p\", \"8080\", \"-h\", \"/www\"]\n";

/// The same on another port, where a failure pauses instead of going back.
fn pausing() -> String {
    PIPELINE.replace("8131", "8132").replace("monitor: 300ms", "monitor: 300ms, failure_action: pause")
}

/// Runs commands as they are given, and tells them with what they said.
fn session(estate: &Estate, commands: &[&[&str]]) -> String {
    let mut text = String::new();
    for args in commands {
        let mut command = Command::new(env!("CARGO_BIN_EXE_refit"));
        command.args(*args).current_dir(estate.path("")).env("HOME", estate.path("home")).env("USER", "ops").env("NO_COLOR", "1");
        let output = command.env_remove("REFIT_STATE").env_remove("REFIT_PIPELINES").stdin(Stdio::null()).output().unwrap();
        text += &format!("$ refit {}\n{}", args.join(" "), String::from_utf8(output.stdout).unwrap());
        String::from_utf8(output.stderr).unwrap().lines().for_each(|line| text += &format!("! {line}\n"));
        text += &format!("=> {}\n\n", output.status.code().unwrap());
    }
    blotted(&text, estate)
}

/// Without what is another one each time.
fn blotted(text: &str, estate: &Estate) -> String {
    let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
    // What is read of images goes on beside the rollouts, so its line stands where it happens to.
    let is_reading = |line: &&str| line.contains("read     ") && line.contains(" packages in ");
    let text: String = text.split_inclusive('\n').filter(|line| !is_reading(line)).collect();
    let mut text = text.replace(&machine, "[machine]");
    for host in estate.lab.all() {
        text = text.replace(&host.endpoint, "[endpoint]").replace(&host.address.to_string(), "[address]");
    }
    let mut out = String::new();
    let mut word = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || c == '.' && !word.is_empty() {
            word.push(c);
            continue;
        }
        out += blot(&word);
        word.clear();
        out.push(c);
    }
    out + blot(&word)
}

/// Hashes, durations and sizes.
fn blot(word: &str) -> &str {
    let bare = word.trim_end_matches('.');
    let is_hash = bare.len() >= 12 && bare.chars().all(|c| c.is_ascii_hexdigit()) && bare.contains(|c: char| c.is_ascii_digit());
    let is_time = ["ms", "s", "m"].iter().any(|unit| bare.strip_suffix(unit).is_some_and(|number| number.parse::<f64>().is_ok()));
    match () {
        () if is_hash => "[id]",
        () if is_time => "[time]",
        () if bare.contains('.') && bare.parse::<f64>().is_ok() => "[size]",
        () => word,
    }
}

/// A line without the moment at its beginning.
fn without_moments(text: &str) -> String {
    let line = |line: &str| match line.get(..19) {
        Some(moment) if moment.as_bytes()[4] == b'-' && moment.as_bytes()[13] == b':' => format!("[moment]           {}", &line[19..]),
        _ => line.to_owned(),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_seen_from_the_first_plan_to_the_way_back() {
    let Some(lab) = e2e::lab(1).await else { return };
    let estate = Estate::new(&lab, "seen", PIPELINE, &[("web", DOCKERFILE)]);
    insta::assert_snapshot!("a_base_that_nobody_has", session(&estate, &[&["plan", "--offline"]]));
    estate.patch_base("one", "");
    insta::assert_snapshot!("before_the_first_rollout", session(&estate, &[&["plan", "--offline"], &["rollout", "--offline"], &["status"]]));
    let history: serde_json::Value = serde_json::from_str(&estate.refit(&["history", "--json"]).out).unwrap();
    assert_eq!(history["runs"], serde_json::json!([]), "nothing was begun");
    insta::assert_snapshot!(
        "the_first_rollout",
        session(&estate, &[&["rollout", "--offline", "--yes"], &["plan", "--offline"], &["rollback", "--list"], &["rollback", "--yes"]])
    );
    estate.patch_base("two", "");
    let planned: serde_json::Value = serde_json::from_str(&estate.refit(&["plan", "--json"]).out).unwrap();
    let agreed = planned["hash"].as_str().unwrap();
    insta::assert_snapshot!(
        "a_moved_base",
        session(
            &estate,
            &[
                &["plan", "--offline"],
                &["rollout", "--offline", "--plan", "1234567890ab"],
                &["rollout", "--offline", "--plan", agreed],
                &["rollout", "--offline", "--plan", agreed],
                &["status"]
            ]
        )
    );
    insta::assert_snapshot!(
        "the_way_back",
        session(&estate, &[&["rollback", "--list"], &["rollback", "web", "--to", "r1", "--yes"], &["rollback", "--to", "r9", "--yes"]])
    );
    insta::assert_snapshot!("a_run_afterwards", without_moments(&session(&estate, &[&["show", "1"], &["logs", "1"], &["pause", "1"]])));
    ended_in_between(&Estate::new(&lab, "between", &pausing(), &[("web", DOCKERFILE)])).await;
    for args in [&["status"][..], &["plan"], &["history"], &["show"], &["logs"], &["hosts"], &["rollback", "--list"]] {
        let ended = estate.refit(&[args, &["--json"]].concat());
        assert!(serde_json::from_str::<serde_json::Value>(&ended.out).is_ok(), "{args:?}: {}", ended.out);
    }
}

/// Exit code 3: neither the new release nor the old one serves everywhere, and a person says what becomes of it.
async fn ended_in_between(estate: &Estate) {
    estate.patch_base("one", "");
    estate.refit(&["rollout"]).expect_code(0);
    estate
        .write("images/web/Dockerfile", &DOCKERFILE.replace("BASE", &estate.base()).replace("[\"httpd\"", "[\"sh\", \"-c\", \"exit 3\", \"httpd\""));
    let begun = session(estate, &[&["rollout", "--offline", "--yes"]]);
    // The engine waits longer before each start; by then the moment in which the container runs is not met by chance.
    until("the container to be begun again a few times", || {
        let ids = estate.host(1).docker(&["ps", "-q", "--filter", "label=io.refit.estate=between", "--filter", "status=restarting"]).unwrap();
        let times = |id: &str| estate.host(1).docker(&["inspect", "--format", "{{.RestartCount}}", id]).unwrap().trim().parse::<u32>().unwrap();
        ids.lines().any(|id| times(id) >= 5)
    })
    .await;
    let afterwards = session(estate, &[&["status"], &["abort"], &["resume", "--offline"], &["status"]]);
    insta::assert_snapshot!("ended_in_between", begun + &afterwards);
}
