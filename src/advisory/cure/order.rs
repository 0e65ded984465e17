//! In which order images are built.

use std::collections::{BTreeMap, BTreeSet};

use super::{Bringer, Situation};
use crate::model::ImageName;

/// All images, parents before children, ties by name; those that stand on one another in a ring come last, by name. Source: Kahn 1962.
pub(super) fn order(situation: &Situation) -> Vec<&ImageName> {
    let mut waits: BTreeMap<&ImageName, usize> = BTreeMap::new();
    let mut children: BTreeMap<&ImageName, Vec<&ImageName>> = BTreeMap::new();
    let inherits = situation.parents.iter().flat_map(|(image, parents)| parents.iter().map(move |parent| (image, parent)));
    let inherits = inherits.filter_map(|(image, parent)| if let Bringer::Image(parent) = parent { Some((image, parent)) } else { None });
    let copies = situation.copies.iter().flat_map(|(image, from)| from.iter().map(move |from| (image, from)));
    for (image, parent) in inherits.chain(copies) {
        waits.entry(parent).or_default();
        *waits.entry(image).or_default() += 1;
        children.entry(parent).or_default().push(image);
    }
    let alone = situation.running.iter().chain(situation.findings.keys()).chain(situation.parents.keys());
    alone.for_each(|image| _ = waits.entry(image).or_default());
    let mut ready: BTreeSet<&ImageName> = waits.iter().filter(|(_, waits)| **waits == 0).map(|(image, _)| *image).collect();
    let mut order = Vec::with_capacity(waits.len());
    while let Some(image) = ready.pop_first() {
        order.push(image);
        waits.remove(image);
        for child in children.get(image).into_iter().flatten() {
            if let Some(left) = waits.get_mut(child) {
                *left -= 1;
                if *left == 0 {
                    ready.insert(child);
                }
            }
        }
    }
    order.extend(waits.into_keys());
    order
}
