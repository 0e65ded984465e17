//! The journal on disk: one SQLite file in the state folder, read by anybody, written by the holder of the estate's lock alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::model::{Digest, ImageName, ReleaseNumber, RunId};
use crate::release::Release;
use crate::rollout::Person;
use crate::run::Event;

use super::Journal;
use super::chain::{Verified, Walk};
use super::error::JournalError;
use super::format::{self, explain};
use super::lock::Lock;
use super::record::{BuildKept, QuarantineKept, Recorded, ReleaseKept, RolloutKept, RunSummary};
use super::tables::{self, LINK, int};
use super::writer::{Ask, Writer};

/// The journal's file within the state folder.
const FILE: &str = "journal.sqlite";

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
fn make_folder(state_dir: &Path) -> std::io::Result<()> {
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
    async fn begin_run(&self, at: Timestamp, event: &Event) -> Result<RunId, JournalError> {
        let recorded = self.writer()?.ask(Ask::Begin(at, Box::new(event.clone()))).await?;
        self.one(recorded).map(|recorded| recorded.run)
    }

    async fn append(&self, run: RunId, at: Timestamp, event: &Event) -> Result<Recorded, JournalError> {
        let recorded = self.writer()?.ask(Ask::Append(run, at, Box::new(event.clone()))).await?;
        self.one(recorded)
    }

    async fn append_all(&self, run: RunId, at: Timestamp, events: &[Event]) -> Result<(), JournalError> {
        self.writer()?.ask(Ask::AppendAll(run, at, events.to_vec())).await.map(drop)
    }

    async fn take_words(&self, run: RunId, at: Timestamp) -> Result<Vec<Recorded>, JournalError> {
        // Asked several times a second: nothing is written, and the disk not waited for, unless somebody said something.
        if self.words_wait(run)? { self.writer()?.ask(Ask::Words(run, at)).await } else { Ok(Vec::new()) }
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
    fn one(&self, recorded: Vec<Recorded>) -> Result<Recorded, JournalError> {
        let silent = || JournalError::Other { path: self.path.clone(), why: "its writer answered with nothing".into() };
        recorded.into_iter().next().ok_or_else(silent)
    }
}
