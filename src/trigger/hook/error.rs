//! Why a body cannot be read.

use crate::pipeline::HookFormat;

/// The body is not what it should be. Sending it again would not help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HookError {
    /// It is no JSON, or JSON that nobody sends.
    #[error("the body cannot be read: {reason}")]
    NoJson {
        /// What is wrong with it.
        reason: String,
    },
    /// It is JSON, and has the form of no event of this format.
    #[error("the body is no event of {format}: {reason}")]
    Malformed {
        /// Whose format was expected.
        format: HookFormat,
        /// What is missing or wrong, and where.
        reason: String,
    },
}
