//! Tells which services of a plan are rolled to a release, to what exactly, and why the others are not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::carry::Cargo;
use super::outcome::NotRolled;
use super::{Driver, DriverError, Recorder};
use crate::model::{HostName, ServiceName};
use crate::pipeline::{FailureAction, Service, ServiceImage, UpdateStrategy};
use crate::plan::{self, Change, HeldService, Plan, RollStep};
use crate::release::{Release, ServiceRelease};
use crate::rollout::{Desired, Policy, Stages, Version};
use crate::run::{BuildOutcome, RolloutState, RunState};

/// What comes next for a service of the plan.
enum Next {
    Roll(Box<Desired>),
    /// It runs what it is to run.
    AsItIs,
    Not {
        why: String,
    },
}

impl Driver {
    /// What is rolled, in the plan's order, and why the rest is not. A service that has ended in this run is in neither.
    pub(super) async fn rollouts_of(
        &self,
        recorder: &Arc<Recorder>,
        plan: &Plan,
        release: &Release,
    ) -> Result<(Vec<Desired>, NotRolled), DriverError> {
        let known = |rollout: &RolloutState| (rollout.desired.service.clone(), (rollout.desired.clone(), rollout.ended.is_some()));
        let known: BTreeMap<ServiceName, (Desired, bool)> = recorder.state(|state| state.rollouts.iter().map(known).collect()).await;
        let (mut rollouts, mut not_rolled) = (Vec::new(), NotRolled::new());
        for step in &plan.rolls {
            match known.get(&step.service) {
                Some((_, true)) => {}
                Some((desired, false)) => rollouts.push(desired.clone()),
                None => match self.next_for(recorder, plan, step, release).await? {
                    Next::Roll(desired) => rollouts.push(*desired),
                    Next::Not { why } => {
                        not_rolled.insert(step.service.clone(), why);
                    }
                    Next::AsItIs => {}
                },
            }
        }
        Ok((rollouts, not_rolled))
    }

    /// What is to be done about one service, now that the builds have ended.
    async fn next_for(&self, recorder: &Arc<Recorder>, plan: &Plan, step: &RollStep, release: &Release) -> Result<Next, DriverError> {
        let Some(service) = self.estate.services.get(&step.service) else {
            return Ok(Next::Not { why: "the pipelines have no such service any more".into() });
        };
        if step.repair.is_none()
            && let Some(why) = recorder.state(|state| why_no_image(state, service)).await
        {
            return Ok(Next::Not { why });
        }
        let repaired = step.repair.map(|number| self.release(number)).transpose()?;
        let hosts: BTreeSet<&HostName> = step.hosts.iter().map(|count| &count.host).collect();
        let release = repaired.as_ref().unwrap_or(release);
        let Some(desired) = self.desired(service, release, &hosts).await? else {
            return Ok(Next::Not { why: format!("{} has no such service", release.number) });
        };
        // The plan said "if its image comes out changed".
        if !step.certain && step.from.is_some() && desired.back.as_ref().is_none_or(|back| back.spec == desired.to.spec) {
            return Ok(Next::AsItIs);
        }
        Ok(match self.held(plan, service, &desired)? {
            Some(held) => Next::Not { why: held.to_string() },
            None => Next::Roll(Box::new(desired)),
        })
    }

    /// Whether the service came back from just this before; a build that comes out as it was is nothing newer.
    fn held(&self, plan: &Plan, service: &Service, desired: &Desired) -> Result<Option<HeldService>, DriverError> {
        if matches!(plan.change, Change::Release(_)) || plan::is_asked_for(&plan.change, service) {
            return Ok(None);
        }
        let Some(mut state) = self.journal.service_states()?.remove(&service.name) else { return Ok(None) };
        let (Some(stays), Some((refused, quarantine))) = (state.current, state.quarantined.pop_last()) else { return Ok(None) };
        let was = self.release(refused)?.services.get(&service.name).map(ServiceRelease::spec_hash);
        let held = HeldService { service: service.name.clone(), stays, refused, why: quarantine.why };
        Ok((was == Some(desired.to.spec)).then_some(held))
    }

    /// One rollout; none if the service is not in the release (its image failed and it never ran).
    async fn desired(&self, service: &Service, release: &Release, hosts: &BTreeSet<&HostName>) -> Result<Option<Desired>, DriverError> {
        let Some(released) = release.services.get(&service.name) else { return Ok(None) };
        let to = Version { release: release.number, spec: released.spec_hash() };
        let current = self.journal.service_states()?.remove(&service.name).and_then(|state| state.current);
        let back = match current {
            Some(number) => self.release(number)?.services.get(&service.name).map(|old| Version { release: number, spec: old.spec_hash() }),
            None => None,
        };
        let volumes = self.engines.builder().image(&released.id.to_string()).await?.map(|seen| seen.volumes).unwrap_or_default();
        let (order, _) = plan::effective_order(service, service.update.order, &volumes);
        let is_repair = back.as_ref().is_some_and(|back| back.spec == to.spec);
        // A repair that names no way back would look like a first rollout, whose way back is to take everything away.
        let back = if is_repair { Some(to.clone()) } else { back };
        let hosts: Vec<&HostName> = service.hosts.iter().filter(|host| hosts.contains(host)).collect();
        // What is repaired was tried out when it was rolled; on a first rollout there is nothing that a canary could spare.
        let plain = UpdateStrategy::default();
        let Stages { slots, stages } =
            Stages::of(&service.name, if is_repair || back.is_none() { &plain } else { &service.strategy }, service.replicas, &hosts, order);
        let mut update = Policy::of(&service.update, slots.len(), order);
        let rollback = Policy::of(&service.rollback, slots.len(), order);
        if is_repair || back.is_none() && current.is_some() {
            // There is nothing to go back to, and what runs must not be taken away.
            update.failure_action = FailureAction::Pause;
        }
        Ok(Some(Desired {
            service: service.name.clone(),
            to,
            back,
            slots,
            stages,
            max_parallel_hosts: service.strategy.max_parallel_hosts,
            spread: service.strategy.spread.clone(),
            update,
            rollback,
            stop_grace_period: released.container.stop_grace_period(),
        }))
    }

    /// The images that each host must have: those that are rolled, and those of the way back.
    pub(super) fn cargo_of(&self, rollouts: &[Desired]) -> Result<Cargo, DriverError> {
        let mut cargo = Cargo::new();
        for desired in rollouts {
            for version in std::iter::once(&desired.to).chain(&desired.back) {
                let release = self.release(version.release)?;
                let Some(service) = release.services.get(&desired.service) else { continue };
                let name = release.images.values().find(|image| image.id == service.id).map(|image| image.tag.clone());
                for wanted in &desired.slots {
                    cargo.entry(wanted.slot.host.clone()).or_default().insert(service.id, name.clone());
                }
            }
        }
        Ok(cargo)
    }
}

/// Why this run has no image for the service, if it failed to build it.
fn why_no_image(state: &RunState, service: &Service) -> Option<String> {
    let ServiceImage::Estate(image) = &service.image else { return None };
    match state.build_outcome(image)? {
        BuildOutcome::Failed { .. } => Some(format!("its image {image} failed to build")),
        BuildOutcome::Skipped { because } => Some(format!("its image {image} was not built, because {because} has no image")),
        BuildOutcome::Built { .. } | BuildOutcome::Reused { .. } | BuildOutcome::Unchanged { .. } => None,
    }
}
