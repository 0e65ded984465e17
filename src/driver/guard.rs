//! Keeps data from being lost: before a rollout every container that it would replace is looked at, and each one again just before its turn.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::join_all;

use super::{Driver, DriverError};
use crate::data::{self, Loss};
use crate::edge::{ContainerFound, Engine, EngineError};
use crate::model::{ContainerSpec, HostName};
use crate::pipeline::{DataPolicy, OnLoss};
use crate::rollout::Desired;

/// So many changed paths of one container are asked whether they are files; that there are more than this is loss enough.
const ASKED_MAX: usize = 200;

/// What the replacement of a container by one of this spec would lose. A container that is gone holds nothing.
pub(super) async fn loss(engine: &dyn Engine, old: &str, new: &ContainerSpec, policy: &DataPolicy) -> Result<Loss, EngineError> {
    if policy.on_loss == OnLoss::Discard {
        return Ok(Loss::default());
    }
    let holdings = match engine.holdings(old).await {
        Err(EngineError::Missing { .. }) => return Ok(Loss::default()),
        other => other?,
    };
    let mut asked = data::candidates(&holdings, &policy.ignore);
    let rest = asked.split_off(asked.len().min(ASKED_MAX));
    let mut files = if asked.is_empty() { asked } else { engine.only_files(old, asked).await? };
    files.extend(rest);
    Ok(Loss { files, orphans: data::orphans(&holdings, new) })
}

impl Driver {
    /// Looks at every container that these rollouts would replace; errors with all that would be lost. Hosts that do not answer are left to
    /// whoever asks them next.
    pub(super) async fn guard_data(&self, rollouts: &[Desired]) -> Result<(), DriverError> {
        let mut problems = Vec::new();
        for desired in rollouts {
            let hosts: BTreeSet<&HostName> = desired.slots.iter().map(|wanted| &wanted.slot.host).collect();
            let found = join_all(hosts.into_iter().map(|host| self.losses_on(host, desired))).await;
            for lines in found {
                problems.extend(lines?);
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(DriverError::WouldLoseData { problems }) }
    }

    async fn losses_on(&self, host: &HostName, desired: &Desired) -> Result<Vec<String>, DriverError> {
        let engine = self.host(host)?;
        let release = self.release(desired.to.release)?;
        let Some(new) = release.services.get(&desired.service) else { return Ok(Vec::new()) };
        let policy = self.data_policy(desired);
        let containers = match engine.containers(&self.estate.name, Some(&desired.service)).await {
            Ok(containers) => containers,
            Err(error) if error.is_silence() => return Ok(Vec::new()),
            Err(error) => return Ok(vec![format!("{host}: {error}")]),
        };
        let goes = containers.iter().filter(|one| one.slot.host == *host && one.version.spec != desired.to.spec);
        let lines = join_all(goes.map(|one| loss_line(engine, one, &new.container, &policy))).await;
        Ok(lines.into_iter().flatten().collect())
    }

    /// What the pipelines say now: somebody who allows a loss need not begin a new run for it.
    pub(super) fn data_policy(&self, desired: &Desired) -> DataPolicy {
        self.estate.services.get(&desired.service).map(|service| service.data.clone()).unwrap_or_default()
    }
}

async fn loss_line(engine: &Arc<dyn Engine>, one: &ContainerFound, new: &ContainerSpec, policy: &DataPolicy) -> Option<String> {
    match loss(engine.as_ref(), &one.id, new, policy).await {
        Ok(loss) if loss.is_none() => None,
        Ok(loss) => Some(format!("{} ({}): {loss}", one.slot, one.name)),
        Err(error) if error.is_silence() => None,
        Err(error) => Some(format!("{} ({}): nobody knows what would be lost: {error}", one.slot, one.name)),
    }
}
