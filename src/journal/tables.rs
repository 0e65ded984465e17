//! The journal's tables: rows in and out, facts applied, everything derived made again.

use std::fmt::Display;
use std::path::Path;
use std::str::FromStr;

use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};
use serde::de::DeserializeOwned;

use crate::model::{Digest, ImageName, ReleaseNumber, RunId};

use super::chain::Link;
use super::error::JournalError;
use super::facts::{FOLD_VERSION, Fact, fact};
use super::format::{explain, make_derived};
use super::lock::{Lock, LockError};
use super::record::{BuildKept, QuarantineKept, Recorded, ReleaseKept, RolloutKept, RunSummary};
use super::stays::{self, Moment};

/// SQLite's integers are signed; refit's counters never come near the border.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn uint(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, number))
}

/// A digest as it stands in `events.hash`.
pub(super) fn digest_blob(digest: Digest) -> Vec<u8> {
    digest.hex().into_bytes()
}

fn digest_from(blob: &[u8]) -> Option<Digest> {
    std::str::from_utf8(blob).ok().and_then(|hex| format!("sha256:{hex}").parse().ok())
}

pub(super) fn parsed<T: FromStr<Err: Display>>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    text.parse().map_err(|error: T::Err| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.to_string().into()))
}

pub(super) fn parsed_maybe<T: FromStr<Err: Display>>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>> {
    let text: Option<String> = row.get(column)?;
    text.map(|_| parsed(row, column)).transpose()
}

pub(super) fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into()))
}

fn json_maybe<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>> {
    let text: Option<String> = row.get(column)?;
    text.map(|_| json(row, column)).transpose()
}

fn to_json<T: serde::Serialize>(value: &T) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

/// The columns that [`link`] reads.
pub(super) const LINK: &str = "position, run, seq, at, body, hash";

/// Reads one event as it is kept, with the hash beside it (none if that is no hash at all).
pub(super) fn link(row: &Row<'_>) -> rusqlite::Result<(Link, Option<Digest>)> {
    let hash: Vec<u8> = row.get(5)?;
    let link = Link { position: uint(row, 0)?, run: RunId(uint(row, 1)?), seq: uint(row, 2)?, at: row.get(3)?, body: row.get(4)? };
    Ok((link, digest_from(&hash)))
}

/// Makes an event of what is kept.
pub(super) fn recorded(link: Link, hash: Option<Digest>) -> Result<Recorded, JournalError> {
    let unreadable = |why: String| JournalError::Unreadable { position: link.position, why };
    Ok(Recorded {
        position: link.position,
        run: link.run,
        seq: link.seq,
        at: link.at.parse().map_err(|error: jiff::Error| unreadable(error.to_string()))?,
        event: serde_json::from_str(&link.body).map_err(|error| unreadable(error.to_string()))?,
        hash: hash.ok_or_else(|| unreadable("its hash is no hash".into()))?,
    })
}

/// The position and hash of the last event.
pub(super) fn head(connection: &Connection) -> rusqlite::Result<Option<(u64, Digest)>> {
    let row = connection
        .prepare_cached("SELECT position, hash FROM head")?
        .query_row([], |row| Ok((uint(row, 0)?, row.get::<_, Vec<u8>>(1)?)))
        .optional()?;
    Ok(row.and_then(|(position, hash)| digest_from(&hash).map(|hash| (position, hash))))
}

/// The newest sequence number of a run; 0 if the run is not there.
pub(super) fn last_seq(connection: &Connection, run: RunId) -> rusqlite::Result<u64> {
    connection.prepare_cached("SELECT coalesce(max(seq), 0) FROM events WHERE run = ?1")?.query_row([int(run.0)], |row| uint(row, 0))
}

/// The newest run; 0 if there is none.
pub(super) fn last_run(connection: &Connection) -> rusqlite::Result<u64> {
    connection.prepare_cached("SELECT coalesce(max(run), 0) FROM events")?.query_row([], |row| uint(row, 0))
}

/// Writes an event; [`move_head`] follows, once for all that are written together.
pub(super) fn insert(connection: &Connection, link: &Link, hash: Digest) -> rusqlite::Result<()> {
    connection.prepare_cached("INSERT INTO events VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?.execute(params![
        int(link.position),
        int(link.run.0),
        int(link.seq),
        link.at,
        link.body,
        digest_blob(hash)
    ])?;
    Ok(())
}

/// Moves the head on to the last event.
pub(super) fn move_head(connection: &Connection, position: u64, hash: Digest) -> rusqlite::Result<()> {
    connection.prepare_cached("UPDATE head SET position = ?1, hash = ?2")?.execute(params![int(position), digest_blob(hash)]).map(drop)
}

/// Applies what an event adds to the derived tables.
pub(super) fn apply(connection: &Connection, recorded: &Recorded) -> rusqlite::Result<()> {
    let (run, at, position) = (int(recorded.run.0), recorded.at.to_string(), int(recorded.position));
    let Some(fact) = fact(recorded) else { return Ok(()) };
    match fact {
        Fact::Run { change, by, words } => connection
            .prepare_cached("INSERT OR REPLACE INTO runs VALUES (?1, ?2, ?3, ?4, ?5, NULL, NULL, NULL)")?
            .execute(params![run, at, by, words, to_json(&change)?])?,
        Fact::RunEnded { outcome } => {
            connection.prepare_cached("UPDATE runs SET ended_at = ?2, outcome = ?3 WHERE run = ?1")?.execute(params![run, at, to_json(&outcome)?])?
        }
        Fact::Build(build) => connection.prepare_cached("INSERT INTO builds VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?.execute(params![
            position,
            build.image.as_str(),
            build.inputs.to_string(),
            build.id.to_string(),
            build.tag.to_string(),
            run,
            at,
            int(build.elapsed_ms)
        ])?,
        Fact::Release { release, versions } => {
            stays::release(connection, &versions)?;
            let (number, by_run) = (int(release.number.0), int(release.run.0));
            connection.prepare_cached("UPDATE runs SET release = ?2 WHERE run = ?1")?.execute([by_run, number])?;
            connection.prepare_cached("INSERT OR REPLACE INTO releases VALUES (?1, ?2, ?3, ?4)")?.execute(params![
                number,
                by_run,
                release.made_at.to_string(),
                position
            ])?
        }
        Fact::Rollout { rollout, rolling } => {
            stays::rollout(connection, &rolling, recorded.position)?;
            let (to, from) = (int(rollout.to.0), rollout.from.map(|from| int(from.0)));
            connection.prepare_cached("INSERT INTO rollouts VALUES (?1, ?2, ?3, ?4, ?5, ?6, NULL, NULL, NULL, ?7, ?8)")?.execute(params![
                run,
                rollout.service.as_str(),
                to,
                from,
                at,
                position,
                rollout.is_way_back,
                rollout.is_whole
            ])?
        }
        Fact::RolloutEnded(end) => {
            let ends = params![run, end.service.as_str(), int(end.to.0), at, position, to_json(&end.outcome)?];
            // Of a service's rollouts in one run it is the last one that ends.
            connection
                .prepare_cached(
                    "INSERT INTO rollouts VALUES (?1, ?2, ?3, NULL, ?4,
                         coalesce((SELECT max(began) FROM rollouts WHERE run = ?1 AND service = ?2), ?5), ?4, ?5, ?6, 0, 1)
                     ON CONFLICT DO UPDATE SET ended_at = ?4, ended = ?5, outcome = ?6",
                )?
                .execute(ends)?
        }
        Fact::Stay(stay) => return stays::apply(connection, &stay, Moment { at: recorded.at, position: recorded.position }),
        Fact::Quarantine(kept) => connection.prepare_cached("INSERT INTO quarantines VALUES (?1, ?2, ?3, ?4, ?5)")?.execute(params![
            position,
            int(kept.release.0),
            run,
            at,
            to_json(&kept.word)?
        ])?,
    };
    Ok(())
}

/// Throws everything derived away and makes it again from the events.
pub(super) fn derive_again(connection: &Connection) -> Result<(), DeriveError> {
    make_derived(connection)?;
    let mut statement = connection.prepare(&format!("SELECT {LINK} FROM events ORDER BY position"))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (link, hash) = link(row)?;
        apply(connection, &recorded(link, hash)?)?;
    }
    connection.execute("UPDATE meta SET value = ?1 WHERE key = 'fold'", [FOLD_VERSION])?;
    Ok(())
}

/// Makes everything derived again if it was derived by another fold. In a transaction of its own, and as one who may have to wait for another process.
///
/// Errors with [`JournalError::OtherFold`] if the estate is held: its holder goes on to write into these tables, and by its own fold. Who holds the
/// estate itself has had them made again when it took over.
pub(super) fn derive_if_outdated(connection: &Connection, path: &Path, state_dir: &Path) -> Result<(), JournalError> {
    let trouble = |error| explain(path, &error);
    if meta(connection, "fold").map_err(trouble)? == FOLD_VERSION {
        return Ok(());
    }
    let _alone = Lock::keep_free(state_dir).map_err(|error| match error {
        LockError::Held { holder } => JournalError::OtherFold { path: path.to_owned(), holder },
        error @ LockError::File { .. } => error.into(),
    })?;
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate).map_err(trouble)?;
    derive_now(&transaction, path)?;
    transaction.commit().map_err(trouble)
}

/// Makes everything derived again if it was derived by another fold, within the caller's transaction.
pub(super) fn derive_now(connection: &Connection, path: &Path) -> Result<(), JournalError> {
    let trouble = |error| explain(path, &error);
    if meta(connection, "fold").map_err(trouble)? == FOLD_VERSION {
        return Ok(());
    }
    derive_again(connection).map_err(|error| match error {
        DeriveError::Sqlite(error) => trouble(error),
        DeriveError::Event(error) => error,
    })
}

/// Why the derived tables could not be made again.
pub(super) enum DeriveError {
    Sqlite(rusqlite::Error),
    Event(JournalError),
}

impl From<rusqlite::Error> for DeriveError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<JournalError> for DeriveError {
    fn from(error: JournalError) -> Self {
        Self::Event(error)
    }
}

/// A number of the `meta` table.
pub(super) fn meta(connection: &Connection, key: &str) -> rusqlite::Result<i64> {
    connection.prepare_cached("SELECT value FROM meta WHERE key = ?1")?.query_row([key], |row| row.get(0))
}

/// The newest runs, newest first; or one.
pub(super) fn runs(connection: &Connection, only: Option<RunId>, limit: usize) -> rusqlite::Result<Vec<RunSummary>> {
    let mut statement = connection.prepare_cached(
        "SELECT run, began_at, by, words, change, release, ended_at, outcome FROM runs WHERE ?1 IS NULL OR run = ?1 ORDER BY run DESC LIMIT ?2",
    )?;
    let rows = statement.query_map(params![only.map(|run| int(run.0)), int(limit as u64)], |row| {
        Ok(RunSummary {
            run: RunId(uint(row, 0)?),
            began_at: parsed(row, 1)?,
            by: row.get(2)?,
            words: row.get(3)?,
            change: json(row, 4)?,
            release: row.get::<_, Option<i64>>(5)?.map(|number| ReleaseNumber(number.unsigned_abs())),
            ended_at: parsed_maybe::<Timestamp>(row, 6)?,
            outcome: json_maybe(row, 7)?,
        })
    })?;
    rows.collect()
}

/// Runs that have not ended, oldest first.
pub(super) fn unfinished(connection: &Connection) -> rusqlite::Result<Vec<RunId>> {
    let mut statement = connection.prepare_cached("SELECT run FROM runs WHERE ended_at IS NULL ORDER BY run")?;
    statement.query_map([], |row| Ok(RunId(uint(row, 0)?)))?.collect()
}

/// The newest releases, newest first.
pub(super) fn releases(connection: &Connection, limit: usize) -> rusqlite::Result<Vec<ReleaseKept>> {
    let mut statement = connection.prepare_cached("SELECT number, run, made_at FROM releases ORDER BY number DESC LIMIT ?1")?;
    let rows = statement.query_map([int(limit as u64)], |row| {
        Ok(ReleaseKept { number: ReleaseNumber(uint(row, 0)?), run: RunId(uint(row, 1)?), made_at: parsed(row, 2)? })
    })?;
    rows.collect()
}

/// The event that a release was made by.
pub(super) fn release_event(connection: &Connection, number: ReleaseNumber) -> rusqlite::Result<Option<(Link, Option<Digest>)>> {
    connection
        .prepare_cached(&format!("SELECT {LINK} FROM events WHERE position = (SELECT position FROM releases WHERE number = ?1)"))?
        .query_row([int(number.0)], link)
        .optional()
}

/// Every build, oldest first; or those of one image with these inputs.
pub(super) fn builds(connection: &Connection, only: Option<(&ImageName, Digest)>) -> rusqlite::Result<Vec<BuildKept>> {
    const COLUMNS: &str = "SELECT image, inputs, id, tag, run, at, elapsed_ms FROM builds";
    let build = |row: &Row<'_>| {
        Ok(BuildKept {
            image: parsed(row, 0)?,
            inputs: parsed(row, 1)?,
            id: parsed(row, 2)?,
            tag: parsed(row, 3)?,
            run: RunId(uint(row, 4)?),
            at: parsed(row, 5)?,
            elapsed_ms: uint(row, 6)?,
        })
    };
    match only {
        None => connection.prepare_cached(&format!("{COLUMNS} ORDER BY position"))?.query_map([], build)?.collect(),
        Some((image, inputs)) => connection
            .prepare_cached(&format!("{COLUMNS} WHERE inputs = ?1 AND image = ?2 ORDER BY position"))?
            .query_map([inputs.to_string(), image.to_string()], build)?
            .collect(),
    }
}

/// Every rollout in the order in which they ended; those that go on come last.
pub(super) fn rollouts(connection: &Connection) -> rusqlite::Result<Vec<RolloutKept>> {
    let mut statement = connection.prepare_cached(
        "SELECT run, service, target, origin, began_at, ended_at, outcome, is_way_back, is_whole, began, ended FROM rollouts
             ORDER BY ended IS NULL, ended, began",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(RolloutKept {
            run: RunId(uint(row, 0)?),
            service: parsed(row, 1)?,
            to: ReleaseNumber(uint(row, 2)?),
            from: row.get::<_, Option<i64>>(3)?.map(|number| ReleaseNumber(number.unsigned_abs())),
            began_at: parsed(row, 4)?,
            ended_at: parsed_maybe(row, 5)?,
            outcome: json_maybe(row, 6)?,
            is_way_back: row.get(7)?,
            is_whole: row.get(8)?,
            began: uint(row, 9)?,
            ended: row.get::<_, Option<i64>>(10)?.map(i64::unsigned_abs),
        })
    })?;
    rows.collect()
}

/// What was said about the quarantine of releases, oldest first.
pub(super) fn quarantines(connection: &Connection) -> rusqlite::Result<Vec<QuarantineKept>> {
    let mut statement = connection.prepare_cached("SELECT position, release, run, at, word FROM quarantines ORDER BY position")?;
    let rows = statement.query_map([], |row| {
        Ok(QuarantineKept {
            position: uint(row, 0)?,
            release: ReleaseNumber(uint(row, 1)?),
            run: RunId(uint(row, 2)?),
            at: parsed(row, 3)?,
            word: json(row, 4)?,
        })
    })?;
    rows.collect()
}
