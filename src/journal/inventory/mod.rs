//! What is in every image, kept in the journal's own file, and who runs it.
//!
//! In: what was found in each layer, from whoever reads images. Out: which layers nobody has read yet, the contents of any image, and where a package
//! runs or ran. A layer is kept once with what it changes in the stack below it, so a base's packages are there once, however many images stand on it.
//! What is kept says nothing but what is in a layer, and says it the same whoever writes it: so it needs no lock but the database's own.
//! Calls wait for the disk; from asynchronous code they belong on a thread that may.

mod advisories;
mod ask;
mod contents;
mod holders;
mod images;
mod intern;
mod kept;
mod packages;
mod running;
mod stack;
mod tables;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::error::JournalError;
use super::format::{self, explain};
use super::record::Recorded;
use crate::inventory::READERS_VERSION;

pub use advisories::{AdvisoriesRead, AdvisoryKept, AdvisoryRow, Subject};
pub use ask::{Filter, Held, Holding, ImageHolding, IsMeant, Names, Ran, Stay, When};
pub use kept::{BroughtBy, Gap, ImageContents, ImageKept, ImageRow, KnownAs, PackageIn};
pub(super) use tables::TABLES;

/// So much of the file is held in memory while a question is answered: all that is to be known of 100,000 containers. SQLite's own 2 MB would read it
/// again and again.
const CACHE_KIB_MAX: i64 = 48 << 10;

/// What is in every image.
///
/// Has a connection of its own to the journal's file, and may be shared by threads; one of them works at a time.
pub struct Inventories {
    path: PathBuf,
    connection: Mutex<Connection>,
    readers: u32,
    /// So many holdings are given in one answer; fewer only in tests.
    pub(crate) holdings_max: usize,
    /// Whether what is kept is there for the next one who asks.
    keeps: bool,
}

impl Inventories {
    /// Opens the inventories of a state folder (`.refit`). Where there is no journal yet they are empty, and nothing can be kept:
    /// [`JournalError::ReadOnly`]. Errors with [`JournalError::OtherFold`] where a refit of another version holds the estate and derives what ran otherwise.
    pub fn open(state_dir: &Path) -> Result<Self, JournalError> {
        let path = state_dir.join(super::sqlite::FILE);
        let keeps = path.symlink_metadata().is_ok();
        let connection = if keeps { format::open(&path)? } else { format::open(Path::new(":memory:"))? };
        super::tables::derive_if_outdated(&connection, &path, state_dir)?;
        Self::over(connection, path, keeps)
    }

    /// The same, for who keeps something; makes the folder and the journal if they are not there.
    pub fn open_to_keep(state_dir: &Path) -> Result<Self, JournalError> {
        super::sqlite::make_folder(state_dir).map_err(|error| JournalError::Folder { path: state_dir.to_owned(), why: error.to_string() })?;
        drop(format::open(&state_dir.join(super::sqlite::FILE))?);
        Self::open(state_dir)
    }

    /// Inventories that live as long as their process, where these events have happened; for simulation.
    pub fn in_memory(events: &[Recorded]) -> Result<Self, JournalError> {
        let path = PathBuf::from(":memory:");
        let connection = format::open(&path)?;
        let apply = |recorded| super::tables::apply(&connection, recorded).map_err(|error| explain(&path, &error));
        events.iter().try_for_each(apply)?;
        Self::over(connection, path, true)
    }

    fn over(connection: Connection, path: PathBuf, keeps: bool) -> Result<Self, JournalError> {
        connection.pragma_update(None, "cache_size", -CACHE_KIB_MAX).map_err(|error| explain(&path, &error))?;
        Ok(Self { path, connection: Mutex::new(connection), readers: READERS_VERSION, holdings_max: ask::HOLDINGS_MAX, keeps })
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers from one snapshot of everything.
    fn read<T>(&self, ask: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, JournalError> {
        let mut connection = self.connection();
        let answer = connection.transaction().and_then(|transaction| ask(&transaction));
        // Questions are rare, and a daemon at rest shall be small.
        let answer = answer.and_then(|answer| connection.execute_batch("PRAGMA shrink_memory").map(|()| answer));
        answer.map_err(|error| explain(&self.path, &error))
    }

    /// Does all of it or nothing; durable when it returns.
    fn write<T>(&self, work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T, JournalError> {
        if !self.keeps {
            return Err(JournalError::ReadOnly);
        }
        let mut connection = self.connection();
        let work = || {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = work(&transaction)?;
            transaction.commit()?;
            Ok(done)
        };
        work().map_err(|error| explain(&self.path, &error))
    }
}

#[cfg(test)]
pub(crate) mod tests;
