//! What runs on an engine: the estate's containers by their labels, with what only an inspection tells.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{ContainerInspectResponse, ContainerStateStatusEnum, EndpointSettings, HealthStatusEnum, MountPoint, PortMap};
use bollard::query_parameters::ListContainersOptions;
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;

use super::connect::Connection;
use super::containers::{LOOK_MAX, inspect, is_anonymous};
use crate::edge::{ContainerFound, EngineError, labels};
use crate::model::{EstateName, ReleaseNumber, RunId, ServiceName, SlotId};
use crate::pipeline::Endpoint;
use crate::rollout::{ContainerState, Health, NetworkSeen, Version};

/// Inspections under way at once on one engine.
const INSPECT_MAX: usize = 16;
/// Containers whose healthy time is remembered; beyond that all is forgotten, which only makes them prove themselves again.
const REMEMBERED_MAX: usize = 4096;
/// Characters of a failed check's output that are kept.
const WHY_CHARS_MAX: usize = 300;

/// Since when each container was seen healthy without a break: the engine keeps only its last five checks.
pub(super) type HealthySince = HashMap<String, (Timestamp, Timestamp)>;

/// Lists and inspects. Containers that vanish in between are left out.
pub(super) async fn containers(
    connection: &Connection,
    estate: &EstateName,
    service: Option<&ServiceName>,
    healthy_since: &std::sync::Mutex<HealthySince>,
) -> Result<Vec<ContainerFound>, EngineError> {
    let ids = ids(connection, estate, service).await?;
    let inspected: Vec<_> = stream::iter(ids).map(|id| async move { inspect(connection, &id).await }).buffered(INSPECT_MAX).try_collect().await?;
    let mut since = healthy_since.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if since.len() > REMEMBERED_MAX {
        since.clear();
    }
    let mut found: Vec<_> = inspected.into_iter().flatten().filter_map(|seen| read(connection.endpoint(), &seen, &mut since)).collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

async fn ids(connection: &Connection, estate: &EstateName, service: Option<&ServiceName>) -> Result<Vec<String>, EngineError> {
    let mut wanted = vec![format!("{}={estate}", labels::ESTATE)];
    match service {
        Some(service) => wanted.push(format!("{}={service}", labels::SERVICE)),
        // Throw-away containers have no service.
        None => wanted.push(labels::SERVICE.to_owned()),
    }
    let options = ListContainersOptions { all: true, filters: Some(HashMap::from([("label".to_owned(), wanted)])), ..Default::default() };
    let docker = connection.docker(LOOK_MAX).await?;
    let listed = connection.within(LOOK_MAX, "list containers", docker.list_containers(Some(options))).await?;
    Ok(listed.into_iter().filter_map(|summary| summary.id).collect())
}

/// One container from its inspection; `None` if its labels are not refit's, whatever the filter said.
fn read(endpoint: &Endpoint, seen: &ContainerInspectResponse, since: &mut HealthySince) -> Option<ContainerFound> {
    let labels = seen.config.as_ref()?.labels.as_ref()?;
    let label = |key: &str| labels.get(key).map(String::as_str);
    let slot = SlotId {
        service: label(labels::SERVICE)?.parse().ok()?,
        host: label(labels::HOST)?.parse().ok()?,
        index: label(labels::SLOT)?.parse().ok()?,
    };
    let version = Version { release: ReleaseNumber(label(labels::RELEASE)?.parse().ok()?), spec: label(labels::SPEC)?.parse().ok()? };
    let id = seen.id.clone()?;
    let state = state(seen);
    let health = health(seen, &state);
    Some(ContainerFound {
        name: seen.name.as_deref().unwrap_or_default().trim_start_matches('/').to_owned(),
        slot,
        version,
        run: RunId(label(labels::RUN)?.parse().ok()?),
        image: seen.image.as_deref()?.parse().ok()?,
        health: remember(since, &id, &state, health),
        state,
        created_at: seen.created.as_deref().and_then(moment).unwrap_or(Timestamp::UNIX_EPOCH),
        published: published(endpoint, seen.network_settings.as_ref().and_then(|settings| settings.ports.as_ref())),
        networks: seen.network_settings.as_ref().and_then(|settings| settings.networks.as_ref()).map(networks),
        anonymous: anonymous(seen),
        id,
    })
}

fn anonymous(seen: &ContainerInspectResponse) -> Vec<String> {
    let is_anonymous = |mount: &&MountPoint| mount.typ.as_deref() == Some("volume") && mount.name.as_deref().is_some_and(is_anonymous);
    let mut places: Vec<_> = seen.mounts.iter().flatten().filter(is_anonymous).filter_map(|mount| mount.destination.clone()).collect();
    places.sort();
    places
}

fn state(seen: &ContainerInspectResponse) -> ContainerState {
    use ContainerStateStatusEnum as Word;
    let Some(state) = &seen.state else { return ContainerState::Gone };
    let restarts = seen.restart_count.and_then(|count| u32::try_from(count).ok()).unwrap_or(0);
    let code = state.exit_code.unwrap_or(0);
    let at = |text: &Option<String>| text.as_deref().and_then(moment).unwrap_or(Timestamp::UNIX_EPOCH);
    match state.status {
        Some(Word::CREATED) => ContainerState::Created,
        Some(Word::RUNNING | Word::STOPPING) => ContainerState::Running { since: at(&state.started_at), restarts },
        Some(Word::RESTARTING) => ContainerState::Restarting { restarts, code },
        Some(Word::PAUSED) => ContainerState::Paused,
        Some(Word::EXITED) => ContainerState::Exited { code, at: at(&state.finished_at) },
        Some(Word::REMOVING | Word::DEAD | Word::EMPTY) | None => ContainerState::Gone,
    }
}

/// The engine's own word, as far as one inspection tells it.
fn health(seen: &ContainerInspectResponse, state: &ContainerState) -> Health {
    let ContainerState::Running { since, .. } = state else { return Health::Starting };
    let health = seen.state.as_ref().and_then(|state| state.health.as_ref());
    let log = health.and_then(|health| health.log.as_deref()).unwrap_or_default();
    match health.and_then(|health| health.status) {
        None | Some(HealthStatusEnum::NONE | HealthStatusEnum::EMPTY) => Health::Healthy { since: *since },
        Some(HealthStatusEnum::STARTING) => Health::Starting,
        Some(HealthStatusEnum::HEALTHY) => {
            let good = log.iter().rev().take_while(|check| check.exit_code == Some(0)).last();
            Health::Healthy { since: good.and_then(|check| check.end.as_deref()).and_then(moment).unwrap_or(*since) }
        }
        Some(HealthStatusEnum::UNHEALTHY) => {
            let last = log.last();
            let output = last.and_then(|check| check.output.as_deref()).unwrap_or_default().trim();
            let code = last.and_then(|check| check.exit_code).unwrap_or(-1);
            let output: String = output.chars().take(WHY_CHARS_MAX).collect();
            Health::Unhealthy { why: if output.is_empty() { format!("exit code {code}") } else { format!("exit code {code}: {output}") } }
        }
    }
}

/// Keeps the first moment at which a start of a container was healthy, until it is not.
fn remember(since: &mut HealthySince, id: &str, state: &ContainerState, health: Health) -> Health {
    match (state, health) {
        (ContainerState::Running { since: started, .. }, Health::Healthy { since: now }) => match since.get(id) {
            Some((of_start, first)) if of_start == started && *first <= now => Health::Healthy { since: *first },
            _ => {
                since.insert(id.to_owned(), (*started, now));
                Health::Healthy { since: now }
            }
        },
        (_, other) => {
            since.remove(id);
            other
        }
    }
}

/// Where published TCP ports are reached from here.
pub(super) fn published(endpoint: &Endpoint, ports: Option<&PortMap>) -> BTreeMap<u16, (String, u16)> {
    let mut map = BTreeMap::new();
    for (key, bindings) in ports.into_iter().flatten() {
        let Some(target) = key.strip_suffix("/tcp").and_then(|port| port.parse().ok()) else { continue };
        for binding in bindings.iter().flatten() {
            let Some(port) = binding.host_port.as_deref().and_then(|port| port.parse().ok()) else { continue };
            let address = match binding.host_ip.as_deref() {
                None | Some("" | "0.0.0.0" | "::") => machine(endpoint),
                Some(address) => address.to_owned(),
            };
            map.entry(target).or_insert((address, port));
        }
    }
    map
}

/// A container's networks, by name.
fn networks(of: &HashMap<String, EndpointSettings>) -> Vec<NetworkSeen> {
    let read = |(name, on): (&String, &EndpointSettings)| NetworkSeen {
        name: name.clone(),
        id: on.network_id.clone().unwrap_or_default(),
        aliases: on.aliases.clone().unwrap_or_default(),
        ipv4_address: on.ip_address.clone(),
        ipv6_address: on.global_ipv6_address.clone(),
        mac_address: on.mac_address.clone(),
        gateway_priority: on.gw_priority,
    };
    let mut all: Vec<NetworkSeen> = of.iter().map(read).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

/// The machine that an engine runs on, as it is called from here.
pub(super) fn machine(endpoint: &Endpoint) -> String {
    match endpoint {
        Endpoint::Unix { .. } => "127.0.0.1".to_owned(),
        Endpoint::Tcp { host, .. } | Endpoint::Ssh { host, .. } => host.clone(),
    }
}

/// A moment in the engine's words; the year 1 means never.
fn moment(text: &str) -> Option<Timestamp> {
    if text.starts_with("0001-") { None } else { text.parse().ok() }
}

#[cfg(test)]
#[path = "look_tests.rs"]
mod tests;
