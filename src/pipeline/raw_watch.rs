//! How bases and the registries that they come from are written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::forms::{Text, Words};

/// A base with settings of its own.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Base {
    /// How often the registry is asked whether it moved, such as `15m` (default: never).
    pub(super) watch: Option<String>,
    /// Which tag it stands for, if not the one that its name says: of all tags the newest that this admits.
    pub(super) follow: Option<Follow>,
    /// How long a digest is left alone after refit first saw it, such as `24h` (default: `0`).
    pub(super) cooldown: Option<String>,
}

/// Which tags a base follows: `semver` or `regex`, one of the two.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Follow {
    /// Versions within a range, such as `^3.12`. Tags with fewer than three numbers count too; pre-releases only if the range names one.
    pub(super) semver: Option<Text>,
    /// With `semver`: what stands before the version in the tag, such as `v` (default: nothing).
    pub(super) prefix: Option<Text>,
    /// With `semver`: what stands behind the version in the tag, such as `-slim` (default: nothing).
    pub(super) suffix: Option<Text>,
    /// Tags that match this as a whole. Its first group is what tells their age, or the whole tag if it has none.
    pub(super) regex: Option<Text>,
    /// With `regex`: which of two is newer, by `numeric`, `alpha` or `semver` (default: `numeric`).
    pub(super) order: Option<TagOrder>,
}

/// Which of two tags is newer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum TagOrder {
    /// Digits that stand together count as one number.
    Numeric,
    /// Character by character.
    Alpha,
    /// As versions; a tag that is none does not count.
    Semver,
}

/// How a registry is reached. Logins are the user's own, from `docker login`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Registry {
    /// Registries that are asked first, in this order: `mirror.example.com:5000`, or with a path before the repository's own, as in
    /// `harbor.example.com/hub` (default: none).
    pub(super) mirror: Option<Words>,
    /// It speaks plain HTTP (default: `false`; registries on this machine's loopback do).
    pub(super) insecure: Option<bool>,
    /// A file of PEM certificates of authorities that are trusted for it, besides the machine's own (default: none).
    pub(super) ca: Option<String>,
}
