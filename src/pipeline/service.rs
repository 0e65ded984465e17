//! What runs: a service as it was written, checked and resolved.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::defaults;
use super::update::{UpdateConfig, UpdateStrategy};
use crate::model::{ContainerSpec, HostName, ImageName, ImageRef, MountSource, Place, ProbeSpec, ServiceName, SlotId};

/// Containers of one image on some hosts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// Those of its hosts on which nothing shall run for a while; see [`Service::leave_out`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drained: Vec<HostName>,
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
    /// The volumes, by their names on the engine, of which `volumes_from` says that others write them too.
    #[serde(default)]
    pub shares: BTreeSet<String>,
    /// What becomes of what its containers hold outside their volumes.
    #[serde(default)]
    pub data: DataPolicy,
    /// The services that are rolled before it, and what must be so of each. There is no ring in a checked estate.
    #[serde(default)]
    pub depends_on: BTreeMap<ServiceName, Condition>,
}

/// What must be so of a service before one that depends on it is rolled; in Compose's words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// It was rolled first, if it rolls at all, and did not fail.
    #[default]
    ServiceStarted,
    /// And all of its slots are healthy, whether it rolls or not.
    ServiceHealthy,
}

/// What becomes of what a container holds when it is replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DataPolicy {
    /// When something outside its volumes would be lost.
    pub on_loss: OnLoss,
    /// Paths and patterns of what may go.
    pub ignore: Vec<String>,
    /// So many bytes move on at most, with [`OnLoss::Adopt`].
    pub adopt_max: u64,
    /// Whether its volumes are copied.
    pub snapshot: Snapshot,
}

impl Default for DataPolicy {
    fn default() -> Self {
        Self { on_loss: OnLoss::default(), ignore: Vec::new(), adopt_max: defaults::ADOPT_MAX, snapshot: Snapshot::default() }
    }
}

/// When the named volumes that a container writes are copied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Snapshot {
    /// Never.
    #[default]
    Never,
    /// Before it is replaced, while nobody writes.
    Before,
}

/// What happens when a replacement would lose files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnLoss {
    /// The container is not replaced.
    #[default]
    Refuse,
    /// They move on into the new container.
    Adopt,
    /// They may go.
    Discard,
}

/// What a service runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServiceImage {
    /// An image of the estate.
    Estate(ImageName),
    /// An image that somebody else builds: a base that runs as it is.
    External(ImageRef),
}

impl Service {
    /// Leaves out the hosts that were drained: from here on the service has no slots there.
    pub fn leave_out(&mut self, drained: &BTreeSet<HostName>) {
        self.drained.extend(self.hosts.extract_if(.., |host| drained.contains(host)));
    }

    /// Counts a host in again that was drained.
    pub fn count_in(&mut self, host: &HostName) {
        self.hosts.extend(self.drained.extract_if(.., |drained| drained == host));
        self.hosts.sort();
    }

    /// Its slots on a host, whether it is one of its hosts or not.
    pub fn slots_on<'a>(&'a self, host: &'a HostName) -> impl Iterator<Item = SlotId> + 'a {
        (0..self.replicas).map(|index| SlotId { service: self.name.clone(), host: host.clone(), index })
    }

    /// Whether only one running container may write this volume.
    pub fn is_sole_writer_of(&self, volume: &str) -> bool {
        !self.concurrent && !self.shares.contains(volume)
    }

    /// Why its old container must have stopped before the new one starts, for the sake of what it holds.
    pub fn why_data_stops_first(&self) -> Option<String> {
        let writes = self.container.mounts.iter().any(|mount| !mount.read_only && matches!(mount.source, MountSource::Volume { .. }));
        match (self.data.on_loss, self.data.snapshot) {
            (OnLoss::Adopt, _) => Some("with `data: adopt` files move on when the old container has stopped writing them".to_owned()),
            (_, Snapshot::Before) if writes => Some("with `data.snapshot` volumes are copied while nobody writes them".to_owned()),
            _ => None,
        }
    }
}
