//! Real Docker hosts for tests: each is an engine of its own in a network namespace, so that it can be cut off, hung, killed and restarted.
//!
//! `Lab::hosts(3).await` starts them in parallel; dropping the lab takes everything away, after a panic too. What a killed test run left
//! behind is swept by the next one: whoever uses a lab holds the lock of its number, and the system frees it when its holder dies. Where
//! namespaces are not allowed, one engine plays all hosts ([`Kind::Shared`]) and what needs separate ones says so.

#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "test support: each target uses another part of it"
)]

pub mod events;
pub mod load;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub use events::Events;
pub use load::{Load, LoadReport};

/// The folder of all labs; the same as in lab.sh.
fn labs() -> PathBuf {
    std::env::var_os("REFIT_LABS").map_or_else(|| PathBuf::from("/var/tmp/refit-labs"), PathBuf::from)
}

/// How the hosts of a lab are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Each host is an engine of its own, in its own network namespace.
    Separate,
    /// One engine plays all hosts: they share ports, networks and images, and cannot be cut off.
    Shared,
}

/// Some hosts, alive as long as this is.
pub struct Lab {
    kind: Kind,
    number: u32,
    hosts: Vec<LabHost>,
    /// The lock of the number; never read, it only has to stay open.
    _claim: Option<File>,
}

/// One host of a lab.
pub struct LabHost {
    /// Its name, and that of its machine: `host-1`.
    pub name: String,
    /// How its engine is reached over the network: `tcp://10.77.3.11:2375`.
    pub endpoint: String,
    /// Its engine's socket on this machine.
    pub socket: PathBuf,
    /// Where its published ports answer.
    pub address: String,
    lab: u32,
    index: u32,
    kind: Kind,
}

impl Lab {
    /// Starts `count` hosts, `host-1` and on. `None` if the caller shall leave engine tests out (`REFIT_NO_ENGINE=1`), which is said aloud.
    ///
    /// # Panics
    ///
    /// When no engine can be had; the message says how to get one.
    pub async fn hosts(count: u32) -> Option<Self> {
        Self::hosts_with_disks(count, None).await
    }

    /// The same, each host with a disk of so many megabytes, to be filled: separate hosts only.
    pub async fn hosts_with_disks(count: u32, megabytes: Option<u32>) -> Option<Self> {
        if std::env::var("REFIT_NO_ENGINE").is_ok_and(|value| value == "1") {
            let test = std::thread::current().name().unwrap_or("a test").to_owned();
            eprintln!("left out because of REFIT_NO_ENGINE=1: {test}");
            return None;
        }
        Some(tokio::task::spawn_blocking(move || Self::start(count, megabytes)).await.expect("the lab starts"))
    }

    /// The same, and the test fails where one engine would have to play all hosts: what was not tried must not look as if it had passed.
    pub async fn separate_hosts(count: u32, megabytes: Option<u32>) -> Option<Self> {
        let lab = Self::hosts_with_disks(count, megabytes).await?;
        assert_eq!(lab.kind, Kind::Separate, "this test needs hosts that are separate: run as root, or set REFIT_NO_ENGINE=1 to leave it out");
        Some(lab)
    }

    fn start(count: u32, megabytes: Option<u32>) -> Self {
        match script(&["able"]) {
            Ok(_) => Self::separate(count, megabytes),
            Err(why) => Self::shared(count, &why),
        }
    }

    fn separate(count: u32, megabytes: Option<u32>) -> Self {
        script(&["sweep"]).expect("leftovers are swept");
        let (number, claim) = claim();
        let mut lab = Self { kind: Kind::Separate, number, hosts: Vec::new(), _claim: Some(claim) };
        script(&["net", &number.to_string()]).expect("the lab's network is made");
        for index in 1..=count {
            let name = format!("host-{index}");
            let address = format!("10.77.{number}.{}", 10 + index);
            let socket = labs().join(number.to_string()).join(&name).join("docker.sock");
            lab.hosts.push(LabHost { endpoint: format!("tcp://{address}:2375"), name, socket, address, lab: number, index, kind: Kind::Separate });
        }
        // From here on, dropping the lab cleans up whatever has been started.
        std::thread::scope(|scope| {
            for host in &lab.hosts {
                scope.spawn(move || {
                    if let Some(megabytes) = megabytes {
                        host.control("disk", &[&host.name, &megabytes.to_string()]);
                    }
                    host.up();
                });
            }
        });
        lab
    }

    fn shared(count: u32, why: &str) -> Self {
        let endpoint = std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".into());
        let reachable = run("docker", &["-H", &endpoint, "version", "--format", "{{.Server.Version}}"]);
        assert!(
            reachable.is_ok(),
            "no Docker Engine can be had: separate ones because of {}, and {endpoint} does not answer.\n\
             Run as root after `tests/lab/setup.sh`, start an engine, or set REFIT_NO_ENGINE=1 to leave these tests out.",
            why.trim()
        );
        eprintln!("one engine ({endpoint}) plays {count} hosts, because of: {}", why.trim());
        let socket = PathBuf::from(endpoint.strip_prefix("unix://").unwrap_or_default());
        let host = |index| LabHost {
            name: format!("host-{index}"),
            endpoint: endpoint.clone(),
            socket: socket.clone(),
            address: "127.0.0.1".into(),
            lab: 0,
            index,
            kind: Kind::Shared,
        };
        Self { kind: Kind::Shared, number: 0, hosts: (1..=count).map(host).collect(), _claim: None }
    }

    /// All hosts.
    pub fn all(&self) -> &[LabHost] {
        &self.hosts
    }

    /// A host, counted from 1.
    pub fn host(&self, index: usize) -> &LabHost {
        &self.hosts[index - 1]
    }

    /// A name for images and containers that no other lab uses, for engines that are shared.
    pub fn prefix(&self) -> String {
        format!("refit-test-{}-{}", std::process::id(), self.number)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // With REFIT_KEEP_LAB=1 it stays for a look; the next run sweeps it. (The demo's hosts stay until they are cleaned up by hand.)
        if self.kind == Kind::Shared || std::env::var_os("REFIT_KEEP_LAB").is_some() {
            return;
        }
        if let Err(error) = script(&["clear", &self.number.to_string()]) {
            eprintln!("lab {} could not be cleared: {error}", self.number);
        }
    }
}

impl LabHost {
    fn control(&self, command: &str, arguments: &[&str]) -> String {
        assert_eq!(self.kind, Kind::Separate, "`{command}` needs separate engines; see Lab::separate_hosts");
        let lab = self.lab.to_string();
        let all: Vec<&str> = [command, &lab].into_iter().chain(arguments.iter().copied()).collect();
        script(&all).unwrap_or_else(|error| panic!("{} of lab {lab}: {command}: {error}", self.name))
    }

    /// Starts its engine (again) and waits until it answers.
    pub fn up(&self) {
        self.control("up", &[&self.name, &self.index.to_string()]);
    }

    /// The same with further arguments for dockerd; its socket answers as ever.
    pub fn up_with(&self, arguments: &[&str]) {
        let index = self.index.to_string();
        self.control("up", &[&[self.name.as_str(), index.as_str()], arguments].concat());
    }

    /// Starts an ssh server on the host, for root. The folder holds `host_key` and `authorized_keys`.
    pub fn sshd(&self, folder: &Path) {
        self.control("sshd", &[&self.name, &self.index.to_string(), folder.to_str().expect("a plain path")]);
    }

    /// Stops its engine in good order, and with it its containers.
    pub fn stop(&self) {
        self.control("stop", &[&self.name]);
    }

    /// Kills its engine with SIGKILL; its containers run on, until it is started again.
    pub fn kill(&self) {
        self.control("stop", &[&self.name, "KILL"]);
    }

    /// Cuts its network off: nothing answers any more, nothing is refused.
    pub fn cut_off(&self) {
        self.control("cut", &[&self.index.to_string()]);
    }

    /// Heals its network.
    pub fn heal(&self) {
        self.control("heal", &[&self.index.to_string()]);
    }

    /// Lets its engine accept connections and never answer.
    pub fn hang(&self) {
        self.control("freeze", &[&self.name]);
    }

    /// Lets its engine answer again.
    pub fn unhang(&self) {
        self.control("thaw", &[&self.name]);
    }

    /// Drops everything that is sent to its engine; its containers' ports still answer.
    pub fn drop_calls(&self) {
        self.control("drop", &[&self.name]);
    }

    /// Takes calls to its engine again.
    pub fn pass_calls(&self) {
        self.control("pass", &[&self.name]);
    }

    /// Lets nothing get to it or from it faster than this: `256kbit`.
    pub fn slow(&self, rate: &str) {
        self.control("slow", &[&self.name, &self.index.to_string(), rate]);
    }

    /// Ends that.
    pub fn quick(&self) {
        self.control("quick", &[&self.name, &self.index.to_string()]);
    }

    /// Loses so many of the packets to and from its engine, each way: `0.3`.
    pub fn lose(&self, probability: &str) {
        self.control("loses", &[&self.name, probability, "-I"]);
    }

    /// Ends that.
    pub fn lose_no_more(&self, probability: &str) {
        self.control("loses", &[&self.name, probability, "-D"]);
    }

    /// Listens to what its engine reports of an estate's containers from now on.
    pub fn events(&self, estate: &str) -> Events {
        Events::of(&self.local(), estate)
    }

    /// Runs the docker client on its engine; its output without the last line's end, or what it said on failing.
    pub fn docker(&self, arguments: &[&str]) -> Result<String, String> {
        let endpoint = self.local();
        run("docker", &[&["-H", endpoint.as_str()], arguments].concat())
    }

    /// The same with this folder for Docker's own configuration, logins included.
    pub fn docker_as(&self, config: &Path, arguments: &[&str]) -> Result<String, String> {
        let (config, endpoint) = (config.to_str().expect("a plain path"), self.local());
        run("docker", &[&["--config", config, "-H", endpoint.as_str()], arguments].concat())
    }

    /// A program that will run in the host's network. Whoever starts it ends it; what is left over goes with the host.
    pub fn inside(&self, program: &str) -> Command {
        assert_eq!(self.kind, Kind::Separate, "`{program}` needs a network of its own; see Lab::separate_hosts");
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/rl{}-{}", self.lab, self.name)).arg(program).stdin(Stdio::null());
        command
    }

    /// Imports the smallest useful base, busybox with shell and web server, under this name; gives back the image id.
    pub fn import_base(&self, reference: &str) -> String {
        script(&["import_base", &self.local(), reference]).expect("the base is imported")
    }

    /// Makes a small web server image that answers `/version` with this text on port 8080.
    pub fn web_image(&self, base: &str, reference: &str, version: &str) -> String {
        let context = tempfile::tempdir().expect("a folder");
        let dockerfile = format!("FROM {base}\nRUN echo {version} > /www/version\nCMD [\"httpd\", \"-f\", \"-p\", \"8080\", \"-h\", \"/www\"]\n");
        fs::write(context.path().join("Dockerfile"), dockerfile).expect("a Dockerfile");
        let context = context.path().to_str().expect("a plain path").to_owned();
        self.docker(&["build", "-q", "-t", reference, &context]).expect("the web image is built")
    }

    /// The engine by its socket where there is one: it answers even when the host is cut off.
    fn local(&self) -> String {
        if self.socket.as_os_str().is_empty() { self.endpoint.clone() } else { format!("unix://{}", self.socket.display()) }
    }
}

/// The library that gives a process another time of day than its machine.
pub fn faketime() -> PathBuf {
    let find = r"dpkg -L libfaketime 2>/dev/null | grep 'libfaketimeMT\.so\.1$'";
    let path = run("sh", &["-c", find]).unwrap_or_default();
    assert!(!path.is_empty(), "no libfaketime: run tests/lab/setup.sh --tests");
    PathBuf::from(path)
}

/// Takes the first number whose lock is free and whose addresses nobody uses.
fn claim() -> (u32, File) {
    fs::create_dir_all(labs()).expect("the labs' folder");
    let routes = run("ip", &["route"]).unwrap_or_default();
    for number in 1..250 {
        let file = File::create(labs().join(format!("{number}.lock"))).expect("a lab's lock");
        if file.try_lock().is_err() {
            continue;
        }
        if labs().join(number.to_string()).join("keep").exists() {
            continue;
        }
        if labs().join(number.to_string()).exists() {
            script(&["clear", &number.to_string()]).expect("a leftover is cleared");
        }
        if !routes.contains(&format!("10.77.{number}.")) {
            return (number, file);
        }
    }
    panic!("no free lab number below 250; `make clean-lab` sweeps leftovers");
}

fn script(arguments: &[&str]) -> Result<String, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/lab.sh");
    run(path.to_str().expect("a plain path"), arguments)
}

fn run(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().map_err(|error| format!("{program} cannot be run: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(format!("{}\n{}", text(&output.stderr), text(&output.stdout))) }
}
