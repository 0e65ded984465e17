//! Folders as build contexts: what is sent, what is left out, and one hash over what is.
//!
//! In: a folder and the Dockerfile's path in it. Out: a [`FolderContext`], which is walked once and then read by the planner (its hash) and by
//! the builder (its files). Nothing but regular files is ever opened: a FIFO would hang whoever does.

mod dockerfile;
mod error;
mod folder;
mod hash;
mod ignore;
mod real_paths;
mod stat_cache;
mod walk;

pub use dockerfile::{nearest_dockerfiles, within_context};
pub use error::ContextError;
pub use folder::FolderContext;
pub use hash::{content_moment, context_hash};
pub use ignore::{IgnoreError, IgnoreRules, Matched, ignore_files};
pub use real_paths::RealPaths;
