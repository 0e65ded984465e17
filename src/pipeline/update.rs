//! How a service is rolled: how fast, in which stages, and what happens when it fails.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::defaults;
use crate::model::{HostName, serde_duration};

/// Compose's `update_config` and `rollback_config`, with defaults filled in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UpdateConfig {
    /// Slots in flight at once over all hosts; 0 means all.
    pub parallelism: Amount,
    /// Between one batch and the next.
    #[serde(with = "serde_duration")]
    #[schemars(with = "u64")]
    pub delay: Duration,
    /// How long a slot must stay healthy before it counts.
    #[serde(with = "serde_duration")]
    #[schemars(with = "u64")]
    pub monitor: Duration,
    /// By when, counted from its start, a slot must have become healthy.
    #[serde(with = "serde_duration")]
    #[schemars(with = "u64")]
    pub healthy_deadline: Duration,
    /// By when, counted from the last slot that became healthy, the next one must.
    #[serde(with = "serde_duration")]
    #[schemars(with = "u64")]
    pub progress_deadline: Duration,
    /// Which goes first.
    pub order: Order,
    /// What happens when too many slots fail.
    pub failure_action: FailureAction,
    /// The part of all slots that may fail, from 0 to 1.
    pub max_failure_ratio: f64,
    /// How long a host that does not answer is waited for.
    #[serde(with = "serde_duration")]
    #[schemars(with = "u64")]
    pub host_timeout: Duration,
}

impl Default for UpdateConfig {
    fn default() -> Self {
        defaults::update()
    }
}

/// In which stages a service is rolled forward, and over how many hosts at once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UpdateStrategy {
    /// Whether all new containers are proven beside all old ones before the old ones are stopped together.
    pub is_blue_green: bool,
    /// For how long, after the last old container was stopped, all of them are kept and the new ones watched.
    #[serde(with = "serde_duration")]
    #[schemars(with = "u64")]
    pub keep: Duration,
    /// Who goes first. Hosts that no wave names come after the last one.
    pub waves: Vec<Wave>,
    /// How many hosts may have slots in flight at once.
    pub max_parallel_hosts: Option<u32>,
    /// The value of the `spread` label by host: of hosts with the same value one at a time has slots in flight.
    pub spread: BTreeMap<HostName, String>,
}

/// One wave of a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Wave {
    /// Its hosts. No other wave of the service has them.
    pub hosts: Vec<HostName>,
    /// How many of its slots go first, and alone.
    pub canary: Option<Amount>,
    /// How long what went first must stay healthy before the rest begins: the canary, or, without one, the whole wave.
    #[serde(with = "serde_duration")]
    #[schemars(with = "u64")]
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

impl JsonSchema for Amount {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Amount".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A number of things, or a part of all of them.",
            "anyOf": [{ "type": "integer", "minimum": 0 }, { "type": "string", "pattern": "^[0-9]+%$" }],
        })
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// The old one stops before the new one starts.
    StopFirst,
    /// The new one is healthy before the old one stops.
    StartFirst,
}

/// What happens when more slots fail than `max_failure_ratio` allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FailureAction {
    /// Every slot goes back to the release before.
    Rollback,
    /// The rollout stops where it is and waits for a person.
    Pause,
    /// The rollout goes on.
    Continue,
}
