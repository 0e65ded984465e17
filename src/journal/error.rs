//! What can go wrong with the journal, each with the next move.

use std::path::PathBuf;

use crate::model::RunId;

use super::LockError;

/// Why the journal could not be read or written. Whatever it is, nothing that was acknowledged before is lost.
#[derive(Debug, Clone, thiserror::Error, miette::Diagnostic)]
pub enum JournalError {
    /// The state folder cannot be made or used.
    #[error("the state folder {path} cannot be used: {why}")]
    #[diagnostic(help("make it writable for this user, or choose another one with `--state DIR`"))]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
    /// There is no space left on the disk.
    #[error("no space is left for the journal {path}; this event was not written and nothing was begun for it")]
    #[diagnostic(help("free some space, then `refit resume`: the run goes on after its last event"))]
    Full {
        /// The journal's file.
        path: PathBuf,
    },
    /// The file is damaged, or no journal.
    #[error("the journal {path} is damaged, or no journal: {why}")]
    #[diagnostic(help(
        "put a copy of it back from a backup; without one, move it away and begin anew: what runs on the hosts stays as it is, only the history is lost"
    ))]
    Damaged {
        /// The journal's file.
        path: PathBuf,
        /// What SQLite said.
        why: String,
    },
    /// A newer refit wrote it.
    #[error("the journal {path} has format {found}, this refit knows formats up to {known}")]
    #[diagnostic(help("use the refit that wrote it, or a newer one; formats are never written back"))]
    Newer {
        /// The journal's file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest known format.
        known: i64,
    },
    /// Another process kept it locked.
    #[error("the journal {path} was kept busy by another process for {waited_s} s")]
    #[diagnostic(help("end whatever has it open (a backup, `sqlite3`?) and try again"))]
    Busy {
        /// The journal's file.
        path: PathBuf,
        /// How long was waited.
        waited_s: u64,
    },
    /// It was opened for reading.
    #[error("the journal was opened for reading only; events are written by the holder of the estate's lock")]
    ReadOnly,
    /// Another refit took the estate over.
    #[error("another refit has taken the estate over (fence {now}, ours is {ours}); this one may not go on")]
    #[diagnostic(help("`refit status` shows what the other one does; was {} removed by hand?", .lock.display()))]
    Fenced {
        /// Our fencing number.
        ours: u64,
        /// The one in the journal.
        now: u64,
        /// The lock's file.
        lock: PathBuf,
    },
    /// No such run.
    #[error("there is no {run}")]
    #[diagnostic(help("`refit history` lists all runs"))]
    NoSuchRun {
        /// Which.
        run: RunId,
    },
    /// An event is there but cannot be read.
    #[error("event {position} of the journal cannot be read: {why}")]
    #[diagnostic(help("`refit history --verify` tells whether it was changed; if it was not, this refit is older than the one that wrote it"))]
    Unreadable {
        /// Its position in the journal.
        position: u64,
        /// What is wrong.
        why: String,
    },
    /// The lock could not be had.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Lock(#[from] LockError),
    /// Anything else that SQLite or the system said.
    #[error("the journal {path} failed: {why}")]
    Other {
        /// The journal's file.
        path: PathBuf,
        /// What was said.
        why: String,
    },
}
