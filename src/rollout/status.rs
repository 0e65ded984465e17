//! How a slot stands, as people are shown it.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::model::{Digest, HostName, ReleaseNumber, ServiceName};

/// One slot, or one container that has none.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct SlotStatus {
    /// The service.
    pub service: ServiceName,
    /// The host.
    pub host: HostName,
    /// The slot's index on that host.
    pub index: u32,
    /// The release that its container says it is of.
    pub release: Option<ReleaseNumber>,
    /// The image that it runs.
    pub image: Option<Digest>,
    /// `healthy`, `starting`, `unhealthy`, `stopped`, `restarting`, `missing`, `unknown`; `drained` where nothing is to run.
    pub health: &'static str,
    /// What its check, or refit's own probe, says against it where it is `unhealthy`.
    pub why: Option<String>,
    /// Since when it runs (or is stopped).
    pub since: Option<Timestamp>,
    /// What is not as it was released; none if all is well.
    pub drift: Option<String>,
}

/// What [`SlotStatus::health`] says.
const WORDS: [&str; 8] = ["healthy", "starting", "unhealthy", "stopped", "restarting", "missing", "unknown", "drained"];

impl<'de> Deserialize<'de> for SlotStatus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Sent {
            service: ServiceName,
            host: HostName,
            index: u32,
            release: Option<ReleaseNumber>,
            image: Option<Digest>,
            health: String,
            why: Option<String>,
            since: Option<Timestamp>,
            drift: Option<String>,
        }
        let Sent { service, host, index, release, image, health, why, since, drift } = Sent::deserialize(deserializer)?;
        // A word that only a newer refit knows is, to this one, unknown.
        let health = WORDS.into_iter().find(|word| *word == health).unwrap_or("unknown");
        Ok(Self { service, host, index, release, image, health, why, since, drift })
    }
}

impl SlotStatus {
    /// Whether it serves, or is not to.
    pub fn is_well(&self) -> bool {
        matches!(self.health, "healthy" | "drained")
    }
}
