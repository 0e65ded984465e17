//! Why a run begins, when it may, and which change that is; not what will be done.
//!
//! Triggers come from outside (webhooks), from registries that are asked, from the schedule and from people. A trigger is a reason to look, never an
//! order: what is to be done is found out by the planner, which looks at everything. Each is journalled before anything is done about it;
//! [`next`] says which of those that wait become one run, and when.

mod wish;

mod cause;
pub mod hook;
mod queue;
pub mod schedule;
pub mod watch;

pub use cause::{Cause, Heard, Trigger};
pub use queue::{Batch, Next, Rules, Waiting, Work, next};
pub use wish::{Wish, WrongWish};
