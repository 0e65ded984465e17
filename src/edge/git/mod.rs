//! Build contexts that come from git: repositories by URL, fetched into a cache and read from its object database, and folders that lie in
//! somebody's work tree.
//!
//! Nothing is checked out: a commit's tree is read as it is. libgit2 does the work; how it reaches `https` and `ssh` is ours
//! ([`transport`]), so that no second TLS and no second SSH is linked, and the user's own `ssh` and credential helpers are used.

mod address;
mod credential;
mod error;
mod follow;
mod repository;
mod transport;
mod tree;
mod work_tree;

#[cfg(test)]
mod tests;

pub use address::redact;
pub use error::GitError;
pub use follow::{Followed, follow, go_back};
pub use repository::RepositoryCache;
pub use tree::TreeContext;
pub use work_tree::{WorkTreeState, WorkTrees};
