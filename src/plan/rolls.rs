//! Which services roll when the builds have ended.

use std::collections::{BTreeMap, BTreeSet};

use super::request::{PlanRequest, ServiceFacts};
use super::slots::{Newcomer, anonymous_places, effective_order};
use super::{BuildStep, Change, HeldService, Reason, RollStep, StepKind};
use crate::model::{ContainerSpec, Digest, ImageName, ImageRef, ReleaseNumber, spec_hash};
use crate::pipeline::{Order, Service, ServiceImage};
use crate::release::{Release, ServiceRelease};

/// What a service's containers will be made from.
enum Coming {
    /// An image that is there.
    Known(Digest),
    /// A build decides.
    Unknown,
    /// Nothing new.
    Same,
    /// There is no image, and this plan makes none.
    Never,
}

/// What becomes of a service.
enum Rolls {
    No,
    Held(HeldService),
    Yes { certain: bool },
}

/// The services that roll and those that are held, by name.
pub(super) fn rolls(request: &PlanRequest<'_>, steps: &[BuildStep]) -> (Vec<RollStep>, Vec<HeldService>) {
    // Few of the images run themselves, and a map of all steps costs more than most of the plan.
    let images = request.estate.services.values().filter_map(|service| match &service.image {
        ServiceImage::Estate(image) => Some(image),
        ServiceImage::External(_) => None,
    });
    let images: BTreeSet<&ImageName> = images.collect();
    let steps: BTreeMap<&ImageName, &BuildStep> = steps.iter().map(|step| (&step.image, step)).filter(|(image, _)| images.contains(image)).collect();
    let (mut rolls, mut held) = (Vec::new(), Vec::new());
    for service in request.estate.services.values() {
        match judge(request, &steps, service) {
            Rolls::No => {}
            Rolls::Held(why) => held.push(why),
            Rolls::Yes { certain } => rolls.push(roll(request, service, certain)),
        }
    }
    (rolls, held)
}

fn judge(request: &PlanRequest<'_>, steps: &BTreeMap<&ImageName, &BuildStep>, service: &Service) -> Rolls {
    let facts = request.services.get(&service.name);
    match (coming(request, steps, service, facts), facts) {
        (Coming::Never, _) | (Coming::Same, None) => Rolls::No,
        (Coming::Unknown, None) => Rolls::Yes { certain: true },
        (Coming::Known(id), None) => {
            let wanted = spec_hash(id, &service.container, service.probe.as_ref());
            held(request, service, None, wanted).map_or(Rolls::Yes { certain: true }, Rolls::Held)
        }
        (Coming::Unknown, Some(_)) => Rolls::Yes { certain: false },
        (Coming::Known(id), Some(facts)) => rolls_to(request, service, facts, id),
        (Coming::Same, Some(facts)) if looks_at_services(request.change) => rolls_to(request, service, facts, facts.as_released.id),
        (Coming::Same, Some(_)) => Rolls::No,
    }
}

fn roll(request: &PlanRequest<'_>, service: &Service, certain: bool) -> RollStep {
    let facts = request.services.get(&service.name);
    let (order, mut notes) = order_and_why(request, service, &service.container);
    if facts.is_some_and(|facts| is_changed(service, &facts.as_released)) {
        notes.insert(0, "its settings changed since".to_owned());
    }
    let (back, is_asked_for) = (facts.map(|facts| facts.back), is_asked_for(request.change, service));
    let id = match &service.image {
        ServiceImage::External(base) => request.external_ids.get(base).copied(),
        ServiceImage::Estate(_) => None,
    };
    let mut step = RollStep { id, certain, notes, back, is_asked_for, order, ..RollStep::of(service, facts.map(|facts| facts.running)) };
    step.stage(service);
    step
}

/// What the service's image will be when the builds have ended.
fn coming(request: &PlanRequest<'_>, steps: &BTreeMap<&ImageName, &BuildStep>, service: &Service, facts: Option<&ServiceFacts>) -> Coming {
    match &service.image {
        // What only stands while others are built on it is as if it were not in the plan.
        ServiceImage::Estate(image) => match steps.get(image).filter(|step| step.reasons != [Reason::UpToDate]).map(|step| &step.kind) {
            Some(StepKind::Build) => Coming::Unknown,
            Some(StepKind::Reuse { id }) => known_or_same(*id, facts),
            Some(StepKind::Deferred) | None => match request.images.get(image).and_then(|facts| facts.last.as_ref()) {
                // A first rollout of an image that is there needs somebody who looks at everything.
                Some(last) if looks_at_services(request.change) => known_or_same(last.released.id, facts),
                Some(_) => Coming::Same,
                None => Coming::Never,
            },
        },
        ServiceImage::External(base) => {
            let about_it = looks_at_services(request.change) || is_about(request.change, base);
            match request.external_ids.get(base) {
                Some(id) if about_it => known_or_same(*id, facts),
                Some(_) => Coming::Same,
                None => Coming::Never,
            }
        }
    }
}

fn looks_at_services(change: &Change) -> bool {
    matches!(change, Change::Everything | Change::Rebuild)
}

/// Whether a change is about a base that services run as it is.
fn is_about(change: &Change, base: &ImageRef) -> bool {
    match change {
        Change::Base(moved) => moved == base,
        Change::Moved { bases, .. } => bases.contains(base),
        Change::Patch(patch) => patch.bases.contains(base),
        Change::Cycle { .. } => true,
        _ => false,
    }
}

fn known_or_same(id: Digest, facts: Option<&ServiceFacts>) -> Coming {
    if facts.is_some_and(|facts| facts.as_released.id == id) { Coming::Same } else { Coming::Known(id) }
}

/// Whether containers of this image would differ from those that run, and may be applied.
fn rolls_to(request: &PlanRequest<'_>, service: &Service, facts: &ServiceFacts, id: Digest) -> Rolls {
    let wanted = spec_hash(id, &service.container, service.probe.as_ref());
    if wanted == facts.as_released.spec_hash() {
        return Rolls::No;
    }
    held(request, service, Some(facts.running), wanted).map_or(Rolls::Yes { certain: true }, Rolls::Held)
}

/// Whether a service must not go to this by itself.
fn held(request: &PlanRequest<'_>, service: &Service, stays: Option<ReleaseNumber>, wanted: Digest) -> Option<HeldService> {
    let refused = request.quarantined.services.get(&service.name)?.iter().rev().find(|refused| refused.spec == wanted)?;
    let held = HeldService { service: service.name.clone(), stays, refused: refused.release, why: refused.why.clone() };
    (!is_asked_for(request.change, service)).then_some(held)
}

/// Whether a person named just what the service runs, so that what was rolled back counts as any other.
pub fn is_asked_for(change: &Change, service: &Service) -> bool {
    matches!((change, &service.image), (Change::Image(asked), ServiceImage::Estate(image)) if asked == image)
}

fn is_changed(service: &Service, released: &ServiceRelease) -> bool {
    service.container != released.container || service.probe != released.probe
}

/// The order in which its slots really go to containers of this spec, and a note for each reason why that is not the order asked for.
fn order_and_why(request: &PlanRequest<'_>, service: &Service, container: &ContainerSpec) -> (Order, Vec<String>) {
    let image_volumes = match &service.image {
        ServiceImage::Estate(image) => request.volumes.get(image).map_or(&[][..], Vec::as_slice),
        ServiceImage::External(_) => &[],
    };
    let old = request.services.get(&service.name).map(|facts| &facts.as_released.container);
    let inherited = old.into_iter().flat_map(anonymous_places).map(str::to_owned).collect();
    let (order, reasons) = effective_order(service, service.update.order, Newcomer { container, image_volumes, inherited: &inherited });
    let notes = match (service.update.order, order) {
        (Order::StartFirst, Order::StopFirst) => reasons.into_iter().map(|why| format!("stop-first: {why}")).collect(),
        _ => Vec::new(),
    };
    (order, notes)
}

/// How a service's image is written in a pipeline.
pub fn image_as_written(image: &ServiceImage) -> String {
    match image {
        ServiceImage::Estate(image) => image.to_string(),
        ServiceImage::External(base) => base.familiar(),
    }
}

/// The services that roll to an earlier (or the latest) release as it was: a person said so, so what was rolled back counts as any other.
pub(super) fn release_rolls(request: &PlanRequest<'_>, release: &Release) -> Vec<RollStep> {
    let roll = |service: &Service| {
        let wanted = release.services.get(&service.name)?;
        let facts = request.services.get(&service.name);
        if facts.is_some_and(|facts| facts.as_released.spec_hash() == wanted.spec_hash()) {
            return None;
        }
        let (order, notes) = order_and_why(request, service, &wanted.container);
        let (image, back) = (wanted.image.clone(), facts.map(|facts| facts.back));
        let mut step = RollStep { image, notes, back, order, is_asked_for: true, ..RollStep::of(service, facts.map(|facts| facts.running)) };
        if facts.is_some_and(|facts| facts.running < release.number) {
            step.stage(service);
        }
        Some(step)
    };
    request.estate.services.values().filter_map(roll).collect()
}
