//! Carries out the builds of a plan: each image as soon as its own parents are done, so many at a time.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{Semaphore, mpsc};

use super::build_one::{Build, Ended, Pinned, PinnedTo, base_name, staging};
use super::contents::READ_AT_ONCE;
use super::roll::LISTEN_EVERY;
use super::turns::Turns;
use super::{Driver, DriverError, Recorder};
use crate::advisory::Asked;
use crate::build::{Released, Schedule, Start};
use crate::fault::causes;
use crate::journal::KnownAs;
use crate::model::{Digest, ImageName, ImageRef};
use crate::plan::{BuildStep, Change, Pin, Plan, StepKind};
use crate::release::Release;
use crate::rollout::Person;
use crate::run::{BuildOutcome, Event, RunState};

/// How the builds of a run came to an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Builds {
    /// Every step has ended.
    Over,
    /// A person stopped them; those that ran were waited for.
    Paused,
    /// A person took the run back; those that ran were cancelled.
    Aborted,
}

type Running<'a> = FuturesUnordered<BoxFuture<'a, Result<Ended, DriverError>>>;

/// What is known before the first build starts, and grows with each that ends.
struct Known {
    latest: Option<Release>,
    released: BTreeMap<ImageName, Released>,
    by_inputs: BTreeMap<Digest, Digest>,
    /// The name by which the builder knows each image of the estate.
    tags: BTreeMap<Digest, ImageRef>,
    /// The builder's processors.
    cpus: u32,
}

impl Driver {
    /// Builds what the plan says; goes on from what the state knows to have ended.
    pub(super) async fn build_all(&self, recorder: &Arc<Recorder>, plan: &Plan) -> Result<Builds, DriverError> {
        // Once they have ended the builder is not needed any more, so a run can be taken up, and back, without it.
        if recorder.state(|state| have_ended(state, plan)).await {
            return Ok(Builds::Over);
        }
        let (Known { latest, released, by_inputs, mut tags, cpus }, ()) = tokio::try_join!(self.known_builds(), self.name_bases(plan))?;
        // A refit that was killed in the middle of an image's test could not throw its container away.
        self.engines.builder().remove_tests(&self.estate.name).await?;
        let steps: BTreeMap<&ImageName, &BuildStep> = plan.steps.iter().map(|step| (&step.image, step)).collect();
        let gone = gone(plan)?;
        let mut schedule = Schedule::new(plan, self.settings.parallel, &released, &by_inputs);
        let mut tidying = FuturesUnordered::new();
        let places = Semaphore::new(READ_AT_ONCE);
        let mut reading = FuturesUnordered::new();
        for (image, outcome) in self.ended(recorder, plan).await {
            // A refit that was killed may not have come to it.
            let names = inputs_of(&outcome).zip(self.estate.images.get(&image)).and_then(|(inputs, image)| staging(image, inputs).ok());
            tidying.extend(names.map(|name| self.untag(name)));
            note_tag(&mut tags, &outcome);
            schedule.ended(&image, &outcome);
        }
        let released_image = |image: &ImageName| latest.as_ref().and_then(|release| release.images.get(image));
        let (free, mut freed) = mpsc::unbounded_channel();
        let mut turns = Turns::new(self.clock.clone(), cpus, self.settings.parallel);
        let mut running: Running<'_> = FuturesUnordered::new();
        let mut paused = recorder.state(|state| state.person == Some(Person::Pause)).await;
        let came = loop {
            if schedule.is_over() {
                break Builds::Over;
            }
            let starts = if paused { Vec::new() } else { schedule.start() };
            let mut settled = false;
            for start in starts {
                match start {
                    Start::Build { image, inputs, .. } => {
                        let step = steps[&image];
                        let pinned = Pinned { inputs, names: names_of(step, &schedule, &released, &tags)? };
                        let turn = turns.of(&image);
                        let (before, free) = (released_image(&image), free.clone());
                        let build =
                            Build { driver: self, recorder, image: &self.estate.images[&image], step, pinned, before, gone: gone.as_ref(), free };
                        running.push(Box::pin(async move { build.carry_out(&turn).await }));
                    }
                    other => {
                        let (image, outcome) = without_a_build(other, &tags)?;
                        let outcome = self.proven(&image, outcome, gone.as_ref(), plan).await;
                        recorder.record(Event::BuildEnded { image: image.clone(), outcome: outcome.clone(), elapsed_ms: 0 }).await?;
                        schedule.ended(&image, &outcome);
                        settled = true;
                    }
                }
            }
            if settled {
                // Its dependents may start, or be settled as well.
                continue;
            }
            if !paused {
                turns.give(&mut schedule);
            }
            if schedule.is_quiet() && (paused || !schedule.has_turn()) {
                // Those that only got ready are dropped: nothing of them is done, and nothing recorded.
                break if paused { Builds::Paused } else { Builds::Over };
            }
            tokio::select! {
                biased;
                Some(ended) = running.next() => {
                    let Ended { image, outcome, staging } = ended?;
                    note_tag(&mut tags, &outcome);
                    schedule.ended(&image, &outcome);
                    tidying.extend(staging.map(|name| self.untag(name)));
                    reading.push(self.read_beside(image, outcome, &places));
                }
                Some(image) = freed.recv() => schedule.freed(&image),
                Some(()) = tidying.next() => {}
                Some(()) = reading.next() => {}
                () = turns.next(&schedule), if !paused => {}
                () = self.clock.sleep(LISTEN_EVERY) => {
                    recorder.listen().await?;
                    // Builds have no gates, so what an approval says is not for them, and undoes no other word.
                    match recorder.state(|state| state.person).await {
                        Some(Person::Abort) => break Builds::Aborted,
                        word => paused = word == Some(Person::Pause),
                    }
                }
            }
        };
        if came != Builds::Aborted {
            while tidying.next().await.is_some() {}
        }
        Ok(came)
    }

    /// What a patch takes as it was built before must not have what has to go either.
    async fn proven(&self, image: &ImageName, outcome: BuildOutcome, gone: Option<&Asked>, plan: &Plan) -> BuildOutcome {
        let is_patched = matches!(&plan.change, Change::Patch(patch) if patch.images.contains(image));
        let (Some(gone), BuildOutcome::Reused { id, .. }, true) = (gone, &outcome, is_patched) else { return outcome };
        match self.still_there(image, *id, gone).await {
            Ok(still) if still.is_empty() => outcome,
            Ok(still) => failed(format!("{gone} is still in it: {}", still.join("; "))),
            Err(error) => failed(format!("whether {gone} is gone from it cannot be told: {}", causes(&error))),
        }
    }

    /// Reads what was built while others are built. Nobody waits for it: what is not read by the end of the builds is read beside the rollouts.
    async fn read_beside(&self, image: ImageName, outcome: BuildOutcome, places: &Semaphore) {
        if let (Some(inventories), BuildOutcome::Built { id, .. }) = (&self.inventories, outcome)
            && let Ok(_place) = places.acquire().await
        {
            let names = [KnownAs::Image(image)].into();
            drop(self.read_image(inventories, &id.to_string(), names).await);
        }
    }

    /// Takes a name off an image. If that fails it is only one name too many.
    async fn untag(&self, name: ImageRef) {
        let _ = self.engines.builder().untag(&name).await;
    }

    async fn ended(&self, recorder: &Recorder, plan: &Plan) -> Vec<(ImageName, BuildOutcome)> {
        let ended = |state: &RunState| {
            let outcomes = plan.steps.iter().filter_map(|step| Some((step.image.clone(), state.build_outcome(&step.image)?.clone())));
            outcomes.collect()
        };
        recorder.state(ended).await
    }

    async fn known_builds(&self) -> Result<Known, DriverError> {
        let builder = self.engines.builder();
        let (on_builder, info) = tokio::try_join!(builder.image_ids(), builder.info())?;
        let latest = self.journal.latest_release()?;
        let images = || latest.iter().flat_map(|release| &release.images);
        let released = images()
            .map(|(name, image)| (name.clone(), Released { id: image.id, inputs: image.inputs, present: on_builder.contains(&image.id) }))
            .collect();
        let kept = self.journal.builds()?;
        let by_inputs = kept.iter().filter(|build| on_builder.contains(&build.id)).map(|build| (build.inputs, build.id)).collect();
        let tags = kept.into_iter().map(|build| (build.id, build.tag)).chain(images().map(|(_, image)| (image.id, image.tag.clone()))).collect();
        Ok(Known { latest, released, by_inputs, tags, cpus: info.cpus })
    }

    /// Gives each base of the plan a name on the builder that says which content it is; Dockerfiles are pinned to it.
    async fn name_bases(&self, plan: &Plan) -> Result<(), DriverError> {
        for (base, digest) in pinned_bases(plan) {
            self.engines.builder().tag(digest, &base_name(base, digest)?).await?;
        }
        Ok(())
    }
}

/// Whether there is nothing left to build. What waits by its policy is no work.
fn have_ended(state: &RunState, plan: &Plan) -> bool {
    plan.steps.iter().all(|step| step.kind == StepKind::Deferred || state.build_outcome(&step.image).is_some())
}

fn failed(why: String) -> BuildOutcome {
    BuildOutcome::Failed { why, last_lines: Vec::new() }
}

/// What must not be in anything that this plan builds.
fn gone(plan: &Plan) -> Result<Option<Asked>, DriverError> {
    let Change::Patch(patch) = &plan.change else { return Ok(None) };
    let gone = &patch.gone;
    let bug = |error: crate::inventory::QuestionError| DriverError::Bug { what: format!("a plan to get rid of {gone}: {error}") };
    gone.parse().map(Some).map_err(bug)
}

fn pinned_bases(plan: &Plan) -> BTreeMap<&ImageRef, Digest> {
    let pins = plan.steps.iter().flat_map(|step| step.pins.values());
    pins.filter_map(|pin| match pin {
        Pin::Base { base, digest } => Some((base, *digest)),
        Pin::Image(_) => None,
    })
    .collect()
}

fn note_tag(tags: &mut BTreeMap<Digest, ImageRef>, outcome: &BuildOutcome) {
    if let BuildOutcome::Built { id, tag, .. } | BuildOutcome::Reused { id, tag, .. } | BuildOutcome::Unchanged { id, tag, .. } = outcome {
        tags.insert(*id, tag.clone());
    }
}

/// The name and the id on the builder of everything that a step's references are pinned to.
fn names_of(
    step: &BuildStep,
    schedule: &Schedule<'_>,
    released: &BTreeMap<ImageName, Released>,
    tags: &BTreeMap<Digest, ImageRef>,
) -> Result<BTreeMap<ImageRef, PinnedTo>, DriverError> {
    let pinned_to = |pin: &Pin| match pin {
        Pin::Base { base, digest } => Ok(PinnedTo { name: base_name(base, *digest)?, id: *digest }),
        Pin::Image(image) => {
            let id = match schedule.state(image) {
                Some(crate::build::StepState::Ready(id)) => Some(*id),
                _ => released.get(image).map(|released| released.id),
            };
            let to = id.and_then(|id| Some(PinnedTo { name: tags.get(&id)?.clone(), id }));
            to.ok_or_else(|| DriverError::Bug { what: format!("{} stands on {image}, which has no image", step.image) })
        }
    };
    step.pins.iter().map(|(reference, pin)| Ok((reference.clone(), pinned_to(pin)?))).collect()
}

/// The inputs of an image that was really built.
fn inputs_of(outcome: &BuildOutcome) -> Option<Digest> {
    match outcome {
        BuildOutcome::Built { inputs, .. } | BuildOutcome::Unchanged { inputs, .. } => Some(*inputs),
        _ => None,
    }
}

/// What needs no build, as an outcome.
fn without_a_build(start: Start, tags: &BTreeMap<Digest, ImageRef>) -> Result<(ImageName, BuildOutcome), DriverError> {
    let tag_of = |image: &ImageName, id: Digest| tags.get(&id).cloned().ok_or_else(|| DriverError::Bug { what: format!("{image} {id} has no tag") });
    Ok(match start {
        Start::Reuse { image, id, inputs } => {
            let tag = tag_of(&image, id)?;
            (image, BuildOutcome::Reused { id, tag, inputs })
        }
        Start::Keep { image, id, inputs } => {
            let tag = tag_of(&image, id)?;
            (image, BuildOutcome::Unchanged { id, tag, inputs })
        }
        Start::Skip { image, because } => (image, BuildOutcome::Skipped { because }),
        Start::Build { image, .. } => return Err(DriverError::Bug { what: format!("{image} needs a build") }),
    })
}
