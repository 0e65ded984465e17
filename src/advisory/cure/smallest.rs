//! The whole of it: each problem is followed through the estate on its own, and what all of them need is put together.

use std::collections::BTreeMap;

use super::order::order;
use super::spread::{Below, Needs, Spread};
use super::{Cure, Finding, Problem, Situation};
use crate::model::ImageName;

/// What must be rebuilt, and which bases must move, so that no container has any of the problems that can be cured.
///
/// O(findings · log), but for images that were never looked into: each costs a walk through what it stands on.
pub fn cure(situation: &Situation) -> Cure {
    let order = order(situation);
    let places: BTreeMap<&ImageName, usize> = order.iter().enumerate().map(|(place, image)| (*image, place)).collect();
    let (mut below, mut needs) = (Below::new(situation), Needs::default());
    for (problem, said) in by_problem(situation) {
        let spread = Spread::new(situation, problem, said, &mut below);
        needs.take(&spread, &spread.curable(&places));
    }
    needs.into_cure(&order)
}

/// Who has what: one problem after the other, because none says anything of another.
fn by_problem(situation: &Situation) -> BTreeMap<&Problem, Vec<(&ImageName, &Finding)>> {
    let mut problems: BTreeMap<&Problem, Vec<_>> = BTreeMap::new();
    for (image, findings) in &situation.findings {
        for finding in findings {
            problems.entry(&finding.problem).or_default().push((image, finding));
        }
    }
    problems
}
