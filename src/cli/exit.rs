//! How a command ends.

/// The exit codes of refit, the same for every command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Failed: rolled back, or nothing changed.
    Failed = 1,
    /// Wrong usage or configuration.
    Usage = 2,
    /// Ended in between: paused, hosts left behind.
    Between = 3,
    /// Interrupted by a person.
    Interrupted = 130,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
