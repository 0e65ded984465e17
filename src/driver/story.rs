//! One run from its plan to its end. Every stage first asks the state whether it is behind us, so that beginning and taking up again are one.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream;

use super::builds::Builds;
use super::outcome::{self, NotRolled};
use super::roll::{self, Rollout};
use super::{Driver, DriverError, Recorder};
use crate::model::{ReleaseNumber, RunId, ServiceName};
use crate::plan::Plan;
use crate::release::Release;
use crate::rollout::{Desired, Person, Phase, Progress};
use crate::run::{Event, RunOutcome, RunState};

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

    /// Records that a person ended refit in the middle of a run, which can be taken up again.
    pub async fn interrupted(&self, recorder: &Recorder, by: &str) -> Result<(), DriverError> {
        recorder.record(Event::Interrupted { by: by.to_owned() }).await
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
        if came == CameTo::End(RunOutcome::Done) && recorder.state(|state| outcome::leads_to(state, release.number)).await {
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
                Some(Person::Resume | Person::Approve) | None => {}
            }
            // A word that was journalled and not acted upon, because refit died in between, still stands.
            let word = said.take().or(recorder.state(|state| state.person).await);
            let stages = desired.clone();
            match self.roll(recorder, desired, word).await? {
                Progress { phase: Phase::Finished(_), .. } => {}
                Progress { phase: Phase::Paused { why, .. }, .. } => return Ok(CameTo::Pause { what: service.to_string(), why }),
                Progress { stage, .. } => return Ok(CameTo::Gate { service, stage: stages.stage_name(stage.number).to_owned() }),
            }
        }
        Ok(CameTo::End(recorder.state(|state| outcome::run_outcome(state, plan, not_rolled)).await))
    }

    async fn roll(&self, recorder: &Arc<Recorder>, desired: Desired, word: Option<Person>) -> Result<Progress, DriverError> {
        let service = desired.service.clone();
        let kept = recorder.state(|state| state.rollout(&service).filter(|rollout| rollout.ended.is_none()).cloned()).await;
        let progress = match kept {
            Some(kept) => Progress::resume(kept.kept(), self.clock.now()),
            None => {
                recorder.record(Event::RolloutBegan { desired: Box::new(desired.clone()) }).await?;
                Progress::begin(self.clock.steady())
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
            is_attended: self.settings.is_attended,
        };
        let progress = rollout.carry_out(progress, word).await?;
        if let Phase::Finished(outcome) = &progress.phase {
            recorder.record(Event::RolloutEnded { service, release, outcome: outcome.clone() }).await?;
        }
        Ok(progress)
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
}

/// The end of a run that a person took back while no rollout was under way.
async fn aborted(recorder: &Recorder, plan: &Plan) -> RunOutcome {
    let rolled: BTreeSet<ServiceName> = recorder.state(|state| state.rollouts.iter().map(|rollout| rollout.desired.service.clone()).collect()).await;
    let others = plan.rolls.iter().map(|roll| &roll.service).filter(|service| !rolled.contains(*service));
    RunOutcome::Aborted { not_rolled: others.map(|service| (service.clone(), "the run was aborted before it".to_owned())).collect() }
}
