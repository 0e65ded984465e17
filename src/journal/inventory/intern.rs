//! Packages and paths, each there once.

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::inventory::{Package, SourcePackage};
use crate::journal::tables::parsed;

/// The columns that [`package`] reads.
pub(super) const PACKAGE: &str =
    "packages.kind, packages.name, packages.version, packages.arch, packages.license, packages.source, packages.source_version";

/// Reads a package from the columns of [`PACKAGE`], the first of which is `from`.
pub(super) fn package(row: &Row<'_>, from: usize) -> rusqlite::Result<Package> {
    let source: Option<(String, String)> = row.get::<_, Option<String>>(from + 5)?.zip(row.get(from + 6)?);
    Ok(Package {
        kind: parsed(row, from)?,
        name: row.get(from + 1)?,
        version: row.get(from + 2)?,
        arch: row.get(from + 3)?,
        license: row.get(from + 4)?,
        source: source.map(|(name, version)| SourcePackage { name, version }),
    })
}

/// The number of a package, a new one if need be. Within the caller's transaction.
pub(super) fn package_id(connection: &Connection, package: &Package) -> rusqlite::Result<i64> {
    let source = package.source.as_ref();
    let row = params![
        package.kind.as_str(),
        package.name,
        package.version,
        package.arch,
        package.license,
        source.map(|source| &source.name),
        source.map(|source| &source.version)
    ];
    let known = "SELECT id FROM packages WHERE kind = ?1 AND name = ?2 AND version = ?3 AND arch IS ?4 AND license IS ?5 AND source IS ?6
         AND source_version IS ?7";
    if let Some(id) = connection.prepare_cached(known)?.query_row(row, |row| row.get(0)).optional()? {
        return Ok(id);
    }
    let new = "INSERT INTO packages (kind, name, version, arch, license, source, source_version) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    connection.prepare_cached(new)?.execute(row)?;
    Ok(connection.last_insert_rowid())
}

/// The number of a path, a new one if need be. Within the caller's transaction.
pub(super) fn path_id(connection: &Connection, path: &str) -> rusqlite::Result<i64> {
    let known = connection.prepare_cached("SELECT id FROM paths WHERE path = ?1")?.query_row([path], |row| row.get(0)).optional()?;
    if let Some(id) = known {
        return Ok(id);
    }
    connection.prepare_cached("INSERT INTO paths (path) VALUES (?1)")?.execute([path])?;
    Ok(connection.last_insert_rowid())
}
