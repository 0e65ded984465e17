//! One run from its plan to its end. Every stage first asks the state whether it is behind us, so that beginning and taking up again are one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream;

use super::builds::Builds;
use super::carry::Cargo;
use super::outcome::{self, NotRolled};
use super::roll::{self, Rollout};
use super::{Driver, DriverError, Recorder};
use crate::model::{Digest, HostName, ImageName, ReleaseNumber, RunId, ServiceName, SlotId};
use crate::pipeline::{FailureAction, Service, ServiceImage};
use crate::plan::{self, Change, HeldService, Pin, Plan, RollStep};
use crate::release::{self, ImageResult, Release, ServiceRelease};
use crate::rollout::{Desired, Person, Phase, Progress, SlotWanted, Version};
use crate::run::{BuildOutcome, Event, RolloutState, RunOutcome, RunState};

/// Tags that are moved at once on the builder.
const TAGS_AT_ONCE: usize = 8;

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
            Err(error @ (DriverError::Preflight { .. } | DriverError::WouldLoseData { .. })) => {
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
        // What was said while nobody listened counts before anything else is done.
        let said = recorder.listen().await?;
        if recorder.state(outcome::word_between).await == Some(Person::Abort) {
            return Ok(CameTo::End(aborted(recorder, &plan).await));
        }
        match self.build_all(recorder, &plan).await? {
            Builds::Over => {}
            Builds::Paused => return Ok(CameTo::Pause { what: "builds".into(), why: "a person said so".into() }),
            Builds::Aborted => return Ok(CameTo::End(aborted(recorder, &plan).await)),
        }
        let release = self.make_release(recorder, &plan).await?;
        let (rollouts, not_rolled) = self.rollouts_of(recorder, &plan, &release).await?;
        if recorder.state(|state| state.rollouts.is_empty()).await {
            self.guard_data(&rollouts).await?;
        }
        self.bring_before(recorder, &rollouts).await?;
        let came = self.roll_all(recorder, &plan, rollouts, not_rolled, said).await?;
        if came == CameTo::End(RunOutcome::Done) {
            self.move_channel(&release).await;
        }
        Ok(came)
    }

    /// Brings the images. Before the first container is touched every host must have them; in the middle of a run that is taken up again, a host
    /// that is silent now is the rollout's to wait for.
    async fn bring_before(&self, recorder: &Arc<Recorder>, rollouts: &[Desired]) -> Result<(), DriverError> {
        let has_begun = recorder.state(|state| !state.rollouts.is_empty()).await;
        match self.bring(recorder, &self.cargo_of(rollouts)?).await {
            Err(DriverError::Preflight { .. }) if has_begun => Ok(()),
            other => other,
        }
    }

    /// Rolls one service after the other. `said` is a word that the one under way has not heard yet.
    async fn roll_all(
        &self,
        recorder: &Arc<Recorder>,
        plan: &Plan,
        rollouts: Vec<Desired>,
        mut not_rolled: NotRolled,
        mut said: Option<Person>,
    ) -> Result<CameTo, DriverError> {
        for desired in rollouts {
            let service = desired.service.clone();
            if let Some(why) = recorder.state(outcome::stopped_by).await {
                not_rolled.insert(service, why);
                continue;
            }
            recorder.listen().await.map(|word| said = word.or(said))?;
            match recorder.state(outcome::word_between).await {
                Some(Person::Abort) => return Ok(CameTo::End(aborted(recorder, plan).await)),
                Some(Person::Pause) => return Ok(CameTo::Pause { what: service.to_string(), why: "a person said so".into() }),
                Some(Person::Resume) | None => {}
            }
            // A word that was journalled and not acted upon, because refit died in between, still stands.
            let word = said.take().or(recorder.state(|state| state.person).await);
            if let Phase::Paused { why, .. } = self.roll(recorder, desired, word).await? {
                return Ok(CameTo::Pause { what: service.to_string(), why });
            }
        }
        Ok(CameTo::End(recorder.state(|state| outcome::run_outcome(state, plan, not_rolled)).await))
    }

    /// The release that this run rolls: its own, one that it was asked for, or the latest where nothing is new.
    async fn make_release(&self, recorder: &Arc<Recorder>, plan: &Plan) -> Result<Release, DriverError> {
        if let Some(made) = recorder.state(|state| state.release.clone()).await {
            return Ok(made);
        }
        if let Change::Release(number) = plan.change {
            return self.release(number);
        }
        let results = recorder.state(|state| results_of(state, plan)).await;
        let previous = self.journal.latest_release()?;
        let external_ids = self.external_ids_now().await?;
        let rolls = plan.rolls.iter().filter(|roll| roll.repair.is_none()).map(|roll| roll.service.clone()).collect();
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

    /// What is rolled, in the plan's order, and why the rest is not. A service that has ended in this run is in neither.
    async fn rollouts_of(&self, recorder: &Arc<Recorder>, plan: &Plan, release: &Release) -> Result<(Vec<Desired>, NotRolled), DriverError> {
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
        if !step.certain && step.from.is_some() && desired.back.is_none() {
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

    fn cargo_of(&self, rollouts: &[Desired]) -> Result<Cargo, DriverError> {
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

    async fn roll(&self, recorder: &Arc<Recorder>, desired: Desired, word: Option<Person>) -> Result<Phase, DriverError> {
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
            data: self.data_policy(&desired),
            desired,
            engines: &self.engines,
            recorder,
            clock: self.clock.clone(),
        };
        let progress = rollout.carry_out(progress, word).await?;
        if let Phase::Finished(outcome) = &progress.phase {
            recorder.record(Event::RolloutEnded { service, release, outcome: outcome.clone() }).await?;
        }
        Ok(progress.phase)
    }

    /// Moves `:current` of every image, on the builder. A convenience for people: nothing of refit reads it, so a failure is only logged.
    async fn move_channel(&self, release: &Release) {
        let moves = release.images.values().map(|image| async move {
            let moved = match image.tag.with_tag("current") {
                Ok(name) => self.engines.builder().tag(image.id, &name).await.map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            if let Err(error) = moved {
                tracing::warn!(error, image = %image.tag, "channel tag was not moved");
            }
        });
        stream::iter(moves).buffer_unordered(TAGS_AT_ONCE).collect::<()>().await;
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

/// What comes next for a service of the plan.
enum Next {
    Roll(Box<Desired>),
    /// It runs what it is to run.
    AsItIs,
    Not {
        why: String,
    },
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

/// The end of a run that a person took back while no rollout was under way.
async fn aborted(recorder: &Recorder, plan: &Plan) -> RunOutcome {
    let rolled: BTreeSet<ServiceName> = recorder.state(|state| state.rollouts.iter().map(|rollout| rollout.desired.service.clone()).collect()).await;
    let others = plan.rolls.iter().map(|roll| &roll.service).filter(|service| !rolled.contains(*service));
    RunOutcome::Aborted { not_rolled: others.map(|service| (service.clone(), "the run was aborted before it".to_owned())).collect() }
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
