//! The journal on disk: one SQLite file in the state folder, read by anybody, written by the holder of the estate's lock alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::model::{Digest, ImageName, ReleaseNumber, RunId, TriggerId};
use crate::release::Release;
use crate::rollout::Person;
use crate::run::Event;
use crate::trigger::Heard;

use super::Journal;
use super::chain::{Verified, Walk};
use super::error::JournalError;
use super::format::{self, explain};
use super::lock::Lock;
use super::record::{BuildKept, QuarantineKept, Recorded, ReleaseKept, RolloutKept, RunSummary};
use super::tables::{self, LINK, int};
use super::triggers::{self, AuditKept, AuditLine, HeardAs, Note, TokenKept, TriggerKept};
use super::writer::{Ask, Done, Writer};

/// The journal's file within the state folder.
pub(super) const FILE: &str = "journal.sqlite";

/// The journal of one estate.
///
/// [`open`](Self::open) is for looking, and for [`Journal::say`]; [`open_to_write`](Self::open_to_write) needs the estate's [`Lock`], keeps it,
/// and gives it back when the journal is dropped.
pub struct SqliteJournal {
    path: PathBuf,
    reader: Mutex<Connection>,
    writer: Option<Writer>,
}

impl SqliteJournal {
    /// Opens the journal of a state folder (`.refit`) for looking. One that is not there is empty, and is not made by a look.
    pub fn open(state_dir: &Path) -> Result<Self, JournalError> {
        let path = state_dir.join(FILE);
        let reader = if path.symlink_metadata().is_ok() { format::open(&path)? } else { format::open(Path::new(":memory:"))? };
        Ok(Self { path, reader: Mutex::new(reader), writer: None })
    }

    /// Opens it for writing, as the holder of the estate's lock; makes the folder and the journal if they are not there.
    pub fn open_to_write(state_dir: &Path, lock: Lock) -> Result<Self, JournalError> {
        make_folder(state_dir).map_err(|error| JournalError::Folder { path: state_dir.to_owned(), why: error.to_string() })?;
        let path = state_dir.join(FILE);
        let (own, reader) = (format::open(&path)?, format::open(&path)?);
        let writer = Some(Writer::start(own, path.clone(), lock)?);
        Ok(Self { path, reader: Mutex::new(reader), writer })
    }

    /// Whether a state folder holds a journal; nothing is made.
    pub fn exists(state_dir: &Path) -> bool {
        state_dir.join(FILE).is_file()
    }

    /// Throws everything derived away and makes it again from the events.
    pub fn derive_again(&self) -> Result<(), JournalError> {
        self.read(|connection| {
            let transaction = connection.unchecked_transaction()?;
            match tables::derive_again(&transaction) {
                Ok(()) => transaction.commit().map(Ok),
                Err(tables::DeriveError::Sqlite(error)) => Err(error),
                Err(tables::DeriveError::Event(error)) => Ok(Err(error)),
            }
        })?
    }

    fn reader(&self) -> MutexGuard<'_, Connection> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T>(&self, ask: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, JournalError> {
        ask(&self.reader()).map_err(|error| explain(&self.path, &error))
    }

    fn writer(&self) -> Result<&Writer, JournalError> {
        self.writer.as_ref().ok_or(JournalError::ReadOnly)
    }

    fn words_wait(&self, run: RunId) -> Result<bool, JournalError> {
        self.read(|connection| {
            connection.prepare_cached("SELECT EXISTS (SELECT 1 FROM inbox WHERE run = ?1)")?.query_row([int(run.0)], |row| row.get(0))
        })
    }
}

/// Makes the state folder, which no version control shall pick up.
pub(super) fn make_folder(state_dir: &Path) -> std::io::Result<()> {
    fs::create_dir_all(state_dir)?;
    let ignore = state_dir.join(".gitignore");
    if !ignore.exists() {
        fs::write(ignore, "*\n")?;
    }
    Ok(())
}

/// Takes everything that was said about a run out of the inbox, within the caller's transaction.
pub(super) fn empty_inbox(connection: &Connection, run: RunId) -> rusqlite::Result<Vec<Event>> {
    let mut statement = connection.prepare_cached("SELECT word, by FROM inbox WHERE run = ?1 ORDER BY id")?;
    let said: Vec<(String, String)> = statement.query_map([int(run.0)], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()?;
    connection.prepare_cached("DELETE FROM inbox WHERE run = ?1")?.execute([int(run.0)])?;
    // A word that this refit does not know was put in by a newer one; there is nobody to obey it.
    Ok(said.into_iter().filter_map(|(word, by)| Some(Event::PersonSaid { word: serde_json::from_str(&word).ok()?, by })).collect())
}

#[async_trait]
impl Journal for SqliteJournal {
    async fn begin_run_for(&self, at: Timestamp, event: &Event, triggers: &[TriggerId]) -> Result<RunId, JournalError> {
        let done = self.writer()?.ask(Ask::Begin(at, Box::new(event.clone()), triggers.to_vec())).await?;
        self.one(done).map(|recorded| recorded.run)
    }

    async fn append(&self, run: RunId, at: Timestamp, event: &Event) -> Result<Recorded, JournalError> {
        let done = self.writer()?.ask(Ask::Append(run, at, Box::new(event.clone()))).await?;
        self.one(done)
    }

    async fn append_all(&self, run: RunId, at: Timestamp, events: &[Event]) -> Result<(), JournalError> {
        self.writer()?.ask(Ask::AppendAll(run, at, events.to_vec())).await.map(drop)
    }

    async fn take_words(&self, run: RunId, at: Timestamp) -> Result<Vec<Recorded>, JournalError> {
        // Asked several times a second: nothing is written, and the disk not waited for, unless somebody said something.
        if !self.words_wait(run)? {
            return Ok(Vec::new());
        }
        self.writer()?.ask(Ask::Words(run, at)).await.map(recorded)
    }

    fn say(&self, run: RunId, at: Timestamp, word: Person, by: &str) -> Result<(), JournalError> {
        let word = serde_json::to_string(&word).map_err(|error| JournalError::Other { path: self.path.clone(), why: error.to_string() })?;
        let known = self.read(|connection| Ok(tables::last_seq(connection, run)? > 0))?;
        if !known {
            return Err(JournalError::NoSuchRun { run });
        }
        self.read(|connection| {
            let row = params![int(run.0), at.to_string(), word, by];
            connection.prepare_cached("INSERT INTO inbox (run, at, word, by) VALUES (?1, ?2, ?3, ?4)")?.execute(row).map(drop)
        })
    }

    fn words_waiting(&self, run: RunId) -> Result<Vec<Person>, JournalError> {
        let words: Vec<String> = self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT word FROM inbox WHERE run = ?1 ORDER BY rowid")?;
            statement.query_map([int(run.0)], |row| row.get(0))?.collect()
        })?;
        let read =
            |word: String| serde_json::from_str(&word).map_err(|error| JournalError::Other { path: self.path.clone(), why: error.to_string() });
        words.into_iter().map(read).collect()
    }

    fn events(&self, run: RunId) -> Result<Vec<Recorded>, JournalError> {
        let links: Vec<_> = self.read(|connection| {
            let mut statement = connection.prepare_cached(&format!("SELECT {LINK} FROM events WHERE run = ?1 ORDER BY seq"))?;
            statement.query_map([int(run.0)], tables::link)?.collect()
        })?;
        if links.is_empty() {
            return Err(JournalError::NoSuchRun { run });
        }
        links.into_iter().map(|(link, hash)| tables::recorded(link, hash)).collect()
    }

    fn runs(&self, limit: usize) -> Result<Vec<RunSummary>, JournalError> {
        self.read(|connection| tables::runs(connection, None, limit))
    }

    fn run(&self, run: RunId) -> Result<Option<RunSummary>, JournalError> {
        self.read(|connection| Ok(tables::runs(connection, Some(run), 1)?.pop()))
    }

    fn unfinished(&self) -> Result<Vec<RunId>, JournalError> {
        self.read(tables::unfinished)
    }

    fn releases(&self, limit: usize) -> Result<Vec<ReleaseKept>, JournalError> {
        self.read(|connection| tables::releases(connection, limit))
    }

    fn release(&self, number: ReleaseNumber) -> Result<Option<Release>, JournalError> {
        let Some((link, hash)) = self.read(|connection| tables::release_event(connection, number))? else { return Ok(None) };
        let position = link.position;
        match tables::recorded(link, hash)?.event {
            Event::Released { release } => Ok(Some(*release)),
            _ => Err(JournalError::Unreadable { position, why: format!("it should have made {number}, and did not") }),
        }
    }

    fn builds(&self) -> Result<Vec<BuildKept>, JournalError> {
        self.read(|connection| tables::builds(connection, None))
    }

    fn build_by_inputs(&self, image: &ImageName, inputs: Digest) -> Result<Option<BuildKept>, JournalError> {
        self.read(|connection| Ok(tables::builds(connection, Some((image, inputs)))?.pop()))
    }

    fn rollouts(&self) -> Result<Vec<RolloutKept>, JournalError> {
        self.read(tables::rollouts)
    }

    fn quarantines(&self) -> Result<Vec<QuarantineKept>, JournalError> {
        self.read(tables::quarantines)
    }

    fn verify(&self) -> Result<Verified, JournalError> {
        self.read(|connection| {
            // One snapshot for both, or an event that comes in meanwhile would look like a break.
            let transaction = connection.unchecked_transaction()?;
            let head = tables::head(&transaction)?;
            let mut statement = transaction.prepare(&format!("SELECT {LINK} FROM events ORDER BY position"))?;
            let mut rows = statement.query([])?;
            let mut walk = Walk::new();
            while let Some(row) = rows.next()? {
                let (link, hash) = tables::link(row)?;
                if let Err(found) = walk.step(&link, hash) {
                    return Ok(found);
                }
            }
            Ok(walk.end(head))
        })
    }
}

impl SqliteJournal {
    fn one(&self, done: Done) -> Result<Recorded, JournalError> {
        let silent = || JournalError::Other { path: self.path.clone(), why: "its writer answered with nothing".into() };
        recorded(done).into_iter().next().ok_or_else(silent)
    }

    async fn notes(&self, at: Timestamp, notes: Vec<Note>) -> Result<(), JournalError> {
        self.writer()?.ask(Ask::Notes(at, notes)).await.map(drop)
    }
}

fn recorded(done: Done) -> Vec<Recorded> {
    match done {
        Done::Recorded(recorded) => recorded,
        Done::Heard(_) => Vec::new(),
    }
}

/// What a daemon keeps beside the runs.
impl SqliteJournal {
    /// Takes in what was heard; all of it is durable when this returns.
    pub async fn hear(&self, at: Timestamp, heard: Vec<Heard>) -> Result<Vec<HeardAs>, JournalError> {
        match self.writer()?.ask(Ask::Hear(at, heard)).await? {
            Done::Heard(heard) => Ok(heard),
            Done::Recorded(_) => Ok(Vec::new()),
        }
    }

    /// Says that triggers need no run, and why.
    pub async fn settle(&self, at: Timestamp, triggers: &[TriggerId], why: &str) -> Result<(), JournalError> {
        self.writer()?.ask(Ask::Settle(at, triggers.to_vec(), why.to_owned())).await.map(drop)
    }

    /// The triggers that wait, oldest first.
    pub fn triggers_waiting(&self) -> Result<Vec<TriggerKept>, JournalError> {
        self.read(triggers::waiting)
    }

    /// The newest triggers whose number is below `before`, newest first.
    pub fn triggers(&self, before: Option<TriggerId>, limit: usize) -> Result<Vec<TriggerKept>, JournalError> {
        self.read(|connection| triggers::newest(connection, before, limit))
    }

    /// One trigger.
    pub fn trigger(&self, id: TriggerId) -> Result<Option<TriggerKept>, JournalError> {
        Ok(self.triggers(Some(TriggerId(id.0.saturating_add(1))), 1)?.pop().filter(|kept| kept.id == id))
    }

    /// Keeps a new token. A name that is in use is refused by [`JournalError::Other`].
    pub async fn add_token(&self, token: TokenKept) -> Result<(), JournalError> {
        self.notes(token.made_at, vec![Note::Token(token)]).await
    }

    /// Makes a token no longer good.
    pub async fn revoke_token(&self, at: Timestamp, name: &str) -> Result<(), JournalError> {
        self.notes(at, vec![Note::Revoke(name.to_owned())]).await
    }

    /// All tokens, revoked ones included, by name.
    pub fn tokens(&self) -> Result<Vec<TokenKept>, JournalError> {
        self.read(triggers::tokens)
    }

    /// Keeps how far somebody has come, under a name.
    pub async fn set_mark(&self, at: Timestamp, name: &str, value: &str) -> Result<(), JournalError> {
        self.notes(at, vec![Note::Mark(name.to_owned(), value.to_owned())]).await
    }

    /// How far somebody has come.
    pub fn mark(&self, name: &str) -> Result<Option<String>, JournalError> {
        self.read(|connection| triggers::mark(connection, name))
    }

    /// Adds a line to the audit log.
    pub async fn audit(&self, line: AuditLine) -> Result<(), JournalError> {
        self.notes(line.at, vec![Note::Audit(line)]).await
    }

    /// The newest lines of the audit log below a number, newest first.
    pub fn audit_lines(&self, before: Option<u64>, limit: usize) -> Result<Vec<AuditKept>, JournalError> {
        self.read(|connection| triggers::audit(connection, before, limit))
    }

    /// The events of all runs after a position, in order.
    pub fn events_after(&self, position: u64, limit: usize) -> Result<Vec<Recorded>, JournalError> {
        let links: Vec<_> = self.read(|connection| {
            let mut statement = connection.prepare_cached(&format!("SELECT {LINK} FROM events WHERE position > ?1 ORDER BY position LIMIT ?2"))?;
            statement.query_map([int(position), int(limit as u64)], tables::link)?.collect()
        })?;
        links.into_iter().map(|(link, hash)| tables::recorded(link, hash)).collect()
    }

    /// The events of a run whose place in it is after `seq`, in order; none if there is no such run.
    pub fn events_of_after(&self, run: RunId, seq: u64) -> Result<Vec<Recorded>, JournalError> {
        let links: Vec<_> = self.read(|connection| {
            let mut statement = connection.prepare_cached(&format!("SELECT {LINK} FROM events WHERE run = ?1 AND seq > ?2 ORDER BY seq"))?;
            statement.query_map([int(run.0), int(seq)], tables::link)?.collect()
        })?;
        links.into_iter().map(|(link, hash)| tables::recorded(link, hash)).collect()
    }

    /// The position of the last event; 0 if there is none.
    pub fn last_position(&self) -> Result<u64, JournalError> {
        Ok(self.read(tables::head)?.map_or(0, |(position, _)| position))
    }
}
