//! An estate in a folder of its own on the hosts of a lab, driven by the real `refit`, and looked at through the engines: what runs is asked of
//! them, never of refit's own records.
//!
//! `host-1` of the lab is the builder and runs nothing; the others are the estate's hosts. Several estates share one lab, since each has its own
//! name and its own ports, so the scenarios of a target run side by side ([`side_by_side`]).

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "test support: each target uses another part of it"
)]

pub mod daemon;
pub mod figures;
pub mod registry;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::lab::{Lab, LabHost};

/// No command of refit takes longer here, however busy the machine is.
const COMMAND_MAX: Duration = Duration::from_secs(180);
/// The image, on the builder, that every base of every estate is made of.
const RAW: &str = "lab/os:raw";

/// Starts a builder and so many hosts. `None` where engine tests are left out, or where one engine would have to play all hosts.
pub async fn lab(hosts: u32) -> Option<Arc<Lab>> {
    lab_with_disks(hosts, None).await
}

/// The same, every engine with a disk of so many megabytes.
pub async fn lab_with_disks(hosts: u32, megabytes: Option<u32>) -> Option<Arc<Lab>> {
    let lab = Lab::separate_hosts(hosts + 1, megabytes).await?;
    lab.host(1).import_base(RAW);
    Some(Arc::new(lab))
}

/// A scenario and its name.
pub type Scenario = (&'static str, BoxFuture<'static, ()>);

/// Runs scenarios side by side, and says at the end which of them failed.
pub async fn side_by_side(scenarios: Vec<Scenario>) {
    let only = std::env::var("REFIT_E2E").ok();
    let wanted = scenarios.into_iter().filter(|(name, _)| only.as_ref().is_none_or(|only| name.contains(only.as_str())));
    let began = Instant::now();
    let tasks: Vec<_> = wanted.map(|(name, scenario)| (name, tokio::spawn(async move { (scenario.await, began.elapsed()) }))).collect();
    let mut failed = Vec::new();
    for (name, task) in tasks {
        match task.await {
            Ok(((), took)) => eprintln!("ok      {name} ({:.1} s)", took.as_secs_f32()),
            Err(_) => {
                eprintln!("FAILED  {name}");
                failed.push(name);
            }
        }
    }
    assert!(failed.is_empty(), "failed: {}; each one's panic is above", failed.join(", "));
}

/// An estate under test.
pub struct Estate {
    pub name: String,
    pub lab: Arc<Lab>,
    folder: TempDir,
}

/// How a command of refit ended.
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
    what: String,
}

/// A command of refit that runs.
pub struct Running {
    child: Child,
    what: String,
    out: PathBuf,
    err: PathBuf,
}

/// A container of the estate, as its engine tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    pub id: String,
    /// Which of the estate's hosts it is on, counted from 1.
    pub host: usize,
    pub service: String,
    pub slot: String,
    pub release: u64,
    pub is_running: bool,
    pub started_at: String,
    pub image: String,
}

impl Estate {
    /// An estate with this pipeline, to which name, builder and hosts `a`, `b`, … are added; `images` are folder names and Dockerfiles.
    pub fn new(lab: &Arc<Lab>, name: &str, pipeline: &str, images: &[(&str, &str)]) -> Self {
        let estate = Self { name: name.to_owned(), lab: lab.clone(), folder: tempfile::tempdir().expect("a folder") };
        estate.pipeline(pipeline);
        for (image, dockerfile) in images {
            estate.write(&format!("images/{image}/Dockerfile"), &dockerfile.replace("BASE", &estate.base()));
        }
        fs::create_dir_all(estate.path("home")).expect("a home");
        estate
    }

    /// Writes (again) what the estate is.
    pub fn pipeline(&self, pipeline: &str) {
        let mut text = format!("name: {}\nbuilders:\n  build: {{ endpoint: \"{}\" }}\nhosts:\n", self.name, self.builder().endpoint);
        for (host, letter) in self.hosts().zip('a'..) {
            text += &format!("  {letter}: {{ endpoint: \"{}\", labels: {{ pool: all }} }}\n", host.endpoint);
        }
        self.write("pipelines/estate.yaml", &(text + pipeline));
    }

    /// The name of the estate's own base.
    pub fn base(&self) -> String {
        format!("{}/os:stable", self.name)
    }

    /// Gives the builder a base that says this in `/etc/patch-level`, made by further lines of a Dockerfile.
    pub fn patch_base(&self, level: &str, more: &str) {
        let context = tempfile::tempdir().expect("a folder");
        fs::write(context.path().join("Dockerfile"), format!("FROM {RAW}\nRUN echo {level} > /etc/patch-level\n{more}\n")).expect("a Dockerfile");
        let folder = context.path().to_str().expect("a plain path");
        self.builder().docker(&["build", "-q", "-t", &self.base(), folder]).expect("the base is patched");
    }

    pub fn builder(&self) -> &LabHost {
        self.lab.host(1)
    }

    /// A host of the estate, counted from 1.
    pub fn host(&self, index: usize) -> &LabHost {
        self.lab.host(index + 1)
    }

    pub fn hosts(&self) -> impl Iterator<Item = &LabHost> {
        self.lab.all().iter().skip(1)
    }

    /// Where a port answers on each host.
    pub fn addresses(&self, port: u16) -> Vec<String> {
        self.hosts().map(|host| format!("{}:{port}", host.address)).collect()
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    /// Begins a command: the options that every command needs are added.
    pub fn begin(&self, args: &[&str]) -> Running {
        self.begin_with(args, &[])
    }

    /// The same, with more environment.
    pub fn begin_with(&self, args: &[&str], environment: &[(&str, &str)]) -> Running {
        let mut all: Vec<&str> = args.to_vec();
        match args[0] {
            "rollout" => all.extend(["--offline", "--yes"]),
            "plan" | "resume" => all.push("--offline"),
            "rollback" if !args.contains(&"--list") => all.push("--yes"),
            "converge" => all.push("--yes"),
            _ => {}
        }
        self.begin_plainly(&all, environment, Stdio::null())
    }

    /// Begins a command with these arguments and no others that matter to it, and with something to read from.
    pub fn begin_plainly(&self, args: &[&str], environment: &[(&str, &str)], stdin: Stdio) -> Running {
        let stamp = format!("{}-{:08x}", args[0], rand_u32());
        let (out, err) = (self.path(&format!("home/{stamp}.out")), self.path(&format!("home/{stamp}.err")));
        let mut command = Command::new(env!("CARGO_BIN_EXE_refit"));
        command.args(args).current_dir(self.folder.path()).env("HOME", self.path("home")).env("NO_COLOR", "1").env_remove("REFIT_STATE");
        command.args(["--pipelines", "pipelines", "--state", ".refit"]).envs(environment.iter().copied());
        command.stdin(stdin).stdout(File::create(&out).expect("a file")).stderr(File::create(&err).expect("a file"));
        Running { child: command.spawn().expect("refit runs"), what: format!("refit {}", args.join(" ")), out, err }
    }

    /// Runs a command to its end.
    pub fn refit(&self, args: &[&str]) -> Ended {
        self.begin(args).end()
    }

    /// The events of a run (`7`, or empty for the newest), as the journal has them.
    pub fn events(&self, run: &str) -> Vec<Value> {
        let args: Vec<&str> = ["show", run, "--json"].into_iter().filter(|arg| !arg.is_empty()).collect();
        let ended = self.refit(&args).expect_code(0);
        let Value::Array(events) = serde_json::from_str(&ended.out).expect("a JSON array") else { panic!("no array: {}", ended.out) };
        events.into_iter().map(|event| event["event"].clone()).collect()
    }

    /// All containers of the estate on all of its hosts, stopped ones included, by host, service, slot and id.
    pub fn containers(&self) -> Vec<Container> {
        let mut all = Vec::new();
        for (index, host) in self.hosts().enumerate() {
            all.extend(containers_on(host, index + 1, &self.name));
        }
        all
    }

    /// The containers of one service.
    pub fn of(&self, service: &str) -> Vec<Container> {
        self.containers().into_iter().filter(|container| container.service == service).collect()
    }

    /// Asserts that the estate has exactly these containers, all running: services and on how many hosts, with so many slots each.
    pub fn expect_exactly(&self, services: &[(&str, usize, usize)]) -> Vec<Container> {
        let containers = self.containers();
        let mut slots: BTreeMap<(usize, String, String), u32> = BTreeMap::new();
        for one in &containers {
            assert!(one.is_running, "a container that does not run was left over: {one:?} in {containers:#?}");
            *slots.entry((one.host, one.service.clone(), one.slot.clone())).or_default() += 1;
        }
        let mut expected = BTreeMap::new();
        for (service, hosts, replicas) in services {
            for host in 1..=*hosts {
                for slot in 0..*replicas {
                    expected.insert((host, (*service).to_owned(), slot.to_string()), 1);
                }
            }
        }
        assert_eq!(slots, expected, "one container in each slot, none left over, none missing: {containers:#?}");
        containers
    }

    /// What a file in a container says.
    pub fn read_in(&self, container: &Container, path: &str) -> String {
        self.host(container.host).docker(&["exec", &container.id, "cat", path]).unwrap_or_else(|why| panic!("{path} in {container:?}: {why}"))
    }

    /// Asserts that every container of a service stands on a base of this patch level.
    pub fn expect_level(&self, service: &str, level: &str) {
        let containers = self.of(service);
        assert!(!containers.is_empty(), "{service} has no container");
        for container in containers {
            assert_eq!(self.read_in(&container, "/etc/patch-level"), level, "{container:?}");
        }
    }

    /// Whether a text is in any file of the state folder.
    pub fn state_mentions(&self, text: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.path(".refit")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
                if entry.is_dir() {
                    folders.push(entry);
                } else if fs::read(&entry).is_ok_and(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes())) {
                    found.push(entry);
                }
            }
        }
        found
    }
}

impl Running {
    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has said so far.
    pub fn err_so_far(&self) -> String {
        fs::read_to_string(&self.err).unwrap_or_default()
    }

    /// Waits until its progress says this.
    pub async fn says(&mut self, text: &str) {
        let what = self.what.clone();
        let err = self.err.clone();
        until(&format!("{what} to say `{text}`"), || fs::read_to_string(&err).is_ok_and(|said| said.contains(text))).await;
    }

    /// As Ctrl-C does it.
    pub fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).expect("it runs");
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_some()
    }

    /// As `kill -9` does. What it had under way on engines goes on there.
    pub fn kill(mut self) -> Ended {
        let _ = self.child.kill();
        let status = self.child.wait().expect("a child");
        self.ended(status)
    }

    /// Waits for its end.
    pub fn end(self) -> Ended {
        // What this worker has begun beside it, such as a load, is handed to another one.
        tokio::task::block_in_place(|| self.wait())
    }

    fn wait(mut self) -> Ended {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return self.ended(status);
            }
            if began.elapsed() > COMMAND_MAX {
                let ended = self.kill();
                panic!("{} did not end within {} s; it said:\n{}\n{}", ended.what, COMMAND_MAX.as_secs(), ended.out, ended.err);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn ended(&self, status: ExitStatus) -> Ended {
        let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
        Ended { code: status.code(), out: read(&self.out), err: read(&self.err), what: self.what.clone() }
    }
}

impl Ended {
    /// Asserts how it ended.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{} ended with another code; it said:\n{}\n{}", self.what, self.out, self.err);
        self
    }

    /// Asserts that it said this, to stdout or stderr.
    #[track_caller]
    pub fn expect_said(self, text: &str) -> Self {
        assert!(self.out.contains(text) || self.err.contains(text), "{} did not say `{text}`, but:\n{}\n{}", self.what, self.out, self.err);
        self
    }

    /// Asserts that it did not say this.
    #[track_caller]
    pub fn expect_not_said(self, text: &str) -> Self {
        assert!(!self.out.contains(text) && !self.err.contains(text), "{} said `{text}`:\n{}\n{}", self.what, self.out, self.err);
        self
    }
}

/// The containers of an estate on one host.
pub fn containers_on(host: &LabHost, index: usize, estate: &str) -> Vec<Container> {
    let ids =
        host.docker(&["ps", "-aq", "--no-trunc", "--filter", &format!("label=io.refit.estate={estate}")]).expect("the host lists its containers");
    if ids.is_empty() {
        return Vec::new();
    }
    // One that goes while we look is not there.
    let arguments: Vec<&str> = std::iter::once("inspect").chain(ids.lines()).collect();
    let Ok(found) = host.docker(&arguments) else { return containers_on(host, index, estate) };
    let Ok(Value::Array(found)) = serde_json::from_str(&found) else { panic!("{found}") };
    let mut containers: Vec<Container> = found.iter().map(|found| container_of(found, index)).collect();
    containers.sort_by(|a, b| (&a.service, &a.slot, &a.id).cmp(&(&b.service, &b.slot, &b.id)));
    containers
}

fn container_of(found: &Value, host: usize) -> Container {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let label = |name: &str| text(&found["Config"]["Labels"][format!("io.refit.{name}")]);
    Container {
        id: text(&found["Id"]),
        host,
        service: label("service"),
        slot: label("slot"),
        release: label("release").trim_start_matches('r').parse().unwrap_or_default(),
        is_running: found["State"]["Running"] == true,
        started_at: text(&found["State"]["StartedAt"]),
        image: text(&found["Image"]),
    }
}

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Waits until something is so, within a bound.
pub async fn until(what: &str, is_so: impl FnMut() -> bool) {
    until_within(what, COMMAND_MAX, is_so).await;
}

/// Waits until something is so, within this bound.
pub async fn until_within(what: &str, limit: Duration, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < limit, "waited {} s in vain for {what}", limit.as_secs());
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Something random, without a crate for it.
pub fn rand_u32() -> u32 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish() as u32
}

/// A small generator, so that a printed seed gives the same instants again.
pub struct Dice(pub u64);

impl Dice {
    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        // xorshift64*, Vigna 2016.
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % bound
    }
}
