//! One slot's stays, and what each event changes in them.

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::model::{Digest, ReleaseNumber, ServiceName, SlotId};

use super::{Failure, Goal, Moment, micros};
use crate::journal::tables::int;

/// So many of a slot's newest stays are looked at for one that an action names, and whatever runs besides, however old it is: what ended before these was
/// swept away long ago.
const LOOKED_BACK: u32 = 16;

/// A stay as it is kept.
struct Kept {
    version: i64,
    began: i64,
    goal: Goal,
    container: Option<String>,
    is_open: bool,
    is_failed: bool,
}

impl Kept {
    fn is_of(&self, spec: Digest) -> bool {
        self.goal.spec == spec
    }

    fn is(&self, container: &str) -> bool {
        self.container.as_deref() == Some(container)
    }
}

/// Where the newest rollout of a service leads now; nowhere where there was nothing before it and it goes back.
struct Aim {
    began: i64,
    is_back: bool,
    to: Digest,
    goal: Option<Goal>,
}

impl Aim {
    fn is_at(&self, one: &Kept) -> bool {
        self.goal.as_ref().is_some_and(|goal| one.is_of(goal.spec))
    }
}

/// One slot's stays, oldest first: the newest, and all that have not ended. And the moment at which something is said of them.
pub(super) struct Book<'a> {
    connection: &'a Connection,
    now: Moment,
    slot: SlotId,
    stays: Vec<Kept>,
}

impl<'a> Book<'a> {
    pub(super) fn open(connection: &'a Connection, now: Moment, slot: &SlotId) -> rusqlite::Result<Self> {
        Ok(Self { connection, now, slot: slot.clone(), stays: newest(connection, slot)? })
    }

    fn running(&self) -> impl DoubleEndedIterator<Item = &Kept> {
        self.stays.iter().filter(|one| one.is_open)
    }

    fn aim(&self) -> rusqlite::Result<Option<Aim>> {
        aim(self.connection, &self.slot.service)
    }

    /// Whose place is taken is told before the effect: should refit die in it, the old one has its name.
    pub(super) fn intended(&self, goal: &Goal, takes_over: &str) -> rusqlite::Result<()> {
        if self.stays.iter().any(|one| one.is(takes_over)) {
            return Ok(());
        }
        let nameless = self.running().rfind(|one| one.container.is_none() && !one.is_of(goal.spec));
        nameless.map_or(Ok(()), |one| self.name(one, takes_over))
    }

    pub(super) fn started(&self, goal: &Goal, takes_over: Option<&str>, made: Option<&str>) -> rusqlite::Result<()> {
        takes_over.map_or(Ok(()), |old| self.intended(goal, old))?;
        // Done twice is done once.
        if made.is_some_and(|made| self.running().any(|one| one.is(made))) {
            return Ok(());
        }
        // Nobody makes a container of a version that is there already: that one is gone.
        self.close(|one| one.is_of(goal.spec))?;
        self.begin(goal, made)
    }

    pub(super) fn started_again(&self, container: &str) -> rusqlite::Result<()> {
        match self.stays.iter().rfind(|one| one.is(container)) {
            // It had ended by itself, and nobody had said so.
            Some(known) if known.is_open => Ok(()),
            Some(known) => self.begin(&known.goal, Some(container)),
            None => self.started_again_unknown(container),
        }
    }

    /// A container that no event has named before: what is started again is what the rollout leads to.
    fn started_again_unknown(&self, container: &str) -> rusqlite::Result<()> {
        let Some(goal) = self.aim()?.and_then(|aim| aim.goal) else { return Ok(()) };
        let nameless = |one: &&Kept| one.container.is_none() && one.is_of(goal.spec);
        match self.stays.iter().rfind(nameless) {
            Some(one) => {
                self.name(one, container)?;
                if one.is_open { Ok(()) } else { self.begin(&goal, Some(container)) }
            }
            None => self.begin(&goal, Some(container)),
        }
    }

    pub(super) fn ended(&self, container: &str) -> rusqlite::Result<()> {
        if let Some(known) = self.stays.iter().rfind(|one| one.is(container)) {
            return if known.is_open { self.end(known) } else { Ok(()) };
        }
        let aim = self.aim()?;
        let is_at = |one: &Kept| aim.as_ref().is_some_and(|aim| aim.is_at(one));
        // What this rollout itself has brought, and what has not failed, nobody takes down: then it is a container that refit knows nothing of.
        let is_kept = |one: &Kept| is_at(one) && !one.is_failed && aim.as_ref().is_some_and(|aim| one.began > aim.began);
        let nameless = self.running().filter(|one| one.container.is_none() && !is_kept(one));
        match nameless.min_by_key(|one| (is_at(one), one.began)) {
            Some(one) => {
                self.name(one, container)?;
                self.end(one)
            }
            None => Ok(()),
        }
    }

    pub(super) fn proven(&self) -> rusqlite::Result<()> {
        let Some(aim) = self.aim()? else { return Ok(()) };
        // On the way back a slot may be let be with whatever was sick in it before.
        let goes = |one: &Kept| if aim.is_back { one.is_of(aim.to) && !aim.is_at(one) } else { !aim.is_at(one) };
        self.close(goes)?;
        match &aim.goal {
            Some(goal) if self.running().all(goes) => self.begin(goal, None),
            _ => Ok(()),
        }
    }

    pub(super) fn failed(&self, failure: Failure) -> rusqlite::Result<()> {
        let Some(Aim { goal: Some(goal), .. }) = self.aim()? else { return Ok(()) };
        let known: Vec<&Kept> = self.running().filter(|one| one.is_of(goal.spec)).collect();
        if known.is_empty() && failure != Failure::Unknown {
            // It was started, and refit died before it could say so.
            self.begin(&goal, None)?;
            return Self::open(self.connection, self.now, &self.slot)?.failed(failure);
        }
        for one in known {
            let failed = "UPDATE stays SET is_failed = 1 WHERE version = ?1 AND began = ?2";
            self.connection.prepare_cached(failed)?.execute([one.version, one.began])?;
            if failure == Failure::Ended {
                self.end(one)?;
            }
        }
        Ok(())
    }

    fn begin(&self, goal: &Goal, container: Option<&str>) -> rusqlite::Result<()> {
        let version = version(self.connection, &self.slot.service, goal.spec)?;
        let row = params![
            version,
            int(self.now.position),
            self.slot.service.as_str(),
            self.slot.host.as_str(),
            self.slot.index,
            container,
            int(goal.release.0),
            micros(self.now.at)
        ];
        let statement = "INSERT INTO stays (version, began, service, host, slot, container, release, since) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        self.connection.prepare_cached(statement)?.execute(row).map(drop)
    }

    pub(super) fn empty(&self) -> rusqlite::Result<()> {
        self.close(|_| true)
    }

    fn close(&self, goes: impl Fn(&Kept) -> bool) -> rusqlite::Result<()> {
        self.running().filter(|one| goes(one)).try_for_each(|one| self.end(one))
    }

    fn end(&self, one: &Kept) -> rusqlite::Result<()> {
        let end = "UPDATE stays SET until = ?3 WHERE version = ?1 AND began = ?2";
        self.connection.prepare_cached(end)?.execute([one.version, one.began, micros(self.now.at)]).map(drop)
    }

    fn name(&self, one: &Kept, container: &str) -> rusqlite::Result<()> {
        let name = "UPDATE stays SET container = ?3 WHERE version = ?1 AND began = ?2";
        self.connection.prepare_cached(name)?.execute(params![one.version, one.began, container]).map(drop)
    }
}

/// The newest stays in a slot and all that have not ended, oldest first. A container that many failed rollouts could not replace is older than all of theirs.
fn newest(connection: &Connection, slot: &SlotId) -> rusqlite::Result<Vec<Kept>> {
    let mut statement = connection.prepare_cached(
        "SELECT version, began, spec, release, container, until IS NULL, is_failed FROM stays JOIN versions ON versions.id = version
             WHERE (version, began) IN (
                 SELECT * FROM (SELECT version, began FROM stays WHERE service = ?1 AND host = ?2 AND slot = ?3 ORDER BY began DESC LIMIT ?4)
                 UNION SELECT version, began FROM stays WHERE service = ?1 AND host = ?2 AND slot = ?3 AND until IS NULL
             ) ORDER BY began",
    )?;
    let one = |row: &Row<'_>| {
        let Some(goal) = goal(row, 2, 3)? else { return Ok(None) };
        let (is_open, is_failed) = (row.get(5)?, row.get(6)?);
        Ok(Some(Kept { version: row.get(0)?, began: row.get(1)?, goal, container: row.get(4)?, is_open, is_failed }))
    };
    let at = params![slot.service.as_str(), slot.host.as_str(), slot.index, LOOKED_BACK];
    statement.query_map(at, one)?.filter_map(Result::transpose).collect()
}

fn aim(connection: &Connection, service: &ServiceName) -> rusqlite::Result<Option<Aim>> {
    let statement = "SELECT began, is_back, spec, release, back_spec, back_release FROM rolling WHERE service = ?1";
    let aim = |row: &Row<'_>| {
        let Some(to) = goal(row, 2, 3)? else { return Ok(None) };
        let is_back: bool = row.get(1)?;
        let (spec, goal) = (to.spec, if is_back { goal(row, 4, 5)? } else { Some(to) });
        Ok(Some(Aim { began: row.get(0)?, is_back, to: spec, goal }))
    };
    connection.prepare_cached(statement)?.query_row([service.as_str()], aim).optional().map(Option::flatten)
}

/// The number of a version; one that no release has told of yet has no image.
pub(super) fn version(connection: &Connection, service: &ServiceName, spec: Digest) -> rusqlite::Result<i64> {
    let row = params![service.as_str(), spec.as_bytes()];
    let known = "SELECT id FROM versions WHERE service = ?1 AND spec = ?2";
    if let Some(known) = connection.prepare_cached(known)?.query_row(row, |row| row.get(0)).optional()? {
        return Ok(known);
    }
    connection.prepare_cached("INSERT INTO versions (service, spec) VALUES (?1, ?2)")?.execute(row)?;
    Ok(connection.last_insert_rowid())
}

fn goal(row: &Row<'_>, spec: usize, release: usize) -> rusqlite::Result<Option<Goal>> {
    let (spec, release): (Option<Vec<u8>>, Option<i64>) = (row.get(spec)?, row.get(release)?);
    let spec = spec.as_deref().and_then(Digest::from_bytes);
    Ok(spec.zip(release).map(|(spec, release)| Goal { spec, release: ReleaseNumber(release.unsigned_abs()) }))
}
