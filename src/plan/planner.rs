//! Makes the plan: a verdict on every image, then the steps in order, then the services.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::request::{LastBuild, PlanRequest};
use super::rolls::{release_rolls, rolls};
use super::side_by_side;
use super::verdict::{Look, Verdict};
use super::{BuildStep, Change, Context, Pin, Plan, PlanError, Reason, StepKind};
use crate::graph::{Node, NodeId};
use crate::model::{Digest, ImageName, ImageRef, SmallMap};

/// Decides what a change leads to.
///
/// The steps are the images that are built, those whose build is there (`Reuse`), those that wait by their policy (`Deferred`), and those that
/// stand unchanged while something is built on them (`Reuse` because [`Reason::UpToDate`]): every [`Pin::Image`] of a build names a step of the
/// plan. Parents come before children, the longest remaining way first, ties by name. No steps and no rolls: there is nothing to do.
/// O(images + edges), and the sorting of the steps.
pub fn plan(request: &PlanRequest<'_>) -> Result<Plan, PlanError> {
    if matches!(request.change, Change::Drift | Change::Drain(_) | Change::Undrain(_)) {
        return Ok(Plan::to_roll(request.change.clone(), Vec::new(), request.estate));
    }
    if let Change::Release(number) = request.change {
        let release = request.release.filter(|release| release.number == *number).ok_or(PlanError::NoSuchRelease(*number))?;
        let rolls = release_rolls(request, release);
        return Ok(Plan::to_roll(request.change.clone(), rolls, request.estate));
    }
    let mut look = Look::new(request)?;
    let judged = judged(&mut look)?;
    let (steps, bases) = steps(&look, judged)?;
    let (rolls, held) = rolls(request, &steps);
    let plan = Plan::to_roll(request.change.clone(), rolls, request.estate);
    Ok(Plan { bases, steps, held, held_bases: look.held_bases(), ..plan })
}

/// What is done about every image, by node index: the verdict, and the step of those that are not untouched.
struct Judged {
    verdicts: Vec<Verdict>,
    steps: Vec<Option<BuildStep>>,
}

/// Judges every image, parents first; again for as long as something that is built stands on something that is not there.
///
/// A step is made as soon as its image is judged, while all that is known of that image is at hand: in an estate that is larger than the caches,
/// most of a plan's time is waiting for memory. For the same reason the images of a level are judged side by side.
fn judged(look: &mut Look<'_>) -> Result<Judged, PlanError> {
    let graph = look.request.graph;
    let levels = graph.levels().map_err(PlanError::Ring)?;
    let levels: Vec<Vec<NodeId>> = levels.map(|level| level.iter().copied().filter(|id| graph.is_image(*id)).collect()).collect();
    loop {
        let images: usize = levels.iter().map(Vec::len).sum();
        let mut all = Judged { verdicts: vec![Verdict::Untouched; images], steps: vec![None; images] };
        for level in &levels {
            for round in side_by_side::rounds(level) {
                let judged = side_by_side::make(round, |id| judge(look, id, &all.verdicts));
                for (id, judged) in round.iter().zip(judged) {
                    (all.verdicts[id.index()], all.steps[id.index()]) = judged?;
                }
            }
        }
        if !look.force_what_is_needed(levels.iter().rev().flatten().copied(), &all.verdicts) {
            return Ok(all);
        }
    }
}

fn judge(look: &Look<'_>, id: NodeId, verdicts: &[Verdict]) -> Result<(Verdict, Option<BuildStep>), PlanError> {
    let (verdict, reasons) = look.judge(id, verdicts);
    let step = if verdict == Verdict::Untouched { None } else { Some(step(look, verdict, verdicts, id, reasons)?) };
    Ok((verdict, step))
}

type StepsAndBases = (Vec<BuildStep>, BTreeMap<ImageRef, Digest>);

/// Puts the steps in order, and adds what others are built on.
fn steps(look: &Look<'_>, mut judged: Judged) -> Result<StepsAndBases, PlanError> {
    let graph = look.request.graph;
    let marked = marked(look, &judged.verdicts);
    let order = graph.order(&marked, |id| took_ms(&judged, id)).map_err(PlanError::Ring)?;
    let mut steps = Vec::with_capacity(order.len());
    for id in order {
        let made = judged.steps[id.index()].take();
        let mut step = made.map_or_else(|| step(look, judged.verdicts[id.index()], &judged.verdicts, id, vec![Reason::UpToDate]), Ok)?;
        if matches!(step.kind, StepKind::Reuse { .. }) {
            // What is reused waits only for what has a step, and that was not known when it was judged. All parents of what is built have one.
            step.after.retain(|parent| graph.image(parent).is_some_and(|parent| marked[parent.index()]));
        }
        steps.push(step);
    }
    let is_pinned = |id: NodeId| matches!(judged.verdicts[id.index()], Verdict::Build | Verdict::Reuse(_));
    let bases = graph.bases().filter(|base| graph.reached_by(*base).any(|(_, image)| is_pinned(image)));
    let bases = bases.filter_map(|base| Some((graph.node(base).reference().clone(), look.digest(base)?))).collect();
    Ok((steps, bases))
}

/// Marks, by node index, the images that get a step: those on which something is done, and those on which something is built.
fn marked(look: &Look<'_>, verdicts: &[Verdict]) -> Vec<bool> {
    let graph = look.request.graph;
    let mut marked: Vec<bool> = verdicts.iter().map(|verdict| *verdict != Verdict::Untouched).collect();
    marked.resize(graph.len(), false);
    for id in graph.images().filter(|id| verdicts[id.index()] == Verdict::Build) {
        for (_, parent) in graph.reaches(id).filter(|(_, to)| graph.is_image(*to)) {
            marked[parent.index()] = true;
        }
    }
    marked
}

/// A build that was never measured is taken for one of a second.
const UNMEASURED: Duration = Duration::from_secs(1);

fn took_ms(judged: &Judged, id: NodeId) -> u64 {
    match &judged.steps[id.index()] {
        Some(step) if step.kind == StepKind::Build => step.took.unwrap_or(UNMEASURED).as_millis() as u64,
        _ => 0,
    }
}

/// The step of an image with this verdict, whose parents are judged.
fn step(look: &Look<'_>, verdict: Verdict, verdicts: &[Verdict], id: NodeId, reasons: Vec<Reason>) -> Result<BuildStep, PlanError> {
    let image = &look.image(id).name;
    let unknown = || PlanError::SourcesUnknown { image: image.clone() };
    let facts = look.facts(id).ok_or_else(unknown)?;
    let (kind, stands) = match verdict {
        Verdict::Build => (StepKind::Build, false),
        Verdict::Reuse(built) => (StepKind::Reuse { id: built }, false),
        Verdict::Deferred => (StepKind::Deferred, true),
        Verdict::Untouched => (StepKind::Reuse { id: look.last(id).ok_or_else(unknown)?.released.id }, true),
    };
    // What stands keeps the record of what it was made from, not of what lies there now.
    let record = look.last(id).filter(|_| stands);
    let context = match record.map(standing_context) {
        Some(Some(context)) => context,
        _ if stands => facts.newest.context.clone(),
        _ => look.sources(id).ok_or_else(unknown)?.context.clone(),
    };
    let own_inputs = record.and_then(|last| last.released.own_inputs).or_else(|| look.own_inputs(id)).ok_or_else(unknown)?;
    let (after, pins) = if stands { (Vec::new(), SmallMap::new()) } else { (parents(look, verdicts, id), pins(look, id)?) };
    Ok(BuildStep { image: image.clone(), kind, reasons, after, pins, context, own_inputs, took: facts.took })
}

/// Where the files of what stands came from when it was made, as far as that is on record.
fn standing_context(last: &LastBuild) -> Option<Arc<Context>> {
    let (hash, commit) = (last.released.context?, last.released.commit.clone());
    Some(Arc::new(Context { hash, commit, dirty: false, deployed: Some(last.release) }))
}

/// What must have ended before: each parent once, in the order of the Dockerfile. What waits by its policy is not waited for.
fn parents(look: &Look<'_>, verdicts: &[Verdict], id: NodeId) -> Vec<ImageName> {
    let graph = look.request.graph;
    let waited = graph.reaches(id).filter(|(_, to)| graph.is_image(*to) && verdicts[to.index()] != Verdict::Deferred);
    let mut parents = Vec::with_capacity(waited.clone().count());
    for parent in waited.filter_map(|(_, to)| graph.name(to)) {
        if !parents.contains(parent) {
            parents.push(parent.clone());
        }
    }
    parents
}

fn pins(look: &Look<'_>, id: NodeId) -> Result<SmallMap<ImageRef, Pin>, PlanError> {
    let graph = look.request.graph;
    let reaches = graph.reaches(id);
    let mut pins = SmallMap::with_capacity(reaches.clone().count());
    for (edge, to) in reaches {
        let pin = match (graph.node(to), look.digest(to)) {
            (Node::Image { name, .. }, _) => Pin::Image(name.clone()),
            (Node::Base(base), Some(digest)) => Pin::Base { base: base.clone(), digest },
            (Node::Base(base), None) => {
                return Err(PlanError::BaseUnknown { base: base.clone(), image: look.image(id).name.clone(), at: edge.at.clone() });
            }
        };
        pins.insert(graph.node(to).reference().clone(), pin);
    }
    Ok(pins)
}
