//! What runs where, and whether that is what was released.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use jiff::Timestamp;

use super::{Driver, DriverError};
use crate::edge::ContainerFound;
use crate::model::{Digest, HostName, ReleaseNumber, ServiceName, SlotId};
use crate::pipeline::Service;
use crate::plan::{Change, Plan, RollStep, SlotCount};
use crate::rollout::{ContainerState, Health, SlotStatus};

/// What every host said.
pub struct Seen {
    /// The estate's containers by host, or why the host did not answer.
    pub hosts: BTreeMap<HostName, Result<Vec<ContainerFound>, String>>,
}

/// What a service shall be on now, for comparison.
#[derive(Debug, Clone, Copy)]
pub struct Expected {
    /// The release.
    pub release: ReleaseNumber,
    /// The hash of image and spec.
    pub spec: Digest,
}

impl Driver {
    /// Asks every host for the estate's containers, side by side.
    pub async fn see_hosts(&self) -> Seen {
        let asked = self.engines.hosts.iter().map(|(host, engine)| async move {
            let found = engine.containers(&self.estate.name, None).await.map_err(|error| error.to_string());
            (host.clone(), found.map(|found| self.of_host(host, found)))
        });
        Seen { hosts: join_all(asked).await.into_iter().collect() }
    }

    /// Hosts that were asked for, on which services run, and which do not answer; each with why. No services and no hosts stand for all.
    pub fn silent(&self, seen: &Seen, services: &[ServiceName], hosts: Option<&BTreeSet<HostName>>) -> BTreeMap<HostName, String> {
        let concerned = self.estate.services.values().filter(|service| services.is_empty() || services.contains(&service.name));
        let concerned: BTreeSet<&HostName> = concerned.flat_map(|service| &service.hosts).collect();
        let asked = |host: &HostName| concerned.contains(host) && hosts.is_none_or(|hosts| hosts.contains(host));
        let silent = seen.hosts.iter().filter(|(host, _)| asked(host));
        silent.filter_map(|(host, found)| Some((host.clone(), found.as_ref().err()?.clone()))).collect()
    }

    /// One engine may stand for several hosts, and lists the containers of all of them. Those of a host that the estate no longer has stay.
    fn of_host(&self, host: &HostName, mut found: Vec<ContainerFound>) -> Vec<ContainerFound> {
        found.retain(|one| one.slot.host == *host || !self.engines.hosts.contains_key(&one.slot.host));
        found
    }

    /// What each service shall be on, by the journal.
    pub fn expected(&self) -> Result<BTreeMap<ServiceName, Expected>, DriverError> {
        let mut expected = BTreeMap::new();
        for (name, state) in self.journal.service_states()? {
            let Some(release) = state.current else { continue };
            if let Some(service) = self.release(release)?.services.get(&name) {
                expected.insert(name, Expected { release, spec: service.spec_hash() });
            }
        }
        Ok(expected)
    }

    /// The state of every slot of the estate, and of every container that has no slot any more; by service, host and index.
    pub fn status(&self, seen: &Seen, expected: &BTreeMap<ServiceName, Expected>) -> Vec<SlotStatus> {
        let mut statuses = Vec::new();
        for service in self.estate.services.values() {
            for slot in service.hosts.iter().flat_map(|host| service.slots_on(host)) {
                statuses.push(slot_status(&slot, seen.hosts.get(&slot.host), expected.get(&service.name)));
            }
            for slot in service.drained.iter().flat_map(|host| service.slots_on(host)) {
                statuses.push(drained(slot_status(&slot, seen.hosts.get(&slot.host), None)));
            }
        }
        for (host, containers) in &seen.hosts {
            let own = containers.iter().flatten().filter(|container| is_seen_by_its_host(seen, host, container));
            for container in own.filter(|container| !self.has_slot(host, container)) {
                statuses.push(surplus(host, container));
            }
        }
        statuses.sort_by(|a, b| (&a.service, &a.host, a.index).cmp(&(&b.service, &b.host, b.index)));
        statuses
    }

    /// A plan that builds nothing and brings what answers back to what was released.
    pub fn plan_repair(&self, seen: &Seen) -> Result<Plan, DriverError> {
        let mut plan = Plan::to_roll(Change::Drift, Vec::new(), &self.estate);
        self.add_drift(&mut plan, seen)?;
        Ok(plan)
    }

    /// Adds to a plan the services whose slots are not as they were released, although nothing of them changed: a container that somebody removed,
    /// a host that was left behind, what a rollout left lying, a number of replicas that grew. Hosts that do not answer are left out.
    pub fn add_drift(&self, plan: &mut Plan, seen: &Seen) -> Result<(), DriverError> {
        let expected = self.expected()?;
        let statuses = self.status(seen, &expected);
        for service in self.estate.services.values() {
            let Some(now) = expected.get(&service.name) else { continue };
            let drifted = statuses.iter().filter(|status| {
                status.service == service.name && service.hosts.contains(&status.host) && status.health != "unknown" && status.drift.is_some()
            });
            let mut notes: Vec<String> =
                drifted.map(|status| format!("{}/{}: {}", status.host, status.index, status.drift.as_deref().unwrap_or_default())).collect();
            notes.extend(leftovers(service, seen, now));
            // A container where the service has no host any more is for `refit status` to show; no rollout goes there.
            let is_reachable = service.hosts.iter().any(|host| matches!(seen.hosts.get(host), Some(Ok(_))));
            if notes.is_empty() || !is_reachable {
                continue;
            }
            match plan.rolls.iter_mut().find(|roll| roll.service == service.name) {
                Some(roll) => {
                    // Whatever becomes of its image, its slots are to be put right.
                    roll.certain = true;
                    roll.notes.extend(notes);
                }
                None => plan.rolls.push(self.repair(service, now.release, seen, notes)),
            }
        }
        plan.arrange(&self.estate);
        Ok(())
    }

    fn repair(&self, service: &Service, release: ReleaseNumber, seen: &Seen, notes: Vec<String>) -> RollStep {
        let answered = service.hosts.iter().filter(|host| matches!(seen.hosts.get(*host), Some(Ok(_))));
        let hosts = answered.map(|host| SlotCount { host: host.clone(), slots: service.replicas }).collect();
        RollStep { hosts, repair: Some(release), back: None, notes, ..RollStep::of(service, Some(release)) }
    }

    fn has_slot(&self, host: &HostName, container: &ContainerFound) -> bool {
        let running = matches!(container.state, ContainerState::Running { .. } | ContainerState::Restarting { .. });
        let wanted = self.estate.services.get(&container.slot.service);
        let has_host = |service: &Service| service.hosts.contains(host) || service.drained.contains(host);
        let is_wanted = |service: &Service| container.slot.host == *host && has_host(service) && container.slot.index < service.replicas;
        // A stopped one beside a running one is the way back of a rollout that has not ended: not surplus.
        !running || wanted.is_some_and(is_wanted)
    }
}

/// Whether `host` is the one to speak of a container. An engine that stands for several hosts lists the containers of all of them: each is then its
/// own host's, and one whose host is not among them (renamed, or moved to another engine) is the first's.
/// One whose host did not answer is left to that host.
fn is_seen_by_its_host(seen: &Seen, host: &HostName, container: &ContainerFound) -> bool {
    let lists_it = |found: &Result<Vec<ContainerFound>, String>| found.iter().flatten().any(|other| other.id == container.id);
    let own = seen.hosts.get(&container.slot.host).is_some_and(|found| found.is_err() || lists_it(found)).then_some(&container.slot.host);
    let first = || seen.hosts.iter().find(|(_, found)| lists_it(found)).map(|(name, _)| name);
    own.or_else(first) == Some(host)
}

/// A slot of a host that was drained: what is stopped or away there is as it is to be.
fn drained(status: SlotStatus) -> SlotStatus {
    match status.health {
        "stopped" | "missing" | "unknown" => SlotStatus { health: "drained", drift: None, ..status },
        _ => SlotStatus { drift: Some("runs, though its host is drained".into()), ..status },
    }
}

fn slot_status(slot: &SlotId, seen: Option<&Result<Vec<ContainerFound>, String>>, expected: Option<&Expected>) -> SlotStatus {
    let empty = |health, drift| SlotStatus {
        service: slot.service.clone(),
        host: slot.host.clone(),
        index: slot.index,
        release: None,
        image: None,
        health,
        why: None,
        since: None,
        drift,
    };
    let containers = match seen {
        Some(Ok(containers)) => containers,
        Some(Err(why)) => return empty("unknown", Some(why.clone())),
        None => return empty("unknown", Some("the host was not asked".into())),
    };
    let mut mine: Vec<&ContainerFound> = containers.iter().filter(|found| found.slot == *slot).collect();
    mine.sort_by_key(|found| (!is_up(found), std::cmp::Reverse(found.created_at)));
    let Some(first) = mine.first() else {
        let drift = expected.map(|expected| format!("no container; {} is released", expected.release));
        return empty("missing", drift);
    };
    let running = mine.iter().filter(|found| is_up(found)).count();
    SlotStatus {
        release: Some(first.version.release),
        image: Some(first.image),
        health: health_word(first),
        why: why(first),
        since: since(first),
        drift: drift(first, running, expected),
        ..empty("", None)
    }
}

/// Stopped containers beside the one that serves: what a rollout could not clear away, on a host that it had left behind. Only between runs;
/// during one they are its way back.
fn leftovers(service: &Service, seen: &Seen, now: &Expected) -> Vec<String> {
    let mut notes = Vec::new();
    for host in &service.hosts {
        let Some(Ok(containers)) = seen.hosts.get(host) else { continue };
        for slot in service.slots_on(host) {
            let (up, stopped): (Vec<_>, Vec<_>) = containers.iter().filter(|found| found.slot == slot).partition(|found| is_up(found));
            if let ([serves], [lies, ..]) = (&up[..], &stopped[..])
                && serves.version.spec == now.spec
            {
                notes.push(format!("{host}/{}: a stopped container of {} lies beside it", slot.index, lies.version.release));
            }
        }
    }
    notes
}

fn drift(found: &ContainerFound, running: usize, expected: Option<&Expected>) -> Option<String> {
    match expected {
        _ if running > 1 => Some(format!("{running} containers run in this slot")),
        None => Some("runs, though no rollout of it has ended well".into()),
        Some(expected) if found.version.spec != expected.spec => Some(format!("runs {}; {} is released", found.version.release, expected.release)),
        Some(_) if running == 0 => Some("does not run".into()),
        Some(_) => None,
    }
}

fn surplus(host: &HostName, container: &ContainerFound) -> SlotStatus {
    SlotStatus {
        service: container.slot.service.clone(),
        host: host.clone(),
        index: container.slot.index,
        release: Some(container.version.release),
        image: Some(container.image),
        health: health_word(container),
        why: why(container),
        since: since(container),
        drift: Some("runs, but the pipelines have no such slot".into()),
    }
}

fn is_up(found: &ContainerFound) -> bool {
    matches!(found.state, ContainerState::Running { .. } | ContainerState::Restarting { .. } | ContainerState::Paused)
}

fn health_word(found: &ContainerFound) -> &'static str {
    match (&found.state, &found.health) {
        (ContainerState::Running { .. }, Health::Healthy { .. }) => "healthy",
        (ContainerState::Running { .. }, Health::Starting) => "starting",
        (ContainerState::Running { .. }, Health::Unhealthy { .. }) => "unhealthy",
        (ContainerState::Restarting { .. }, _) => "restarting",
        (ContainerState::Paused, _) => "paused",
        (ContainerState::Created | ContainerState::Exited { .. } | ContainerState::Gone, _) => "stopped",
    }
}

/// What speaks against a container that runs.
fn why(found: &ContainerFound) -> Option<String> {
    match (&found.state, &found.health) {
        (ContainerState::Running { .. }, Health::Unhealthy { why }) => Some(why.clone()),
        _ => None,
    }
}

fn since(found: &ContainerFound) -> Option<Timestamp> {
    match &found.state {
        ContainerState::Running { since, .. } => Some(*since),
        ContainerState::Exited { at, .. } => Some(*at),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::RunId;
    use crate::rollout::Version;

    fn container(host: &str, id: &str) -> ContainerFound {
        let since = Timestamp::UNIX_EPOCH;
        ContainerFound {
            id: id.to_owned(),
            name: id.to_owned(),
            slot: SlotId { service: "web".parse().unwrap(), host: host.parse().unwrap(), index: 0 },
            version: Version { release: ReleaseNumber(1), spec: Digest::of(b"spec") },
            run: RunId(1),
            image: Digest::of(b"image"),
            state: ContainerState::Running { since, restarts: 0 },
            health: Health::Healthy { since },
            created_at: since,
            networks: None,
            published: BTreeMap::new(),
            anonymous: Vec::new(),
        }
    }

    #[test]
    fn hosts_that_share_an_engine_speak_each_of_their_own_containers() {
        let shared = vec![container("a", "1"), container("b", "2"), container("renamed", "3"), container("down", "4")];
        let name = |text: &str| text.parse::<HostName>().unwrap();
        let hosts = [("a", Ok(shared.clone())), ("b", Ok(shared.clone())), ("c", Ok(vec![container("a", "5")])), ("down", Err("no".to_owned()))];
        let seen = Seen { hosts: hosts.into_iter().map(|(host, found)| (name(host), found)).collect() };
        let speaks = |host: &str| {
            let listed = seen.hosts[&name(host)].iter().flatten();
            listed.filter(|one| is_seen_by_its_host(&seen, &name(host), one)).map(|one| one.id.as_str()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(speaks("a"), "1 3", "its own, and the one whose host is no more");
        assert_eq!(speaks("b"), "2");
        assert_eq!(speaks("c"), "5", "labelled for a, but running where a does not see it");
        let status = slot_status(&shared[1].slot, seen.hosts.get(&name("b")), None);
        assert_eq!(
            (status.drift.as_deref(), status.health),
            (Some("runs, though no rollout of it has ended well"), "healthy"),
            "one container, not four"
        );
    }
}
