//! Keeps data from being lost: before a rollout every container that it would replace is looked at, and each one again just before its turn.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::join_all;

use super::{Driver, DriverError};
use crate::data::{self, Adoption, Holdings, Loss};
use crate::edge::{ContainerFound, Engine, EngineError};
use crate::model::{ContainerSpec, HostName, MountSource, SlotId};
use crate::pipeline::{DataPolicy, OnLoss, Order, Snapshot};
use crate::release::Release;
use crate::rollout::{Desired, SlotWanted};

/// So many changed paths of one container are asked whether they are files; that there are more than this is loss enough.
const ASKED_MAX: usize = 200;

/// What becomes of a container's slot when it goes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Successor<'a> {
    /// A container of this spec takes it over.
    Takes(&'a ContainerSpec),
    /// The service no longer has that slot: nothing can move on.
    Nobody,
}

/// What the removal of a container would lose. A container that is gone holds nothing.
pub(super) async fn loss(engine: &dyn Engine, old: &str, successor: Successor<'_>, policy: &DataPolicy) -> Result<Loss, EngineError> {
    if policy.on_loss == OnLoss::Discard {
        return Ok(Loss::default());
    }
    let holdings = match engine.holdings(old).await {
        Err(EngineError::Missing { .. }) => return Ok(Loss::default()),
        other => other?,
    };
    let candidates = data::candidates(&holdings, &policy.ignore);
    Ok(match (successor, policy.on_loss) {
        (Successor::Nobody, _) => Loss { files: files_of(engine, old, candidates).await?, unclaimed: data::unclaimed(&holdings), ..Loss::default() },
        // What moves on is no loss, but for what would come to lie under a mount.
        (Successor::Takes(new), OnLoss::Adopt) => {
            Loss { covered: files_of(engine, old, data::covered(candidates, new)).await?, orphans: data::orphans(&holdings, new), ..Loss::default() }
        }
        (Successor::Takes(new), OnLoss::Refuse | OnLoss::Discard) => {
            Loss { files: files_of(engine, old, candidates).await?, orphans: data::orphans(&holdings, new), ..Loss::default() }
        }
    })
}

/// The files of a container that nobody else keeps.
pub(super) async fn files_held(engine: &dyn Engine, container: &str, holdings: &Holdings, policy: &DataPolicy) -> Result<Loss, EngineError> {
    let files = files_of(engine, container, data::candidates(holdings, &policy.ignore)).await?;
    Ok(Loss { files, ..Loss::default() })
}

/// Those of the paths that are files. Of very many the rest is taken for files unasked.
async fn files_of(engine: &dyn Engine, container: &str, mut asked: Vec<String>) -> Result<Vec<String>, EngineError> {
    let rest = asked.split_off(asked.len().min(ASKED_MAX));
    let mut files = if asked.is_empty() { asked } else { engine.only_files(container, asked).await? };
    files.extend(rest);
    Ok(files)
}

/// What moves on from a container into one of this spec.
pub(super) async fn adoption(engine: &dyn Engine, old: &str, new: &ContainerSpec, policy: &DataPolicy) -> Result<Adoption, EngineError> {
    Ok(Adoption::of(&engine.holdings(old).await?, &policy.ignore, new, policy.adopt_max))
}

/// The policy as it can be kept in this order: what still runs cannot move on, nor be copied. Orders are the plan's, and policies may be newer.
pub(super) fn policy_for(order: Order, policy: &DataPolicy) -> DataPolicy {
    match order {
        Order::StopFirst => policy.clone(),
        Order::StartFirst => {
            let on_loss = if policy.on_loss == OnLoss::Adopt { OnLoss::Refuse } else { policy.on_loss };
            DataPolicy { on_loss, snapshot: Snapshot::Never, ..policy.clone() }
        }
    }
}

impl Driver {
    /// Looks at every container that these rollouts would replace, or sweep because the service no longer has its slot; errors with all that would
    /// be lost. Hosts that do not answer are left to whoever asks them next.
    pub(super) async fn guard_data(&self, rollouts: &[Desired]) -> Result<(), DriverError> {
        let mut problems = Vec::new();
        for desired in rollouts {
            let hosts: BTreeSet<&HostName> = desired.slots.iter().map(|wanted| &wanted.slot.host).collect();
            let slots: BTreeMap<&SlotId, &SlotWanted> = desired.slots.iter().map(|wanted| (&wanted.slot, wanted)).collect();
            let found = join_all(hosts.into_iter().map(|host| self.losses_on(host, desired, &slots))).await;
            for lines in found {
                problems.extend(lines?);
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(DriverError::WouldLoseData { problems }) }
    }

    async fn losses_on(&self, host: &HostName, desired: &Desired, slots: &BTreeMap<&SlotId, &SlotWanted>) -> Result<Vec<String>, DriverError> {
        let engine = self.host(host)?;
        let release = self.release(desired.to.release)?;
        let Some(new) = release.services.get(&desired.service) else { return Ok(Vec::new()) };
        let order = desired.slots.first().map_or(Order::StopFirst, |wanted| wanted.order);
        let policy = policy_for(order, &self.data_policy(desired));
        let containers = match engine.containers(&self.estate.name, Some(&desired.service)).await {
            Ok(containers) => containers,
            Err(error) if error.is_silence() => return Ok(Vec::new()),
            Err(error) => return Ok(vec![format!("{host}: {error}")]),
        };
        let goes = containers.iter().filter(|one| one.slot.host == *host).filter_map(|one| match slots.get(&one.slot) {
            // Whatever it is made of, nothing comes after it.
            None => Some((one, Successor::Nobody)),
            // What is only stopped loses nothing.
            Some(wanted) if wanted.is_absent || one.version.spec == desired.to.spec => None,
            Some(_) => Some((one, Successor::Takes(&new.container))),
        });
        let lines = join_all(goes.map(|(one, successor)| loss_line(engine, one, successor, &policy))).await;
        Ok(lines.into_iter().flatten().collect())
    }

    /// The volumes that a container of this service must be alone in writing, in any of these releases.
    pub(super) fn sole_writer_of(&self, desired: &Desired, releases: &[Release]) -> Vec<String> {
        let Some(service) = self.estate.services.get(&desired.service) else { return Vec::new() };
        let mounts = releases.iter().filter_map(|release| release.services.get(&desired.service)).flat_map(|service| &service.container.mounts);
        let written = mounts.filter(|mount| !mount.read_only).filter_map(|mount| match &mount.source {
            MountSource::Volume { name, .. } => Some(name),
            _ => None,
        });
        written.filter(|volume| service.is_sole_writer_of(volume)).cloned().collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// What the pipelines say now: somebody who allows a loss need not begin a new run for it.
    pub(super) fn data_policy(&self, desired: &Desired) -> DataPolicy {
        self.estate.services.get(&desired.service).map(|service| service.data.clone()).unwrap_or_default()
    }
}

async fn loss_line(engine: &Arc<dyn Engine>, one: &ContainerFound, successor: Successor<'_>, policy: &DataPolicy) -> Option<String> {
    match loss_or_too_much(engine.as_ref(), &one.id, successor, policy).await {
        Ok(loss) if loss.is_none() => None,
        Ok(loss) => Some(format!("{} ({}): {loss}", one.slot, one.name)),
        Err(error) if error.is_silence() => None,
        Err(EngineError::Refused { what, why, .. }) => Some(format!("{} ({}): cannot {what}: {why}", one.slot, one.name)),
        Err(error) => Some(format!("{} ({}): nobody knows what would be lost: {error}", one.slot, one.name)),
    }
}

/// The loss; where all moves on, an error if that is more than may.
async fn loss_or_too_much(engine: &dyn Engine, old: &str, successor: Successor<'_>, policy: &DataPolicy) -> Result<Loss, EngineError> {
    let loss = loss(engine, old, successor, policy).await?;
    if let (OnLoss::Adopt, Successor::Takes(new), true) = (policy.on_loss, successor, loss.is_none()) {
        let adoption = adoption(engine, old, new, policy).await?;
        if !adoption.is_empty() {
            engine.adopt(old, None, &adoption).await?;
        }
    }
    Ok(loss)
}
