//! What a container holds that its replacement would lose: files that it wrote outside its mounts, and anonymous volumes that nobody takes over.
//!
//! In: what an engine tells of a container ([`Holdings`]), the new container's spec, and the service's policy. Out: a [`Loss`], which `driver`
//! refuses or lets be. Touches no engine.

mod glob;
mod harmless;
mod loss;

pub use loss::{Change, ChangeKind, Holdings, Loss, MountSeen, Orphan, candidates, orphans};
