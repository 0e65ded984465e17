//! Which images somebody may still need, and for what.

use std::num::NonZeroU32;

use super::{Known, Needed, Ways};
use crate::model::{ReleaseNumber, ServiceName};
use crate::release::{Release, ServiceRelease};

/// The images that must stay on every engine: of runs that have not ended; of the latest release, with the bases that it stands on; of the `keep`
/// newest releases; and of each service what it is on, what it goes back to when a rollout fails, the `keep` newest versions that it stayed on, and what it came
/// back from last.
///
/// Counted for each service, too, because one that seldom changes would else lose every way back to the changes of others.
pub fn needed(known: &Known, keep: NonZeroU32) -> Needed {
    let keep = keep.get() as usize;
    let mut needed = Needed::new();
    for unfinished in &known.unfinished {
        let why = format!("{} has not ended", unfinished.run);
        unfinished.images.iter().for_each(|image| note(&mut needed, *image, || why.clone()));
        let releases = unfinished.releases.iter().filter_map(|number| known.releases.get(number));
        releases.for_each(|release| whole(&mut needed, release, &why));
    }
    for (place, release) in known.releases.values().rev().take(keep).enumerate() {
        let why =
            if place == 0 { format!("{} is the latest release", release.number) } else { format!("{} is one of the last {keep}", release.number) };
        whole(&mut needed, release, &why);
        if place == 0 {
            let bases = release.images.values().flat_map(|image| image.bases.iter());
            bases.for_each(|(base, digest)| note(&mut needed, *digest, || format!("{} stands on {}", release.number, base.familiar())));
        }
    }
    for (service, ways) in &known.services {
        of_service(&mut needed, known, service, ways, keep);
    }
    needed
}

fn of_service(needed: &mut Needed, known: &Known, service: &ServiceName, ways: &Ways, keep: usize) {
    let at = |number: ReleaseNumber| known.releases.get(&number).and_then(|release| release.services.get(service));
    let mut note_release = |number: ReleaseNumber, why: String| {
        if let Some(released) = at(number) {
            note(needed, released.id, || why);
        }
    };
    if let Some(current) = ways.current {
        note_release(current, format!("{service} is on {current}"));
    }
    // After rollouts in part, or of a part, it is older than all that the service stayed on since; without it no rollout would be let begin.
    if let Some(back) = ways.back {
        note_release(back, format!("{service} goes back to {back} when a rollout fails"));
    }
    for number in last_versions(ways, keep, at) {
        note_release(number, format!("{service} can go back to {number}"));
    }
    if let Some(number) = ways.quarantined {
        note_release(number, format!("{service} came back from {number}, and a person may roll it again"));
    }
}

/// The newest release of each of the last `keep` versions that a service stayed on: releases in which it was the same are one way back.
fn last_versions<'k>(ways: &Ways, keep: usize, at: impl Fn(ReleaseNumber) -> Option<&'k ServiceRelease>) -> Vec<ReleaseNumber> {
    let (mut versions, mut numbers) = (Vec::new(), Vec::new());
    let mut good = ways.good.clone();
    good.sort_unstable();
    for number in good.into_iter().rev() {
        let Some(version) = at(number).map(ServiceRelease::spec_hash) else { continue };
        if !versions.contains(&version) {
            if versions.len() == keep {
                break;
            }
            versions.push(version);
            numbers.push(number);
        }
    }
    numbers
}

fn whole(needed: &mut Needed, release: &Release, why: &str) {
    let images = release.images.values().map(|image| image.id).chain(release.services.values().map(|service| service.id));
    images.for_each(|image| note(needed, image, || why.to_owned()));
}

fn note(needed: &mut Needed, image: crate::model::Digest, why: impl FnOnce() -> String) {
    needed.entry(image).or_insert_with(why);
}
