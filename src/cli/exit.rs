//! How a command ends.

use super::server::DaemonHolds;
use crate::client::ClientError;
use crate::driver::DriverError;
use crate::edge::EngineError;
use crate::inquiry::AskError;
use crate::journal::{JournalError, LockError};
use crate::workshop::RemedyError;

/// The exit codes of refit, the same for every command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Failed: rolled back, or nothing changed.
    Failed = 1,
    /// Wrong usage or configuration.
    Usage = 2,
    /// Ended in between: paused, waits for approval, hosts left behind.
    Between = 3,
    /// Interrupted in the middle of a run, by Ctrl-C, SIGTERM or SIGHUP; `refit resume` goes on.
    Interrupted = 130,
}

/// The exit code of an error: usage and configuration are the caller's, everything else is the world's.
pub(super) fn of(report: &miette::Report) -> Exit {
    let world = report.downcast_ref::<JournalError>().is_some_and(|error| !error.is_usage())
        || report.downcast_ref::<LockError>().is_some()
        || report.downcast_ref::<DaemonHolds>().is_some()
        || report.downcast_ref::<ClientError>().is_some_and(|error| !error.is_usage())
        || report.downcast_ref::<EngineError>().is_some()
        || report.downcast_ref::<AskError>().is_some_and(AskError::is_world)
        || report.downcast_ref::<RemedyError>().is_some_and(RemedyError::is_world)
        || report.downcast_ref::<DriverError>().is_some_and(DriverError::is_world);
    if world { Exit::Failed } else { Exit::Usage }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
