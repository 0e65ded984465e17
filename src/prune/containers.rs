//! Which stopped containers of one host may go: those whose slot another one serves, and those whose slot is no more. What they hold is asked next.

use std::collections::{BTreeMap, BTreeSet};

use super::{Known, Stays, Thing};
use crate::data::Holdings;
use crate::model::{Digest, ServiceName, SlotId};
use crate::rollout::{ContainerSeen, ContainerState, Health};

/// The slots that there are now.
#[derive(Debug, Clone, Default)]
pub struct SlotsNow {
    /// Every slot of the pipelines.
    pub slots: BTreeSet<SlotId>,
    /// The hash of image and spec that each service's containers shall have.
    pub expected: BTreeMap<ServiceName, Digest>,
}

/// A stopped container that nothing needs, unless it holds something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The engine's id of it.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its service, whose policy says what may be lost.
    pub service: ServiceName,
    /// The container that has its place now; none if the slot is no more.
    pub in_its_place: Option<String>,
    /// Why nothing needs it.
    pub why: String,
}

/// Goes through the containers of one host, those that stop no more included.
pub fn candidates(known: &Known, now: &SlotsNow, containers: &[ContainerSeen]) -> (Vec<Candidate>, Vec<Stays>) {
    let (mut goes, mut stays) = (Vec::new(), Vec::new());
    for one in containers.iter().filter(|one| matches!(one.state, ContainerState::Created | ContainerState::Exited { .. })) {
        match verdict(known, now, containers, one) {
            Ok((in_its_place, why)) => {
                let (id, name, service) = (one.id.clone(), one.name.clone(), one.slot.service.clone());
                goes.push(Candidate { id, name, service, in_its_place, why });
            }
            Err(why) => stays.push(Stays { thing: Thing::Container { id: one.id.clone(), name: one.name.clone() }, why }),
        }
    }
    (goes, stays)
}

fn verdict(known: &Known, now: &SlotsNow, containers: &[ContainerSeen], one: &ContainerSeen) -> Result<(Option<String>, String), String> {
    if let Some(run) = known.unfinished.iter().find(|unfinished| unfinished.services.contains(&one.slot.service)) {
        return Err(format!("{} has not ended, and may need it", run.run));
    }
    if !now.slots.contains(&one.slot) {
        return Ok((None, format!("{} is no slot any more", one.slot)));
    }
    let expected = now.expected.get(&one.slot.service);
    let successor = containers.iter().find(|other| {
        let serves = matches!((&other.state, &other.health), (ContainerState::Running { .. }, Health::Healthy { .. }));
        other.id != one.id && other.slot == one.slot && serves && expected == Some(&other.version.spec)
    });
    match successor {
        Some(other) => Ok((Some(other.id.clone()), format!("{} serves in its place", other.version.release))),
        None => Err("nothing that was released serves in its place".to_owned()),
    }
}

/// The anonymous volumes of a container that nobody would mount any more; `successor` is what the container in its place holds.
pub fn left_with_nobody(holdings: &Holdings, successor: Option<&Holdings>) -> Vec<String> {
    let mounted: BTreeSet<&str> = successor.iter().flat_map(|held| &held.mounts).filter_map(|mount| mount.anonymous.as_deref()).collect();
    holdings.mounts.iter().filter_map(|mount| mount.anonymous.clone()).filter(|volume| !mounted.contains(volume.as_str())).collect()
}
