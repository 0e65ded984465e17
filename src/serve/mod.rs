//! The daemon: triggers come in, wait until they are due, and each becomes a run, with nobody watching.
//!
//! Everything that it knows is in the journal: a trigger is there before its sender is answered, and is settled in the transaction in which its run
//! begins, so the daemon may be killed at any instant. One task carries out runs, one after another ([`Daemon::work`]); others only put triggers into
//! the journal and wake it. `api` is its face.

mod daemon;
mod estate;
mod heard;
mod leave;
mod news;
mod ready;
mod work;

pub use daemon::{Daemon, How, Standing};
pub use estate::Loaded;
pub use heard::{Meant, meant, pushed};
pub use news::{News, Passing};
pub use ready::tell_supervisor;
