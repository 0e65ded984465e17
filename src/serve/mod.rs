//! The daemon: triggers come in, wait until they are due, and each becomes a run, with nobody watching.
//!
//! Everything that it knows is in the journal: a trigger is there before its sender is answered, and is settled in the transaction in which its run
//! begins, so the daemon may be killed at any instant. One task carries out runs, one after another ([`Daemon::work`]); others only put triggers into
//! the journal and wake it. `api` is its face.

mod clockwork;
mod daemon;
mod drift;
mod estate;
mod heard;
mod hooks;
mod leave;
mod meters;
mod news;
mod notices;
mod poll;
mod problems;
mod ready;
mod reload;
mod window;
mod wishes;
mod work;

pub use daemon::{Daemon, DriftPolicy, How, Standing};
pub use estate::Loaded;
pub use hooks::HookAnswer;
pub use news::{News, Passing};
pub use ready::tell_supervisor;
pub use wishes::{Foreseen, WishError};
pub use work::NOTHING_TO_DO;
