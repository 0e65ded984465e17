//! Dockerfile text → what it reaches for, with file and line; and the pinned text. Knows no estate and no engine.
//!
//! Reads as BuildKit's own frontend reads: what that refuses is refused here, what that resolves is resolved here to the same text.

mod types;

pub use types::{Dockerfile, EdgeClass, Reached, RefKind, RefTarget, Reference, Stage};
