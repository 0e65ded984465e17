//! The tables of the inventories, and how what is in them is written.

use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Error, Row};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::model::Digest;

/// The tables, for the format's third version.
///
/// A set is a stack of layers: its uppermost layer, the set below it, and what the layer changes there. Digests are 32 bytes, moments microseconds,
/// and what is never asked for by itself is JSON. Packages and paths are interned: there are few of them, and each stands in many layers.
pub(in crate::journal) const TABLES: &str = "
    CREATE TABLE packages (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL, version TEXT NOT NULL, kind TEXT NOT NULL, arch TEXT, license TEXT, source TEXT, source_version TEXT
    ) STRICT;
    CREATE INDEX packages_by_name ON packages (name, version);
    CREATE INDEX packages_by_source ON packages (source) WHERE source IS NOT NULL;
    CREATE TABLE paths (id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE) STRICT;
    CREATE TABLE sets (
        id INTEGER PRIMARY KEY, chain BLOB NOT NULL, readers INTEGER NOT NULL, parent INTEGER, layer BLOB NOT NULL, distro TEXT, unreadable TEXT,
        UNIQUE (chain, readers)
    ) STRICT;
    CREATE INDEX sets_by_parent ON sets (parent);
    CREATE TABLE changes (
        package INTEGER NOT NULL, in_set INTEGER NOT NULL, path INTEGER NOT NULL, is_removed INTEGER NOT NULL,
        PRIMARY KEY (package, in_set, path, is_removed)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX changes_by_set ON changes (in_set);
    CREATE TABLE images (id INTEGER PRIMARY KEY, image BLOB NOT NULL UNIQUE, top INTEGER, since INTEGER NOT NULL, readers INTEGER NOT NULL) STRICT;
    CREATE INDEX images_by_top ON images (top);
    CREATE TABLE image_names (
        image INTEGER NOT NULL, name TEXT NOT NULL, is_base INTEGER NOT NULL, since INTEGER NOT NULL, PRIMARY KEY (image, name, is_base)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE advisories (
        id INTEGER PRIMARY KEY, source TEXT NOT NULL, advisory TEXT NOT NULL, names TEXT NOT NULL, body TEXT NOT NULL,
        first_at INTEGER NOT NULL, last_at INTEGER NOT NULL, UNIQUE (source, advisory)
    ) STRICT;
    CREATE TABLE advised (
        name TEXT NOT NULL, kind TEXT NOT NULL, advisory INTEGER NOT NULL, PRIMARY KEY (advisory, name, kind)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX advised_by_name ON advised (name, advisory);
";

/// Reads a moment.
pub(super) fn moment(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    let micros: i64 = row.get(column)?;
    Timestamp::from_microsecond(micros).map_err(|_| Error::IntegralValueOutOfRange(column, micros))
}

/// Reads a moment that may not be there.
pub(super) fn moment_maybe(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    let is_there = row.get_ref(column)? != rusqlite::types::ValueRef::Null;
    is_there.then(|| moment(row, column)).transpose()
}

/// Reads a digest.
pub(super) fn digest(row: &Row<'_>, column: usize) -> rusqlite::Result<Digest> {
    let bytes: Vec<u8> = row.get(column)?;
    Digest::from_bytes(&bytes).ok_or_else(|| Error::FromSqlConversionFailure(column, Type::Blob, "it is no digest".into()))
}

/// Reads what is kept as JSON; nothing where nothing is.
pub(super) fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>> {
    let text: Option<String> = row.get(column)?;
    let read = |text: String| serde_json::from_str(&text).map_err(|error| Error::FromSqlConversionFailure(column, Type::Text, error.into()));
    text.map(read).transpose()
}

/// Writes JSON.
pub(super) fn to_json<T: Serialize>(value: &T) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| Error::ToSqlConversionFailure(error.into()))
}
