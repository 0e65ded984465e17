//! Looks at how services are before anything is done to them: what was sick already is not blamed on what comes, and is not rolled unless asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;

use super::{Driver, DriverError, Recorder, Seen};
use crate::edge::{ContainerFound, Engine, ProbeAnswer};
use crate::model::{ProbeSpec, ServiceName};
use crate::pipeline::{Condition, Service};
use crate::plan::{Change, Plan, RollStep, SickService};
use crate::rollout::{self, ContainerState, Health, Person};
use crate::run::Event;

/// A container that fails its probe is asked so many times before it counts as sick: one answer may be lost.
const PROBES_MAX: u32 = 3;
/// Between two of these, however seldom the pipeline says that it is probed.
const PROBES_APART_MAX: Duration = Duration::from_secs(1);

impl Driver {
    /// Completes a plan with what the hosts show: services that are sick already are left out unless they were asked for, and, where everything is
    /// looked at, what drifted from its release is put right. Hosts that do not answer are left to the rollout.
    pub async fn look_at_hosts(&self, plan: &mut Plan) -> Result<(), DriverError> {
        let is_about_all = matches!(plan.change, Change::Everything | Change::Drift);
        if plan.rolls.is_empty() && !is_about_all {
            return Ok(());
        }
        let seen = self.see_hosts().await;
        let sick = self.sick(looked_at(plan), &seen).await?;
        for roll in plan.rolls.iter_mut().filter(|roll| roll.is_asked_for) {
            roll.notes.extend(sick.get(&roll.service).map(|why| format!("it is sick already ({why}), so a failure does not count against the run")));
        }
        for roll in &mut plan.rolls {
            let waits = wanted_healthy(roll).filter_map(|other| Some(format!("not before {other} is healthy: {}", sick.get(other)?)));
            let waits: Vec<String> = waits.collect();
            roll.notes.extend(waits);
        }
        let left_out = plan.rolls.extract_if(.., |roll| !roll.is_asked_for && sick.contains_key(&roll.service));
        let left_out = left_out.filter_map(|roll| Some(SickService { why: sick.get(&roll.service)?.clone(), service: roll.service }));
        plan.sick.extend(left_out);
        self.prove_ways_back(plan).await?;
        if is_about_all {
            self.add_drift(plan, &seen)?;
        }
        Ok(())
    }

    /// The same just before the first container is touched: what is sick then is journalled, and nothing that happens to it counts against the run.
    pub(super) async fn look_before(&self, recorder: &Arc<Recorder>, plan: &Plan) -> Result<BTreeMap<ServiceName, String>, DriverError> {
        // Whoever takes everything back needs nobody to blame.
        let is_over = recorder.state(|state| !state.rollouts.is_empty() || state.person == Some(Person::Abort)).await;
        // And what a person had stopped is not sick.
        if is_over || plan.rolls.is_empty() || matches!(plan.change, Change::Undrain(_)) {
            return Ok(recorder.state(|state| state.sick_before.clone()).await);
        }
        let sick = self.sick(looked_at(plan), &self.see_hosts().await).await?;
        if !sick.is_empty() {
            recorder.record(Event::SickBefore { services: sick.clone() }).await?;
        }
        Ok(sick)
    }

    /// Of these services, those that are sick, and what was seen. One that was never rolled out is not sick.
    async fn sick(&self, services: BTreeSet<&ServiceName>, seen: &Seen) -> Result<BTreeMap<ServiceName, String>, DriverError> {
        let states = self.journal.service_states()?;
        let mut sick = BTreeMap::new();
        for service in services.into_iter().filter_map(|name| self.estate.services.get(name)) {
            let Some(current) = states.get(&service.name).and_then(|state| state.current) else { continue };
            let probe = self.release(current)?.services.get(&service.name).and_then(|service| service.probe.clone());
            let slots = self.slots(service, probe.as_ref(), seen).await;
            sick.extend(rollout::sick_before(&slots, service.update.max_failure_ratio).map(|why| (service.name.clone(), why)));
        }
        Ok(sick)
    }

    /// What is in each slot of the hosts that answered, refit's own probes included.
    async fn slots(&self, service: &Service, probe: Option<&ProbeSpec>, seen: &Seen) -> rollout::SlotsSeen {
        let mut slots = rollout::SlotsSeen::new();
        for host in &service.hosts {
            let (Some(Ok(containers)), Some(engine)) = (seen.hosts.get(host), self.engines.hosts.get(host)) else { continue };
            for slot in service.slots_on(host) {
                let own = containers.iter().filter(|one| one.slot == slot);
                slots.insert(slot.clone(), join_all(own.map(|one| self.health_of(engine.as_ref(), one, probe))).await);
            }
        }
        slots
    }

    async fn health_of(&self, engine: &dyn Engine, one: &ContainerFound, probe: Option<&ProbeSpec>) -> (ContainerState, Health) {
        let health = match (&one.state, &one.health, probe) {
            (ContainerState::Running { since, .. }, Health::Healthy { .. }, Some(probe)) if self.is_past(*since, probe.start_period) => {
                self.complaint(engine, &one.id, probe).await.map(|why| Health::Unhealthy { why })
            }
            _ => None,
        };
        (one.state.clone(), health.unwrap_or_else(|| one.health.clone()))
    }

    /// Whether so much time has gone by since a moment.
    pub(super) fn is_past(&self, moment: Timestamp, span: Duration) -> bool {
        moment.checked_add(span).is_ok_and(|end| end <= self.clock.now())
    }

    /// What a container's probe says against it, several times in a row. An engine that does not answer says nothing against anybody.
    async fn complaint(&self, engine: &dyn Engine, container: &str, probe: &ProbeSpec) -> Option<String> {
        let mut said = None;
        for attempt in 0..probe.retries.clamp(1, PROBES_MAX) {
            if attempt > 0 {
                self.clock.sleep(probe.interval.min(PROBES_APART_MAX)).await;
            }
            match engine.probe(container, probe).await {
                Ok(ProbeAnswer::Unwell(why)) => said = Some(why),
                Ok(ProbeAnswer::Well) | Err(_) => return None,
            }
        }
        said
    }

    /// Notes where there is no way back: the image of the release that a service would go back to is nowhere any more.
    async fn prove_ways_back(&self, plan: &mut Plan) -> Result<(), DriverError> {
        for roll in &mut plan.rolls {
            let Some(back) = roll.back else { continue };
            let Some(service) = self.release(back)?.services.get(&roll.service).cloned() else { continue };
            let id = service.id.to_string();
            let engines = std::iter::once(self.engines.builder()).chain(roll.hosts.iter().filter_map(|count| self.engines.hosts.get(&count.host)));
            let found = join_all(engines.map(|engine| engine.image(&id))).await;
            // Whoever does not answer may have it.
            if found.iter().all(|found| matches!(found, Ok(None))) {
                roll.notes.push(format!("NO WAY BACK: the image of {back} ({}) is on no engine any more", service.id.short()));
            }
        }
        Ok(())
    }
}

/// The services of a plan, and those that they want healthy.
fn looked_at(plan: &Plan) -> BTreeSet<&ServiceName> {
    plan.rolls.iter().flat_map(|roll| std::iter::once(&roll.service).chain(wanted_healthy(roll))).collect()
}

fn wanted_healthy(roll: &RollStep) -> impl Iterator<Item = &ServiceName> {
    roll.after.iter().filter(|(_, condition)| **condition == Condition::ServiceHealthy).map(|(other, _)| other)
}
