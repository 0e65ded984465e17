//! Dockerfile text → what it reaches for, with file and line; and the pinned text. Knows no estate and no engine.
//!
//! Reads as BuildKit's own frontend reads: what that refuses is refused here, what that resolves is resolved here to the same text.

mod directive;
mod duration;
mod flags;
mod heredoc;
mod instruction;
mod json;
mod lines;
mod mount;
mod pattern;
mod pin;
mod platform;
mod reach;
mod read;
mod resolve;
mod rings;
mod shell;
mod text;
mod types;
mod words;

#[cfg(test)]
mod tests;

pub use pin::pin;
pub use platform::normal_platform;
pub use reach::TargetError;
pub use read::{DockerfileError, ReadOptions, read};
pub use types::{Dockerfile, EdgeClass, Reached, RefKind, RefTarget, Reference, Stage};
