//! The command line: one file per command. Arguments → plan or driver → report → [`Exit`]. No logic worth a unit test.

pub mod check;
pub mod estate;
mod exit;
pub mod schema;
pub mod init;
pub mod scan;

pub use exit::Exit;

use crate::report::Printer;

/// What every command gets besides its own arguments.
pub struct Face {
    /// Where it writes.
    pub printer: Printer,
    /// Whether the result is wanted as JSON.
    pub json: bool,
}
