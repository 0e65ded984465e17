//! Tells which services of a plan are rolled to a release, to what exactly, and why the others are not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::join_all;

use super::carry::Cargo;
use super::{Driver, DriverError, Recorder};
use crate::model::{HostName, ReleaseNumber, ServiceName};
use crate::pipeline::{FailureAction, Order, Service, ServiceImage, UpdateStrategy};
use crate::plan::{self, Change, HeldService, Newcomer, Plan, RollStep, SickService};
use crate::release::{Release, ServiceRelease};
use crate::rollout::{Desired, Policy, Stages, Version};
use crate::run::{BuildOutcome, Event, NotRolled, RolloutState, RunState};

impl Driver {
    /// What is still to be rolled, in the plan's order. Why the rest is not is recorded.
    pub(super) async fn rollouts_of(&self, recorder: &Arc<Recorder>, plan: &Plan, release: &Release) -> Result<Vec<Desired>, DriverError> {
        let sick = self.look_before(recorder, plan).await?;
        let known = |rollout: &RolloutState| (rollout.desired.service.clone(), (rollout.desired.clone(), rollout.ended.is_some()));
        let known: BTreeMap<ServiceName, (Desired, bool)> = recorder.state(|state| state.rollouts.iter().map(known).collect()).await;
        let (mut rollouts, mut left_out) = (Vec::new(), Vec::new());
        for step in &plan.rolls {
            match known.get(&step.service) {
                Some((_, true)) => {}
                Some((desired, false)) => rollouts.push(desired.clone()),
                None if recorder.state(|state| state.is_settled(&step.service)).await => {}
                None if sick.contains_key(&step.service) && !step.is_asked_for && step.repair.is_none() => {
                    let service = step.service.clone();
                    let why = SickService { why: sick[&service].clone(), service: service.clone() }.to_string();
                    left_out.push(Event::NotRolled { service, why: NotRolled::Because(why) });
                }
                None => match self.next_for(recorder, plan, step, release).await? {
                    Ok(desired) => rollouts.push(desired),
                    Err(why) => left_out.push(Event::NotRolled { service: step.service.clone(), why }),
                },
            }
        }
        recorder.record_all(left_out).await?;
        Ok(rollouts)
    }

    /// To what one service rolls, now that the builds have ended, or why it does not.
    async fn next_for(
        &self,
        recorder: &Arc<Recorder>,
        plan: &Plan,
        step: &RollStep,
        release: &Release,
    ) -> Result<Result<Desired, NotRolled>, DriverError> {
        let not = |why: String| Ok(Err(NotRolled::Because(why)));
        let Some(service) = self.estate.services.get(&step.service) else {
            return not("the pipelines have no such service any more".into());
        };
        if step.repair.is_none()
            && let Some(why) = recorder.state(|state| why_no_image(state, service)).await
        {
            return not(why);
        }
        let repaired = step.repair.map(|number| self.release(number)).transpose()?;
        let hosts: BTreeSet<&HostName> = step.hosts.iter().map(|count| &count.host).collect();
        let release = repaired.as_ref().unwrap_or(release);
        let drained = if let Change::Drain(host) = &plan.change { Some(host) } else { None };
        let Some(desired) = self.desired(service, release, &hosts, drained).await? else {
            return not(format!("{} has no such service", release.number));
        };
        // The plan said "if its image comes out changed".
        if !step.certain && step.from.is_some() && desired.back.as_ref().is_none_or(|back| back.spec == desired.to.spec) {
            return Ok(Err(NotRolled::AsItIs));
        }
        match self.held(plan, service, &desired)? {
            // What runs already is put right, whatever else it is part of.
            Some(held) if !desired.is_repair() => not(held.to_string()),
            _ => Ok(Ok(desired)),
        }
    }

    /// Whether just this is in quarantine; a build that comes out as it was, or that was done again of the same, is nothing newer.
    fn held(&self, plan: &Plan, service: &Service, desired: &Desired) -> Result<Option<HeldService>, DriverError> {
        if matches!(plan.change, Change::Release(_)) || plan::is_asked_for(&plan.change, service) {
            return Ok(None);
        }
        let standing = self.journal.standing()?;
        let stays = standing.services.get(&service.name).and_then(|state| state.current);
        let now = self.release(desired.to.release)?;
        for (refused, quarantine) in standing.refused(&service.name).into_iter().rev() {
            if is_alike(service, &now, &self.release(refused)?) {
                return Ok(Some(HeldService { service: service.name.clone(), stays, refused, why: quarantine.why }));
            }
        }
        Ok(None)
    }

    /// One rollout, which empties the slots of `drained`; none if the service is not in the release (its image failed and it never ran).
    async fn desired(
        &self,
        service: &Service,
        release: &Release,
        hosts: &BTreeSet<&HostName>,
        drained: Option<&HostName>,
    ) -> Result<Option<Desired>, DriverError> {
        let Some(released) = release.services.get(&service.name) else { return Ok(None) };
        let to = Version { release: release.number, spec: released.spec_hash() };
        let state = self.journal.service_states()?.remove(&service.name).unwrap_or_default();
        let current = state.current;
        let is_repair = self.version(service, current)?.is_some_and(|now| now.spec == to.spec);
        let ways = [self.version(service, state.way_back())?, self.version(service, current)?];
        let back = ways.into_iter().flatten().find(|back| back.spec != to.spec);
        let hosts: Vec<&HostName> = service.hosts.iter().filter(|host| hosts.contains(host)).collect();
        let order = self.order(service, released, current, &hosts).await?;
        // What is repaired, or gone back to by hand, was tried out when it was rolled; on a first rollout there is nothing that a canary could spare.
        let plain = UpdateStrategy::default();
        let is_way_back = current.is_some_and(|current| release.number < current);
        let strategy = if is_repair || is_way_back || back.is_none() { &plain } else { &service.strategy };
        let Stages { mut slots, stages } = Stages::of(&service.name, strategy, service.replicas, &hosts, order);
        let pace = if is_way_back { &service.rollback } else { &service.update };
        let mut update = Policy { failure_action: service.update.failure_action, ..Policy::of(pace, slots.len(), order) };
        let rollback = Policy::of(&service.rollback, slots.len(), order);
        slots.iter_mut().for_each(|wanted| wanted.is_absent = Some(&wanted.slot.host) == drained);
        if is_repair && drained.is_none() || back.is_none() && current.is_some() {
            // There is nothing to go back to, and what runs must not be taken away. What is drained is kept.
            update.failure_action = FailureAction::Pause;
        }
        // A repair that names no way back would look like a first rollout, whose way back is to take everything away.
        let back = if is_repair { Some(to.clone()) } else { back };
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

    /// The order in which the slots of a service go from what is there to what was released.
    ///
    /// What was released before does not tell every anonymous volume: one may have moved on from release to release since a spec or an image had it
    /// last. So the containers themselves are looked at. Hosts that do not tell are judged by what was released there; why they do not is said by
    /// whoever asks them next.
    async fn order(
        &self,
        service: &Service,
        released: &ServiceRelease,
        current: Option<ReleaseNumber>,
        hosts: &[&HostName],
    ) -> Result<Order, DriverError> {
        let wanted = service.update.order;
        if wanted == Order::StopFirst {
            return Ok(wanted);
        }
        let image_volumes = self.engines.builder().image(&released.id.to_string()).await?.map(|seen| seen.volumes).unwrap_or_default();
        let old = current.map(|number| self.release(number)).transpose()?;
        let old = old.iter().filter_map(|release| release.services.get(&service.name));
        let mut inherited: BTreeSet<String> = old.flat_map(|old| plan::anonymous_places(&old.container)).map(str::to_owned).collect();
        let looks = hosts.iter().map(|host| async move {
            let engine = self.engines.hosts.get(*host)?;
            engine.containers(&self.estate.name, Some(&service.name)).await.ok()
        });
        inherited.extend(join_all(looks).await.into_iter().flatten().flatten().flat_map(|one| one.anonymous));
        let new = Newcomer { container: &released.container, image_volumes: &image_volumes, inherited: &inherited };
        Ok(plan::effective_order(service, wanted, new).0)
    }

    /// What a service is in a release; none if it is not in it.
    fn version(&self, service: &Service, release: Option<ReleaseNumber>) -> Result<Option<Version>, DriverError> {
        let Some(number) = release else { return Ok(None) };
        Ok(self.release(number)?.services.get(&service.name).map(|one| Version { release: number, spec: one.spec_hash() }))
    }

    /// The images that each host must have: those that are rolled, and those of the way back.
    pub(super) fn cargo_of(&self, rollouts: &[Desired]) -> Result<Cargo, DriverError> {
        let mut cargo = Cargo::new();
        for desired in rollouts {
            for version in std::iter::once(&desired.to).chain(&desired.back) {
                let release = self.release(version.release)?;
                let Some(service) = release.services.get(&desired.service) else { continue };
                let name = release.images.values().find(|image| image.id == service.id).map(|image| image.tag.clone());
                for wanted in desired.slots.iter().filter(|wanted| !wanted.is_absent) {
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

/// Whether a service is the same in two releases: its containers, or all that they are made of.
fn is_alike(service: &Service, now: &Release, then: &Release) -> bool {
    let (Some(new), Some(old)) = (now.services.get(&service.name), then.services.get(&service.name)) else { return false };
    let is_made_alike = match &service.image {
        ServiceImage::Estate(image) => now.is_made_alike(then, image),
        ServiceImage::External(_) => new.id == old.id,
    };
    new.spec_hash() == old.spec_hash() || is_made_alike && new.container == old.container && new.probe == old.probe
}
