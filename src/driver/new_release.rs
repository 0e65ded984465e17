//! Makes the release of a run out of what its builds came to.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Driver, DriverError, Recorder};
use crate::model::{Digest, ImageName, ImageRef};
use crate::pipeline::ServiceImage;
use crate::plan::{Change, Pin, Plan};
use crate::release::{self, ImageResult, Release};
use crate::run::{BuildOutcome, Event, RunState};

impl Driver {
    /// The release that this run rolls: its own, one that it was asked for, or the latest where nothing is new.
    pub(super) async fn make_release(&self, recorder: &Arc<Recorder>, plan: &Plan) -> Result<Release, DriverError> {
        if let Some(made) = recorder.state(|state| state.release.clone()).await {
            return Ok(made);
        }
        match plan.change {
            Change::Release(number) => return self.release(number),
            // Each service is brought back to a release of its own; the newest may be one that some came back from.
            Change::Drift | Change::Drain(_) | Change::Undrain(_) => {
                return self.journal.latest_release()?.ok_or_else(|| DriverError::Bug { what: "a drift from no release".into() });
            }
            Change::Prune { .. } => return Err(DriverError::Bug { what: "a prune makes no release".into() }),
            Change::Everything
            | Change::Base(_)
            | Change::Moved { .. }
            | Change::Cycle { .. }
            | Change::Patch { .. }
            | Change::Image(_)
            | Change::Rebuild => {}
        }
        let results = recorder.state(|state| results_of(state, plan)).await;
        let previous = self.journal.latest_release()?;
        let external_ids = self.external_ids_of(plan).await?;
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

    /// The images that services run as they are, as the plan says. A plan of an older refit does not: then it is what the builder has under their names.
    async fn external_ids_of(&self, plan: &Plan) -> Result<BTreeMap<ImageRef, Digest>, DriverError> {
        let mut ids = BTreeMap::new();
        for roll in &plan.rolls {
            let Some(ServiceImage::External(base)) = self.estate.services.get(&roll.service).map(|service| &service.image) else { continue };
            let id = match roll.id {
                Some(id) => Some(id),
                None => self.engines.builder().image(&base.to_string()).await?.map(|seen| seen.id),
            };
            ids.extend(id.map(|id| (base.clone(), id)));
        }
        Ok(ids)
    }
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
            Some((reference.clone(), digest))
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
