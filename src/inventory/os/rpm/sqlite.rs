//! rpm's database since 4.16, `rpmdb.sqlite`: the table `Packages` has a header of each.
//!
//! Source: rpm's backend `sqlite`, and SQLite's "Database File Format" for the few bytes that are looked at here. The file comes from an image, which
//! anybody may have made: SQLite reads it from memory, without views, triggers or functions of its own, and within bounds of steps and bytes.

use std::io::{self, Read as _};

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, MAIN_DB, Statement};

use super::budget::{Budget, OVERLAP};
use super::take;
use crate::inventory::ReadFile;

const MAGIC: &[u8] = b"SQLite format 3\0";
/// Where the file's format is said, which is 2 for one with a log beside it; SQLite has no log for what is in memory.
const FORMATS: std::ops::Range<usize> = 18..20;
/// Where the number of pages is said.
const PAGES: std::ops::Range<usize> = 28..32;
/// What is changed before SQLite sees the file is in here.
const HEAD_BYTES: usize = 32;

/// A header has the name and digest of every file; a hundred thousand files make some 20 MB.
const HEADER_BYTES_MAX: i32 = 64 << 20;
/// rpm's longest statement of a schema has 150 bytes.
const SCHEMA_BYTES_MAX: i32 = 64 << 10;
/// A step is a few instructions of SQLite's machine; a package needs about five of those.
const STEP_INSTRUCTIONS: std::ffi::c_int = 1000;
/// Enough for all packages that are ever read, and over in a second or two.
const STEPS_MAX: u32 = 20_000;

/// What SQLite says of a fault is a few words.
const ERROR_CHARS_MAX: usize = 200;

/// Reads the packages. Of a database that is damaged or cut off those are given that come before the damage.
pub fn read(path: &str, bytes: &[u8]) -> ReadFile {
    let mut read = ReadFile::default();
    let Some(file) = File::of(bytes) else {
        read.refuse(path, "is no database of SQLite");
        return read;
    };
    if let Err(error) = read_packages(path, &file, &mut read) {
        // Its words may quote the file.
        read.refuse(path, format_args!("cannot be read on: {}", error.to_string().chars().take(ERROR_CHARS_MAX).collect::<String>()));
    }
    if file.pages < file.said {
        read.refuse(path, format_args!("ends after {} of {} pages", file.pages, file.said));
    }
    read
}

/// What a process that died left in the log beside the database, which SQLite alone could join with it: it is named, not read.
pub fn read_log(path: &str, bytes: &[u8]) -> ReadFile {
    if bytes.is_empty() { ReadFile::default() } else { ReadFile::unreadable(path, "has changes that rpm did not write into its database") }
}

/// A file as SQLite may have it.
struct File<'a> {
    head: [u8; HEAD_BYTES],
    rest: &'a [u8],
    /// Zeros to put in the place of pages that are cut off, without which SQLite reads nothing at all.
    lost_bytes: usize,
    /// How many pages are whole.
    pages: usize,
    /// How many it says it has.
    said: usize,
}

impl<'a> File<'a> {
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let mut head = *bytes.first_chunk::<HEAD_BYTES>().filter(|head| head.starts_with(MAGIC))?;
        // 1 stands for 65 536, which has no place in two bytes.
        let page_bytes = match u16::from_be_bytes([head[16], head[17]]) {
            1 => 65_536,
            bytes => usize::from(bytes),
        };
        let pages = bytes.len().checked_div(page_bytes)?;
        let said = u32::from_be_bytes(head[PAGES].try_into().ok()?) as usize;
        head[FORMATS].fill(1);
        let rest = bytes.get(HEAD_BYTES..pages * page_bytes)?;
        // As much again as there is, and not what the file says: it may say anything.
        let lost_bytes = Some(said.saturating_sub(pages).saturating_mul(page_bytes)).filter(|lost| *lost <= bytes.len());
        Some(Self { head, rest, lost_bytes: lost_bytes.unwrap_or(0), pages, said })
    }

    fn open(&self) -> rusqlite::Result<Connection> {
        let mut database = Connection::open_in_memory()?;
        for (config, value) in [
            (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
            (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
            (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
            (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        ] {
            database.set_db_config(config, value)?;
        }
        let whole = self.head.chain(self.rest).chain(io::repeat(0));
        database.deserialize_read_exact(MAIN_DB, whole, HEAD_BYTES + self.rest.len() + self.lost_bytes, true)?;
        let mut steps = 0;
        let is_too_long = move || {
            steps += 1;
            steps > STEPS_MAX
        };
        database.progress_handler(STEP_INSTRUCTIONS, Some(is_too_long))?;
        Ok(database)
    }
}

fn read_packages(path: &str, file: &File<'_>, read: &mut ReadFile) -> rusqlite::Result<()> {
    let database = file.open()?;
    database.set_limit(Limit::SQLITE_LIMIT_LENGTH, SCHEMA_BYTES_MAX)?;
    // Reads the schema too. In the order of the table, so that nothing is sorted.
    let select = database.prepare("SELECT rowid, blob FROM Packages NOT INDEXED")?;
    database.set_limit(Limit::SQLITE_LIMIT_LENGTH, HEADER_BYTES_MAX)?;
    read_rows(path, select, Budget::of(file.rest), read)
}

fn read_rows(path: &str, mut select: Statement<'_>, mut budget: Budget, read: &mut ReadFile) -> rusqlite::Result<()> {
    let (mut rows, mut last) = (select.query([])?, i64::MIN);
    while let Some(row) = rows.next()? {
        let (number, value) = (row.get::<_, i64>(0)?, row.get_ref(1)?);
        let Ok(header) = value.as_bytes() else {
            read.refuse(path, format_args!("package {number} is no header"));
            continue;
        };
        // Numbers rise; they do not where pages are shared or go in a circle.
        if number <= last || !budget.spend(header.len()) {
            read.refuse(path, OVERLAP);
            break;
        }
        last = number;
        if !take(path, format_args!("package {number}"), header, read) {
            break;
        }
    }
    Ok(())
}
