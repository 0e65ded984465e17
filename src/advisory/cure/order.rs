//! In which order images are built.

use super::{Bringer, Situation};
use crate::graph::dependencies_first;
use crate::model::ImageName;

/// All images, parents before children, ties by name; those that stand on one another in a ring come last, by name.
pub(super) fn order(situation: &Situation) -> Vec<&ImageName> {
    let inherits = situation.parents.iter().flat_map(|(image, parents)| parents.iter().map(move |parent| (image, parent)));
    let inherits = inherits.filter_map(|(image, parent)| if let Bringer::Image(parent) = parent { Some((image, parent)) } else { None });
    let copies = situation.copies.iter().flat_map(|(image, from)| from.iter().map(move |from| (image, from)));
    let images = situation.running.iter().chain(situation.findings.keys()).chain(situation.parents.keys());
    dependencies_first(images, inherits.chain(copies))
}
