//! What can go wrong with the journal, each with the next move.

use std::path::PathBuf;
use std::sync::Arc;

use crate::model::RunId;

use super::lock::{Holder, LockError, in_words};

/// Why a daemon did not give what was asked of its journal.
#[derive(Debug, Clone)]
pub struct Elsewhere {
    why: Arc<dyn miette::Diagnostic + Send + Sync>,
    is_usage: bool,
}

impl Elsewhere {
    /// Wraps what went wrong; `is_usage` if that lies at what was asked.
    pub fn new(why: Arc<dyn miette::Diagnostic + Send + Sync>, is_usage: bool) -> Self {
        Self { why, is_usage }
    }
}

impl std::fmt::Display for Elsewhere {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.why.fmt(f)
    }
}

impl std::error::Error for Elsewhere {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.why.source()
    }
}

impl miette::Diagnostic for Elsewhere {
    fn help<'h>(&'h self) -> Option<Box<dyn std::fmt::Display + 'h>> {
        self.why.help()
    }
}

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
    /// What the run would have answered was answered or withdrawn in the meantime.
    #[error("what asked for the run was withdrawn; nothing was begun")]
    Withdrawn,
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
    /// A refit that derives other tables from the events holds the estate, so that they can be neither read nor made again.
    #[error("the journal {path} is in use by a refit of another version: {}", in_words(.holder.as_deref()))]
    #[diagnostic(help("wait until it has ended; a daemon is started again with this refit, or asked with `--server URL`"))]
    OtherFold {
        /// The journal's file.
        path: PathBuf,
        /// Who holds the estate, unless it has not said so yet.
        holder: Option<Box<Holder>>,
    },
    /// The lock could not be had.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Lock(#[from] LockError),
    /// It is the journal of a daemon, which was asked for it.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Elsewhere(#[from] Elsewhere),
    /// It is the journal of a daemon, and that is done there alone.
    #[error("{what} from here: the journal is a daemon's")]
    NotFromElsewhere {
        /// What cannot be done.
        what: &'static str,
    },
    /// Anything else that SQLite or the system said.
    #[error("the journal {path} failed: {why}")]
    Other {
        /// The journal's file.
        path: PathBuf,
        /// What was said.
        why: String,
    },
}

impl JournalError {
    /// Whether it lies at what was asked, and not at the world.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::NoSuchRun { .. } | Self::Elsewhere(Elsewhere { is_usage: true, .. }))
    }
}
