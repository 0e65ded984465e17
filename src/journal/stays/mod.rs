//! What ran where, from when to when: derived from the events, so that it can be thrown away and made again like everything derived.
//!
//! A stay is one container in one slot from its start to its end, as far as refit knows: what it started and has not stopped, runs. The engine's id of
//! a new container stands in the end of the action that made it; where that is not so (older journals, a reply that got lost), it is learnt from the first
//! action that names it, and until then a stay has none. Where an action's end
//! got lost because refit died in it, the slot's own proof ([`StayFact::Proven`]) puts right what the table says.

mod book;

use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::model::{Digest, ImageRef, ReleaseNumber, ServiceName, SlotId};

use super::tables::int;
use book::Book;

/// The derived tables of this part. `versions` says what a service's containers of one spec were made from; `rolling` is the newest rollout of each
/// service. A stay is known by its version and by the position of the event that began it: what is asked for together lies together. Moments are
/// microseconds, so that they compare.
pub(super) const DERIVED: &str = "
    DROP TABLE IF EXISTS versions;
    DROP TABLE IF EXISTS rolling;
    DROP TABLE IF EXISTS stays;
    CREATE TABLE versions (
        id INTEGER PRIMARY KEY, service TEXT NOT NULL, spec BLOB NOT NULL, image BLOB, name TEXT, tag TEXT, UNIQUE (service, spec)
    ) STRICT;
    CREATE TABLE rolling (
        service TEXT PRIMARY KEY, began INTEGER NOT NULL, spec BLOB NOT NULL, release INTEGER NOT NULL,
        back_spec BLOB, back_release INTEGER, is_back INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE stays (
        version INTEGER NOT NULL, began INTEGER NOT NULL, service TEXT NOT NULL, host TEXT NOT NULL, slot INTEGER NOT NULL, container TEXT,
        release INTEGER NOT NULL, since INTEGER NOT NULL, until INTEGER, is_failed INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (version, began)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX stays_by_slot ON stays (service, host, slot, began);
    CREATE INDEX stays_by_time ON stays (until, since);
    CREATE INDEX stays_open ON stays (service, host, slot) WHERE until IS NULL;
";

/// What one event says of where what runs.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum StayFact {
    /// A container is about to be made in the place of another one.
    Intended { slot: SlotId, goal: Goal, takes_over: String },
    /// A container was made and started.
    Started { slot: SlotId, goal: Goal, takes_over: Option<String>, made: Option<String> },
    /// A container that was there was started again.
    StartedAgain { slot: SlotId, container: String },
    /// A container was stopped, or removed.
    Ended { slot: SlotId, container: String },
    /// A slot holds what its rollout leads to, and nothing else.
    Proven { slot: SlotId },
    /// Nothing runs in a slot.
    Emptied { slot: SlotId },
    /// What a slot was to hold failed.
    Failed { slot: SlotId, failure: Failure },
    /// A rollout turned.
    Turned { service: ServiceName, is_back: bool },
}

/// What a failure says of the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// It runs, and is unwell.
    Unwell,
    /// It ended by itself.
    Ended,
    /// Nothing: perhaps there is none.
    Unknown,
}

/// A version as a rollout leads to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Goal {
    pub(super) release: ReleaseNumber,
    pub(super) spec: Digest,
}

/// A rollout's two ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rolling {
    pub(super) service: ServiceName,
    pub(super) to: Goal,
    pub(super) back: Option<Goal>,
    /// Whether it leads back from its beginning.
    pub(super) is_back: bool,
}

/// What a service's containers of one spec are made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct VersionKept {
    pub(super) service: ServiceName,
    pub(super) spec: Digest,
    pub(super) image: Digest,
    pub(super) name: String,
    pub(super) tag: Option<ImageRef>,
}

/// A moment as it stands in a table: microseconds since 1970.
pub(super) fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

/// When and where in the journal something happened.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) at: Timestamp,
    pub(super) position: u64,
}

/// Keeps what services of a release are made from.
pub(super) fn release(connection: &Connection, versions: &[VersionKept]) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO versions (service, spec, image, name, tag) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (service, spec) DO UPDATE SET image = ?3, name = ?4, tag = ?5 WHERE image IS NULL",
    )?;
    for kept in versions {
        let tag = kept.tag.as_ref().map(ToString::to_string);
        statement.execute(params![kept.service.as_str(), kept.spec.as_bytes(), kept.image.as_bytes(), kept.name, tag])?;
    }
    Ok(())
}

/// Keeps where a rollout leads.
pub(super) fn rollout(connection: &Connection, rolling: &Rolling, position: u64) -> rusqlite::Result<()> {
    let Rolling { service, to, back, is_back } = rolling;
    let back_spec = back.as_ref().map(|back| *back.spec.as_bytes());
    let back_release = back.as_ref().map(|back| int(back.release.0));
    connection.prepare_cached("INSERT OR REPLACE INTO rolling VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?.execute(params![
        service.as_str(),
        int(position),
        to.spec.as_bytes(),
        int(to.release.0),
        back_spec,
        back_release,
        is_back
    ])?;
    Ok(())
}

/// Applies what an event says of where what runs.
pub(super) fn apply(connection: &Connection, fact: &StayFact, now: Moment) -> rusqlite::Result<()> {
    let of = |slot: &SlotId| Book::open(connection, now, slot);
    match fact {
        StayFact::Intended { slot, goal, takes_over } => of(slot)?.intended(goal, takes_over),
        StayFact::Started { slot, goal, takes_over, made } => of(slot)?.started(goal, takes_over.as_deref(), made.as_deref()),
        StayFact::StartedAgain { slot, container } => of(slot)?.started_again(container),
        StayFact::Ended { slot, container } => of(slot)?.ended(container),
        StayFact::Proven { slot } => of(slot)?.proven(),
        StayFact::Emptied { slot } => of(slot)?.empty(),
        StayFact::Failed { slot, failure } => of(slot)?.failed(*failure),
        StayFact::Turned { service, is_back } => {
            let row = params![service.as_str(), is_back];
            connection.prepare_cached("UPDATE rolling SET is_back = ?2 WHERE service = ?1 AND is_back != ?2")?.execute(row).map(drop)
        }
    }
}

#[cfg(test)]
mod tests;
