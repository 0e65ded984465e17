//! Clears away what nobody can need any more: looks at every engine, lets `prune` choose, removes. May be done twice, and is, after a crash.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::Arc;

use futures_util::stream::{self, StreamExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::contents::ask;
use super::{Driver, DriverError, Recorder, guard};
use crate::edge::{ContainerFound, Engine, EngineError};
use crate::model::{Digest, HostName, ReleaseNumber};
use crate::pipeline::{DataPolicy, OnLoss};
use crate::plan::StepKind;
use crate::prune::{self, Candidate, Chosen, Goner, Known, Needed, SlotsNow, Stays, Stock, Thing, Unfinished, Ways};
use crate::rollout::{ContainerSeen, Outcome, Person};
use crate::run::{BuildOutcome, Event, RunOutcome, RunState};

/// Engines that are looked at, and cleared, side by side: each of them keeps a disk busy, and all of them this machine.
const ENGINES_AT_ONCE: usize = 32;

/// What a prune would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Survey {
    /// So many releases, and so many versions of each service, would be kept.
    pub keep: NonZeroU32,
    /// Engine by engine, by name.
    pub engines: Vec<EngineSurvey>,
    /// Engines that do not answer, or not as they should, and why. Nothing is removed there.
    pub left: BTreeMap<String, String>,
}

/// What a prune would do on one engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EngineSurvey {
    /// The names of its hosts; the builder's.
    pub engine: String,
    /// What goes and what stays.
    #[serde(flatten)]
    pub chosen: Chosen,
}

/// What a prune would do on an engine, and that engine.
type Placed = (EngineSurvey, Place);

/// An engine under all its names.
struct Place {
    name: String,
    id: String,
    hosts: BTreeSet<HostName>,
    engine: Arc<dyn Engine>,
    stock: Stock,
}

impl Survey {
    /// How many things go.
    pub fn goes(&self) -> usize {
        self.engines.iter().map(|one| one.chosen.goes.len()).sum()
    }

    /// About how many bytes become free.
    pub fn bytes(&self) -> u64 {
        self.engines.iter().map(|one| one.chosen.bytes).sum()
    }
}

impl Driver {
    /// Looks at hosts and builder, and chooses what may go. Changes nothing.
    pub async fn survey(&self, keep: NonZeroU32) -> Result<Survey, DriverError> {
        let (placed, left) = self.survey_places(&self.known()?, keep).await?;
        Ok(Survey { keep, engines: placed.into_iter().map(|(survey, _)| survey).collect(), left })
    }

    async fn survey_places(&self, known: &Known, keep: NonZeroU32) -> Result<(Vec<Placed>, BTreeMap<String, String>), DriverError> {
        let needed = prune::needed(known, keep);
        let now = self.slots_now()?;
        let (places, mut left) = self.places().await;
        let looks = places.into_iter().map(|place| async {
            let name = place.name.clone();
            self.survey_one(place, known, &needed, &now).await.map_err(|error| (name, error.to_string()))
        });
        let mut engines = Vec::new();
        for looked in stream::iter(looks).buffered(ENGINES_AT_ONCE).collect::<Vec<_>>().await {
            match looked {
                Ok(survey) => engines.push(survey),
                Err((name, why)) => {
                    left.insert(name, why);
                }
            }
        }
        engines.sort_by(|(a, _), (b, _): &(EngineSurvey, Place)| a.engine.cmp(&b.engine));
        Ok((engines, left))
    }

    /// Removes what a fresh survey chooses.
    pub(super) async fn prune(&self, recorder: &Arc<Recorder>, keep: NonZeroU32) -> Result<RunOutcome, DriverError> {
        recorder.listen().await?;
        if recorder.state(|state| state.person).await == Some(Person::Abort) {
            return Ok(RunOutcome::Aborted { services: BTreeMap::new(), not_rolled: BTreeMap::new() });
        }
        self.remove_throw_aways().await;
        let known = self.known()?;
        let (engines, left) = self.survey_places(&known, keep).await?;
        let mut missing: Vec<String> = left.iter().map(|(engine, why)| format!("{engine}: {why}")).collect();
        let is_nothing = engines.iter().all(|(one, _)| one.chosen.goes.is_empty());
        let clearing = engines.iter().filter(|(one, _)| !one.chosen.goes.is_empty()).map(|(one, place)| clear(recorder, one, place));
        for cleared in stream::iter(clearing).buffered(ENGINES_AT_ONCE).collect::<Vec<_>>().await {
            missing.extend(cleared?);
        }
        // An engine that does not answer may have anything.
        if left.is_empty() {
            self.forget_contents(&known, &engines).await?;
        }
        Ok(match (missing.is_empty(), is_nothing) {
            (false, _) => RunOutcome::InPart { missing },
            (true, true) => RunOutcome::NothingToDo,
            (true, false) => RunOutcome::Done,
        })
    }

    /// Forgets what was read of images that were never released and never ran, once no engine has them: what was tried out, and what was built for a
    /// patch that failed. What is in any release is asked for (`refit inventory diff`) for as long as the journal tells of that release.
    async fn forget_contents(&self, known: &Known, engines: &[Placed]) -> Result<(), DriverError> {
        let Some(inventories) = &self.inventories else { return Ok(()) };
        let there =
            engines.iter().flat_map(|(_, place)| place.stock.images.iter().map(|image| image.id).chain(place.stock.containers.values().copied()));
        let told = known.last_in.keys().chain(&known.bases).chain(known.unfinished.iter().flat_map(|run| &run.images)).copied();
        let needed: BTreeSet<Digest> = told.chain(there).collect();
        let forgotten = ask(inventories, move |inventories| inventories.forget_all_but(&needed)).await?;
        tracing::info!(images = forgotten, "contents forgotten");
        Ok(())
    }

    /// The containers of tests and copies over which a refit died. Whoever holds the estate knows that nobody waits for them; an engine that is
    /// silent is told of by the survey.
    async fn remove_throw_aways(&self) {
        let engines: Vec<Arc<dyn Engine>> = self.engines.hosts.values().chain([self.engines.builder()]).cloned().collect();
        let removals = engines.into_iter().map(|engine| async move {
            if let Err(error) = engine.remove_tests(&self.estate.name).await {
                tracing::warn!(%error, "throw-away containers stay");
            }
        });
        stream::iter(removals).buffer_unordered(ENGINES_AT_ONCE).collect::<Vec<()>>().await;
    }

    /// Hosts that share an engine, or are the builder, are one place, so that each thing is told and removed once. Machines that were cloned have
    /// engines of one id, so what they have in store counts, too.
    async fn places(&self) -> (Vec<Place>, BTreeMap<String, String>) {
        let (builder, engine) = &self.engines.builder;
        let hosts = self.engines.hosts.iter().map(|(host, engine)| (host.to_string(), Some(host.clone()), engine));
        let all = std::iter::once((format!("{builder} (builder)"), None, engine)).chain(hosts);
        let asked = all.map(|(name, host, engine)| async move {
            let looked = async { Ok::<_, EngineError>((engine.info().await?.id, engine.stock(&self.estate.name).await?)) };
            (name, host, engine, looked.await)
        });
        // All of them made first: the API may wait for this on any thread, and what makes them cannot move there.
        let asked: Vec<_> = asked.collect();
        let (mut places, mut left): (Vec<Place>, _) = (Vec::new(), BTreeMap::new());
        for (name, host, engine, looked) in stream::iter(asked).buffered(ENGINES_AT_ONCE).collect::<Vec<_>>().await {
            match looked {
                Err(error) => {
                    left.insert(name, error.to_string());
                }
                Ok((id, stock)) => match places.iter_mut().find(|place| place.id == id && place.stock == stock) {
                    Some(place) => {
                        place.name = format!("{}, {name}", place.name);
                        place.hosts.extend(host);
                    }
                    None => places.push(Place { name, id, hosts: host.into_iter().collect(), engine: engine.clone(), stock }),
                },
            }
        }
        (places, left)
    }

    async fn survey_one(&self, place: Place, known: &Known, needed: &Needed, now: &SlotsNow) -> Result<Placed, EngineError> {
        let found = place.engine.containers(&self.estate.name, None).await?;
        // A container of a host that is reached elsewhere, or is no more, is that host's to speak of.
        let own: Vec<ContainerSeen> = found.into_iter().filter(|one| place.hosts.contains(&one.slot.host)).map(seen).collect();
        let (candidates, stays) = prune::candidates(known, now, &own);
        let mut chosen = Chosen { stays, ..Chosen::default() };
        for candidate in candidates {
            let thing = Thing::Container { id: candidate.id.clone(), name: candidate.name.clone() };
            match self.what_it_holds(place.engine.as_ref(), &candidate).await? {
                None => chosen.goes.push(Goner { thing, why: candidate.why }),
                Some(why) => chosen.stays.push(Stays { thing, why }),
            }
        }
        let chosen = prune::choose(known, needed, &place.stock, chosen);
        Ok((EngineSurvey { engine: place.name.clone(), chosen }, place))
    }

    /// What a stopped container holds that nobody else keeps. That its service may lose files counts only while the pipelines have the service.
    async fn what_it_holds(&self, engine: &dyn Engine, candidate: &Candidate) -> Result<Option<String>, EngineError> {
        let holdings = match engine.holdings(&candidate.id).await {
            Err(EngineError::Missing { .. }) => return Ok(None),
            other => other?,
        };
        let successor = match &candidate.in_its_place {
            Some(other) => Some(engine.holdings(other).await?),
            None => None,
        };
        if let Some(volume) = prune::left_with_nobody(&holdings, successor.as_ref()).first() {
            return Ok(Some(format!("its anonymous volume {} would be left with nobody", volume.get(..12).unwrap_or(volume))));
        }
        let policy = self.estate.services.get(&candidate.service).map_or_else(DataPolicy::default, |service| service.data.clone());
        let may_go = match policy.on_loss {
            OnLoss::Discard => true,
            // What serves in its place has taken it over.
            OnLoss::Adopt => candidate.in_its_place.is_some(),
            OnLoss::Refuse => false,
        };
        if may_go {
            return Ok(None);
        }
        let loss = guard::files_held(engine, &candidate.id, &holdings, &policy).await?;
        Ok((!loss.is_none()).then(|| loss.to_string()))
    }

    fn slots_now(&self) -> Result<SlotsNow, DriverError> {
        let mut slots = BTreeSet::new();
        for service in self.estate.services.values() {
            // What was drained is kept for the day on which it runs again.
            slots.extend(service.hosts.iter().chain(&service.drained).flat_map(|host| service.slots_on(host)));
        }
        let expected = self.expected()?.into_iter().map(|(service, expected)| (service, expected.spec)).collect();
        Ok(SlotsNow { slots, expected })
    }

    /// What the journal knows of images and of what may still need them.
    fn known(&self) -> Result<Known, DriverError> {
        let numbers: Vec<ReleaseNumber> = self.journal.releases(usize::MAX)?.into_iter().map(|kept| kept.number).collect();
        let mut known = Known::with_releases(numbers.into_iter().map(|number| self.release(number)).collect::<Result<Vec<_>, _>>()?);
        for build in self.journal.builds()? {
            known.built.entry(build.id).or_default().insert(build.tag);
        }
        for rollout in self.journal.rollouts()? {
            if matches!(rollout.outcome, Some(Outcome::Done | Outcome::DoneInPart)) {
                known.services.entry(rollout.service).or_default().good.push(rollout.to);
            }
        }
        for (service, state) in self.journal.service_states()? {
            let ways: &mut Ways = known.services.entry(service).or_default();
            ways.current = state.current;
            ways.back = state.way_back();
            ways.quarantined = state.quarantined.last_key_value().map(|(number, _)| *number);
        }
        for run in self.journal.unfinished()? {
            let events = self.journal.events(run)?;
            let state = RunState::of(events.iter().map(|recorded| (recorded.at, &recorded.event)))?;
            known.unfinished.push(unfinished(run, &state));
        }
        Ok(known)
    }
}

/// What a run that has not ended may need.
fn unfinished(run: crate::model::RunId, state: &RunState) -> Unfinished {
    let mut images: BTreeSet<Digest> = state.builds.values().filter_map(|build| built_id(&build.ended.as_ref()?.0)).collect();
    let plan = state.plan.iter();
    images.extend(plan.clone().flat_map(|plan| plan.bases.values().copied()));
    images.extend(plan.clone().flat_map(|plan| &plan.steps).filter_map(|step| match step.kind {
        StepKind::Reuse { id } => Some(id),
        StepKind::Build | StepKind::Deferred => None,
    }));
    let mut releases: BTreeSet<ReleaseNumber> = state.release.iter().map(|release| release.number).collect();
    for rollout in &state.rollouts {
        releases.extend(std::iter::once(&rollout.desired.to).chain(&rollout.desired.back).map(|version| version.release));
    }
    if let crate::plan::Change::Release(number) = state.change {
        releases.insert(number);
    }
    let planned = plan.flat_map(|plan| &plan.rolls).map(|roll| roll.service.clone());
    let services = planned.chain(state.rollouts.iter().map(|rollout| rollout.desired.service.clone())).collect();
    Unfinished { run, images, releases, services }
}

fn built_id(outcome: &BuildOutcome) -> Option<Digest> {
    match outcome {
        BuildOutcome::Built { id, .. } | BuildOutcome::Reused { id, .. } | BuildOutcome::Unchanged { id, .. } => Some(*id),
        BuildOutcome::Failed { .. } | BuildOutcome::Skipped { .. } => None,
    }
}

fn seen(found: ContainerFound) -> ContainerSeen {
    let ContainerFound { id, name, slot, version, state, health, created_at, .. } = found;
    ContainerSeen { id, name, slot, version, state, health, created_at }
}

/// Clears one engine; says what could not be removed.
async fn clear(recorder: &Arc<Recorder>, survey: &EngineSurvey, place: &Place) -> Result<Vec<String>, DriverError> {
    let (name, engine) = (survey.engine.clone(), &place.engine);
    recorder.record(Event::PruneBegan { engine: name.clone(), goes: survey.chosen.goes.clone() }).await?;
    let (mut gone_images, mut containers, mut failed) = (BTreeSet::new(), 0, Vec::new());
    for goner in &survey.chosen.goes {
        let removed = match &goner.thing {
            Thing::Container { id, .. } => engine.remove(id).await,
            Thing::Image { id, names, .. } => engine.remove_image(*id, names).await,
        };
        match (removed, &goner.thing) {
            (Ok(()), Thing::Container { .. }) => containers += 1,
            (Ok(()), Thing::Image { id, .. }) => {
                gone_images.insert(*id);
            }
            (Err(error), thing) => {
                failed.push(Stays { thing: thing.clone(), why: error.to_string() });
                // The rest would wait as long, one by one.
                if error.is_silence() {
                    break;
                }
            }
        }
    }
    let bytes = prune::bytes_of(&place.stock.images, &gone_images);
    let lines = failed.iter().map(|one| format!("{name}: {} could not be removed: {}", one.thing, one.why)).collect();
    let removed = gone_images.len() + containers;
    recorder.record(Event::PruneEnded { engine: name, removed, bytes, failed }).await?;
    Ok(lines)
}
