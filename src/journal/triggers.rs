//! What may begin a run, as it was heard: durable before anybody is answered, settled in the transaction in which its run begins.
//!
//! So a trigger leads to exactly one run, whenever refit is killed. Beside it stands what has to outlive the daemon and belongs to no run: tokens,
//! how far somebody has come (a follower of the journal, a schedule, a look at a registry), and who asked for what.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Digest, RunId, TriggerId};
use crate::trigger::{Heard, Trigger};

use super::tables::int;

/// The tables, for the format's second version.
pub(super) const TABLES: &str = "
    CREATE TABLE triggers (
        id INTEGER PRIMARY KEY AUTOINCREMENT, first_at TEXT NOT NULL, last_at TEXT NOT NULL, times INTEGER NOT NULL,
        same TEXT, body TEXT NOT NULL, settled_at TEXT, run INTEGER, why TEXT
    ) STRICT;
    CREATE UNIQUE INDEX triggers_same ON triggers (same) WHERE settled_at IS NULL AND same IS NOT NULL;
    CREATE INDEX triggers_waiting ON triggers (id) WHERE settled_at IS NULL;
    CREATE TABLE deliveries (delivery TEXT PRIMARY KEY, trigger INTEGER NOT NULL, at TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE INDEX deliveries_by_age ON deliveries (at);
    CREATE TABLE tokens (
        id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, role TEXT NOT NULL, hash TEXT NOT NULL UNIQUE,
        made_at TEXT NOT NULL, made_by TEXT NOT NULL, revoked_at TEXT
    ) STRICT;
    CREATE TABLE marks (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE audit (id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL, outcome TEXT NOT NULL) STRICT;
";

/// A delivery that comes again after this many days is taken for a new one, so that the list does not grow for ever.
const DELIVERY_DAYS: i64 = 30;
/// So many settled triggers are kept for people to look at.
const SETTLED_MAX: i64 = 10_000;
/// So many lines of the audit log are kept.
const AUDIT_MAX: i64 = 100_000;

/// What became of something that was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "as", content = "trigger")]
pub enum HeardAs {
    /// A trigger of its own.
    New(TriggerId),
    /// One that waits already, about the same thing.
    Joined(TriggerId),
    /// A delivery that was heard before.
    Repeated(TriggerId),
}

impl HeardAs {
    /// The trigger that answers it.
    pub fn trigger(self) -> TriggerId {
        match self {
            Self::New(id) | Self::Joined(id) | Self::Repeated(id) => id,
        }
    }
}

/// A trigger as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TriggerKept {
    /// Which.
    pub id: TriggerId,
    /// When it was heard first.
    pub first_at: Timestamp,
    /// When it was heard last.
    pub last_at: Timestamp,
    /// How often it was heard.
    pub times: u64,
    /// What was heard.
    #[serde(flatten)]
    pub trigger: Trigger,
    /// What came of it; none while it waits.
    pub settled: Option<Settled>,
}

/// What came of a trigger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Settled {
    /// When.
    pub at: Timestamp,
    /// The run that answers it; none if none was needed.
    pub run: Option<RunId>,
    /// Why none was needed.
    pub why: Option<String>,
}

/// What a bearer of a token may do; each role may do all that those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Look at everything.
    Read,
    /// Say that something moved.
    Trigger,
    /// Begin, pause, approve and abort runs.
    Operate,
    /// Make and revoke tokens.
    Admin,
}

impl std::str::FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = [Self::Read, Self::Trigger, Self::Operate, Self::Admin];
        known.into_iter().find(|role| role.to_string() == text).ok_or_else(|| format!("expected read, trigger, operate or admin, found `{text}`"))
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Read => "read",
            Self::Trigger => "trigger",
            Self::Operate => "operate",
            Self::Admin => "admin",
        })
    }
}

/// A token, without the token itself: only its hash is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TokenKept {
    /// Its name.
    pub name: String,
    /// What its bearer may do.
    pub role: Role,
    /// The SHA-256 of the token.
    #[serde(skip_serializing)]
    pub hash: Digest,
    /// When it was made.
    pub made_at: Timestamp,
    /// By whom.
    pub made_by: String,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// A line of the audit log: who asked for what, and what the answer was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditLine {
    /// When.
    pub at: Timestamp,
    /// Who: a token's name, a person at this machine's socket, a hook, or nobody who is known; with the sender's address where no token names them.
    pub who: String,
    /// What was asked for.
    pub what: String,
    /// The answer.
    pub outcome: String,
}

/// A line of the audit log as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditKept {
    /// Its number: later lines have greater ones.
    pub id: u64,
    /// The line.
    #[serde(flatten)]
    pub line: AuditLine,
}

/// What is written beside the events.
#[derive(Debug, Clone)]
pub(super) enum Note {
    /// A new token; one of that name that was revoked gives way.
    Token(TokenKept),
    /// A token is no longer good.
    Revoke(String),
    /// How far somebody has come.
    Mark(String, String),
    /// A line of the audit log.
    Audit(AuditLine),
}

/// Takes in what was heard. Within the caller's transaction.
pub(super) fn hear(connection: &Connection, at: Timestamp, heard: &Heard) -> rusqlite::Result<HeardAs> {
    if let Some(delivery) = &heard.delivery {
        let known: Option<i64> =
            connection.prepare_cached("SELECT trigger FROM deliveries WHERE delivery = ?1")?.query_row([delivery], |row| row.get(0)).optional()?;
        if let Some(known) = known {
            return Ok(HeardAs::Repeated(TriggerId(known.unsigned_abs())));
        }
    }
    let (at, same) = (at.to_string(), heard.trigger.cause.same_as());
    let body = serde_json::to_string(&heard.trigger).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    let waits: Option<i64> = connection
        .prepare_cached("UPDATE triggers SET last_at = ?1, times = times + 1, body = ?2 WHERE same = ?3 AND settled_at IS NULL RETURNING id")?
        .query_row(params![at, body, same], |row| row.get(0))
        .optional()?;
    let heard_as = match waits {
        Some(id) => HeardAs::Joined(TriggerId(id.unsigned_abs())),
        None => {
            let row = params![at, same, body];
            connection.prepare_cached("INSERT INTO triggers (first_at, last_at, times, same, body) VALUES (?1, ?1, 1, ?2, ?3)")?.execute(row)?;
            HeardAs::New(TriggerId(connection.last_insert_rowid().unsigned_abs()))
        }
    };
    if let Some(delivery) = &heard.delivery {
        let row = params![delivery, int(heard_as.trigger().0), at];
        connection.prepare_cached("INSERT INTO deliveries VALUES (?1, ?2, ?3)")?.execute(row)?;
    }
    Ok(heard_as)
}

/// Whether any of these waits. Within the caller's transaction.
pub(super) fn any_waits(connection: &Connection, ids: &[TriggerId]) -> rusqlite::Result<bool> {
    let mut statement = connection.prepare_cached("SELECT EXISTS (SELECT 1 FROM triggers WHERE id = ?1 AND settled_at IS NULL)")?;
    for id in ids {
        if statement.query_row([int(id.0)], |row| row.get(0))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Says what came of triggers, and forgets what is too old to matter. Within the caller's transaction.
pub(super) fn settle(connection: &Connection, at: Timestamp, ids: &[TriggerId], run: Option<RunId>, why: Option<&str>) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached("UPDATE triggers SET settled_at = ?2, run = ?3, why = ?4 WHERE id = ?1 AND settled_at IS NULL")?;
    for id in ids {
        statement.execute(params![int(id.0), at.to_string(), run.map(|run| int(run.0)), why])?;
    }
    let day = jiff::SignedDuration::from_hours(24);
    let old = at.checked_sub(day * i32::try_from(DELIVERY_DAYS).unwrap_or(i32::MAX)).unwrap_or(Timestamp::MIN).to_string();
    connection.prepare_cached("DELETE FROM deliveries WHERE at < ?1")?.execute([old])?;
    let forget = "DELETE FROM triggers WHERE settled_at IS NOT NULL AND id <= (SELECT max(id) FROM triggers) - ?1";
    connection.prepare_cached(forget)?.execute([SETTLED_MAX]).map(drop)
}

/// Writes what belongs to no run. Within the caller's transaction.
pub(super) fn note(connection: &Connection, at: Timestamp, note: &Note) -> rusqlite::Result<()> {
    let at = at.to_string();
    match note {
        Note::Token(TokenKept { name, role, hash, made_at, made_by, revoked_at: _ }) => {
            connection.prepare_cached("DELETE FROM tokens WHERE name = ?1 AND revoked_at IS NOT NULL")?.execute([name])?;
            let row = params![name, role.to_string(), hash.to_string(), made_at.to_string(), made_by];
            connection.prepare_cached("INSERT INTO tokens (name, role, hash, made_at, made_by) VALUES (?1, ?2, ?3, ?4, ?5)")?.execute(row)?
        }
        Note::Revoke(name) => {
            connection.prepare_cached("UPDATE tokens SET revoked_at = ?2 WHERE name = ?1 AND revoked_at IS NULL")?.execute(params![name, at])?
        }
        Note::Mark(name, value) => {
            connection.prepare_cached("INSERT INTO marks VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = ?2")?.execute(params![name, value])?
        }
        Note::Audit(AuditLine { at, who, what, outcome }) => {
            let row = params![at.to_string(), who, what, outcome];
            connection.prepare_cached("INSERT INTO audit (at, who, what, outcome) VALUES (?1, ?2, ?3, ?4)")?.execute(row)?;
            connection.prepare_cached("DELETE FROM audit WHERE id <= (SELECT max(id) FROM audit) - ?1")?.execute([AUDIT_MAX])?
        }
    };
    Ok(())
}

const TRIGGER: &str = "id, first_at, last_at, times, body, settled_at, run, why";

fn trigger(row: &Row<'_>) -> rusqlite::Result<TriggerKept> {
    let settled_at: Option<String> = row.get(5)?;
    let run: Option<i64> = row.get(6)?;
    let settled = match settled_at {
        None => None,
        Some(_) => Some(Settled { at: super::tables::parsed(row, 5)?, run: run.map(|run| RunId(run.unsigned_abs())), why: row.get(7)? }),
    };
    Ok(TriggerKept {
        id: TriggerId(row.get::<_, i64>(0)?.unsigned_abs()),
        first_at: super::tables::parsed(row, 1)?,
        last_at: super::tables::parsed(row, 2)?,
        times: row.get::<_, i64>(3)?.unsigned_abs(),
        trigger: super::tables::json(row, 4)?,
        settled,
    })
}

/// The triggers that wait, oldest first.
pub(super) fn waiting(connection: &Connection) -> rusqlite::Result<Vec<TriggerKept>> {
    let mut statement = connection.prepare_cached(&format!("SELECT {TRIGGER} FROM triggers WHERE settled_at IS NULL ORDER BY id"))?;
    statement.query_map([], trigger)?.collect()
}

/// The newest triggers below a number, newest first.
pub(super) fn newest(connection: &Connection, before: Option<TriggerId>, limit: usize) -> rusqlite::Result<Vec<TriggerKept>> {
    let mut statement = connection.prepare_cached(&format!("SELECT {TRIGGER} FROM triggers WHERE id < ?1 ORDER BY id DESC LIMIT ?2"))?;
    let before = before.map_or(i64::MAX, |id| int(id.0));
    statement.query_map(params![before, int(limit as u64)], trigger)?.collect()
}

/// All tokens, revoked ones included, by name.
pub(super) fn tokens(connection: &Connection) -> rusqlite::Result<Vec<TokenKept>> {
    let mut statement = connection.prepare_cached("SELECT name, role, hash, made_at, made_by, revoked_at FROM tokens ORDER BY name")?;
    let token = |row: &Row<'_>| {
        let role: String = row.get(1)?;
        Ok(TokenKept {
            name: row.get(0)?,
            // A role that this refit does not know may do the least.
            role: role.parse().unwrap_or(Role::Read),
            hash: super::tables::parsed(row, 2)?,
            made_at: super::tables::parsed(row, 3)?,
            made_by: row.get(4)?,
            revoked_at: super::tables::parsed_maybe(row, 5)?,
        })
    };
    statement.query_map([], token)?.collect()
}

/// How far somebody has come.
pub(super) fn mark(connection: &Connection, name: &str) -> rusqlite::Result<Option<String>> {
    connection.prepare_cached("SELECT value FROM marks WHERE name = ?1")?.query_row([name], |row| row.get(0)).optional()
}

/// The newest lines of the audit log below a number, newest first.
pub(super) fn audit(connection: &Connection, before: Option<u64>, limit: usize) -> rusqlite::Result<Vec<AuditKept>> {
    let mut statement = connection.prepare_cached("SELECT id, at, who, what, outcome FROM audit WHERE id < ?1 ORDER BY id DESC LIMIT ?2")?;
    let kept = |row: &Row<'_>| {
        let line = AuditLine { at: super::tables::parsed(row, 1)?, who: row.get(2)?, what: row.get(3)?, outcome: row.get(4)? };
        Ok(AuditKept { id: row.get::<_, i64>(0)?.unsigned_abs(), line })
    };
    statement.query_map(params![before.map_or(i64::MAX, int), int(limit as u64)], kept)?.collect()
}
