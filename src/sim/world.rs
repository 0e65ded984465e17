//! Several machines and what may happen to them, for the pure core: actions go in, observations come out, nothing waits.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::fate::fate_of;
use super::machine::{Machine, New, Refusal, SimContainer};
use super::{Fate, FateRule};
use crate::model::{Digest, HostName, RunId, SlotId};
use crate::rollout::{Action, ContainerSeen, HostSeen, Observed, Version};

/// Hosts, their containers, and the moment that it is.
#[derive(Debug, Clone)]
pub struct World {
    /// The moment that it is. Only goes on.
    pub now: Timestamp,
    /// What becomes of containers that are made from now on.
    pub fates: Vec<FateRule>,
    hosts: BTreeMap<HostName, Machine>,
    silent: BTreeMap<HostName, Timestamp>,
}

impl World {
    /// Empty hosts.
    pub fn new(now: Timestamp, hosts: impl IntoIterator<Item = HostName>) -> Self {
        Self { now, fates: Vec::new(), hosts: hosts.into_iter().map(|name| (name, Machine::default())).collect(), silent: BTreeMap::new() }
    }

    /// Lets time pass.
    pub fn pass(&mut self, span: Duration) {
        self.now = self.now.checked_add(span).unwrap_or(Timestamp::MAX);
    }

    /// Every container of every host, those of silent ones included.
    pub fn containers(&self) -> impl Iterator<Item = &SimContainer> {
        self.hosts.values().flat_map(Machine::containers)
    }

    /// A host, if there is one of that name.
    pub fn machine(&mut self, host: &HostName) -> Option<&mut Machine> {
        self.hosts.get_mut(host)
    }

    /// Lets a host fall silent; its containers run on.
    pub fn silence(&mut self, host: &HostName) {
        self.silent.entry(host.clone()).or_insert(self.now);
    }

    /// Lets a host answer again.
    pub fn answer(&mut self, host: &HostName) {
        self.silent.remove(host);
    }

    /// Whether a host is silent.
    pub fn is_silent(&self, host: &HostName) -> bool {
        self.silent.contains_key(host)
    }

    /// What would be seen now.
    pub fn observe(&self) -> Observed {
        let see = |(name, machine): (&HostName, &Machine)| {
            let seen = match self.silent.get(name) {
                Some(since) => HostSeen::Silent { since: *since, why: "simulated: no answer".to_owned() },
                None => HostSeen::Answered(machine.containers().map(|one| self.see(one)).collect()),
            };
            (name.clone(), seen)
        };
        Observed { hosts: self.hosts.iter().map(see).collect(), ..Observed::default() }
    }

    /// What is: every container of every host, those of silent ones included.
    pub fn truth(&self) -> Vec<ContainerSeen> {
        self.containers().map(|one| self.see(one)).collect()
    }

    fn see(&self, one: &SimContainer) -> ContainerSeen {
        let (state, health) = one.at(self.now);
        ContainerSeen {
            id: one.id.clone(),
            name: one.name.clone(),
            slot: one.slot.clone(),
            version: one.version.clone(),
            state,
            health,
            created_at: one.created_at,
        }
    }

    /// Carries an action out. On a silent host nothing happens, which is no refusal.
    pub fn carry_out(&mut self, action: &Action) -> Result<(), Refusal> {
        let slot = action.slot();
        if self.is_silent(&slot.host) {
            return Ok(());
        }
        let new = match action {
            Action::StartNew { slot, version, takes_over } => Some(self.new_container(slot, version, takes_over.clone())),
            _ => None,
        };
        let now = self.now;
        let Some(machine) = self.hosts.get_mut(&slot.host) else { return Ok(()) };
        match (action, new) {
            (Action::StartNew { .. }, Some(new)) => machine.start_new(new, now).map(|_| ()),
            (Action::StartAgain { container, .. }, _) => machine.start(container, now),
            (Action::Stop { container, .. }, _) => machine.stop(container, now),
            (Action::Remove { container, .. }, _) => machine.remove(container, now),
            (Action::StartNew { .. }, None) => Ok(()),
        }
    }

    /// The container that a slot would get of a version.
    pub fn new_container(&self, slot: &SlotId, version: &Version, takes_over: Option<String>) -> New {
        New {
            estate: None,
            name: format!("{}-{}-{}", slot.service, slot.index, version.spec.short()),
            slot: slot.clone(),
            version: version.clone(),
            run: RunId(1),
            image: Digest::of(version.spec.to_string().as_bytes()),
            takes_over,
            fate: fate_of(&self.fates, slot, version.release).unwrap_or(Fate::Healthy(Duration::ZERO)),
        }
    }
}
