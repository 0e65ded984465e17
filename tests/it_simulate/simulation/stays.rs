//! What the journal derives of who ran what, held against the machines.

use std::collections::BTreeSet;

use refit::journal::{Inventories, Stay, When};
use refit::model::{Digest, SlotId};
use refit::rollout::ContainerState;

use super::history::History;
use super::stage::Stage;

/// After everything is healed and rolled: what is said to run is what runs, and every container that is named was that.
pub fn are_true(stage: &Stage, history: &History) -> Result<(), String> {
    let inventories = Inventories::in_memory(&stage.journal.all()).unwrap();
    let said: BTreeSet<(SlotId, Digest)> = inventories.stays(When::Now).unwrap().into_iter().map(slot_and_image).collect();
    let so = running(stage);
    if said != so {
        let (too_much, too_little) = (said.difference(&so).collect::<Vec<_>>(), so.difference(&said).collect::<Vec<_>>());
        return Err(format!("said to run and does not: {too_much:?}; runs and is not said to: {too_little:?}"));
    }
    for stay in inventories.stays(When::Ever).unwrap() {
        let Some(life) = stay.container.as_deref().and_then(|container| history.lives.get(container)) else { continue };
        if slot_and_image(stay.clone()) != (life.slot().clone(), life.made.image) {
            return Err(format!("container {:?} was another one: {stay:?}", stay.container));
        }
    }
    Ok(())
}

fn slot_and_image(stay: Stay) -> (SlotId, Digest) {
    (stay.slot, stay.ran.image.unwrap_or_else(|| Digest::of(b"unknown")))
}

fn running(stage: &Stage) -> BTreeSet<(SlotId, Digest)> {
    let mut running = BTreeSet::new();
    for host in stage.hosts.values() {
        let state = host.state();
        let own = state.machine.containers().filter(|one| !stage.foreign.iter().any(|(_, id)| *id == one.id));
        let up = own.filter(|one| matches!(one.at(stage.clock_now()).0, ContainerState::Running { .. } | ContainerState::Restarting { .. }));
        running.extend(up.map(|one| (one.slot.clone(), one.image)));
    }
    running
}
