//! Why there is no answer.

use crate::journal::JournalError;
use crate::model::ReleaseNumber;

/// Why there is no answer. "Nobody has it" would be one, so what is not known is an error.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum AskError {
    /// Nothing that was read is about a problem.
    #[error("no advisory that was read is called {0}, so nobody can say who has it")]
    #[diagnostic(help(
        "`refit advisories update FILE|FOLDER|URL` reads OSV's dumps and Debian's security tracker; only what names a package of some image is kept"
    ))]
    NoAdvisory(String),
    /// No release has this number.
    #[error("there is no release {0}")]
    #[diagnostic(help("`refit release` lists the releases"))]
    NoRelease(ReleaseNumber),
    /// No image that was read is called so.
    #[error("nobody has read an image {asked}")]
    #[diagnostic(help("`refit inventory scan {asked}` reads it from the builder{}", in_words(.known)))]
    NoImage {
        /// What was asked for.
        asked: String,
        /// What is known.
        known: Vec<String>,
    },
    /// More than one image has an id that begins so.
    #[error("{asked} is the beginning of {} ids", ids.len())]
    #[diagnostic(help("give more digits: {}", ids.join(", ")))]
    Several {
        /// What was asked for.
        asked: String,
        /// The ids, by their beginnings.
        ids: Vec<String>,
    },
    /// The journal.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Journal(#[from] JournalError),
}

impl AskError {
    /// Whether the world is at fault, and not who asks.
    pub fn is_world(&self) -> bool {
        matches!(self, Self::Journal(error) if !error.is_usage())
    }
}

/// So many names are told.
const TOLD_MAX: usize = 8;

fn in_words(known: &[String]) -> String {
    let (shown, rest) = known.split_at(known.len().min(TOLD_MAX));
    match (shown.len(), rest.len()) {
        (0, _) => String::new(),
        (_, 0) => format!("; known are {}", shown.join(", ")),
        (_, more) => format!("; known are {} and {more} more", shown.join(", ")),
    }
}
