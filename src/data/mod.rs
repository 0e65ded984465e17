//! What a container holds that its replacement would lose: files that it wrote outside its mounts, and anonymous volumes that nobody takes over.
//!
//! In: what an engine tells of a container ([`Holdings`]), the new container's spec, and the service's policy. Out: a [`Loss`], which `driver`
//! refuses or lets be, or an [`Adoption`], which it has copied. Touches no engine.

mod adopt;
mod glob;
mod harmless;
mod loss;

pub use adopt::{Adopted, Adoption, TREES_MAX, covered};
pub use loss::{Change, ChangeKind, Holdings, Loss, MountSeen, Orphan, candidates, named, orphans, unclaimed};
