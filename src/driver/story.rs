//! One run from its plan to its end. Every stage first asks the state whether it is behind us, so that beginning and taking up again are one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::builds::Builds;
use super::carry::Cargo;
use super::roll::{self, Rollout};
use super::{Driver, DriverError, Recorder};
use crate::model::{Digest, HostName, ImageName, ReleaseNumber, RunId, ServiceName, SlotId};
use crate::pipeline::{FailureAction, Service, ServiceImage};
use crate::plan::{self, Pin, Plan};
use crate::release::{self, ImageResult, Release};
use crate::rollout::{Desired, Outcome, Phase, Progress, SlotWanted, Version};
use crate::run::{BuildOutcome, Event, RunOutcome, RunState};

/// How far a run came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CameTo {
    /// Its end.
    End(RunOutcome),
    /// A pause.
    Pause {
        /// Where: the builds, or the rollout of a service.
        what: String,
        /// Why.
        why: String,
    },
}

impl Driver {
    /// Begins a run with a plan that was shown.
    pub async fn begin(&self, plan: Plan, by: &str, words: &str) -> Result<Arc<Recorder>, DriverError> {
        let first = Event::RunBegan { change: plan.change.clone(), by: by.to_owned(), words: words.to_owned() };
        let at = self.clock.now();
        let run = self.journal.begin_run(at, &first).await?;
        self.watch.event(at, &first);
        let recorder = self.recorder(run, RunState::begin(at, &first)?);
        recorder.record(Event::Planned { plan: Box::new(plan) }).await?;
        Ok(recorder)
    }

    /// Takes up a run that was interrupted.
    pub async fn take_up(&self, run: RunId, by: &str) -> Result<Arc<Recorder>, DriverError> {
        let events = self.journal.events(run)?;
        let state = RunState::of(events.iter().map(|recorded| (recorded.at, &recorded.event)))?;
        let recorder = self.recorder(run, state);
        recorder.record(Event::Resumed { by: by.to_owned() }).await?;
        Ok(recorder)
    }

    fn recorder(&self, run: RunId, state: RunState) -> Arc<Recorder> {
        Arc::new(Recorder::new(run, state, self.journal.clone(), self.clock.clone(), self.watch.clone()))
    }

    /// Carries a run on, from wherever it is, to its end or to a pause.
    pub async fn carry_on(&self, recorder: &Arc<Recorder>) -> Result<CameTo, DriverError> {
        let came = match self.stages(recorder).await {
            Err(error @ DriverError::Preflight { .. }) => {
                let why = error.to_string();
                recorder.record(Event::RunEnded { outcome: RunOutcome::Refused { why } }).await?;
                return Err(error);
            }
            other => other?,
        };
        if let CameTo::End(outcome) = &came {
            recorder.record(Event::RunEnded { outcome: outcome.clone() }).await?;
        }
        Ok(came)
    }

    async fn stages(&self, recorder: &Arc<Recorder>) -> Result<CameTo, DriverError> {
        let Some(plan) = recorder.state(|state| state.plan.clone()).await else {
            return Ok(CameTo::End(RunOutcome::Refused { why: "it was interrupted before it had a plan".into() }));
        };
        match self.build_all(recorder, &plan).await? {
            Builds::Over => {}
            Builds::Paused => return Ok(CameTo::Pause { what: "builds".into(), why: "a person said so".into() }),
            Builds::Aborted => return Ok(CameTo::End(RunOutcome::Aborted)),
        }
        let release = self.make_release(recorder, &plan).await?;
        let rollouts = self.rollouts_of(recorder, &plan, &release).await?;
        self.bring(recorder, &self.cargo_of(&rollouts, &release)?).await?;
        for desired in rollouts {
            let service = desired.service.clone();
            match self.roll(recorder, desired).await? {
                Phase::Paused { why, .. } => return Ok(CameTo::Pause { what: service.to_string(), why }),
                Phase::Finished(Outcome::Done | Outcome::DoneInPart) => {}
                // One service that had to go back stops the wave: what comes after it would stand on the same new base.
                _ => break,
            }
        }
        let outcome = recorder.state(|state| run_outcome(state, &plan)).await;
        if outcome == RunOutcome::Done {
            self.move_channel(&release).await;
        }
        Ok(CameTo::End(outcome))
    }

    /// The release that this run rolls: its own, one that it was asked for, or the latest where nothing is new.
    async fn make_release(&self, recorder: &Arc<Recorder>, plan: &Plan) -> Result<Release, DriverError> {
        if let Some(made) = recorder.state(|state| state.release.clone()).await {
            return Ok(made);
        }
        if let plan::Change::Release(number) = plan.change {
            return self.release(number);
        }
        let results = recorder.state(|state| results_of(state, plan)).await;
        let previous = self.journal.latest_release()?;
        let external_ids = self.external_ids_now().await?;
        let rolls = plan.rolls.iter().map(|roll| roll.service.clone()).collect();
        let made = release::make(&release::Making {
            number: self.journal.next_release()?,
            run: recorder.run(),
            now: self.clock.now(),
            previous: previous.as_ref(),
            estate: &self.estate,
            results: &results,
            rolls: &rolls,
            external_ids: &external_ids,
        });
        match previous {
            Some(previous) if !release::differs(&made.release, Some(&previous)) => Ok(previous),
            _ => {
                recorder.record(Event::Released { release: Box::new(made.release.clone()) }).await?;
                Ok(made.release)
            }
        }
    }

    /// What is rolled, in the plan's order: services that the release has, and that are not on it.
    async fn rollouts_of(&self, recorder: &Arc<Recorder>, plan: &Plan, release: &Release) -> Result<Vec<Desired>, DriverError> {
        let begun = recorder
            .state(|state| {
                state.rollouts.iter().map(|rollout| (rollout.desired.service.clone(), rollout.desired.clone())).collect::<BTreeMap<_, _>>()
            })
            .await;
        let ended: BTreeSet<ServiceName> = recorder
            .state(|state| state.rollouts.iter().filter(|rollout| rollout.ended.is_some()).map(|rollout| rollout.desired.service.clone()).collect())
            .await;
        let mut rollouts = Vec::new();
        for step in plan.rolls.iter().filter(|step| !ended.contains(&step.service)) {
            if let Some(desired) = begun.get(&step.service) {
                rollouts.push(desired.clone());
                continue;
            }
            let Some(service) = self.estate.services.get(&step.service) else { continue };
            if recorder.state(|state| has_no_image(state, service)).await {
                continue;
            }
            let hosts: BTreeSet<&HostName> = step.hosts.iter().map(|count| &count.host).collect();
            rollouts.extend(self.desired(service, release, &hosts).await?);
        }
        Ok(rollouts)
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
        let mut update = service.update.clone();
        let back = back.filter(|back| back.spec != to.spec || current.is_none());
        if back.is_none() && current.is_some() {
            // A repair of the version that runs: there is nothing to go back to, and what runs must not be taken away.
            update.failure_action = FailureAction::Pause;
        }
        let slots = (0..service.replicas).flat_map(|index| {
            let hosts = service.hosts.iter().filter(|host| hosts.contains(host));
            hosts.map(move |host| SlotWanted { slot: SlotId { service: service.name.clone(), host: host.clone(), index }, order })
        });
        Ok(Some(Desired {
            service: service.name.clone(),
            to,
            back,
            slots: slots.collect(),
            update,
            rollback: service.rollback.clone(),
            stop_grace_period: released.container.stop_grace_period(),
        }))
    }

    fn cargo_of(&self, rollouts: &[Desired], release: &Release) -> Result<Cargo, DriverError> {
        let mut cargo = Cargo::new();
        for desired in rollouts {
            let mut versions = vec![(desired.to.release, release.clone())];
            if let Some(back) = &desired.back {
                versions.push((back.release, self.release(back.release)?));
            }
            for (_, release) in versions {
                let Some(service) = release.services.get(&desired.service) else { continue };
                let name = release.images.values().find(|image| image.id == service.id).map(|image| image.tag.clone());
                for wanted in &desired.slots {
                    cargo.entry(wanted.slot.host.clone()).or_default().insert(service.id, name.clone());
                }
            }
        }
        Ok(cargo)
    }

    async fn roll(&self, recorder: &Arc<Recorder>, desired: Desired) -> Result<Phase, DriverError> {
        let service = desired.service.clone();
        let kept = recorder.state(|state| state.rollout(&service).filter(|rollout| rollout.ended.is_none()).cloned()).await;
        let progress = match kept {
            Some(kept) => Progress::resume(kept.phase, kept.failed, kept.done, kept.left_behind),
            None => {
                recorder.record(Event::RolloutBegan { desired: Box::new(desired.clone()) }).await?;
                Progress::begin(self.clock.now())
            }
        };
        let numbers: BTreeSet<ReleaseNumber> = std::iter::once(desired.to.release).chain(desired.back.iter().map(|back| back.release)).collect();
        let releases = numbers.into_iter().map(|number| self.release(number)).collect::<Result<Vec<_>, _>>()?;
        let release = desired.to.release;
        let rollout = Rollout {
            estate: self.estate.name.clone(),
            versions: roll::versions_of(&service, &releases),
            desired,
            engines: &self.engines,
            recorder,
            clock: self.clock.clone(),
        };
        let progress = rollout.carry_out(progress).await?;
        if let Phase::Finished(outcome) = &progress.phase {
            recorder.record(Event::RolloutEnded { service, release, outcome: outcome.clone() }).await?;
        }
        Ok(progress.phase)
    }

    /// Moves `:current` of every image, on the builder. A convenience for people: nothing of refit reads it, so a failure is only logged.
    async fn move_channel(&self, release: &Release) {
        for image in release.images.values() {
            let moved = match image.tag.with_tag("current") {
                Ok(name) => self.engines.builder().tag(image.id, &name).await.map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            if let Err(error) = moved {
                tracing::warn!(error, image = %image.tag, "channel tag was not moved");
            }
        }
    }

    async fn external_ids_now(&self) -> Result<BTreeMap<crate::model::ImageRef, Digest>, DriverError> {
        let mut ids = BTreeMap::new();
        for service in self.estate.services.values() {
            if let ServiceImage::External(reference) = &service.image
                && let Some(seen) = self.engines.builder().image(&reference.to_string()).await?
            {
                ids.insert(reference.clone(), seen.id);
            }
        }
        Ok(ids)
    }
}

/// Whether this run failed to build what the service runs.
fn has_no_image(state: &RunState, service: &Service) -> bool {
    let ServiceImage::Estate(image) = &service.image else { return false };
    matches!(state.build_outcome(image), Some(BuildOutcome::Failed { .. } | BuildOutcome::Skipped { .. }))
}

/// What the builds came to, with all that each was built from.
fn results_of(state: &RunState, plan: &Plan) -> BTreeMap<ImageName, ImageResult> {
    let mut results = BTreeMap::new();
    for step in &plan.steps {
        let Some(outcome) = state.build_outcome(&step.image) else { continue };
        let bases = step.pins.iter().filter_map(|(reference, pin)| {
            let digest = match pin {
                Pin::Base { digest, .. } => *digest,
                Pin::Image(parent) => id_of(state.build_outcome(parent)?)?,
            };
            Some((reference.parse().ok()?, digest))
        });
        results.insert(
            step.image.clone(),
            ImageResult {
                outcome: outcome.clone(),
                bases: bases.collect(),
                commit: step.context.commit.clone().filter(|_| !step.context.dirty),
                own_inputs: Some(step.own_inputs),
                context: Some(step.context.hash),
            },
        );
    }
    results
}

fn id_of(outcome: &BuildOutcome) -> Option<Digest> {
    match outcome {
        BuildOutcome::Built { id, .. } | BuildOutcome::Reused { id, .. } | BuildOutcome::Unchanged { id, .. } => Some(*id),
        BuildOutcome::Failed { .. } | BuildOutcome::Skipped { .. } => None,
    }
}

/// How the run as a whole ended, by what its builds and rollouts came to; the gravest word counts.
fn run_outcome(state: &RunState, plan: &Plan) -> RunOutcome {
    let ended = |wanted: fn(&Outcome) -> Option<String>| -> BTreeMap<ServiceName, String> {
        let ended = state.rollouts.iter().filter_map(|rollout| Some((rollout.desired.service.clone(), &rollout.ended.as_ref()?.1)));
        ended.filter_map(|(service, outcome)| Some((service, wanted(outcome)?))).collect()
    };
    let stuck = ended(|outcome| if let Outcome::Stuck { why } = outcome { Some(why.clone()) } else { None });
    if let Some((service, why)) = stuck.into_iter().next() {
        return RunOutcome::Stuck { why: format!("{service}: {why}") };
    }
    let services = ended(|outcome| if let Outcome::RolledBack { why } = outcome { Some(why.clone()) } else { None });
    if !services.is_empty() {
        return RunOutcome::RolledBack { services };
    }
    let failed = state.builds.iter().filter(|(_, build)| matches!(build.ended, Some((BuildOutcome::Failed { .. }, _))));
    let images: Vec<_> = failed.map(|(image, _)| image.clone()).collect();
    if !images.is_empty() {
        return RunOutcome::BuildsFailed { images };
    }
    let missing: Vec<String> = state
        .rollouts
        .iter()
        .filter(|rollout| matches!(rollout.ended, Some((_, Outcome::DoneInPart))))
        .flat_map(|rollout| {
            let hosts = rollout.left_behind.iter().map(|(host, why)| format!("{}: host {host} was left behind: {why}", rollout.desired.service));
            hosts.chain(rollout.failed.iter().map(|(slot, verdict)| format!("{slot}: {}", verdict)))
        })
        .collect();
    match (missing.is_empty(), plan.steps.is_empty() && plan.rolls.is_empty()) {
        (false, _) => RunOutcome::InPart { missing },
        (true, true) => RunOutcome::NothingToDo,
        (true, false) => RunOutcome::Done,
    }
}
