//! Advisories, as far as they name a package that is in some image: the room `advisory` reads and judges them, this keeps what it needs of them.

use std::collections::BTreeSet;

use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, Error, OptionalExtension, Row, params, params_from_iter};
use serde::Serialize;

use crate::advisory::{Advisory, Affected, Key, keys};
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

/// An advisory as it is written, made of it before the transaction for which others wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdvisoryRow {
    record: String,
    names: String,
    body: String,
    keys: BTreeSet<Key>,
}

impl AdvisoryRow {
    /// The row of an advisory.
    pub fn of(advisory: &Advisory) -> serde_json::Result<Self> {
        let names: BTreeSet<&String> = [&advisory.id, &advisory.record].into_iter().chain(&advisory.aliases).chain(&advisory.covers).collect();
        let (names, body) = (serde_json::to_string(&names)?, serde_json::to_string(advisory)?);
        Ok(Self { record: advisory.record.clone(), names, body, keys: keys(advisory) })
    }

    /// About how many bytes it takes.
    pub fn bytes(&self) -> usize {
        self.body.len() + self.names.len()
    }
}

/// What an advisory speaks of: the kind of its packages, and the distribution (`ID` of its `os-release`) if they are one's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// The kind of the packages.
    pub kind: Kind,
    /// The distribution; none for packages of languages.
    pub distro: Option<String>,
}

impl Subject {
    /// What an advisory speaks of.
    pub fn of(advisory: &Advisory) -> BTreeSet<Self> {
        let subject = |one: &Affected| Self { kind: one.kind, distro: one.distro.as_ref().map(|distro| distro.id.clone()) };
        advisory.affected.iter().map(subject).collect()
    }
}

impl Inventories {
    /// Keeps what was read from a source at a moment, as far as it names a package of some image; what is kept already is brought up to date.
    pub fn keep_advisories(&self, source: &str, rows: &[AdvisoryRow], at: Timestamp) -> Result<AdvisoriesRead, JournalError> {
        self.write(|transaction| {
            let mut read = AdvisoriesRead::default();
            for row in rows {
                keep(transaction, source, row, at, &mut read)?;
            }
            Ok(read)
        })
    }

    /// Forgets what a source, which was read as a whole since that moment, does not say any more of these subjects; how much that was.
    ///
    /// A file may be another one than the last time under the same name: what it never speaks of stays.
    pub fn forget_advisories(&self, source: &str, subjects: &BTreeSet<Subject>, last_before: Timestamp) -> Result<usize, JournalError> {
        let before = params![source, micros(last_before)];
        let old: Vec<i64> = self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT id, body FROM advisories WHERE source = ?1 AND last_at < ?2")?;
            let mut rows = statement.query(before)?;
            let mut old = Vec::new();
            while let Some(row) = rows.next()? {
                if Subject::of(&body(row, 1)?).is_subset(subjects) {
                    old.push(row.get(0)?);
                }
            }
            Ok(old)
        })?;
        self.write(|transaction| {
            let mut gone = 0;
            for id in &old {
                // Unless somebody has read it again in between.
                let statement = "DELETE FROM advisories WHERE id = ?3 AND source = ?1 AND last_at < ?2";
                if transaction.prepare_cached(statement)?.execute(params![source, micros(last_before), id])? > 0 {
                    transaction.prepare_cached("DELETE FROM advised WHERE advisory = ?1")?.execute([id])?;
                    gone += 1;
                }
            }
            Ok(gone)
        })
    }

    /// Every advisory that is kept, by source and record.
    pub fn advisories(&self) -> Result<Vec<AdvisoryKept>, JournalError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&format!("{KEPT} ORDER BY source, advisory"))?;
            statement.query_map([], kept)?.collect()
        })
    }

    /// The advisories by which a problem is known: those of that name, and the notices that put it together with others.
    pub fn advisories_called(&self, name: &str) -> Result<Vec<AdvisoryKept>, JournalError> {
        self.read(|connection| {
            // A name is a JSON text in the list of names; what looks like it and is none is sorted out after.
            let mut statement = connection.prepare_cached(&format!("{KEPT} WHERE instr(names, ?1) > 0 ORDER BY source, advisory"))?;
            let all = statement.query_map([to_json(&name)?], kept)?;
            all.filter(|one| one.as_ref().map_or(true, |one| one.advisory.is_called(name))).collect()
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

/// The columns that [`kept`] reads.
const KEPT: &str = "SELECT source, body, first_at, last_at FROM advisories";

fn kept(row: &Row<'_>) -> rusqlite::Result<AdvisoryKept> {
    Ok(AdvisoryKept { source: row.get(0)?, advisory: body(row, 1)?, first_at: moment(row, 2)?, last_at: moment(row, 3)? })
}

fn body(row: &Row<'_>, column: usize) -> rusqlite::Result<Advisory> {
    let text = row.get_ref(column)?.as_str()?;
    serde_json::from_str(text).map_err(|error| Error::FromSqlConversionFailure(column, Type::Text, error.into()))
}

fn keep(connection: &Connection, source: &str, row: &AdvisoryRow, at: Timestamp, read: &mut AdvisoriesRead) -> rusqlite::Result<()> {
    let AdvisoryRow { record, names, body, keys } = row;
    if !is_about_something(connection, keys)? {
        read.about_nothing_here += 1;
        return Ok(());
    }
    if body.len() > BODY_BYTES_MAX {
        read.too_long.push(record.clone());
        return Ok(());
    }
    read.kept += 1;
    let statement = "INSERT INTO advisories (source, advisory, names, body, first_at, last_at) VALUES (?1, ?2, ?3, ?4, ?5, ?5)
         ON CONFLICT (source, advisory) DO UPDATE SET names = ?3, body = ?4, last_at = max(last_at, ?5) RETURNING id";
    let id: i64 = connection.prepare_cached(statement)?.query_row(params![source, record, names, body, micros(at)], |row| row.get(0))?;
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
