//! What is in one stack: every layer's change laid over those below it.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row};

use crate::inventory::{Contents, Distro, Distros, Package, Unreadable};
use crate::journal::JournalError;
use crate::model::Digest;

use super::images::{end_with, top_of};
use super::intern::{PACKAGE, package};
use super::tables::{digest, json};
use super::{BroughtBy, Gap, ImageContents, Inventories, PackageIn};

impl Inventories {
    /// What is in an image; none if it is not kept.
    pub fn contents(&self, image: Digest) -> Result<Option<ImageContents>, JournalError> {
        self.read(|connection| {
            let Some(top) = top_of(connection, image)? else { return Ok(None) };
            let nameless = Arc::new(BroughtBy { image, name: None });
            contents(connection, &sets(connection, top)?, &nameless).map(Some)
        })
    }
}

/// One layer of a stack as it is kept.
struct Set {
    id: i64,
    layer: Digest,
    distros: BTreeMap<String, Option<Distro>>,
    unreadable: Vec<Unreadable>,
}

/// The sets of a stack, lowest first.
fn sets(connection: &Connection, top: Option<i64>) -> rusqlite::Result<Vec<Set>> {
    let mut statement = connection.prepare_cached("SELECT layer, distro, unreadable, parent FROM sets WHERE id = ?1")?;
    let (mut sets, mut seen, mut next) = (Vec::new(), BTreeSet::new(), top);
    // A ring of sets, which only a damaged file has, ends here.
    while let Some(id) = next.filter(|id| seen.insert(*id)) {
        let set = |row: &Row<'_>| {
            let set = Set { id, layer: digest(row, 0)?, distros: json(row, 1)?.unwrap_or_default(), unreadable: json(row, 2)?.unwrap_or_default() };
            Ok((set, row.get::<_, Option<i64>>(3)?))
        };
        let Some((set, parent)) = statement.query_row([id], set).optional()? else { break };
        sets.push(set);
        next = parent;
    }
    sets.reverse();
    Ok(sets)
}

/// Packages by the numbers of the file that says so and of the package, each with its layer's place in the stack.
#[derive(Default)]
struct Laid {
    packages: BTreeMap<(i64, i64), (usize, Package)>,
    paths: BTreeMap<i64, Arc<str>>,
}

impl Laid {
    fn of(connection: &Connection, sets: &[Set]) -> rusqlite::Result<Self> {
        let mut laid = Self::default();
        for (place, set) in sets.iter().enumerate() {
            laid.lay(connection, place, set.id)?;
        }
        Ok(laid)
    }

    fn lay(&mut self, connection: &Connection, place: usize, set: i64) -> rusqlite::Result<()> {
        // What is taken away comes first: the same package may come again with another licence.
        let mut statement = connection.prepare_cached(&format!(
            "SELECT is_removed, changes.path, package, paths.path, {PACKAGE} FROM changes JOIN packages ON packages.id = package
                 JOIN paths ON paths.id = changes.path WHERE in_set = ?1 ORDER BY is_removed DESC"
        ))?;
        let mut rows = statement.query([set])?;
        while let Some(row) = rows.next()? {
            let at = (row.get(1)?, row.get(2)?);
            if row.get(0)? {
                self.packages.remove(&at);
            } else {
                self.packages.insert(at, (place, package(row, 4)?));
                if let Entry::Vacant(path) = self.paths.entry(at.0) {
                    path.insert(row.get_ref(3)?.as_str()?.into());
                }
            }
        }
        Ok(())
    }

    /// The packages, each with its file and its layer's place.
    fn packages(self) -> impl Iterator<Item = (Arc<str>, usize, Package)> {
        let paths = self.paths;
        self.packages.into_iter().map(move |((path, _), (place, package))| (paths.get(&path).cloned().unwrap_or_default(), place, package))
    }
}

fn distros(sets: &[Set]) -> Distros {
    let mut distros = Distros::default();
    sets.iter().for_each(|set| distros.apply(&set.distros));
    distros
}

/// What is in a stack, for laying another layer over it.
pub(super) fn contents_of(connection: &Connection, top: Option<i64>) -> rusqlite::Result<Contents> {
    let sets = sets(connection, top)?;
    let mut contents = Contents { distros: distros(&sets), packages: BTreeMap::new() };
    for (path, _, package) in Laid::of(connection, &sets)?.packages() {
        contents.packages.entry(path.to_string()).or_default().push(package);
    }
    Ok(contents)
}

fn contents(connection: &Connection, sets: &[Set], nameless: &Arc<BroughtBy>) -> rusqlite::Result<ImageContents> {
    let brought = brought_by(connection, sets, nameless)?;
    let packages = Laid::of(connection, sets)?.packages().filter_map(|(path, place, package)| {
        let (set, brought_by) = (sets.get(place)?, brought.get(place)?.clone());
        Some(PackageIn { package: Arc::new(package), path, layer: set.layer, brought_by })
    });
    let mut packages: Vec<PackageIn> = packages.collect();
    packages.sort_unstable();
    let gaps = sets.iter().flat_map(|set| set.unreadable.iter().map(|one| Gap { layer: set.layer, unreadable: one.clone() }));
    Ok(ImageContents { distro: distros(sets).prevailing().cloned(), packages, unreadable: gaps.collect() })
}

/// Who brought each layer: the lowest image that ends there or above.
fn brought_by(connection: &Connection, sets: &[Set], nameless: &Arc<BroughtBy>) -> rusqlite::Result<Vec<Arc<BroughtBy>>> {
    let ends = end_with(connection, &sets.iter().map(|set| set.id).collect())?;
    let (mut above, mut brought) = (nameless.clone(), Vec::with_capacity(sets.len()));
    for set in sets.iter().rev() {
        above = ends.get(&set.id).cloned().unwrap_or(above);
        brought.push(above.clone());
    }
    brought.reverse();
    Ok(brought)
}
