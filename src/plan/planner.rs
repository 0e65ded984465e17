//! Makes the plan: a verdict on every image, then the steps in order, then the services.

use std::collections::BTreeMap;

use super::request::PlanRequest;
use super::rolls::{release_rolls, rolls};
use super::verdict::{Look, Verdict};
use super::{BuildStep, Change, Context, Pin, Plan, PlanError, Reason, StepKind};
use crate::graph::NodeId;
use crate::model::{Digest, ImageName, ImageRef, SmallMap};

/// Decides what a change leads to.
///
/// The steps are the images that are built, those whose build is there (`Reuse`), those that wait by their policy (`Deferred`), and those that
/// stand unchanged while something is built on them (`Reuse` because [`Reason::UpToDate`]): every [`Pin::Image`] of a build names a step of the
/// plan. Parents come before children, the longest remaining way first, ties by name. No steps and no rolls: there is nothing to do.
/// O(images + edges), and the sorting of the steps.
pub fn plan(request: &PlanRequest<'_>) -> Result<Plan, PlanError> {
    if *request.change == Change::Drift {
        return Ok(Plan::without_builds(Change::Drift));
    }
    if let Change::Release(number) = request.change {
        let release = request.release.filter(|release| release.number == *number).ok_or(PlanError::NoSuchRelease(*number))?;
        return Ok(Plan { rolls: release_rolls(request, release), ..Plan::without_builds(request.change.clone()) });
    }
    let mut look = Look::new(request)?;
    let verdicts = verdicts(&mut look)?;
    let (steps, bases) = steps(&look, &verdicts)?;
    let (rolls, held) = rolls(request, &steps);
    Ok(Plan { change: request.change.clone(), bases, steps, rolls, held })
}

/// Judges every image, parents first; again for as long as something that is built stands on something that is not there.
fn verdicts(look: &mut Look<'_>) -> Result<Vec<Verdict>, PlanError> {
    let graph = look.request.graph;
    let order: Vec<NodeId> = graph.bottom_up().map_err(PlanError::Ring)?.filter(|id| graph.is_image(*id)).collect();
    loop {
        let mut verdicts = vec![Verdict::Untouched; order.len()];
        for &id in &order {
            verdicts[id.index()] = look.judge(id, &verdicts);
        }
        if !look.force_what_is_needed(&order, &verdicts) {
            return Ok(verdicts);
        }
    }
}

type StepsAndBases = (Vec<BuildStep>, BTreeMap<ImageRef, Digest>);

fn steps(look: &Look<'_>, verdicts: &[Verdict]) -> Result<StepsAndBases, PlanError> {
    let graph = look.request.graph;
    let mut marked: Vec<bool> = verdicts.iter().map(|verdict| *verdict != Verdict::Untouched).collect();
    marked.resize(graph.len(), false);
    for id in graph.images().filter(|id| matches!(verdicts[id.index()], Verdict::Build(_))) {
        for (_, parent) in graph.reaches(id).filter(|(_, to)| graph.is_image(*to)) {
            marked[parent.index()] = true;
        }
    }
    let order = graph.order(&marked, |id| took_ms(look, verdicts, id)).map_err(PlanError::Ring)?;
    let mut steps = Vec::with_capacity(order.len());
    let mut used = vec![false; graph.len()];
    for id in order {
        let step = step(look, verdicts, &marked, id)?;
        if !step.pins.is_empty() {
            graph.reaches(id).filter(|(_, to)| !graph.is_image(*to)).for_each(|(_, to)| used[to.index()] = true);
        }
        steps.push(step);
    }
    let bases = graph.bases().filter(|id| used[id.index()]);
    let bases = bases.filter_map(|id| Some((graph.node(id).reference().clone(), look.digest(id)?))).collect();
    Ok((steps, bases))
}

/// A build that was never measured is taken for one of a second.
const UNMEASURED_MS: u64 = 1_000;

fn took_ms(look: &Look<'_>, verdicts: &[Verdict], id: NodeId) -> u64 {
    match &verdicts[id.index()] {
        Verdict::Build(_) => look.facts(id).and_then(|facts| facts.took).map_or(UNMEASURED_MS, |took| took.as_millis() as u64),
        Verdict::Untouched | Verdict::Reuse(..) | Verdict::Deferred(_) => 0,
    }
}

fn step(look: &Look<'_>, verdicts: &[Verdict], marked: &[bool], id: NodeId) -> Result<BuildStep, PlanError> {
    let image = look.image(id);
    let unknown = || PlanError::SourcesUnknown { image: image.name.clone() };
    let facts = look.facts(id).ok_or_else(unknown)?;
    let own_inputs = || look.own_inputs(id).ok_or_else(unknown);
    let base = |kind, reasons: &[Reason]| BuildStep {
        image: image.name.clone(),
        kind,
        reasons: reasons.to_vec(),
        after: Vec::new(),
        pins: SmallMap::new(),
        context: facts.newest.context.clone(),
        own_inputs: facts.newest.dockerfile,
        took: facts.took,
    };
    let made = |kind, reasons: &[Reason]| {
        let context = look.sources(id).ok_or_else(unknown)?.context.clone();
        let after = parents(look, verdicts, marked, id);
        Ok(BuildStep { after, pins: pins(look, id)?, context, own_inputs: own_inputs()?, ..base(kind, reasons) })
    };
    // What stands keeps the record of what it was made from, not of what lies there now.
    let stands = |kind, reasons: &[Reason]| {
        let own_inputs = look.last(id).and_then(|last| last.own_inputs).map_or_else(own_inputs, Ok)?;
        Ok(BuildStep { context: standing_context(look, id).unwrap_or_else(|| facts.newest.context.clone()), own_inputs, ..base(kind, reasons) })
    };
    match &verdicts[id.index()] {
        Verdict::Build(reasons) => made(StepKind::Build, reasons),
        Verdict::Reuse(built, reasons) => made(StepKind::Reuse { id: *built }, reasons),
        Verdict::Deferred(reasons) => stands(StepKind::Deferred, reasons),
        Verdict::Untouched => stands(StepKind::Reuse { id: look.last(id).ok_or_else(unknown)?.released.id }, &[Reason::UpToDate]),
    }
}

fn standing_context(look: &Look<'_>, id: NodeId) -> Option<Context> {
    let last = look.last(id)?;
    Some(Context { hash: last.context?, commit: last.released.commit.clone(), dirty: false, deployed: Some(last.release) })
}

/// The steps that must have ended before: each parent once, in the order of the Dockerfile. What waits by its policy is not waited for.
fn parents(look: &Look<'_>, verdicts: &[Verdict], marked: &[bool], id: NodeId) -> Vec<ImageName> {
    let graph = look.request.graph;
    let mut parents: Vec<NodeId> = Vec::new();
    for (_, to) in graph.reaches(id) {
        let waited = graph.is_image(to) && marked[to.index()] && !matches!(verdicts[to.index()], Verdict::Deferred(_));
        if waited && !parents.contains(&to) {
            parents.push(to);
        }
    }
    parents.into_iter().filter_map(|id| graph.name(id).cloned()).collect()
}

fn pins(look: &Look<'_>, id: NodeId) -> Result<SmallMap<ImageRef, Pin>, PlanError> {
    let graph = look.request.graph;
    let mut pins = SmallMap::new();
    for (edge, to) in graph.reaches(id) {
        let pin = match graph.name(to) {
            Some(parent) => Pin::Image(parent.clone()),
            None => {
                let base = graph.node(to).reference().clone();
                match look.digest(to) {
                    Some(digest) => Pin::Base { base, digest },
                    None => return Err(PlanError::BaseUnknown { base, image: look.image(id).name.clone(), at: edge.at.clone() }),
                }
            }
        };
        pins.insert(graph.node(to).reference().clone(), pin);
    }
    Ok(pins)
}
