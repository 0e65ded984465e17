//! What people wrote, checked and resolved: the estate. Everything later trusts it.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::defaults;
use super::follow::Follow;
use super::hook::Hook;
use super::notify::Notify;
use super::registry::RegistryAccess;
use super::schedule::{Freeze, Refresh, Trigger, Window};
use super::service::Service;
use crate::model::{BuilderName, EstateName, HookName, HostName, ImageName, ImageRef, NotifyName, Place, ServiceName, TriggerName, serde_duration};

/// Everything that refit manages: the union of all the pipeline files of a folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Estate {
    /// The estate's name, which is in the labels of everything that refit touches.
    pub name: EstateName,
    /// Bases with settings of their own; Dockerfiles may reach for others.
    pub bases: BTreeMap<ImageRef, Base>,
    /// Registries by name as references have it, where one is not reached as any other.
    #[serde(default)]
    pub registries: BTreeMap<String, RegistryAccess>,
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
    /// So many releases, and so many versions of each service, survive a prune.
    #[serde(default = "defaults::keep")]
    pub keep: NonZeroU32,
    /// How much of a run may fail, and what happens when more does.
    #[serde(default)]
    pub run: RunPolicy,
    /// What begins patch cycles by itself.
    #[serde(default)]
    pub triggers: BTreeMap<TriggerName, Trigger>,
    /// When nothing is rolled, in the order in which they begin.
    #[serde(default)]
    pub freezes: Vec<Freeze>,
    /// When runs by webhook and poll may begin; always if there are none.
    #[serde(default)]
    pub maintenance: Vec<Window>,
    /// Who is told what happens.
    #[serde(default)]
    pub notify: BTreeMap<NotifyName, Notify>,
    /// Who may say over HTTP that something moved.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub hooks: BTreeMap<HookName, Hook>,
}

/// How much of a run may fail, and what happens when more does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunPolicy {
    /// So many services may fail in one run.
    pub max_failed_services: u32,
    /// What happens when more do. Whatever that is, no further service is rolled.
    pub on_exceeded: OnExceeded,
}

impl Default for RunPolicy {
    fn default() -> Self {
        defaults::run()
    }
}

/// What happens when more services of a run fail than may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnExceeded {
    /// Every service that the run has rolled goes back, most recent first.
    Rollback,
    /// Those that are through stay.
    Stop,
}

/// Which sources a moved base is rebuilt from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sources {
    /// The commits that are deployed: a patch never ships unreleased work.
    #[default]
    Deployed,
    /// The newest commits.
    Latest,
}

/// A base with settings of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Base {
    /// Where it was written.
    pub at: Place,
    /// How often the registry is asked; used by the daemon.
    pub watch: Option<Duration>,
    /// Which tag it stands for, if not the one that its name says.
    #[serde(default)]
    pub follow: Option<Follow>,
    /// How long a digest is left alone after refit first saw it.
    #[serde(default, with = "serde_duration")]
    #[schemars(with = "u64")]
    pub cooldown: Duration,
}

/// An image that the estate builds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// Whether patch cycles rebuild it even where nothing below it moved.
    #[serde(default)]
    pub refresh: Refresh,
}

/// How an image is built, in Compose's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "BuildContext")]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BuildSecret {
    /// The id that the Dockerfile asks for.
    pub id: String,
    /// Where its value comes from when the build runs.
    pub source: SecretSource,
}

/// Where a secret's value comes from. The value itself is never kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SecretSource {
    /// A file on this machine, absolute.
    File(PathBuf),
    /// A variable of refit's environment.
    Environment(String),
}

/// A command that must succeed in a throw-away container of the new image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImageTest {
    /// The command's words; they replace entry point and command.
    pub run: Vec<String>,
    /// For how long it may run.
    #[serde(with = "serde_duration")]
    #[schemars(with = "u64")]
    pub timeout: Duration,
}

/// What a change that comes along an edge means to an image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RebuildPolicy {
    /// Along the chain of FROM of the built stage.
    pub runtime: Rebuild,
    /// Along builder stages, `COPY --from` and mounts.
    pub build: Rebuild,
}

/// A Docker endpoint where images are built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Builder {
    /// Where it was written; `None` for the default one.
    pub at: Option<Place>,
    /// How it is reached.
    pub endpoint: Endpoint,
    /// How many builds it runs at once; refit's default if none.
    pub parallel: Option<u32>,
}

/// A Docker endpoint where containers run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Host {
    /// Where it was written.
    pub at: Place,
    /// How it is reached.
    pub endpoint: Endpoint,
    /// What selectors see, besides `name`.
    pub labels: BTreeMap<String, String>,
}

/// How an engine is reached.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
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
