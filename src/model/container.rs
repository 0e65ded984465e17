//! What a container is to be, in Compose's words, fully resolved: no variable, default or relative path is left in it.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Digest, serde_duration};

/// Everything of a container that refit sets, besides its image. Two equal specs make two equal containers.
///
/// Networks and mounts keep the order in which they were written; maps are sorted, so the same spec always serialises to the same bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ContainerSpec {
    /// Replaces the image's command.
    pub command: Option<Vec<String>>,
    /// Replaces the image's entry point.
    pub entrypoint: Option<Vec<String>>,
    /// Environment variables, `env_file` already merged in beneath them.
    pub environment: BTreeMap<String, String>,
    /// Published ports.
    pub ports: Vec<PortSpec>,
    /// How the container is networked.
    pub network: NetworkSpec,
    /// Mounts in written order.
    pub mounts: Vec<MountSpec>,
    /// `user[:group]`.
    pub user: Option<String>,
    /// Working directory.
    pub working_dir: Option<String>,
    /// Host name inside the container.
    pub hostname: Option<String>,
    /// The user's own labels; refit adds its own when it creates the container.
    pub labels: BTreeMap<String, String>,
    /// Restart policy as the engine knows it: `no`, `always`, `unless-stopped`, `on-failure[:n]`. Default `unless-stopped`.
    pub restart: Option<String>,
    /// How long a stop may take before the container is killed. Default 10 s.
    pub stop_grace_period_ms: Option<u64>,
    /// The signal that asks the container to stop.
    pub stop_signal: Option<String>,
    /// Root file system read-only.
    pub read_only: bool,
    /// Run an init as PID 1.
    pub init: Option<bool>,
    /// Give all capabilities and devices.
    pub privileged: bool,
    /// Capabilities added.
    pub cap_add: Vec<String>,
    /// Capabilities dropped.
    pub cap_drop: Vec<String>,
    /// `no-new-privileges:true` and its kind.
    pub security_opt: Vec<String>,
    /// Kernel parameters of the container.
    pub sysctls: BTreeMap<String, String>,
    /// `name:address` lines for /etc/hosts.
    pub extra_hosts: Vec<String>,
    /// Name servers.
    pub dns: Vec<String>,
    /// Search domains.
    pub dns_search: Vec<String>,
    /// `host:container[:permissions]`.
    pub devices: Vec<String>,
    /// Supplementary groups.
    pub group_add: Vec<String>,
    /// `host` or `container:…`.
    pub pid: Option<String>,
    /// `host`, `private`, `shareable` …
    pub ipc: Option<String>,
    /// Soft and hard limits by name.
    pub ulimits: BTreeMap<String, Ulimit>,
    /// Log driver and its options.
    pub logging: Option<Logging>,
    /// Size of /dev/shm in bytes.
    pub shm_size: Option<u64>,
    /// Memory limit in bytes.
    pub memory_limit: Option<u64>,
    /// Memory reservation in bytes.
    pub memory_reservation: Option<u64>,
    /// CPU limit in billionths of a core.
    pub nano_cpus: Option<u64>,
    /// Most processes.
    pub pids_limit: Option<i64>,
    /// Compose's own health check, run by the engine; `None` leaves the image's.
    pub healthcheck: Option<EngineHealthcheck>,
}

impl ContainerSpec {
    /// How long a stop may take before the container is killed: as written, else Compose's 10 s.
    pub fn stop_grace_period(&self) -> Duration {
        Duration::from_millis(self.stop_grace_period_ms.unwrap_or(10_000))
    }
}

/// One published port or range.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct PortSpec {
    /// The host's address to listen on; every address if none.
    pub host_ip: Option<String>,
    /// First and last port on the host; the engine chooses one from the range, or any port if none.
    pub published: Option<(u16, u16)>,
    /// The port in the container.
    pub target: u16,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
}

impl PortSpec {
    /// Whether only one container of a host can have it: a single fixed port.
    pub fn is_exclusive(&self) -> bool {
        self.published.is_some_and(|(first, last)| first == last)
    }
}

/// How a container is networked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NetworkSpec {
    /// `host`, `none`, `bridge` or `container:…`.
    Mode(String),
    /// Interfaces in written order; the first one is there when the container starts, and so is every other.
    Attached(Vec<Attachment>),
}

impl Default for NetworkSpec {
    fn default() -> Self {
        Self::Attached(Vec::new())
    }
}

/// One interface of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Attachment {
    /// The network's name on the engine (`shop_front`).
    pub network: String,
    /// Further names under which the container is known there. The service's own name is among them.
    pub aliases: Vec<String>,
    /// A static address.
    pub ipv4_address: Option<String>,
    /// A static address.
    pub ipv6_address: Option<String>,
    /// A hardware address.
    pub mac_address: Option<String>,
    /// How the network is made where it is missing; `None` if it is external and must be there.
    pub create: Option<NetworkCreate>,
}

/// How a network that refit may create is made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NetworkCreate {
    /// `bridge` unless said otherwise.
    pub driver: Option<String>,
    /// Driver options.
    pub driver_opts: BTreeMap<String, String>,
    /// No way out.
    pub internal: bool,
    /// Subnets in CIDR form, each with an optional gateway.
    pub subnets: Vec<(String, Option<String>)>,
    /// The user's own labels.
    pub labels: BTreeMap<String, String>,
}

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MountSpec {
    /// What is mounted.
    pub source: MountSource,
    /// Where in the container.
    pub target: String,
    /// Whether it is read-only.
    pub read_only: bool,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MountSource {
    /// A named volume, by its name on the engine (`shop_uploads`).
    Volume {
        /// Its name on the engine.
        name: String,
        /// Driver and options with which it is made where it is missing; `None` if it is external and must be there.
        create: Option<VolumeCreate>,
    },
    /// An anonymous volume: it moves on to the container that takes the slot over.
    Anonymous,
    /// A path of the host.
    Bind {
        /// Absolute path on the host.
        path: String,
    },
    /// Memory.
    Tmpfs {
        /// Size limit in bytes.
        size: Option<u64>,
        /// Octal mode.
        mode: Option<u32>,
    },
}

/// How a volume that refit may create is made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VolumeCreate {
    /// `local` unless said otherwise.
    pub driver: Option<String>,
    /// Driver options.
    pub driver_opts: BTreeMap<String, String>,
    /// The user's own labels.
    pub labels: BTreeMap<String, String>,
}

/// Soft and hard limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ulimit {
    /// The soft limit.
    pub soft: i64,
    /// The hard limit.
    pub hard: i64,
}

/// Log driver and options.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Logging {
    /// `json-file`, `journald` …
    pub driver: String,
    /// Driver options.
    pub options: BTreeMap<String, String>,
}

/// A health check that the engine itself runs in the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EngineHealthcheck {
    /// `["CMD", …]`, `["CMD-SHELL", …]`, or `["NONE"]` to switch the image's off.
    pub test: Vec<String>,
    /// Between two probes.
    #[serde(with = "serde_duration")]
    #[schemars(with = "u64")]
    pub interval: Duration,
    /// For one probe.
    #[serde(with = "serde_duration")]
    #[schemars(with = "u64")]
    pub timeout: Duration,
    /// Failures in a row that make it unhealthy.
    pub retries: u32,
    /// Failures before this do not count.
    #[serde(with = "serde_duration")]
    #[schemars(with = "u64")]
    pub start_period: Duration,
}

/// A health check that refit itself runs from outside, or by a command in the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProbeSpec {
    /// What is asked.
    pub kind: ProbeKind,
    /// Between two probes.
    #[serde(with = "serde_duration")]
    #[schemars(with = "u64")]
    pub interval: Duration,
    /// For one probe.
    #[serde(with = "serde_duration")]
    #[schemars(with = "u64")]
    pub timeout: Duration,
    /// Failures in a row that make it unhealthy.
    pub retries: u32,
    /// Failures before this do not count.
    #[serde(with = "serde_duration")]
    #[schemars(with = "u64")]
    pub start_period: Duration,
}

/// What a probe asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProbeKind {
    /// An HTTP request to a port of the container; 200 to 399 is healthy.
    Http {
        /// `GET` or `HEAD`.
        method: String,
        /// The container's port.
        port: u16,
        /// Path and query, beginning with `/`.
        path: String,
    },
    /// A TCP connection to a port of the container.
    Tcp {
        /// The container's port.
        port: u16,
    },
    /// A command run in the container by the engine's exec; exit code 0 is healthy.
    Command {
        /// The command's words.
        command: Vec<String>,
    },
}

/// The hash of image and spec together: containers with the same one are interchangeable.
pub fn spec_hash(image: Digest, spec: &ContainerSpec, probe: Option<&ProbeSpec>) -> Digest {
    #[derive(Serialize)]
    struct Hashed<'a> {
        image: Digest,
        spec: &'a ContainerSpec,
        probe: Option<&'a ProbeSpec>,
    }
    // A struct of strings, numbers and sorted maps always serialises; an empty text would only make every container look new.
    Digest::of(&serde_json::to_vec(&Hashed { image, spec, probe }).unwrap_or_default())
}
