//! Advisories, as far as they name a package that is in some image: the room `advisory` reads and judges them, this keeps what it needs of them.

use std::collections::BTreeSet;

use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, Error, OptionalExtension, Row, params, params_from_iter};
use serde::Serialize;

use crate::advisory::{Advisory, Key, keys};
use crate::inventory::Kind;
use crate::journal::JournalError;
use crate::journal::stays::micros;

use super::Inventories;
use super::tables::{moment, to_json};

/// A longer advisory is not kept but named: the longest that are known (the kernel's, with every version that is affected) are below a megabyte.
const BODY_BYTES_MAX: usize = 4 << 20;
/// So many names are looked up by one statement; SQLite takes 32,766.
const NAMES_AT_ONCE: usize = 1_000;

/// An advisory that is kept.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AdvisoryKept {
    /// Where it was read: a file, a folder or a URL.
    pub source: String,
    /// The advisory.
    pub advisory: Advisory,
    /// When it was read first.
    pub first_at: Timestamp,
    /// When it was read last.
    pub last_at: Timestamp,
}

/// What became of advisories that were read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AdvisoriesRead {
    /// So many name a package that is in some image, and are kept.
    pub kept: usize,
    /// So many name none.
    pub about_nothing_here: usize,
    /// The ids of those that are too long to be kept.
    pub too_long: Vec<String>,
}

impl AdvisoriesRead {
    /// Adds what became of more.
    pub fn add(&mut self, more: Self) {
        self.kept += more.kept;
        self.about_nothing_here += more.about_nothing_here;
        self.too_long.extend(more.too_long);
    }
}

impl Inventories {
    /// Keeps what was read from a source at a moment, as far as it names a package of some image; what is kept already is brought up to date.
    pub fn keep_advisories(&self, source: &str, advisories: &[Advisory], at: Timestamp) -> Result<AdvisoriesRead, JournalError> {
        self.write(|transaction| {
            let mut read = AdvisoriesRead::default();
            for advisory in advisories {
                keep(transaction, source, advisory, at, &mut read)?;
            }
            Ok(read)
        })
    }

    /// Forgets what a source, which was read as a whole since that moment, does not say any more of these kinds; how many these were.
    ///
    /// A file may be another one than the last time under the same name: what it never speaks of stays.
    pub fn forget_advisories(&self, source: &str, kinds: &BTreeSet<Kind>, last_before: Timestamp) -> Result<usize, JournalError> {
        let kinds: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
        self.write(|transaction| {
            let old = "SELECT id FROM advisories WHERE source = ?1 AND last_at < ?2 AND NOT EXISTS (
                 SELECT 1 FROM advised WHERE advised.advisory = advisories.id AND advised.kind NOT IN (SELECT value FROM json_each(?3)))";
            let row = params![source, micros(last_before), to_json(&kinds)?];
            let gone: Vec<i64> = transaction.prepare_cached(old)?.query_map(row, |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
            for id in &gone {
                transaction.prepare_cached("DELETE FROM advised WHERE advisory = ?1")?.execute([id])?;
                transaction.prepare_cached("DELETE FROM advisories WHERE id = ?1")?.execute([id])?;
            }
            Ok(gone.len())
        })
    }

    /// Every advisory that is kept, by source and record.
    pub fn advisories(&self) -> Result<Vec<AdvisoryKept>, JournalError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT source, body, first_at, last_at FROM advisories ORDER BY source, advisory")?;
            let kept = |row: &Row<'_>| {
                Ok(AdvisoryKept { source: row.get(0)?, advisory: body(row, 1)?, first_at: moment(row, 2)?, last_at: moment(row, 3)? })
            };
            statement.query_map([], kept)?.collect()
        })
    }

    /// The advisories by which a problem is known: those of that name, and the notices that put it together with others.
    pub fn advisories_called(&self, name: &str) -> Result<Vec<Advisory>, JournalError> {
        self.read(|connection| {
            // A name is a JSON text in the list of names; what looks like it and is none is sorted out after.
            let mut statement = connection.prepare_cached("SELECT body FROM advisories WHERE instr(names, ?1) > 0 ORDER BY source, advisory")?;
            let all = statement.query_map([to_json(&name)?], |row| body(row, 0))?;
            all.filter(|advisory| advisory.as_ref().map_or(true, |advisory| advisory.is_called(name))).collect()
        })
    }

    /// The advisories that name one of these packages, or source packages.
    pub fn advisories_about(&self, names: &BTreeSet<String>) -> Result<Vec<Advisory>, JournalError> {
        let names: Vec<&String> = names.iter().collect();
        self.read(|connection| {
            let mut found = BTreeSet::new();
            for some in names.chunks(NAMES_AT_ONCE) {
                let marks = vec!["?"; some.len()].join(", ");
                let mut statement = connection.prepare(&format!("SELECT advisory FROM advised WHERE name IN ({marks})"))?;
                for id in statement.query_map(params_from_iter(some.iter().map(|name| name.as_str())), |row| row.get::<_, i64>(0))? {
                    found.insert(id?);
                }
            }
            let mut statement = connection.prepare_cached("SELECT body FROM advisories WHERE id = ?1")?;
            found.into_iter().map(|id| statement.query_row([id], |row| body(row, 0))).collect()
        })
    }
}

fn body(row: &Row<'_>, column: usize) -> rusqlite::Result<Advisory> {
    let text = row.get_ref(column)?.as_str()?;
    serde_json::from_str(text).map_err(|error| Error::FromSqlConversionFailure(column, Type::Text, error.into()))
}

fn keep(connection: &Connection, source: &str, advisory: &Advisory, at: Timestamp, read: &mut AdvisoriesRead) -> rusqlite::Result<()> {
    let keys = keys(advisory);
    if !is_about_something(connection, &keys)? {
        read.about_nothing_here += 1;
        return Ok(());
    }
    let body = to_json(advisory)?;
    if body.len() > BODY_BYTES_MAX {
        read.too_long.push(advisory.record.clone());
        return Ok(());
    }
    read.kept += 1;
    let names: BTreeSet<&String> = [&advisory.id, &advisory.record].into_iter().chain(&advisory.aliases).chain(&advisory.covers).collect();
    // A tracker has an advisory for each package of a problem, and calls them all the same.
    let key = keys.first().map_or_else(|| advisory.record.clone(), |key| format!("{} {}", advisory.record, key.name));
    let statement = "INSERT INTO advisories (source, advisory, names, body, first_at, last_at) VALUES (?1, ?2, ?3, ?4, ?5, ?5)
         ON CONFLICT (source, advisory) DO UPDATE SET names = ?3, body = ?4, last_at = max(last_at, ?5) RETURNING id";
    let row = params![source, key, to_json(&names)?, body, micros(at)];
    let id: i64 = connection.prepare_cached(statement)?.query_row(row, |row| row.get(0))?;
    connection.prepare_cached("DELETE FROM advised WHERE advisory = ?1")?.execute([id])?;
    let mut statement = connection.prepare_cached("INSERT OR IGNORE INTO advised VALUES (?1, ?2, ?3)")?;
    keys.iter().try_for_each(|key| statement.execute(params![key.name, key.kind.as_str(), id]).map(drop))
}

fn is_about_something(connection: &Connection, keys: &BTreeSet<Key>) -> rusqlite::Result<bool> {
    let mut by_name = connection.prepare_cached("SELECT 1 FROM packages WHERE name = ?1 AND kind = ?2 LIMIT 1")?;
    let mut by_source = connection.prepare_cached("SELECT 1 FROM packages WHERE source = ?1 AND kind = ?2 LIMIT 1")?;
    for Key { kind, name } in keys {
        let named = params![name, kind.as_str()];
        let is_there = |row: Option<()>| row.is_some();
        if is_there(by_name.query_row(named, |_| Ok(())).optional()?) || is_there(by_source.query_row(named, |_| Ok(())).optional()?) {
            return Ok(true);
        }
    }
    Ok(false)
}
