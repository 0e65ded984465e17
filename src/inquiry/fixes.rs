//! Which problems a package has that advisories know of, and the version that has none of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::advisory::{Advisory, Fixed, Key, highest_fix, keys, keys_of, verdict};
use crate::inventory::{Distro, Package};
use crate::journal::{Inventories, JournalError};

/// What advisories say of packages, by what each is found by.
#[derive(Default)]
pub(super) struct Fixes {
    advisories: Vec<Advisory>,
    by_key: BTreeMap<Key, Vec<usize>>,
}

/// What is known of a package in an image of some distribution.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// The problems that it has and for which there is a fix that everybody gets.
    pub(super) fixable: BTreeSet<String>,
    /// Those for which there is none.
    pub(super) unfixable: BTreeSet<String>,
    /// The lowest version that has none of the fixable ones; where there are none, that which subscribers get.
    pub(super) fixed: Option<Fixed>,
}

impl Fixes {
    /// Looks up what is kept about packages, or about the source packages that they were built from.
    pub(super) fn of<'a>(inventories: &Inventories, packages: impl IntoIterator<Item = &'a Package>) -> Result<Self, JournalError> {
        let names: BTreeSet<String> = packages.into_iter().flat_map(keys_of).map(|key| key.name).collect();
        let advisories = inventories.advisories_about(&names)?;
        let mut by_key: BTreeMap<Key, Vec<usize>> = BTreeMap::new();
        for (at, advisory) in advisories.iter().enumerate() {
            keys(advisory).into_iter().for_each(|key| by_key.entry(key).or_default().push(at));
        }
        Ok(Self { advisories, by_key })
    }

    /// What is known of a package.
    pub(super) fn known(&self, package: &Package, distro: Option<&Distro>) -> Known {
        let places: BTreeSet<usize> = keys_of(package).iter().filter_map(|key| self.by_key.get(key)).flatten().copied().collect();
        let (mut known, mut fixes) = (Known::default(), Vec::new());
        for advisory in places.into_iter().map(|at| &self.advisories[at]) {
            let Some(hit) = verdict(advisory, package, distro) else { continue };
            let fix = hit.fix(package);
            let problems = if matches!(fix, Some(Fixed::ForAll(_))) { &mut known.fixable } else { &mut known.unfixable };
            problems.insert(advisory.id.clone());
            fixes.extend(fix);
        }
        // Of several records of one problem, the one that knows a fix counts.
        known.unfixable.retain(|problem| !known.fixable.contains(problem));
        known.fixed = highest_fix(package.kind, fixes);
        known
    }
}
