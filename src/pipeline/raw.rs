//! A pipeline file as it is written, before anything is checked. `refit schema` and every structural check come from these types.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::Deserialize;

use super::forms::{Entries, Settings, Short, Text, Words};
use super::raw_hook::Hook;
use super::raw_notify::Notify;
use super::raw_schedule::{Freeze, Refresh, Trigger, Window};
use super::raw_service::Service;
use super::raw_watch::{Base, Registry};

/// Marks values in the schema that are templates of a tag: some of their names are known only when the image is built.
pub(super) const TAG_FORMAT: &str = "refit-tag-template";

/// A pipeline: one YAML file of an estate. All files of a folder are read together.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Pipeline {
    /// The estate's name, which is in the labels of everything that refit touches (default: the name of the folder that holds `pipelines/`).
    pub(super) name: Option<String>,
    /// Images that the estate builds on and does not build itself, where one has settings.
    #[serde(default)]
    pub(super) bases: Entries<Option<Base>>,
    /// Registries that are reached otherwise than with TLS, the machine's own authorities and nobody in between.
    #[serde(default)]
    pub(super) registries: Entries<Registry>,
    /// Images that the estate builds. A Dockerfile may call one by its key.
    #[serde(default)]
    pub(super) images: Entries<Image>,
    /// Docker endpoints where images are built (default: the engine of this machine).
    #[serde(default)]
    pub(super) builders: Entries<Builder>,
    /// Docker endpoints where containers run.
    #[serde(default)]
    pub(super) hosts: Entries<Host>,
    /// Variables for `{{ name }}` in any value.
    #[serde(default)]
    #[expect(dead_code, reason = "part of the schema; read before serde comes, since every other value may need it")]
    pub(super) vars: Entries<Text>,
    /// What runs, in Compose's words.
    #[serde(default)]
    pub(super) services: Entries<Service>,
    /// Networks, as in Compose.
    #[serde(default)]
    pub(super) networks: Entries<Option<Network>>,
    /// Volumes, as in Compose.
    #[serde(default)]
    pub(super) volumes: Entries<Option<Volume>>,
    /// Secrets for builds, as in Compose, and for hooks.
    #[serde(default)]
    pub(super) secrets: Entries<FileSecret>,
    /// What begins patch cycles by itself.
    /// Who may say over HTTP that something moved: `POST /hooks/<name>`.
    #[serde(default)]
    pub(super) hooks: Entries<Hook>,
    /// What begins a run by itself. Read, but not acted on yet.
    #[serde(default)]
    pub(super) triggers: Entries<Trigger>,
    /// When nothing is rolled; runs wait, and say why.
    #[serde(default)]
    pub(super) freeze: Vec<Freeze>,
    /// When runs by webhook and poll may begin; outside of all of these they wait (default: always).
    #[serde(default)]
    pub(super) maintenance: Vec<Window>,
    /// Which sources a moved base is rebuilt from (default: `deployed`).
    pub(super) sources: Option<Sources>,
    /// How much of a run may fail, and what happens when more does. One file says it for all.
    pub(super) run: Option<Run>,
    /// What `refit prune` keeps.
    pub(super) prune: Option<Prune>,
    /// Who is told what happens, and how.
    #[serde(default)]
    pub(super) notify: Entries<Notify>,
}

/// How much of a run may fail, and what happens when more does.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Run {
    /// So many services may fail in one run (default: `0`).
    pub(super) max_failed_services: Option<u32>,
    /// `rollback`: every service that the run has rolled goes back, most recent first; `stop`: those that are through stay (default: `rollback`).
    pub(super) on_exceeded: Option<OnExceeded>,
}

/// What happens when more services fail than may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum OnExceeded {
    /// Every service that the run has rolled goes back, most recent first.
    Rollback,
    /// Those that are through stay.
    Stop,
}

/// What `refit prune` keeps.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Prune {
    /// So many releases, and so many versions of each service that it can go back to (default: `5`).
    pub(super) keep: Option<NonZeroU32>,
}

/// Which sources a moved base is rebuilt from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Sources {
    /// The commits that are deployed: a patch never ships unreleased work.
    Deployed,
    /// The newest commits.
    Latest,
}

/// An image that the estate builds.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Image {
    /// How it is built: a context folder, or a map in Compose's words.
    pub(super) build: Short<Build>,
    /// Commands that must succeed in a throw-away container of the new image before it is released (default: none).
    #[serde(default)]
    pub(super) tests: Vec<ImageTest>,
    /// A template for its tag, of variables and `commit`, `commit12`, `branch`, `inputs`, `inputs12`, `run`, `date`, `time`
    /// (default: `{{ commit12 }}-{{ inputs12 }}`, where the commit is `local` outside of git).
    #[schemars(extend("format" = "refit-tag-template"))]
    pub(super) tag: Option<String>,
    /// What a change below it means to it (default: rebuild at once).
    pub(super) rebuild: Option<RebuildPolicy>,
    /// `always`: its packages come from outside, so every patch cycle rebuilds it, even where no base moved (default: `on-change`).
    pub(super) refresh: Option<Refresh>,
}

/// A test of an image.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ImageTest {
    /// The command: a list of words, or a text that is split as a shell splits it. It replaces entry point and command.
    pub(super) run: Words,
    /// For how long it may run (default: `1m`).
    pub(super) timeout: Option<String>,
}

/// What a change means to an image, by the way in which it reaches it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RebuildPolicy {
    /// Along the chain of FROM of the built stage (default: `now`).
    pub(super) runtime: Option<Rebuild>,
    /// Along builder stages, `COPY --from` and mounts (default: `now`).
    pub(super) build: Option<Rebuild>,
}

/// When an image is rebuilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Rebuild {
    /// In this run.
    Now,
    /// In the next patch cycle, or for another reason.
    NextCycle,
    /// Not for this.
    Never,
}

/// How an image is built, in Compose's words.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Build {
    /// Where the files come from: a folder, relative to the one that holds `pipelines/`, or a git repository (default: `.`).
    pub(super) context: Option<Short<GitContext>>,
    /// The Dockerfile's path within the context (default: `Dockerfile`).
    pub(super) dockerfile: Option<String>,
    /// The Dockerfile's text itself, instead of `dockerfile`.
    pub(super) dockerfile_inline: Option<String>,
    /// Build arguments.
    pub(super) args: Option<Settings>,
    /// The stage to build (default: the last one).
    pub(super) target: Option<String>,
    /// Names of `secrets:` that `RUN --mount=type=secret` may ask for.
    #[serde(default)]
    pub(super) secrets: Vec<Short<SecretUse>>,
    /// The platform, as a list of one (default: the builder's own).
    #[serde(default)]
    pub(super) platforms: Vec<String>,
    /// Labels of the image.
    pub(super) labels: Option<Settings>,
    /// Build without the cache, always (default: `false`).
    pub(super) no_cache: Option<bool>,
    /// The network of RUN steps: `default`, `none` or `host`.
    pub(super) network: Option<String>,
    /// Further `name=address` lines in /etc/hosts of RUN steps.
    pub(super) extra_hosts: Option<Settings>,
}

/// A folder of a git repository.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GitContext {
    /// The repository: `https://`, `ssh://`, `user@host:path`, `file://` or a path.
    pub(super) git: String,
    /// Branch, tag or commit (default: the remote's HEAD).
    #[serde(rename = "ref")]
    pub(super) reference: Option<Text>,
    /// The folder within it (default: its root).
    pub(super) path: Option<String>,
}

/// A secret for a build under another id.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SecretUse {
    /// Its key under `secrets:`.
    pub(super) source: String,
    /// The id that the Dockerfile asks for (default: the key).
    pub(super) target: Option<String>,
}

/// Where a secret's value comes from: one of the two.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FileSecret {
    /// A file on this machine.
    pub(super) file: Option<String>,
    /// A variable of refit's environment.
    pub(super) environment: Option<String>,
}

/// A Docker endpoint where images are built.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Builder {
    /// `unix:///var/run/docker.sock`, `tcp://host:port` or `ssh://user@host`.
    pub(super) endpoint: String,
    /// For tcp: the folder with ca.pem, cert.pem and key.pem (default: plain HTTP).
    pub(super) tls: Option<String>,
    /// How many builds it runs at once.
    pub(super) parallel: Option<NonZeroU32>,
}

/// A Docker endpoint where containers run.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Host {
    /// `unix:///var/run/docker.sock`, `tcp://host:port` or `ssh://user@host`.
    pub(super) endpoint: String,
    /// For tcp: the folder with ca.pem, cert.pem and key.pem (default: plain HTTP).
    pub(super) tls: Option<String>,
    /// What selectors see, besides `name`.
    #[serde(default)]
    pub(super) labels: Entries<Text>,
}

/// A network, as in Compose.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Network {
    /// Its name on the engine (default: `<estate>_<key>`; the key itself if it is external).
    pub(super) name: Option<String>,
    /// The driver (default: the engine's own, `bridge`).
    pub(super) driver: Option<String>,
    /// Options of the driver.
    #[serde(default)]
    pub(super) driver_opts: Entries<Text>,
    /// It is there already; refit neither makes nor changes it (default: `false`).
    pub(super) external: Option<bool>,
    /// No way out of it (default: `false`).
    pub(super) internal: Option<bool>,
    /// Its addresses.
    pub(super) ipam: Option<Ipam>,
    /// Labels.
    pub(super) labels: Option<Settings>,
}

/// Addresses of a network.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Ipam {
    /// Subnets.
    #[serde(default)]
    pub(super) config: Vec<IpamPool>,
}

/// A subnet.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct IpamPool {
    /// The subnet, such as `172.28.0.0/16`.
    pub(super) subnet: String,
    /// Its gateway.
    pub(super) gateway: Option<String>,
}

/// A volume, as in Compose.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Volume {
    /// Its name on the engine (default: `<estate>_<key>`; the key itself if it is external).
    pub(super) name: Option<String>,
    /// The driver (default: `local`).
    pub(super) driver: Option<String>,
    /// Options of the driver.
    #[serde(default)]
    pub(super) driver_opts: Entries<Text>,
    /// It is there already; refit does not make it (default: `false`).
    pub(super) external: Option<bool>,
    /// Labels.
    pub(super) labels: Option<Settings>,
}
