//! The daemon with real parts and nobody at the keyboard: a real registry tells it of pushes by a real engine, and containers on real hosts are
//! replaced. Then it is killed and told to stop in the middle, hosts drift, pipelines break, hooks get lost and windows close.
//!
//! The registry is Debian's, in the builder's own network namespace, from where it reaches the daemon over the lab's bridge.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "a test")]

mod e2e;
mod lab;

use std::fs;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use e2e::daemon::Daemon;
use e2e::registry::{REGISTRY, Registry};
use e2e::{Estate, until};
use lab::LabHost;
use serde_json::Value;

const BASE: &str = "127.0.0.1:5000/shop/os:stable";
/// Every lab has a bridge address of its own, so the daemon's usual port is free there.
const PORT: u16 = 7334;
const SECRET: &str = "5f4dcc3b5aa765d61d8327deb882cf99";

/// `REPLICAS` and `MORE` are filled in; `NOTICES` is where the test hears what people are told.
const PIPELINE: &str = r#"
images:
  base: { build: images/base }
  web: { build: images/web }
services:
  web:
    image: web
    init: true
    network_mode: none
    stop_grace_period: 1s
    deploy: { hosts: "pool=all", replicas: REPLICAS, update_config: { monitor: MONITOR } }
secrets: { hook: { file: secret } }
notify: { ops: { url: "NOTICES", on: [began, done, failed, paused, stuck] } }
MORE
"#;
const HOOKS: &str = "hooks: { lab: { format: distribution, secrets: [hook] } }\n";

/// A registry that tells the daemon of pushes.
async fn registry(host: &LabHost, hook: &str) -> Registry {
    let mut registry = Registry::new(|_| {
        format!(
            "notifications:\n  endpoints:\n    - {{ name: refit, url: \"{hook}\", headers: {{ Authorization: [\"Bearer {SECRET}\"] }}, \
             timeout: 1s, threshold: 3, backoff: 1s }}\n"
        )
    });
    registry.start(host).await;
    registry
}

/// Everything that the story needs.
struct Scene {
    estate: Estate,
    address: String,
    token: String,
    notices: String,
    told: Arc<Mutex<Vec<Value>>>,
    _registry: Registry,
}

impl Scene {
    async fn set(lab: &Arc<lab::Lab>) -> Self {
        let (network, _) = lab.host(1).address.rsplit_once('.').unwrap();
        let address = format!("{network}.1:{PORT}");
        let registry = registry(lab.host(1), &format!("http://{address}/hooks/lab")).await;
        let (notices, told) = hear_notices().await;
        let from = format!("FROM {BASE}\nRUN cp /etc/patch-level /etc/base-level\n");
        let sleeper = "FROM base\nRUN sleep 1\nCMD [\"sleep\", \"100000\"]\n";
        let estate = Estate::new(lab, "alone", "", &[("base", &from), ("web", sleeper)]);
        estate.write("secret", SECRET);
        let mut scene = Self { estate, address, token: String::new(), notices, told, _registry: registry };
        scene.pipeline(1, "700ms", HOOKS);
        scene.token = scene.make_token();
        scene
    }

    /// The daemon listens where others than this machine reach it, and so there must be one.
    fn make_token(&self) -> String {
        let mut refit = Command::new(env!("CARGO_BIN_EXE_refit"));
        refit.args(["--state", ".refit", "token", "add", "test", "--role", "trigger", "--pipelines", "pipelines"]);
        let made = refit.current_dir(self.estate.path("")).env("HOME", self.estate.path("home")).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        String::from_utf8(made.stdout).unwrap().trim().to_owned()
    }

    fn pipeline(&self, replicas: u32, monitor: &str, more: &str) {
        let replicas = replicas.to_string();
        let filled = [("REPLICAS", &*replicas), ("MONITOR", monitor), ("NOTICES", &self.notices), ("MORE", more)];
        self.estate.pipeline(&filled.iter().fold(PIPELINE.to_owned(), |text, (key, value)| text.replace(key, value)));
    }

    /// Starts the daemon, and waits until it serves.
    async fn serve(&self) -> Daemon {
        self.serve_at(&[]).await
    }

    /// The same with this environment.
    async fn serve_at(&self, environment: &[(&str, &str)]) -> Daemon {
        let args = ["serve", "--listen", &self.address, "--debounce", "1s", "--drift-every", "1s"];
        Daemon::serve(&self.estate, &args, environment).await
    }

    /// Pushes a base that says this in `/etc/patch-level`, and takes its name off the builder again: the registry alone knows it.
    fn publish(&self, level: &str) {
        self.estate.patch_base(level, "");
        let builder = self.estate.builder();
        builder.docker(&["tag", &self.estate.base(), BASE]).unwrap();
        builder.docker(&["push", "-q", BASE]).unwrap();
        builder.docker(&["rmi", BASE]).unwrap();
    }

    /// Waits until exactly so many containers run, all of them on a base of this level, and the run that brought them is over.
    async fn until_all_are(&self, level: &str, containers: usize) {
        let began = Instant::now();
        until(&format!("{containers} containers on {level}"), || {
            let all = self.estate.of("web");
            let is_so = |one: &e2e::Container| {
                let said = self.estate.host(one.host).docker(&["exec", &one.id, "cat", "/etc/base-level"]);
                one.is_running && said.is_ok_and(|said| said == level)
            };
            all.len() == containers && all.iter().all(is_so)
        })
        .await;
        until("the run to be over", || self.runs().iter().all(|run| !run["ended_at"].is_null())).await;
        eprintln!("{level} everywhere after {:.1} s", began.elapsed().as_secs_f32());
    }

    /// All runs, the newest first.
    fn runs(&self) -> Vec<Value> {
        let history: Value = serde_json::from_str(&self.estate.refit(&["history", "--json"]).expect_code(0).out).unwrap();
        history["runs"].as_array().unwrap().clone()
    }

    /// Waits until the newest run, which must be this one, has an event that is so.
    async fn until_event(&self, run: usize, what: &str, is_it: impl Fn(&Value) -> bool) {
        until(&format!("{what} in run {run}"), || self.runs().len() == run && self.estate.events("").iter().any(&is_it)).await;
    }

    /// How often the newest run has an event about an image.
    fn count(&self, event: &str, image: &str) -> usize {
        self.estate.events("").iter().filter(|one| one["event"] == event && one["image"] == image).count()
    }

    async fn get(&self, path: &str) -> Value {
        let asked = client().get(format!("http://{}{path}", self.address)).bearer_auth(&self.token);
        asked.send().await.unwrap().error_for_status().unwrap().json().await.unwrap()
    }
}

fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// Listens to what people are told.
async fn hear_notices() -> (String, Arc<Mutex<Vec<Value>>>) {
    let told = Arc::<Mutex<Vec<Value>>>::default();
    let take = async |State(told): State<Arc<Mutex<Vec<Value>>>>, body: Bytes| told.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let router = Router::new().fallback(take).with_state(told.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, told)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_base_that_moves_is_everywhere_with_nobody_watching() {
    let Some(lab) = e2e::lab(2).await else { return };
    let scene = Scene::set(&lab).await;
    let daemon = a_push_begins_a_run_by_itself(&scene).await;
    a_hint_that_is_not_true_leads_to_nothing(&scene).await;
    let daemon = killed_in_the_middle_it_goes_on(&scene, daemon).await;
    let mut daemon = told_to_stop_it_leaves_at_a_safe_point(&scene, daemon).await;
    what_somebody_removed_is_put_right(&scene).await;
    a_broken_pipeline_changes_nothing(&scene, &mut daemon).await;
    let daemon = a_lost_hook_is_made_good_by_the_schedule(&scene, daemon).await;
    what_does_not_fit_its_window_goes_on_in_the_next(&scene, daemon).await;
    scene.estate.refit(&["history", "--verify"]).expect_code(0).expect_said("unbroken");
    let panicked = scene.estate.path("home").read_dir().unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap_or_default());
    panicked.for_each(|log| assert!(!String::from_utf8_lossy(&log).contains("panicked")));
    assert_eq!(scene.estate.state_mentions(SECRET), Vec::<std::path::PathBuf>::new(), "the secret is nowhere in the state");
}

/// The first push comes while nobody listens: the registry tells of it again and again, until somebody does.
async fn a_push_begins_a_run_by_itself(scene: &Scene) -> Daemon {
    scene.publish("one");
    let daemon = scene.serve().await;
    scene.until_all_are("one", 2).await;
    scene.publish("two");
    scene.until_all_are("two", 2).await;
    let runs = scene.runs();
    assert_eq!(runs.len(), 2, "one run for each push, however many manifests and messages it was: {runs:#?}");
    assert!(runs.iter().all(|run| run["by"] == "hook lab"), "{runs:#?}");
    assert_eq!((scene.count("build_ended", "base"), scene.count("build_ended", "web")), (1, 1));
    let told =
        || scene.told.lock().unwrap().iter().map(|notice| format!("{} {}", notice["run"], notice["kind"].as_str().unwrap())).collect::<Vec<_>>();
    until("the news", || told() == ["1 began", "1 done", "2 began", "2 done"]).await;
    daemon
}

/// Somebody who knows the secret names a digest that nobody has: the registry is asked, and knows better.
async fn a_hint_that_is_not_true_leads_to_nothing(scene: &Scene) {
    let event = serde_json::json!({
        "id": "forged", "action": "push", "request": { "host": REGISTRY },
        "target": { "repository": "shop/os", "tag": "stable", "digest": format!("sha256:{}", "00".repeat(32)) },
    });
    let sent = client().post(format!("http://{}/hooks/lab", scene.address)).header("authorization", SECRET);
    assert_eq!(sent.json(&serde_json::json!({ "events": [event] })).send().await.unwrap().status(), 202);
    loop {
        let newest = &scene.get("/v1/triggers").await["items"][0];
        if !newest["settled"].is_null() {
            assert!(newest["settled"]["run"].is_null() && newest["settled"]["why"].as_str().unwrap().contains("nothing to do"), "{newest:#}");
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(scene.runs().len(), 2);
}

async fn killed_in_the_middle_it_goes_on(scene: &Scene, daemon: Daemon) -> Daemon {
    scene.publish("three");
    scene.until_event(3, "the second build", |event| event["event"] == "build_began" && event["image"] == "web").await;
    daemon.kill();
    assert_eq!(scene.count("build_ended", "web"), 0, "it was in the middle of a build");
    let daemon = scene.serve().await;
    scene.until_all_are("three", 2).await;
    assert_eq!(scene.runs().len(), 3, "the same run went on");
    assert_eq!((scene.count("build_began", "base"), scene.count("build_ended", "base")), (1, 1), "no build twice");
    assert_eq!(scene.count("build_ended", "web"), 1);
    scene.estate.expect_exactly(&[("web", 2, 1)]);
    daemon
}

async fn told_to_stop_it_leaves_at_a_safe_point(scene: &Scene, daemon: Daemon) -> Daemon {
    scene.publish("four");
    scene.until_event(4, "the rollout", |event| event["event"] == "rollout_began").await;
    let began = Instant::now();
    daemon.stop().expect_said("left at a safe point");
    eprintln!("left {:.1} s after SIGTERM", began.elapsed().as_secs_f32());
    assert_eq!(running_levels(scene), ["four", "three"], "each slot has one that serves, and it had not done all");
    let daemon = scene.serve().await;
    scene.until_all_are("four", 2).await;
    assert_eq!(scene.runs().len(), 4, "the same run went on");
    daemon
}

/// What runs on each host by now. What was replaced in a rollout that has not ended is there too, stopped, for the way back.
fn running_levels(scene: &Scene) -> Vec<String> {
    let running = scene.estate.of("web").into_iter().filter(|container| container.is_running);
    running.map(|container| scene.estate.read_in(&container, "/etc/base-level")).collect()
}

async fn what_somebody_removed_is_put_right(scene: &Scene) {
    let victim = scene.estate.of("web").into_iter().find(|container| container.host == 2).unwrap();
    scene.estate.host(2).docker(&["rm", "-f", &victim.id]).unwrap();
    scene.until_all_are("four", 2).await;
    scene.estate.expect_exactly(&[("web", 2, 1)]);
    let newest = &scene.runs()[0];
    assert_eq!((&newest["run"], &newest["by"]), (&5.into(), &"drift".into()), "{newest:#}");
}

async fn a_broken_pipeline_changes_nothing(scene: &Scene, daemon: &mut Daemon) {
    scene.pipeline(2, "700ms", &format!("{HOOKS}nonsense: [1\n"));
    daemon.says("the estate that was read before stays in force").await;
    scene.publish("five");
    scene.until_all_are("five", 2).await;
    scene.pipeline(2, "700ms", HOOKS);
    daemon.says("the new estate is in force").await;
    scene.publish("six");
    scene.until_all_are("six", 4).await;
    scene.estate.expect_exactly(&[("web", 2, 2)]);
    // Less is put right by itself.
    scene.pipeline(1, "700ms", HOOKS);
    scene.until_all_are("six", 2).await;
}

/// The environment in which it is so many seconds before a full minute: the next one, or one so many minutes later.
fn before_the_minute(seconds: u64, minutes_later: u64) -> [(&'static str, String); 3] {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let ahead = (120 - seconds - now % 60) % 60 + 60 * minutes_later;
    [("LD_PRELOAD", lab::faketime().display().to_string()), ("FAKETIME", format!("+{ahead}s")), ("DONT_FAKE_MONOTONIC", "1".to_owned())]
}

/// Stops the daemon, and starts one for which a minute, and with it a cycle, is about to begin.
async fn before_the_next_cycle(scene: &Scene, daemon: Daemon, minutes_later: u64) -> Daemon {
    daemon.stop();
    let environment = before_the_minute(6, minutes_later);
    let environment: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    scene.serve_at(&environment).await
}

fn each_minute(window: &str) -> String {
    format!("triggers: {{ minutely: {{ cron: \"* * * * *\", window: {window} }} }}\n")
}

/// Without its hook, the daemon refuses what the registry sends; the patch cycle finds the base all the same.
async fn a_lost_hook_is_made_good_by_the_schedule(scene: &Scene, daemon: Daemon) -> Daemon {
    let runs = scene.runs().len();
    scene.pipeline(1, "700ms", &each_minute("50s"));
    let daemon = before_the_next_cycle(scene, daemon, 0).await;
    scene.publish("seven");
    scene.until_all_are("seven", 2).await;
    let all = scene.runs();
    assert_eq!((all.len(), &all[0]["by"]), (runs + 1, &"schedule minutely".into()), "{all:#?}");
    daemon
}

/// A slot takes longer than the first window is open, so the second host is left for the next one, which another daemon sees.
async fn what_does_not_fit_its_window_goes_on_in_the_next(scene: &Scene, daemon: Daemon) {
    let runs = scene.runs().len();
    scene.pipeline(1, "10s", &each_minute("8s"));
    let mut daemon = before_the_next_cycle(scene, daemon, 2).await;
    scene.publish("eight");
    daemon.says("its window is over").await;
    let levels = running_levels(scene);
    assert!(levels.len() == 2 && levels.contains(&"seven".to_owned()), "each slot has one that serves, and not all was done: {levels:?}");
    scene.pipeline(1, "10s", &each_minute("50s"));
    let daemon = before_the_next_cycle(scene, daemon, 4).await;
    scene.until_all_are("eight", 2).await;
    assert_eq!(scene.runs().len(), runs + 1, "the same run went on");
    daemon.stop();
}
