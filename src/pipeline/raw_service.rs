//! A service as it is written: the Compose Specification's names and forms.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::Deserialize;

use super::forms::{Entries, ListOrMap, OneOrMany, Settings, Short, Text, Words};

/// Containers of one image on some hosts.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Service {
    /// An image of the estate by its key, or any other with its tag: `redis:7`.
    pub(super) image: String,
    /// Replaces the image's command: words, or a text that is split as a shell splits it.
    pub(super) command: Option<Words>,
    /// Replaces the image's entry point.
    pub(super) entrypoint: Option<Words>,
    /// Environment variables: a map, or `NAME=value` lines.
    pub(super) environment: Option<Settings>,
    /// Files of `NAME=value` lines on this machine; `environment` wins.
    pub(super) env_file: Option<OneOrMany<Short<EnvFile>>>,
    /// Published ports: `80:8080`, `127.0.0.1:53:53/udp`, `9000-9010:8080`, or the long form.
    #[serde(default)]
    pub(super) ports: Vec<Short<Port>>,
    /// Networks: names, or a map with addresses (default: the estate's own, `<estate>_default`).
    pub(super) networks: Option<ListOrMap<ServiceNetwork>>,
    /// `host`, `none`, `bridge` or `container:<name>`, instead of `networks`.
    pub(super) network_mode: Option<String>,
    /// Mounts: `data:/var/lib/x`, `/srv/x:/x:ro`, `/cache` (anonymous), or the long form.
    #[serde(default)]
    pub(super) volumes: Vec<Short<Mount>>,
    /// `user[:group]` (default: the image's).
    pub(super) user: Option<Text>,
    /// Working directory (default: the image's).
    pub(super) working_dir: Option<String>,
    /// Host name in the container (default: the engine's choice).
    pub(super) hostname: Option<String>,
    /// Labels of the containers.
    pub(super) labels: Option<Settings>,
    /// `no`, `always`, `unless-stopped` or `on-failure[:n]` (default: `unless-stopped`).
    pub(super) restart: Option<String>,
    /// How long a stop may take before the container is killed (default: `10s`).
    pub(super) stop_grace_period: Option<String>,
    /// The signal that asks it to stop (default: the image's, else SIGTERM).
    pub(super) stop_signal: Option<String>,
    /// Root file system read-only (default: `false`).
    pub(super) read_only: Option<bool>,
    /// Run an init as PID 1 (default: the engine's).
    pub(super) init: Option<bool>,
    /// All capabilities and devices (default: `false`).
    pub(super) privileged: Option<bool>,
    /// Capabilities added.
    #[serde(default)]
    pub(super) cap_add: Vec<String>,
    /// Capabilities dropped.
    #[serde(default)]
    pub(super) cap_drop: Vec<String>,
    /// Security options, such as `no-new-privileges:true`.
    #[serde(default)]
    pub(super) security_opt: Vec<String>,
    /// Kernel parameters of the container.
    pub(super) sysctls: Option<Settings>,
    /// Further lines in /etc/hosts: `name:address`, `name=address` or a map.
    pub(super) extra_hosts: Option<Settings>,
    /// Name servers.
    pub(super) dns: Option<Words>,
    /// Search domains.
    pub(super) dns_search: Option<Words>,
    /// Devices: `host[:container[:permissions]]`.
    #[serde(default)]
    pub(super) devices: Vec<String>,
    /// Supplementary groups.
    #[serde(default)]
    pub(super) group_add: Vec<Text>,
    /// `host` or `container:<name>` (default: its own).
    pub(super) pid: Option<String>,
    /// `host`, `private`, `shareable` … (default: the engine's).
    pub(super) ipc: Option<String>,
    /// Limits by name: a number, or soft and hard.
    #[serde(default)]
    pub(super) ulimits: Entries<Short<Ulimit>>,
    /// Log driver and options (default: the engine's).
    pub(super) logging: Option<Logging>,
    /// Size of /dev/shm, such as `64m` (default: the engine's).
    pub(super) shm_size: Option<Text>,
    /// Memory limit, such as `512m` (default: none).
    pub(super) mem_limit: Option<Text>,
    /// Memory that is kept free for it (default: none).
    pub(super) mem_reservation: Option<Text>,
    /// Cores, such as `0.5` (default: no limit).
    pub(super) cpus: Option<Text>,
    /// Most processes (default: no limit).
    pub(super) pids_limit: Option<i64>,
    /// Paths that are memory: `/run`, `/tmp:size=64m,mode=1777`.
    pub(super) tmpfs: Option<Words>,
    /// When a container is healthy (default: the image's HEALTHCHECK; without one, as long as it runs).
    pub(super) healthcheck: Option<Healthcheck>,
    /// Where it runs and how it is rolled.
    pub(super) deploy: Option<Deploy>,
    /// Beyond Compose: two containers may write one volume at once, so start-first is possible (default: `false`).
    pub(super) concurrent: Option<bool>,
    /// Beyond Compose: what happens when a replacement would lose files that a container wrote outside its volumes, `refuse` or `discard`
    /// (default: `refuse`), or the long form.
    pub(super) data: Option<Short<Data>>,
}

/// What becomes of what a container holds outside its named volumes when it is replaced.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Data {
    /// `refuse`: the container is not replaced; `discard`: the files may go (default: `refuse`).
    pub(super) on_loss: Option<String>,
    /// Paths in the container that may go, with all below them; `*` and `?` stand for letters of one name, `**` for any folders.
    #[serde(default)]
    pub(super) ignore: Vec<String>,
}

/// A file of environment variables.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EnvFile {
    /// Its path, relative to the folder that holds `pipelines/`.
    pub(super) path: String,
    /// Whether it must be there (default: `true`).
    pub(super) required: Option<bool>,
}

/// A published port in the long form.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Port {
    /// The port in the container.
    pub(super) target: u16,
    /// The port or range on the host (default: the engine's choice).
    pub(super) published: Option<Text>,
    /// The host's address to listen on (default: all).
    pub(super) host_ip: Option<String>,
    /// `tcp`, `udp` or `sctp` (default: `tcp`).
    pub(super) protocol: Option<String>,
    /// `host` or `ingress`; without Swarm both mean the same.
    pub(super) mode: Option<String>,
    /// For people; the engine does not know it.
    #[expect(dead_code, reason = "a note of Compose's that changes nothing")]
    pub(super) name: Option<String>,
    /// For people; the engine does not know it.
    #[expect(dead_code, reason = "a note of Compose's that changes nothing")]
    pub(super) app_protocol: Option<String>,
}

/// A network as a service uses it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ServiceNetwork {
    /// Further names under which the service is known there.
    #[serde(default)]
    pub(super) aliases: Vec<String>,
    /// A static address.
    pub(super) ipv4_address: Option<String>,
    /// A static address.
    pub(super) ipv6_address: Option<String>,
    /// A hardware address.
    pub(super) mac_address: Option<String>,
    /// Networks with a higher number are attached first (default: `0`).
    pub(super) priority: Option<i64>,
}

/// A mount in the long form.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Mount {
    /// What is mounted.
    #[serde(rename = "type")]
    pub(super) kind: MountKind,
    /// The volume's key, or the path on the host; none for an anonymous volume and for tmpfs.
    pub(super) source: Option<String>,
    /// Where in the container.
    pub(super) target: String,
    /// Read-only (default: `false`).
    pub(super) read_only: Option<bool>,
    /// Options of a tmpfs.
    pub(super) tmpfs: Option<TmpfsOptions>,
}

/// What is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum MountKind {
    /// A volume.
    Volume,
    /// A path of the host.
    Bind,
    /// Memory.
    Tmpfs,
}

/// Options of a tmpfs.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TmpfsOptions {
    /// Its size (default: no limit).
    pub(super) size: Option<Text>,
    /// Its mode, in octal: `"1777"`.
    pub(super) mode: Option<Text>,
}

/// Soft and hard limit.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Ulimit {
    /// The soft limit.
    pub(super) soft: i64,
    /// The hard limit.
    pub(super) hard: i64,
}

/// Log driver and options.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Logging {
    /// The driver (default: `json-file`).
    pub(super) driver: Option<String>,
    /// Its options.
    #[serde(default)]
    pub(super) options: Entries<Text>,
}

/// When a container is healthy. One of `test` (run by the engine), `http`, `tcp` and `command` (asked by refit).
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Healthcheck {
    /// Compose's test: `["CMD", …]`, `["CMD-SHELL", …]`, `["NONE"]`, or a shell line.
    pub(super) test: Option<Words>,
    /// Beyond Compose: a request to a port of the container, such as `GET :8080/healthz`; 200 to 399 is healthy.
    pub(super) http: Option<String>,
    /// Beyond Compose: a port of the container that must take a connection.
    pub(super) tcp: Option<u16>,
    /// Beyond Compose: a command that refit runs in the container; exit code 0 is healthy.
    pub(super) command: Option<Words>,
    /// Time between two probes (default: `30s`, as in Compose).
    pub(super) interval: Option<String>,
    /// Time for one probe (default: `30s`, as in Compose).
    pub(super) timeout: Option<String>,
    /// Failures in a row that make a container unhealthy (default: `3`). Zero would prove nothing, so it is refused.
    pub(super) retries: Option<NonZeroU32>,
    /// Failures before this do not count (default: `0s`).
    pub(super) start_period: Option<String>,
    /// Switches the image's own health check off (default: `false`).
    pub(super) disable: Option<bool>,
}

/// Where a service runs and how it is rolled.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Deploy {
    /// Its hosts: a name, or labels such as `pool=web`, `zone=a,pool!=db` (default: `*`, all of them).
    pub(super) hosts: Option<String>,
    /// Containers on each host (default: `1`).
    pub(super) replicas: Option<NonZeroU32>,
    /// How it is rolled forward.
    pub(super) update_config: Option<UpdateConfig>,
    /// How it is rolled back (default: as `update_config`, except that a failing rollback pauses).
    pub(super) rollback_config: Option<UpdateConfig>,
    /// Limits of its containers.
    pub(super) resources: Option<Resources>,
    /// Beyond Compose: `rolling`, slot by slot, or `blue-green`: all new containers are proven beside all old ones, which are then stopped together
    /// (default: `rolling`).
    pub(super) strategy: Option<Strategy>,
    /// Beyond Compose: for how long the old containers are kept, stopped, after the last one was stopped. A new one that fails in that time, or a
    /// person who aborts, leads back at once (default: `0s`).
    pub(super) keep: Option<String>,
    /// Beyond Compose: who goes first. Hosts that no wave names go last.
    #[serde(default)]
    pub(super) waves: Vec<Wave>,
    /// Beyond Compose: how many hosts may have containers in flight at once (default: no limit but `parallelism`).
    pub(super) max_parallel_hosts: Option<NonZeroU32>,
    /// Beyond Compose: a label of hosts, such as `zone`. Two hosts on which it has the same value never have containers in flight at once (default: none).
    pub(super) spread: Option<String>,
}

/// In which way a service moves from one release to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Strategy {
    /// Slot by slot.
    Rolling,
    /// All new containers beside all old ones, then one switch.
    BlueGreen,
}

/// How a service is rolled.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UpdateConfig {
    /// Containers in flight at once over all hosts, a number or a part such as `25%`; 0 means all (default: `1`; blue-green: `0`).
    pub(super) parallelism: Option<Text>,
    /// Time between one batch and the next (default: `0s`).
    pub(super) delay: Option<String>,
    /// How long a container must stay healthy before it counts (default: `5s`).
    pub(super) monitor: Option<String>,
    /// Beyond Compose: by when, counted from its start, a container must have become healthy (default: `5m`).
    pub(super) healthy_deadline: Option<String>,
    /// Beyond Compose: by when, counted from the last container that became healthy, the next one must, else the rollout has failed. Runs neither at
    /// gates nor in pauses (default: twice `healthy_deadline`).
    pub(super) progress_deadline: Option<String>,
    /// Which container of a slot goes first (default: `stop-first`).
    pub(super) order: Option<Order>,
    /// What happens when too many containers fail (default: `rollback`; in `rollback_config`, `pause`).
    pub(super) failure_action: Option<FailureAction>,
    /// The part of all containers that may fail, from 0 to 1 (default: `0`).
    pub(super) max_failure_ratio: Option<f64>,
    /// Beyond Compose: how long a host that does not answer is waited for (default: `1m`).
    pub(super) host_timeout: Option<String>,
}

/// Which container of a slot goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Order {
    /// The old one stops before the new one starts.
    StopFirst,
    /// The new one is healthy before the old one stops.
    StartFirst,
}

/// What happens when too many containers fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum FailureAction {
    /// Every slot goes back to the release before.
    Rollback,
    /// The rollout stops where it is and waits for a person.
    Pause,
    /// The rollout goes on.
    Continue,
}

/// Limits of a service's containers.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Resources {
    /// What a container may use.
    pub(super) limits: Option<Limits>,
    /// What is kept free for it.
    pub(super) reservations: Option<Reservations>,
}

/// What a container may use.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    /// Cores, such as `"0.5"`.
    pub(super) cpus: Option<Text>,
    /// Memory, such as `512m`.
    pub(super) memory: Option<Text>,
    /// Most processes.
    pub(super) pids: Option<i64>,
}

/// What is kept free for a container.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Reservations {
    /// Memory, such as `128m`.
    pub(super) memory: Option<Text>,
}

/// One wave of a rollout.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wave {
    /// Its hosts, as in `deploy.hosts`; `*` means those that no wave before it names (default: `*`).
    pub(super) hosts: Option<String>,
    /// How many of its containers go first and alone, a number or a part such as `10%` (default: none).
    pub(super) canary: Option<Text>,
    /// How long the canary (without one: the wave) must stay healthy before what comes next begins (default: `0s`).
    pub(super) bake: Option<String>,
    /// Whether a person must say that what comes next may begin: `refit approve` (default: `false`).
    pub(super) approve: Option<bool>,
}
