//! One run from its plan to its end. Every stage first asks the state whether it is behind us, so that beginning and taking up again are one.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::Arc;

use super::builds::Builds;
use super::roll::{self, Rollout};
use super::{Driver, DriverError, Recorder};
use crate::model::{ReleaseNumber, RunId, ServiceName, TriggerId};
use crate::plan::{Change, Plan};
use crate::release::Release;
use crate::rollout::{Back, Desired, Kept, Person, Phase, Progress};
use crate::run::{self, Event, Next, NotRolled, RunOutcome, RunState, Way};

pub(super) const SAID_SO: &str = "a person said so";

/// How far a run came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CameTo {
    /// Its end.
    End(RunOutcome),
    /// A pause.
    Pause {
        /// Where: the builds, the rollout of a service, or before the end.
        what: String,
        /// Why.
        why: String,
    },
    /// A gate that only a person can open, with nobody there to wait for.
    Gate {
        /// The service that is rolled.
        service: ServiceName,
        /// The stage before the gate.
        stage: String,
    },
}

impl Driver {
    /// Begins a run with a plan that was shown.
    pub async fn begin(&self, plan: Plan, by: &str, words: &str) -> Result<Arc<Recorder>, DriverError> {
        self.begin_for(plan, by, words, &[]).await
    }

    /// The same; the run answers these triggers, and none of them begins another one.
    pub async fn begin_for(&self, plan: Plan, by: &str, words: &str, triggers: &[TriggerId]) -> Result<Arc<Recorder>, DriverError> {
        let first = Event::RunBegan { change: plan.change.clone(), by: by.to_owned(), words: words.to_owned() };
        let at = self.clock.now();
        let run = self.journal.begin_run_for(at, &first, triggers).await?;
        self.watch.event(at, &first);
        let recorder = self.recorder(run, RunState::begin(at, &first)?);
        recorder.record(Event::Planned { plan: Box::new(plan) }).await?;
        Ok(recorder)
    }

    /// Begins a run that clears away what nobody can need any more; it has no plan.
    pub async fn begin_prune(&self, keep: NonZeroU32, by: &str, words: &str) -> Result<Arc<Recorder>, DriverError> {
        self.begin_prune_for(keep, by, words, &[]).await
    }

    /// The same; the run answers these triggers.
    pub async fn begin_prune_for(&self, keep: NonZeroU32, by: &str, words: &str, triggers: &[TriggerId]) -> Result<Arc<Recorder>, DriverError> {
        let first = Event::RunBegan { change: Change::Prune { keep }, by: by.to_owned(), words: words.to_owned() };
        let at = self.clock.now();
        let run = self.journal.begin_run_for(at, &first, triggers).await?;
        self.watch.event(at, &first);
        Ok(self.recorder(run, RunState::begin(at, &first)?))
    }

    /// Takes up a run that was interrupted.
    pub async fn take_up(&self, run: RunId, by: &str) -> Result<Arc<Recorder>, DriverError> {
        let events = self.journal.events(run)?;
        let state = RunState::of(events.iter().map(|recorded| (recorded.at, &recorded.event)))?;
        let recorder = self.recorder(run, state);
        recorder.record(Event::Resumed { by: by.to_owned() }).await?;
        Ok(recorder)
    }

    /// Records that a person ended refit in the middle of a run, which can be taken up again.
    pub async fn interrupted(&self, recorder: &Recorder, by: &str) -> Result<(), DriverError> {
        recorder.record(Event::Interrupted { by: by.to_owned() }).await
    }

    fn recorder(&self, run: RunId, state: RunState) -> Arc<Recorder> {
        Arc::new(Recorder::new(run, state, self.journal.clone(), self.clock.clone(), self.watch.clone()))
    }

    /// Carries a run on, from wherever it is, to its end or to a pause.
    #[tracing::instrument(name = "run", skip_all, fields(run = %recorder.run()))]
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
        if let Change::Prune { keep } = recorder.state(|state| state.change.clone()).await {
            return Ok(CameTo::End(self.prune(recorder, keep).await?));
        }
        let Some(plan) = recorder.state(|state| state.plan.clone()).await else {
            return Ok(CameTo::End(RunOutcome::Refused { why: "it was interrupted before it had a plan".into() }));
        };
        // What was said while nobody listened counts before anything else is done.
        let said = recorder.listen().await?;
        if recorder.state(|state| state.person == Some(Person::Abort) && state.rollouts.is_empty()).await {
            return self.go_through(recorder, BTreeMap::new(), said).await;
        }
        match self.build_all(recorder, &plan).await? {
            Builds::Over => {}
            Builds::Paused => return Ok(CameTo::Pause { what: "builds".into(), why: SAID_SO.into() }),
            Builds::Aborted => return self.go_through(recorder, BTreeMap::new(), said).await,
        }
        let release = self.make_release(recorder, &plan).await?;
        let is_new = release.run == recorder.run();
        // What is in it is read beside the rollouts: it decides nothing any more, and takes longer than some of them.
        let reading = async { if is_new { self.read_released(recorder, &release).await } else { Ok(()) } };
        let mut reading = std::pin::pin!(reading);
        let mut rolling = std::pin::pin!(self.roll_out(recorder, &plan, &release, said));
        tokio::select! {
            came = &mut rolling => match came? {
                CameTo::End(outcome) => self.wind_up(recorder, &release, outcome, reading).await,
                // Who pauses or leaves is not kept waiting, and who comes next reads what is missing.
                other => Ok(other),
            },
            read = &mut reading => {
                read?;
                match rolling.await? {
                    CameTo::End(outcome) => self.wind_up(recorder, &release, outcome, std::future::ready(Ok(()))).await,
                    other => Ok(other),
                }
            }
        }
    }

    /// Brings a release to its hosts and rolls it there.
    async fn roll_out(&self, recorder: &Arc<Recorder>, plan: &Plan, release: &Release, said: Vec<Person>) -> Result<CameTo, DriverError> {
        let rollouts = self.rollouts_of(recorder, plan, release).await?;
        if recorder.state(|state| state.rollouts.is_empty()).await {
            self.guard_data(&rollouts).await?;
        }
        self.bring_before(recorder, &rollouts).await?;
        let rollouts = rollouts.into_iter().map(|desired| (desired.service.clone(), desired)).collect();
        self.go_through(recorder, rollouts, said).await
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

    /// Takes one step of the run after the other, as the state says. `said` are words that the rollout under way has not heard yet, oldest first.
    pub(super) async fn go_through(
        &self,
        recorder: &Arc<Recorder>,
        mut rollouts: BTreeMap<ServiceName, Desired>,
        mut said: Vec<Person>,
    ) -> Result<CameTo, DriverError> {
        loop {
            said.extend(recorder.listen().await?);
            let (next, person) = recorder.state(|state| (run::next(state), state.person)).await;
            let (service, progress) = match next {
                Next::Quarantine { release, before, why } => {
                    let bases = match before {
                        Some(before) => self.release(release)?.moved_bases(&self.release(before)?),
                        None => BTreeMap::new(),
                    };
                    recorder.record(Event::Quarantined { release, bases, why }).await?;
                    continue;
                }
                Next::LeaveOut { service, why } => {
                    recorder.record(Event::NotRolled { service, why: NotRolled::Because(why) }).await?;
                    continue;
                }
                Next::Roll { service } => {
                    let desired =
                        rollouts.remove(&service).ok_or_else(|| DriverError::Bug { what: format!("nobody knows to what {service} rolls") })?;
                    (service, self.roll(recorder, desired, Way::There, to_hear(person, &said)).await?)
                }
                Next::TakeBack { service, why } => {
                    let rolled = recorder.state(|state| state.rollout(&service).map(|rollout| rollout.desired.clone())).await;
                    let desired = rolled.ok_or_else(|| DriverError::Bug { what: format!("{service} was never rolled, and is to go back") })?;
                    (service, self.take_back(recorder, desired, why, to_hear(person, &said)).await?)
                }
                Next::Pause { before } => return Ok(CameTo::Pause { what: before.to_string(), why: SAID_SO.into() }),
                Next::End(outcome) => return Ok(CameTo::End(outcome)),
            };
            said.clear();
            match progress {
                Progress { phase: Phase::Finished(_), .. } => {}
                Progress { phase: Phase::Paused { why, .. }, .. } => return Ok(CameTo::Pause { what: service.to_string(), why }),
                Progress { stage, .. } => {
                    let name = |state: &RunState| state.rollout(&service).map(|rollout| rollout.desired.stage_name(stage.number).to_owned());
                    let stage = recorder.state(name).await.unwrap_or_default();
                    return Ok(CameTo::Gate { service, stage });
                }
            }
        }
    }

    /// Takes a service back that this run has rolled: the way back of that very rollout, with its parallelism and its health checks.
    async fn take_back(&self, recorder: &Arc<Recorder>, desired: Desired, why: String, words: Vec<Person>) -> Result<Progress, DriverError> {
        // The images of the way back were on every host when the run began. Whatever became of them since, what can be done is done.
        match self.bring(recorder, &self.cargo_of(std::slice::from_ref(&desired))?).await {
            Ok(()) | Err(DriverError::Preflight { .. }) => {}
            Err(other) => return Err(other),
        }
        self.roll(recorder, desired, Way::Back { why }, words).await
    }

    #[tracing::instrument(name = "rollout", skip_all, fields(service = %desired.service, release = %desired.to.release))]
    async fn roll(&self, recorder: &Arc<Recorder>, desired: Desired, way: Way, words: Vec<Person>) -> Result<Progress, DriverError> {
        let service = desired.service.clone();
        let kept = recorder.state(|state| state.rollout(&service).filter(|rollout| rollout.ended.is_none()).cloned()).await;
        let progress = match kept {
            Some(kept) => Progress::resume(kept.kept(), self.clock.steady()),
            None => {
                let slots = self.estate.services.get(&service).map(|service| service.hosts.len() * service.replicas as usize);
                let is_whole = slots.is_some_and(|slots| slots == desired.slots.len());
                recorder.record(Event::RolloutBegan { desired: Box::new(desired.clone()), way: way.clone(), is_whole }).await?;
                match way {
                    Way::There => Progress::begin(self.clock.steady()),
                    Way::Back { why } => Progress::resume(Kept::only(Phase::Back(Back { why })), self.clock.steady()),
                }
            }
        };
        let numbers: BTreeSet<ReleaseNumber> = std::iter::once(desired.to.release).chain(desired.back.iter().map(|back| back.release)).collect();
        let releases = numbers.into_iter().map(|number| self.release(number)).collect::<Result<Vec<_>, _>>()?;
        let release = desired.to.release;
        let rollout = Rollout {
            estate: self.estate.name.clone(),
            versions: roll::versions_of(&service, &releases),
            data: self.data_policy(&desired),
            filled: desired.slots.iter().filter(|wanted| !wanted.is_absent).map(|wanted| wanted.slot.clone()).collect(),
            sole_writer_of: self.sole_writer_of(&desired, &releases),
            restores: recorder.state(|state| state.restores(&service)).await,
            desired,
            engines: &self.engines,
            recorder,
            clock: self.clock.clone(),
            is_attended: self.settings.is_attended,
        };
        let progress = rollout.carry_out(progress, words).await?;
        if let Phase::Finished(outcome) = &progress.phase {
            recorder.record(Event::RolloutEnded { drained: rollout.desired.drains().cloned(), service, release, outcome: outcome.clone() }).await?;
        }
        Ok(progress)
    }
}

/// What a rollout hears when it begins or goes on: what was said, after the word that stands in the journal. That one may not have been acted upon,
/// because refit died in between; an approval does not undo it.
fn to_hear(standing: Option<Person>, said: &[Person]) -> Vec<Person> {
    let is_newer = said.iter().any(|word| *word != Person::Approve);
    standing.filter(|_| !is_newer).into_iter().chain(said.iter().copied()).collect()
}
