//! One engine's containers in memory, keeping what the edge promises: deterministic names, effects that may be done twice, no running container
//! ever removed, no volume ever removed.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::Fate;
use crate::model::{Digest, EstateName, HostName, RunId, SlotId};
use crate::rollout::{ContainerState, Health, Version};

/// One engine's containers and volumes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Machine {
    /// Boxed, since most of the places in a node of the map are empty, and there may be ten thousand machines.
    containers: BTreeMap<String, Box<SimContainer>>,
    volumes: BTreeSet<String>,
    /// How many containers were ever made here: part of their ids.
    made: u64,
}

/// A container to make.
#[derive(Debug, Clone)]
pub struct New {
    /// Its estate; none where there is only one.
    pub estate: Option<EstateName>,
    /// Its name: the same name makes one container.
    pub name: String,
    /// Its slot.
    pub slot: SlotId,
    /// Its version.
    pub version: Version,
    /// The run that asks.
    pub run: RunId,
    /// Its image.
    pub image: Digest,
    /// The container whose anonymous volumes move on to it.
    pub takes_over: Option<String>,
    /// What becomes of it.
    pub fate: Fate,
}

/// A container of a [`Machine`].
#[derive(Debug, Clone, PartialEq)]
pub struct SimContainer {
    /// Its id.
    pub id: String,
    /// Its estate; none where there is only one.
    pub estate: Option<EstateName>,
    /// Its name.
    pub name: String,
    /// Its slot.
    pub slot: SlotId,
    /// Its version.
    pub version: Version,
    /// The run that made it.
    pub run: RunId,
    /// Its image.
    pub image: Digest,
    /// Its anonymous volume.
    pub volume: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// What becomes of it once it is started.
    pub fate: Fate,
    power: Power,
}

#[derive(Debug, Clone, PartialEq)]
enum Power {
    Made,
    On { since: Timestamp },
    Off { code: i64, at: Timestamp },
}

/// The engine said no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such container.
    #[error("no such container: {0}")]
    Missing(String),
    /// A running container is not removed.
    #[error("container {0} runs; stop it before it is removed")]
    Runs(String),
}

impl SimContainer {
    /// State and health at a moment.
    pub fn at(&self, now: Timestamp) -> (ContainerState, Health) {
        match &self.power {
            Power::Made => (ContainerState::Created, Health::Starting),
            Power::On { since } => self.fate.at(*since, now),
            Power::Off { code, at } => (ContainerState::Exited { code: *code, at: *at }, Health::Starting),
        }
    }

    /// Whether it runs, or is being started again, at a moment.
    pub fn is_up(&self, now: Timestamp) -> bool {
        matches!(self.at(now).0, ContainerState::Running { .. } | ContainerState::Restarting { .. })
    }

    /// Whether it runs and is well at a moment.
    pub fn is_healthy(&self, now: Timestamp) -> bool {
        matches!(self.at(now), (ContainerState::Running { .. }, Health::Healthy { .. }))
    }
}

impl Machine {
    /// Every container, by id.
    pub fn containers(&self) -> impl Iterator<Item = &SimContainer> {
        self.containers.values().map(Box::as_ref)
    }

    /// How many containers were ever made here.
    pub fn made(&self) -> u64 {
        self.made
    }

    /// One container.
    pub fn container(&self, id: &str) -> Option<&SimContainer> {
        self.containers.get(id).map(Box::as_ref)
    }

    /// Every volume that was ever made: none is ever removed.
    pub fn volumes(&self) -> &BTreeSet<String> {
        &self.volumes
    }

    /// Creates a container and starts it; one of that name that is there is started instead.
    pub fn start_new(&mut self, new: New, now: Timestamp) -> Result<String, Refusal> {
        let id = self.create_once(new, now);
        self.start(&id, now)?;
        Ok(id)
    }

    /// Creates a container without starting it, unless one of that name is there for that slot. Returns the id of either.
    pub fn create_once(&mut self, new: New, now: Timestamp) -> String {
        let there = self.containers.values().find(|one| one.name == new.name && one.slot == new.slot).map(|one| one.id.clone());
        there.unwrap_or_else(|| self.create(new, now))
    }

    fn create(&mut self, new: New, now: Timestamp) -> String {
        self.made += 1;
        let host: &HostName = &new.slot.host;
        let id = Digest::of(format!("{host} {} {}", new.name, self.made).as_bytes()).hex();
        let inherited = new.takes_over.as_ref().and_then(|old| self.containers.get(old)).map(|old| old.volume.clone());
        let volume = inherited.unwrap_or_else(|| format!("volume-of-{}", &id[..12]));
        self.volumes.insert(volume.clone());
        let New { estate, name, slot, version, run, image, fate, .. } = new;
        let power = Power::Made;
        let one = SimContainer { id: id.clone(), estate, name, slot, version, run, image, volume, created_at: now, fate, power };
        self.containers.insert(id.clone(), Box::new(one));
        id
    }

    /// Starts a container; one that is up is left alone.
    pub fn start(&mut self, id: &str, now: Timestamp) -> Result<(), Refusal> {
        let one = self.get(id)?;
        if !one.is_up(now) {
            one.power = Power::On { since: now };
        }
        Ok(())
    }

    /// Stops a container; one that is not up is left alone.
    pub fn stop(&mut self, id: &str, now: Timestamp) -> Result<(), Refusal> {
        self.end(id, 0, now)
    }

    /// Ends a container with a code, as an application or a person does.
    pub fn end(&mut self, id: &str, code: i64, now: Timestamp) -> Result<(), Refusal> {
        let one = self.get(id)?;
        if one.is_up(now) {
            one.power = Power::Off { code, at: now };
        }
        Ok(())
    }

    /// Removes a container that does not run; one that is not there is removed already. Its volume stays.
    pub fn remove(&mut self, id: &str, now: Timestamp) -> Result<(), Refusal> {
        match self.containers.get(id) {
            Some(one) if one.is_up(now) => Err(Refusal::Runs(id.to_owned())),
            _ => {
                self.containers.remove(id);
                Ok(())
            }
        }
    }

    /// Removes a container whatever it does: `docker rm -f` by a person.
    pub fn remove_by_force(&mut self, id: &str) {
        self.containers.remove(id);
    }

    /// From `now` on every container is well whenever it runs: what was wrong with the application is mended. What has ended stays so.
    pub fn mend(&mut self, now: Timestamp) {
        for one in self.containers.values_mut() {
            one.power = match one.at(now).0 {
                ContainerState::Exited { code, at } => Power::Off { code, at },
                ContainerState::Created => Power::Made,
                _ if one.is_healthy(now) => one.power.clone(),
                _ => Power::On { since: now },
            };
            one.fate = Fate::Healthy(std::time::Duration::ZERO);
        }
    }

    fn get(&mut self, id: &str) -> Result<&mut SimContainer, Refusal> {
        self.containers.get_mut(id).map(Box::as_mut).ok_or_else(|| Refusal::Missing(id.to_owned()))
    }
}
