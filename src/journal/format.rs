//! What the journal's file looks like: its tables, its format version, and the way from each older version to the next.
//!
//! `events`, `head`, `meta`, `inbox` and the tables of [`super::triggers`] are the truth, and those of [`super::inventory`] are what was read of images.
//! The other tables are derived by [`super::facts`] and made again at will.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::chain::root;
use super::error::JournalError;

/// `RFIT`: tells a journal from any other SQLite file.
const APPLICATION_ID: i64 = 0x5246_4954;

/// How long one process waits for another one's transaction; each takes milliseconds.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// The way from each format version to the next; the first one starts from an empty file. Never edit one that was released: add another.
const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE events (
        position INTEGER PRIMARY KEY,
        run      INTEGER NOT NULL,
        seq      INTEGER NOT NULL,
        at       TEXT NOT NULL,
        body     TEXT NOT NULL,
        hash     BLOB NOT NULL,
        UNIQUE (run, seq)
    ) STRICT;
    CREATE TRIGGER events_are_not_changed BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'events are never changed'); END;
    CREATE TRIGGER events_are_not_removed BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'events are never removed'); END;
    CREATE TABLE head (one INTEGER PRIMARY KEY CHECK (one = 1), position INTEGER NOT NULL, hash BLOB NOT NULL) STRICT;
    CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
    INSERT INTO meta VALUES ('fence', 0), ('fold', 0);
    CREATE TABLE inbox (id INTEGER PRIMARY KEY AUTOINCREMENT, run INTEGER NOT NULL, at TEXT NOT NULL, word TEXT NOT NULL, by TEXT NOT NULL) STRICT;
",
    super::triggers::TABLES,
    super::inventory::TABLES,
];

/// Makes the derived tables, empty. Not a migration: they are dropped and made anew whenever the fold changes.
pub(super) fn make_derived(connection: &Connection) -> rusqlite::Result<()> {
    [DERIVED, super::stays::DERIVED].into_iter().try_for_each(|tables| connection.execute_batch(tables))
}

const DERIVED: &str = "
    DROP TABLE IF EXISTS runs;
    DROP TABLE IF EXISTS releases;
    DROP TABLE IF EXISTS builds;
    DROP TABLE IF EXISTS rollouts;
    DROP TABLE IF EXISTS quarantines;
    CREATE TABLE runs (
        run INTEGER PRIMARY KEY, began_at TEXT NOT NULL, by TEXT NOT NULL, words TEXT NOT NULL, change TEXT NOT NULL,
        release INTEGER, ended_at TEXT, outcome TEXT
    ) STRICT;
    CREATE INDEX runs_unfinished ON runs (run) WHERE ended_at IS NULL;
    CREATE TABLE releases (number INTEGER PRIMARY KEY, run INTEGER NOT NULL, made_at TEXT NOT NULL, position INTEGER NOT NULL) STRICT;
    CREATE TABLE builds (
        position INTEGER PRIMARY KEY, image TEXT NOT NULL, inputs TEXT NOT NULL, id TEXT NOT NULL, tag TEXT NOT NULL,
        run INTEGER NOT NULL, at TEXT NOT NULL, elapsed_ms INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX builds_by_inputs ON builds (inputs, image);
    CREATE TABLE rollouts (
        run INTEGER NOT NULL, service TEXT NOT NULL, target INTEGER NOT NULL, origin INTEGER, began_at TEXT NOT NULL, began INTEGER NOT NULL,
        ended_at TEXT, ended INTEGER, outcome TEXT, is_way_back INTEGER NOT NULL, is_whole INTEGER NOT NULL,
        PRIMARY KEY (run, service, began)
    ) STRICT;
    CREATE TABLE quarantines (
        position INTEGER PRIMARY KEY, release INTEGER NOT NULL, run INTEGER NOT NULL, at TEXT NOT NULL, word TEXT NOT NULL
    ) STRICT;
";

/// Opens the file, makes it if need be, and brings it to this refit's format.
pub(super) fn open(path: &Path) -> Result<Connection, JournalError> {
    let trouble = |error| explain(path, &error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(trouble)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(trouble)?;
    // An event must survive a power cut, not only a crash.
    connection.pragma_update(None, "synchronous", "FULL").map_err(trouble)?;
    let version = pragma(&connection, "user_version").map_err(trouble)?;
    if version == 0 || pragma(&connection, "application_id").map_err(trouble)? != APPLICATION_ID {
        refuse_strangers(&connection, path)?;
    }
    let known = MIGRATIONS.len() as i64;
    if version > known {
        return Err(JournalError::Newer { path: path.to_owned(), found: version, known });
    }
    // The journal mode stays in the file; a network file system may refuse WAL, and then keeps the slower, safe default.
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).map_err(trouble)?;
    if version < known {
        migrate(&mut connection).map_err(trouble)?;
    }
    Ok(connection)
}

/// A file with tables in it that is not marked as a journal is somebody else's.
fn refuse_strangers(connection: &Connection, path: &Path) -> Result<(), JournalError> {
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(|error| explain(path, &error))?;
    // Two refits may make the file at once: the other one may have got ahead since the version was read.
    let ours = pragma(connection, "application_id").map_err(|error| explain(path, &error))? == APPLICATION_ID;
    if tables == 0 || ours {
        return Ok(());
    }
    Err(JournalError::Damaged { path: path.to_owned(), why: "it is an SQLite file of another program".into() })
}

fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    // Read again, now that no other process can migrate at the same time.
    let version = usize::try_from(pragma(&transaction, "user_version")?).unwrap_or(0);
    for migration in MIGRATIONS.iter().skip(version) {
        transaction.execute_batch(migration)?;
    }
    if version == 0 {
        transaction.execute("INSERT INTO head VALUES (1, 0, ?1)", [super::tables::digest_blob(root())])?;
        make_derived(&transaction)?;
        transaction.execute("UPDATE meta SET value = ?1 WHERE key = 'fold'", [super::facts::FOLD_VERSION])?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", MIGRATIONS.len() as i64)?;
    transaction.commit()
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}

/// Says in refit's words what SQLite said.
pub(super) fn explain(path: &Path, error: &rusqlite::Error) -> JournalError {
    let path = path.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => JournalError::Full { path },
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => JournalError::Damaged { path, why: error.to_string() },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => JournalError::Busy { path, waited_s: BUSY_TIMEOUT.as_secs() },
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            JournalError::Folder { path: path.parent().map(Path::to_owned).unwrap_or(path), why: error.to_string() }
        }
        _ => JournalError::Other { path, why: error.to_string() },
    }
}
