//! Why a run begins, and which change that is; not what will be done.
//!
//! Triggers come from outside (webhooks), from registries that are asked, from the schedule and from people. Each is journalled before anything is
//! done about it; [`next`] says which of those that wait become one run, and when.

mod cause;
mod queue;

pub use cause::{Cause, Heard, Trigger, Wish};
pub use queue::{Batch, Held, Next, Rules, Waiting, Work, next};
