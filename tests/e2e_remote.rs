//! Runs that a daemon carries out for somebody else: over HTTP with `--server`, and beside it on the same machine. What is seen of them, what Ctrl-C
//! does to them, and what becomes of whoever follows one when the daemon is killed and started again.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

mod e2e;
mod lab;

use std::fs::{self, File};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use e2e::{Ended, Estate, Running, until};
use rustix::process::Signal;

const DOCKERFILE: &str = "FROM BASE\nCMD [\"sleep\", \"100000\"]\n";

/// One service of two containers on one host, deployed like this.
fn pipeline(deploy: &str) -> String {
    format!(
        "images:\n  web: {{ build: images/web }}\nservices:\n  web:\n    image: web\n    init: true\n    network_mode: none\n    stop_grace_period: 1s\n    \
         healthcheck: {{ command: [\"test\", \"-f\", \"/etc/patch-level\"], interval: 100ms, timeout: 5s, retries: 3, start_period: 20s }}\n    \
         deploy:\n      hosts: \"pool=all\"\n      replicas: 2\n{deploy}"
    )
}

const QUICK: &str = "      update_config: { monitor: 300ms }\n";
/// Each container takes so long that there is time to do something in between.
const SLOW: &str = "      update_config: { monitor: 4s, parallelism: 1 }\n";

/// A daemon of an estate, on one port however often it is started.
struct Served<'e> {
    estate: &'e Estate,
    port: u16,
    token: String,
    daemon: Child,
}

impl<'e> Served<'e> {
    async fn of(estate: &'e Estate) -> Self {
        let mut token = Command::new(env!("CARGO_BIN_EXE_refit"));
        token.args(["--state", ".refit", "token", "add", "ops", "--role", "operate"]).current_dir(estate.path(""));
        let token = String::from_utf8(token.output().unwrap().stdout).unwrap().trim().to_owned();
        assert!(token.starts_with("refit_"), "{token}");
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let served = Self { estate, port, token, daemon: start(estate, port) };
        served.listens().await;
        served
    }

    async fn listens(&self) {
        until("the daemon to listen", || std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok()).await;
    }

    /// Ends it by this signal, and starts it again once something was done in between.
    async fn again(&mut self, signal: Signal, between: impl AsyncFnOnce()) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.daemon), signal).unwrap();
        tokio::task::block_in_place(|| self.daemon.wait()).unwrap();
        between().await;
        self.daemon = start(self.estate, self.port);
        self.listens().await;
    }

    /// Writes the pipeline anew and waits until the daemon has read it.
    async fn deploys(&self, deploy: &str) {
        let log = || fs::read_to_string(self.estate.path("home/serve.err")).unwrap().matches("the new estate is in force").count();
        let before = log();
        self.estate.pipeline(&pipeline(deploy));
        until("the daemon to read the pipeline", || log() > before).await;
    }

    /// Begins a command that asks it over HTTP.
    fn begin(&self, args: &[&str]) -> Running {
        let url = format!("http://127.0.0.1:{}", self.port);
        let environment = [("REFIT_SERVER", url.as_str()), ("REFIT_TOKEN", self.token.as_str())];
        self.estate.begin_plainly(args, &environment, Stdio::null())
    }

    fn ask(&self, args: &[&str]) -> Ended {
        self.begin(args).end()
    }

    /// Runs a command beside it, without a word about a server.
    fn beside(&self, args: &[&str]) -> Ended {
        self.estate.begin_plainly(args, &[("USER", "ann")], Stdio::null()).end()
    }
}

impl Drop for Served<'_> {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
        if std::thread::panicking() {
            eprintln!("the daemon said:\n{}", fs::read_to_string(self.estate.path("home/serve.err")).unwrap_or_default());
        }
    }
}

fn start(estate: &Estate, port: u16) -> Child {
    let log = File::options().append(true).create(true).open(estate.path("home/serve.err")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_refit"));
    command.args(["serve", "--offline", "--drift", "off", "--pipelines", "pipelines", "--state", ".refit", "--listen", &format!("127.0.0.1:{port}")]);
    command.current_dir(estate.path("")).env("HOME", estate.path("home")).env("NO_COLOR", "1").stdin(Stdio::null());
    command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
}

/// The words that begin the lines of a run's story, without those that tell the same.
fn story(err: &str) -> Vec<String> {
    const STAGES: [&str; 12] = ["run", "plan", "build", "release", "carry", "roll", "slot", "stage", "gate", "back", "person", "end"];
    let mut words: Vec<String> = err.lines().filter_map(|line| line.split_once("  ").map(|(word, _)| word.to_owned())).collect();
    words.retain(|word| STAGES.contains(&word.as_str()));
    words.dedup();
    words
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_daemon_does_for_others_what_refit_does_itself() {
    let Some(lab) = e2e::lab(1).await else { return };
    let estate = Estate::new(&lab, "asked", &pipeline(QUICK), &[("web", DOCKERFILE)]);
    estate.patch_base("one", "");
    let itself = estate.refit(&["rollout"]).expect_code(0);
    let mut served = Served::of(&estate).await;
    looked_at_and_rolled(&estate, &served, &itself);
    spoken_to(&estate, &served).await;
    killed_and_started_again(&estate, &mut served).await;
    waits_at_a_gate(&estate, &served).await;
    beside_it(&estate, &served).await;
    drop(served);
    data_put_back(&lab).await;
    only_what_was_named_goes_back(&lab).await;
}

/// The plan, the run as it goes on, and its end are the same; and what was agreed to is what is done.
fn looked_at_and_rolled(estate: &Estate, served: &Served<'_>, itself: &Ended) {
    let lists: [&[&str]; 4] = [&["hosts"], &["graph"], &["rollback", "--list"], &["prune", "--dry-run"]];
    let looks: [&[&str]; 6] = [&["status", "--json"], &["plan"], &["history"], &["show", "--all"], &["release", "r1"], &["logs", "1", "web"]];
    for args in lists.into_iter().chain(looks) {
        let there = served.ask(args);
        let here = estate.refit(args);
        assert_eq!((there.code, &there.out, &there.err), (here.code, &here.out, &here.err), "{args:?}");
    }
    served.ask(&["rollout"]).expect_code(0).expect_said("Nothing to do: everything is up to date").expect_not_said("run-2");
    estate.patch_base("two", "");
    served.ask(&["rollout"]).expect_code(2).expect_said("nobody can be asked here").expect_said("web  (image web, on r1 now");
    served.ask(&["rollout", "--plan", "1234567890ab"]).expect_code(2).expect_said("nothing was begun");
    let planned: serde_json::Value = serde_json::from_str(&served.ask(&["plan", "--json"]).expect_code(0).out).unwrap();
    let rolled = served.ask(&["rollout", "--hosts", "pool=all", "--plan", planned["hash"].as_str().unwrap(), "--json"]).expect_code(0);
    assert_eq!(story(&rolled.err), story(&itself.err), "{}\n{}", rolled.err, itself.err);
    let summary: serde_json::Value = serde_json::from_str(&rolled.out).unwrap();
    assert_eq!((&summary["run"], &summary["by"], &summary["outcome"]["how"]), (&2.into(), &"ops".into(), &"done".into()), "{summary}");
    assert!(summary["words"].as_str().unwrap().starts_with("refit rollout --hosts pool=all --plan"), "{summary}");
    estate.expect_exactly(&[("web", 1, 2)]);
    estate.expect_level("web", "two");
}

/// Ctrl-C pauses, the next one takes everything back; whoever is told to end leaves the run to the daemon.
async fn spoken_to(estate: &Estate, served: &Served<'_>) {
    served.deploys(SLOW).await;
    estate.patch_base("three", "");
    let mut rollout = served.begin(&["rollout", "--yes"]);
    rollout.says("roll     web: r2 → r3").await;
    rollout.interrupt();
    let ended = rollout.end().expect_code(3).expect_said("pausing there").expect_said("paused: web: ").expect_said("`refit resume run-3` goes on");
    ended.expect_not_said("end      ");
    served.ask(&["rollout", "--yes"]).expect_code(3).expect_said("run-3 has not ended and comes first; nothing was begun");
    let mut resumed = served.begin(&["resume"]);
    resumed.says("goes on").await;
    // Whoever goes away leaves the run to the daemon.
    resumed.signal(Signal::TERM);
    resumed.end().expect_code(130).expect_said("run-3 goes on without being watched");
    until("the run to end", || served.ask(&["show", "3"]).out.contains("end      done")).await;
    estate.expect_level("web", "three");

    estate.patch_base("four", "");
    let mut rollout = served.begin(&["rollout", "--yes"]);
    rollout.says("roll     web: r3 → r4").await;
    rollout.interrupt();
    rollout.says("pausing there").await;
    rollout.interrupt();
    rollout.end().expect_code(1).expect_said("every service that this run rolled goes back").expect_said("end      aborted");
    estate.expect_exactly(&[("web", 1, 2)]);
    estate.expect_level("web", "three");
}

/// Whoever follows a run sees it to its end, whatever happens to the daemon meanwhile; each line is told once.
async fn killed_and_started_again(estate: &Estate, served: &mut Served<'_>) {
    for (number, signal) in [(5, Signal::KILL), (6, Signal::TERM)] {
        estate.patch_base(&format!("level-{number}"), "");
        let mut rollout = served.begin(&["rollout", "--yes"]);
        rollout.says("asked for by ops: refit rollout").await;
        rollout.says("roll     web: ").await;
        let gone = async || rollout.says("does not answer; ").await;
        served.again(signal, gone).await;
        let ended =
            rollout.end().expect_code(0).expect_said("is back").expect_said("run      taken up again by refit serve").expect_said("end      done");
        let rolls = ended.err.lines().filter(|line| line.starts_with("roll     web: r")).count();
        assert_eq!(rolls, 1, "each event once: {}", ended.err);
        estate.expect_exactly(&[("web", 1, 2)]);
        estate.expect_level("web", &format!("level-{number}"));
    }
}

/// Where nobody is at a terminal, a gate that asks for a person ends the command, and not the run.
async fn waits_at_a_gate(estate: &Estate, served: &Served<'_>) {
    let waves = "      update_config: { monitor: 300ms }\n      waves: [ { hosts: a, canary: 1, bake: 1s, approve: true }, { hosts: \"*\" } ]\n";
    served.deploys(waves).await;
    estate.patch_base("gated", "");
    served
        .ask(&["rollout", "--yes"])
        .expect_code(3)
        .expect_said("waits for approval: web: canary of wave 1 is through")
        .expect_said("`refit approve run-7`");
    served.ask(&["status"]).expect_said("run-7 waits at the gate behind canary of wave 1 of web");
    served.ask(&["resume"]).expect_code(3).expect_said("waits for approval");
    // Who thinks better of it before its turn comes has asked for nothing.
    let mut other = served.begin(&["rollout", "--rebuild", "--yes"]);
    other.says("waits until run-7 is over").await;
    other.interrupt();
    other.end().expect_code(130).expect_said("nothing was begun");
    served.ask(&["approve"]).expect_code(0).expect_said("end      done");
    estate.expect_level("web", "gated");
    served.ask(&["history", "--limit", "1"]).expect_said("run-7");
}

/// What else a person does to an estate, over HTTP.
fn cleared_drained_and_taken_back(estate: &Estate, served: &Served<'_>) {
    served.ask(&["rollback", "--yes", "--to", "r1"]).expect_code(0).expect_said("end      done");
    estate.expect_level("web", "one");
    served.ask(&["rollback", "--yes", "--to", "r1"]).expect_code(0).expect_said("Nothing to do");
    served.ask(&["rollout", "--release", "r2", "--yes"]).expect_code(0);
    estate.expect_level("web", "two");
    served.ask(&["prune", "--keep", "1"]).expect_code(2).expect_said("remove  ").expect_said("nobody can be asked here");
    served.ask(&["prune", "--keep", "1", "--yes"]).expect_code(0).expect_said("things removed from 2 engines");
    served.beside(&["prune", "--keep", "1", "--yes"]).expect_code(0).expect_said("Nothing to remove");
    estate.expect_level("web", "two");
    served.ask(&["hosts", "drain", "a", "--leave-none", "--yes"]).expect_code(2).expect_said("this takes admin");
    let token = served.beside(&["token", "add", "boss", "--role", "admin"]).expect_code(0).out;
    let boss = |args: &[&str]| {
        let url = format!("http://127.0.0.1:{}", served.port);
        estate.begin_plainly(args, &[("REFIT_SERVER", &url), ("REFIT_TOKEN", token.trim())], Stdio::null()).end()
    };
    boss(&["hosts", "undrain", "a", "--yes"]).expect_code(0).expect_said("a is not drained");
    boss(&["hosts", "drain", "nowhere", "--yes"]).expect_code(2).expect_said("the estate has no host `nowhere`");
    boss(&["hosts", "drain", "a", "--yes"]).expect_code(2).expect_said("`--leave-none` drains the host all the same");
    boss(&["hosts", "drain", "a", "--leave-none", "--yes"]).expect_code(0).expect_said("end      done");
    assert!(estate.of("web").iter().all(|one| !one.is_running));
    boss(&["hosts"]).expect_code(0).expect_said("a (drained)");
    boss(&["hosts", "drain", "a", "--leave-none", "--yes"]).expect_code(0).expect_said("a is drained already");
    boss(&["hosts", "undrain", "a", "--yes"]).expect_code(0).expect_said("end      done");
    estate.expect_level("web", "two");
}

/// The daemon chooses the copies of volumes that are put back, and whoever asks agrees to them.
async fn data_put_back(lab: &std::sync::Arc<lab::Lab>) {
    let more = "    volumes: [\"orders:/orders\"]\n    data: { snapshot: before }\nvolumes: { orders: }\n";
    let estate = Estate::new(lab, "put-back", &(pipeline(QUICK).replace("replicas: 2", "replicas: 1") + more), &[("web", DOCKERFILE)]);
    estate.patch_base("one", "");
    estate.refit(&["rollout"]).expect_code(0);
    let served = Served::of(&estate).await;
    let write = |text: &str| {
        let containers = estate.expect_exactly(&[("web", 1, 1)]);
        estate.host(1).docker(&["exec", &containers[0].id, "sh", "-c", &format!("echo {text} > /orders/last")]).unwrap();
    };
    let last = || estate.read_in(&estate.expect_exactly(&[("web", 1, 1)])[0], "/orders/last");
    write("first");
    estate.patch_base("two", "");
    served.ask(&["rollout", "--yes"]).expect_code(0);
    write("second");
    served.ask(&["rollback", "--with-data"]).expect_code(2).expect_said("volume put-back_orders gets what").expect_said("nobody can be asked here");
    assert_eq!(last(), "second");
    served.ask(&["rollback", "--with-data", "--yes"]).expect_code(0).expect_said("copied to put-back_orders");
    assert_eq!(last(), "first");
    estate.expect_level("web", "one");
    served.ask(&["rollout", "--release", "r2", "--yes"]).expect_code(0);
    write("third");
    served.beside(&["rollback", "--with-data", "--yes"]).expect_code(0);
    assert_eq!(last(), "first");
}

/// A service that is where it was told to go, or that the release lacks, takes no other service along.
async fn only_what_was_named_goes_back(lab: &std::sync::Arc<lab::Lab>) {
    let service = |name: &str| {
        let one = pipeline(QUICK).replace("replicas: 2", "replicas: 1");
        let (_, settings) = one.split_once("  web:\n    image: web\n").unwrap();
        format!("  {name}:\n    image: web\n{settings}")
    };
    let with = |names: &[&str]| {
        let services: String = names.iter().map(|name| service(name)).collect();
        format!("images:\n  web: {{ build: images/web }}\nservices:\n{services}")
    };
    let estate = Estate::new(lab, "named-back", &with(&["web", "jobs"]), &[("web", DOCKERFILE)]);
    estate.patch_base("one", "");
    estate.refit(&["rollout"]).expect_code(0);
    estate.pipeline(&with(&["web", "jobs", "late"]));
    estate.patch_base("two", "");
    estate.refit(&["rollout"]).expect_code(0);
    estate.refit(&["rollout", "web", "--release", "r1"]).expect_code(0);
    let served = Served::of(&estate).await;
    let stays = || {
        estate.expect_level("web", "one");
        estate.expect_level("jobs", "two");
        estate.expect_level("late", "two");
    };
    for asks in [Served::ask, Served::beside] {
        asks(&served, &["rollback", "web", "--to", "r1", "--yes"]).expect_code(0).expect_said("Nothing to do");
        stays();
        asks(&served, &["rollback", "late", "--to", "r1", "--yes"]).expect_code(2).expect_said("service late is not in release r1");
        stays();
    }
    served.ask(&["rollback", "--to", "r1", "--yes"]).expect_code(0).expect_said("end      done");
    estate.expect_level("jobs", "one");
    estate.expect_level("late", "two");
    drop(served);
    estate.refit(&["rollback", "late", "--to", "r1"]).expect_code(2).expect_said("service late is not in release r1");
}

/// Without `--server`, what needs the estate is asked of the daemon that has it.
async fn beside_it(estate: &Estate, served: &Served<'_>) {
    served.deploys(QUICK).await;
    estate.patch_base("beside", "");
    served.beside(&["rollout", "--yes"]).expect_code(0).expect_said("end      done");
    estate.expect_level("web", "beside");
    served.beside(&["history", "--limit", "1"]).expect_code(0).expect_said("ann@");
    served.beside(&["rollback", "--yes"]).expect_code(0).expect_said("end      done");
    estate.expect_level("web", "gated");
    served.beside(&["hosts", "drain", "a", "--yes"]).expect_code(2).expect_said("`--leave-none` drains the host all the same");
    served.beside(&["hosts", "drain", "a", "--leave-none", "--yes"]).expect_code(0).expect_said("end      done");
    assert!(estate.of("web").iter().all(|one| !one.is_running));
    served.beside(&["hosts", "undrain", "a", "--yes"]).expect_code(0).expect_said("end      done");
    estate.expect_level("web", "gated");
    let victim = &estate.of("web")[0];
    estate.host(1).docker(&["rm", "-f", &victim.id]).unwrap();
    served.beside(&["status"]).expect_code(1);
    served.beside(&["converge", "--dry-run"]).expect_code(0).expect_said("no container");
    served.beside(&["converge", "--yes"]).expect_code(0).expect_said("end      done");
    served.ask(&["status"]).expect_code(0).expect_said("all healthy and as released");
    served.ask(&["converge"]).expect_code(0).expect_said("Nothing to do");
    cleared_drained_and_taken_back(estate, served);
    // It was tried and it is bad.
    estate
        .write("images/web/Dockerfile", &DOCKERFILE.replace("BASE", &estate.base()).replace("[\"sleep\"", "[\"sh\", \"-c\", \"exit 3\", \"sleep\""));
    served.ask(&["rollout", "--yes"]).expect_code(1).expect_said("was rolled back").expect_said("tells why");
    estate.refit(&["history", "--verify"]).expect_code(0);
}
