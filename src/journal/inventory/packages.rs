//! The packages that are asked for: SQLite finds the names, the asker's own rule decides.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rusqlite::{Connection, Params, Row};

use crate::inventory::Package;

use super::intern::{PACKAGE, package};
use super::{Filter, Names};

/// A package in a set of layers, by where it stands in [`Found`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Place {
    /// The package, by its place in [`Found::packages`].
    pub(super) package: usize,
    /// The number of the file that says so.
    pub(super) path: i64,
}

/// The packages that are meant, and the sets that bring them or take them away.
#[derive(Default)]
pub(super) struct Found {
    pub(super) packages: Vec<Arc<Package>>,
    pub(super) added: HashMap<i64, Vec<Place>>,
    pub(super) removed: HashMap<i64, Vec<Place>>,
}

impl Found {
    pub(super) fn look(connection: &Connection, filter: &Filter<'_>) -> rusqlite::Result<Self> {
        let mut found = Self::default();
        let mut meant: BTreeMap<i64, Package> = BTreeMap::new();
        let mut take = |row: &Row<'_>| {
            let package = package(row, 1)?;
            if (filter.matches)(&package) {
                meant.insert(row.get(0)?, package);
            }
            Ok(())
        };
        match &filter.names {
            Names::All => each(connection, "", [], &mut take)?,
            Names::Only(names) => {
                for name in names {
                    each(connection, "WHERE name = ?1", [name], &mut take)?;
                    each(connection, "WHERE source = ?1", [name], &mut take)?;
                }
            }
        }
        for (id, package) in meant {
            found.add(connection, id, package)?;
        }
        Ok(found)
    }

    fn add(&mut self, connection: &Connection, id: i64, package: Package) -> rusqlite::Result<()> {
        let place = self.packages.len();
        self.packages.push(Arc::new(package));
        let mut statement = connection.prepare_cached("SELECT in_set, path, is_removed FROM changes WHERE package = ?1")?;
        let mut rows = statement.query([id])?;
        while let Some(row) = rows.next()? {
            let sets = if row.get(2)? { &mut self.removed } else { &mut self.added };
            sets.entry(row.get(0)?).or_default().push(Place { package: place, path: row.get(1)? });
        }
        Ok(())
    }
}

fn each(connection: &Connection, only: &str, names: impl Params, take: &mut dyn FnMut(&Row<'_>) -> rusqlite::Result<()>) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(&format!("SELECT id, {PACKAGE} FROM packages {only}"))?;
    let mut rows = statement.query(names)?;
    while let Some(row) = rows.next()? {
        take(row)?;
    }
    Ok(())
}
