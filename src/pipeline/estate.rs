//! What people wrote, checked and resolved: the estate. Everything later trusts it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::defaults;
use crate::model::{BuilderName, ContainerSpec, EstateName, HostName, ImageName, ImageRef, Place, ProbeSpec, ServiceName, serde_duration};

/// Everything that refit manages: the union of all the pipeline files of a folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Estate {
    /// The estate's name, which is in the labels of everything that refit touches.
    pub name: EstateName,
    /// Bases with settings of their own; Dockerfiles may reach for others.
    pub bases: BTreeMap<ImageRef, Base>,
    /// The images that the estate builds.
    pub images: BTreeMap<ImageName, Image>,
    /// Where images are built; never empty (the local engine if nobody said otherwise).
    pub builders: BTreeMap<BuilderName, Builder>,
    /// Where containers run.
    pub hosts: BTreeMap<HostName, Host>,
    /// What runs.
    pub services: BTreeMap<ServiceName, Service>,
    /// Which sources a moved base is rebuilt from.
    pub sources: Sources,
}

/// Which sources a moved base is rebuilt from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sources {
    /// The commits that are deployed: a patch never ships unreleased work.
    #[default]
    Deployed,
    /// The newest commits.
    Latest,
}

/// A base with settings of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// Where it was written.
    pub at: Place,
    /// How often the registry is asked; used by the daemon.
    pub watch: Option<Duration>,
}

/// An image that the estate builds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Its key, and the name by which Dockerfiles may call it.
    pub name: ImageName,
    /// Its normal form, from the key.
    pub reference: ImageRef,
    /// Where it was written.
    pub at: Place,
    /// How it is built.
    pub build: BuildSpec,
    /// What the image must pass before it is released.
    pub tests: Vec<ImageTest>,
    /// A template for its tag; the default is `<commit or 'local'>-<first 12 of inputs>`.
    pub tag: Option<String>,
    /// What a moved base means to it, per class of edge.
    pub rebuild: RebuildPolicy,
}

/// How an image is built, in Compose's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildSpec {
    /// Where the files come from.
    pub context: Context,
    /// The Dockerfile's path within the context; `Dockerfile` by default.
    pub dockerfile: String,
    /// The Dockerfile itself, if it stands in the pipeline.
    pub dockerfile_inline: Option<String>,
    /// Build arguments.
    pub args: BTreeMap<String, String>,
    /// The stage to build; the last one if none.
    pub target: Option<String>,
    /// Secrets for `RUN --mount=type=secret`.
    pub secrets: Vec<BuildSecret>,
    /// The platform; the builder's own if none.
    pub platform: Option<String>,
    /// The user's own labels.
    pub labels: BTreeMap<String, String>,
    /// Build without the cache, always.
    pub no_cache: bool,
    /// Network of RUN steps: `default`, `none` or `host`.
    pub network: Option<String>,
    /// `name:address` lines for RUN steps.
    pub extra_hosts: Vec<String>,
}

impl BuildSpec {
    /// A build of a context about which nothing else was written.
    pub fn of(context: Context) -> Self {
        Self {
            context,
            dockerfile: defaults::DOCKERFILE.to_owned(),
            dockerfile_inline: None,
            args: BTreeMap::new(),
            target: None,
            secrets: Vec::new(),
            platform: None,
            labels: BTreeMap::new(),
            no_cache: false,
            network: None,
            extra_hosts: Vec::new(),
        }
    }

    /// A build of a folder on this machine about which nothing else was written.
    pub fn of_folder(path: impl Into<PathBuf>) -> Self {
        Self::of(Context::Folder { path: path.into() })
    }
}

/// Where the files of a build come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Context {
    /// A folder on this machine.
    Folder {
        /// Its path, as written, made absolute from the estate's folder (the parent of `pipelines/`).
        path: PathBuf,
    },
    /// A git repository.
    Git {
        /// `https://`, `ssh://`, `user@host:path`, `file://` or a path.
        url: String,
        /// Branch, tag or commit; the remote's HEAD if none.
        reference: Option<String>,
        /// Folder within the repository; empty for its root.
        path: String,
    },
}

/// A secret for `RUN --mount=type=secret,id=…`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildSecret {
    /// The id that the Dockerfile asks for.
    pub id: String,
    /// Where its value comes from when the build runs.
    pub source: SecretSource,
}

/// Where a secret's value comes from. The value itself is never kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretSource {
    /// A file on this machine, absolute.
    File(PathBuf),
    /// A variable of refit's environment.
    Environment(String),
}

/// A command that must succeed in a throw-away container of the new image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageTest {
    /// The command's words; they replace entry point and command.
    pub run: Vec<String>,
    /// For how long it may run.
    #[serde(with = "serde_duration")]
    pub timeout: Duration,
}

/// What a change that comes along an edge means to an image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rebuild {
    /// Rebuild in this run.
    #[default]
    Now,
    /// Wait for the next patch cycle, or for another reason.
    NextCycle,
    /// Not for this.
    Never,
}

/// [`Rebuild`] for each class of edge.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RebuildPolicy {
    /// Along the chain of FROM of the built stage.
    pub runtime: Rebuild,
    /// Along builder stages, `COPY --from` and mounts.
    pub build: Rebuild,
}

/// A Docker endpoint where images are built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Builder {
    /// Where it was written; `None` for the default one.
    pub at: Option<Place>,
    /// How it is reached.
    pub endpoint: Endpoint,
    /// How many builds it runs at once; refit's default if none.
    pub parallel: Option<u32>,
}

/// A Docker endpoint where containers run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Where it was written.
    pub at: Place,
    /// How it is reached.
    pub endpoint: Endpoint,
    /// What selectors see, besides `name`.
    pub labels: BTreeMap<String, String>,
}

/// How an engine is reached.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// `unix:///var/run/docker.sock`.
    Unix {
        /// The socket.
        path: PathBuf,
    },
    /// `tcp://host:port`.
    Tcp {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
        /// Folder with ca.pem, cert.pem and key.pem; plain HTTP if none.
        tls: Option<PathBuf>,
    },
    /// `ssh://user@host:port/path/to/docker.sock`.
    Ssh {
        /// The user; ssh's own default if none.
        user: Option<String>,
        /// Name, address, or an alias from the user's ssh configuration.
        host: String,
        /// Port; ssh's own default if none.
        port: Option<u16>,
        /// The engine's socket on that machine.
        socket: String,
    },
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix { path } => write!(f, "unix://{}", path.display()),
            Self::Tcp { host, port, .. } => write!(f, "tcp://{host}:{port}"),
            Self::Ssh { user, host, port, socket } => {
                f.write_str("ssh://")?;
                if let Some(user) = user {
                    write!(f, "{user}@")?;
                }
                f.write_str(host)?;
                if let Some(port) = port {
                    write!(f, ":{port}")?;
                }
                if socket == "/var/run/docker.sock" { Ok(()) } else { f.write_str(socket) }
            }
        }
    }
}

/// Containers of one image on some hosts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// Its key.
    pub name: ServiceName,
    /// Where it was written.
    pub at: Place,
    /// What it runs.
    pub image: ServiceImage,
    /// Everything of its containers but the image; networks and volumes by their names on the engine.
    pub container: ContainerSpec,
    /// The health check that refit runs, if one was written (`http:`, `tcp:`, `command:`).
    pub probe: Option<ProbeSpec>,
    /// Its hosts: what the selector selects, by name. Never empty in a checked estate.
    pub hosts: Vec<HostName>,
    /// Containers per host.
    pub replicas: u32,
    /// How it is rolled forward.
    pub update: UpdateConfig,
    /// How it is rolled back; as `update` unless said otherwise.
    pub rollback: UpdateConfig,
    /// In which stages it is rolled forward.
    #[serde(default)]
    pub strategy: UpdateStrategy,
    /// Whether two containers may write one volume at once.
    pub concurrent: bool,
    /// What becomes of what its containers hold outside their volumes.
    #[serde(default)]
    pub data: DataPolicy,
}

/// What becomes of what a container holds outside its named volumes when it is replaced.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataPolicy {
    /// When something would be lost.
    pub on_loss: OnLoss,
    /// Paths and patterns of what may go.
    pub ignore: Vec<String>,
}

/// What happens when a replacement would lose files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnLoss {
    /// The container is not replaced.
    #[default]
    Refuse,
    /// They may go.
    Discard,
}

/// What a service runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceImage {
    /// An image of the estate.
    Estate(ImageName),
    /// An image that somebody else builds: a base that runs as it is.
    External(ImageRef),
}

/// Compose's `update_config` and `rollback_config`, with defaults filled in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UpdateConfig {
    /// Slots in flight at once over all hosts; 0 means all.
    pub parallelism: Amount,
    /// Between one batch and the next.
    #[serde(with = "serde_duration")]
    pub delay: Duration,
    /// How long a slot must stay healthy before it counts.
    #[serde(with = "serde_duration")]
    pub monitor: Duration,
    /// By when, counted from its start, a slot must have become healthy.
    #[serde(with = "serde_duration")]
    pub healthy_deadline: Duration,
    /// By when, counted from the last slot that became healthy, the next one must.
    #[serde(with = "serde_duration")]
    pub progress_deadline: Duration,
    /// Which goes first.
    pub order: Order,
    /// What happens when too many slots fail.
    pub failure_action: FailureAction,
    /// The part of all slots that may fail, from 0 to 1.
    pub max_failure_ratio: f64,
    /// How long a host that does not answer is waited for.
    #[serde(with = "serde_duration")]
    pub host_timeout: Duration,
}

impl Default for UpdateConfig {
    fn default() -> Self {
        defaults::update()
    }
}

/// In which stages a service is rolled forward, and over how many hosts at once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateStrategy {
    /// Whether all new containers are proven beside all old ones before the old ones are stopped together.
    pub is_blue_green: bool,
    /// For how long, after the last old container was stopped, all of them are kept and the new ones watched.
    #[serde(with = "serde_duration")]
    pub keep: Duration,
    /// Who goes first. Hosts that no wave names come after the last one.
    pub waves: Vec<Wave>,
    /// How many hosts may have slots in flight at once.
    pub max_parallel_hosts: Option<u32>,
    /// The value of the `spread` label by host: of hosts with the same value one at a time has slots in flight.
    pub spread: BTreeMap<HostName, String>,
}

/// One wave of a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wave {
    /// Its hosts. No other wave of the service has them.
    pub hosts: Vec<HostName>,
    /// How many of its slots go first, and alone.
    pub canary: Option<Amount>,
    /// How long what went first must stay healthy before the rest begins: the canary, or, without one, the whole wave.
    #[serde(with = "serde_duration")]
    pub bake: Duration,
    /// Whether a person must say that the rest may begin.
    pub approve: bool,
}

/// A number of things, or a part of all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// So many.
    Count(u32),
    /// So many of a hundred, from 1 to 100.
    Percent(u32),
}

impl Amount {
    /// Reads `3` or `25%`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let refuse = || format!("expected a number such as `3`, or a part from `1%` to `100%`, found `{}`", text.escape_debug());
        match text.trim().strip_suffix('%') {
            None => text.trim().parse().map(Self::Count).map_err(|_| refuse()),
            Some(number) => match number.trim_end().parse() {
                Ok(percent @ 1..=100) => Ok(Self::Percent(percent)),
                _ => Err(refuse()),
            },
        }
    }

    /// Of `all`, a part of one counting as one: as Kubernetes rounds `maxSurge`.
    pub fn rounded_up(self, all: usize) -> usize {
        match self {
            Self::Count(count) => count as usize,
            Self::Percent(percent) => (all * percent as usize).div_ceil(100),
        }
    }

    /// Of `all`, a part of one counting as nothing, but one at least: as Kubernetes rounds `maxUnavailable`.
    pub fn rounded_down(self, all: usize) -> usize {
        match self {
            Self::Count(count) => count as usize,
            Self::Percent(percent) => (all * percent as usize / 100).max(1),
        }
    }
}

impl std::fmt::Display for Amount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl Serialize for Amount {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Count(count) => serializer.serialize_u32(*count),
            Self::Percent(_) => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// Which container of a slot goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// The old one stops before the new one starts.
    StopFirst,
    /// The new one is healthy before the old one stops.
    StartFirst,
}

/// What happens when more slots fail than `max_failure_ratio` allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureAction {
    /// Every slot goes back to the release before.
    Rollback,
    /// The rollout stops where it is and waits for a person.
    Pause,
    /// The rollout goes on.
    Continue,
}
