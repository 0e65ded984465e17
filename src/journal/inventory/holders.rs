//! Which sets of layers hold the packages that were found: those that brought them, and all that stand on these and did not take them away.
//!
//! In memory, from the sets' parents alone: each set is looked at once, and shares the list of the set below it if it changes nothing.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use rusqlite::Connection;

use crate::inventory::Package;
use crate::model::Digest;

use super::packages::{Found, Place};
use super::{BroughtBy, images};

/// A package in a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct HeldIn {
    place: Place,
    /// The set at which the lowest image ends that stands on the layer; none as long as no image has ended.
    ends: Option<i64>,
}

/// A package that is held, the file that says so, and who brought it.
pub(super) type Told = (Arc<Package>, Arc<str>, Arc<BroughtBy>);

/// All sets, and what of the packages that were found is in them.
pub(super) struct Holders {
    found: Found,
    parents: HashMap<i64, Option<i64>>,
    /// Sets at which an image ends.
    ends: HashSet<i64>,
    /// Sets of which something could not be read.
    gaps: HashSet<i64>,
    held: HashMap<i64, Rc<[HeldIn]>>,
    /// What was looked up for the answer.
    paths: HashMap<i64, Arc<str>>,
    brought: HashMap<i64, Arc<BroughtBy>>,
}

impl Holders {
    pub(super) fn load(connection: &Connection, found: Found) -> rusqlite::Result<Self> {
        let ids = |text: &str| connection.prepare_cached(text)?.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<HashSet<i64>>>();
        let ends = ids("SELECT top FROM images WHERE top IS NOT NULL")?;
        let gaps = ids("SELECT id FROM sets WHERE unreadable IS NOT NULL")?;
        let parents = match found.added.is_empty() {
            // Nothing has it, and only the gaps remain to be told.
            true if gaps.is_empty() => HashMap::new(),
            _ => {
                let mut statement = connection.prepare_cached("SELECT id, parent FROM sets")?;
                statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()?
            }
        };
        Ok(Self { found, parents, ends, gaps, held: HashMap::new(), paths: HashMap::new(), brought: HashMap::new() })
    }

    /// What of the packages that were found is in the stack that ends with this set.
    pub(super) fn of(&mut self, top: Option<i64>) -> Rc<[HeldIn]> {
        let mut above = Vec::new();
        let mut list: Rc<[HeldIn]> = Rc::from([]);
        let mut next = top;
        while let Some(set) = next {
            if let Some(known) = self.held.get(&set) {
                list = known.clone();
                break;
            }
            // Taken for empty until it is known, so that a ring of sets, which only a damaged file has, comes to an end.
            self.held.insert(set, list.clone());
            above.push(set);
            next = self.parents.get(&set).copied().flatten();
        }
        for set in above.into_iter().rev() {
            list = self.lay(set, list);
            self.held.insert(set, list.clone());
        }
        list
    }

    fn lay(&self, set: i64, below: Rc<[HeldIn]>) -> Rc<[HeldIn]> {
        let (added, removed) = (self.found.added.get(&set), self.found.removed.get(&set));
        let is_end = self.ends.contains(&set);
        let is_same = added.is_none() && removed.is_none() && !(is_end && below.iter().any(|held| held.ends.is_none()));
        if is_same {
            return below;
        }
        // A layer may take away as many as there are.
        let removed: HashSet<Place> = removed.into_iter().flatten().copied().collect();
        let is_gone = |held: &HeldIn| removed.contains(&held.place);
        let stays = below.iter().filter(|held| !is_gone(held)).copied();
        let comes = added.into_iter().flatten().map(|place| HeldIn { place: *place, ends: None });
        let ended = |held: HeldIn| HeldIn { ends: held.ends.or(is_end.then_some(set)), ..held };
        stays.chain(comes).map(ended).collect()
    }

    /// Whether something in this stack could not be read.
    pub(super) fn has_gap(&self, top: Option<i64>) -> bool {
        let (mut next, mut steps) = (top, 0);
        while let Some(set) = next.filter(|_| !self.gaps.is_empty() && steps <= self.parents.len()) {
            if self.gaps.contains(&set) {
                return true;
            }
            steps += 1;
            next = self.parents.get(&set).copied().flatten();
        }
        false
    }

    /// Looks up what [`told`](Self::told) tells of these.
    pub(super) fn tell<'a>(&mut self, connection: &Connection, held: impl IntoIterator<Item = &'a Rc<[HeldIn]>>) -> rusqlite::Result<()> {
        let held: HashSet<HeldIn> = held.into_iter().flat_map(|held| held.iter().copied()).collect();
        let paths: BTreeSet<i64> = held.iter().map(|held| held.place.path).collect();
        let mut statement = connection.prepare_cached("SELECT path FROM paths WHERE id = ?1")?;
        for path in paths {
            let text: String = statement.query_row([path], |row| row.get(0))?;
            self.paths.insert(path, text.into());
        }
        let ends: BTreeSet<i64> = held.iter().filter_map(|held| held.ends).collect();
        self.brought = images::end_with(connection, &ends)?;
        Ok(())
    }

    /// A package that is held, its file and who brought it. What was not looked up has no name.
    pub(super) fn told(&self, held: &HeldIn) -> Told {
        let package = self.found.packages[held.place.package].clone();
        let path = self.paths.get(&held.place.path).cloned().unwrap_or_default();
        // Every stack that is asked for is an image's, so there is one that ends; in a file in which there is none somebody else has written.
        let nobody = || Arc::new(BroughtBy { image: Digest::of(b""), name: None });
        (package, path, held.ends.and_then(|ends| self.brought.get(&ends).cloned()).unwrap_or_else(nobody))
    }
}
