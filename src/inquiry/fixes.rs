//! Which problems a package has that advisories know of, and the version that has none of them.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use crate::advisory::{Advisory, verdict};
use crate::inventory::version::compare;
use crate::inventory::{Distro, Package};
use crate::journal::{Inventories, JournalError};

/// What advisories say of packages, looked up once for each name.
pub(super) struct Fixes {
    by_name: BTreeMap<String, Vec<Advisory>>,
}

/// What is known of a package in an image of some distribution.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// The problems that it has and for which there is a fix.
    pub(super) fixable: BTreeSet<String>,
    /// Those for which there is none.
    pub(super) unfixable: BTreeSet<String>,
    /// The lowest version that has none of the fixable ones.
    pub(super) fixed: Option<String>,
}

impl Fixes {
    /// Looks up what is kept about packages of these names, or of these source packages.
    pub(super) fn of(inventories: &Inventories, names: &BTreeSet<String>) -> Result<Self, JournalError> {
        let mut by_name: BTreeMap<String, Vec<Advisory>> = BTreeMap::new();
        for advisory in inventories.advisories_about(names)? {
            let own: BTreeSet<&str> = advisory.affected.iter().map(|affected| affected.name.as_str()).collect();
            for name in own.into_iter().filter(|name| names.contains(*name)) {
                by_name.entry(name.to_owned()).or_default().push(advisory.clone());
            }
        }
        Ok(Self { by_name })
    }

    /// What is known of a package.
    pub(super) fn known(&self, package: &Package, distro: Option<&Distro>) -> Known {
        let names: BTreeSet<&str> = std::iter::once(package.name.as_str()).chain(package.source.iter().map(|source| source.name.as_str())).collect();
        let mut known = Known::default();
        for advisory in names.into_iter().filter_map(|name| self.by_name.get(name)).flatten() {
            let Some(hit) = verdict(advisory, package, distro) else { continue };
            let Some(fixed) = hit.fixed else {
                known.unfixable.insert(advisory.id.clone());
                continue;
            };
            known.fixable.insert(advisory.id.clone());
            let is_higher = known.fixed.as_deref().is_none_or(|so_far| compare(package.kind, &fixed, so_far) == Ordering::Greater);
            known.fixed = if is_higher { Some(fixed) } else { known.fixed };
        }
        // Of several records of one problem, the one that knows a fix counts.
        known.unfixable.retain(|problem| !known.fixable.contains(problem));
        known
    }
}

/// The names under which advisories may speak of packages.
pub(super) fn names<'a>(packages: impl IntoIterator<Item = &'a Package>) -> BTreeSet<String> {
    packages.into_iter().flat_map(|package| std::iter::once(&package.name).chain(package.source.iter().map(|source| &source.name))).cloned().collect()
}
