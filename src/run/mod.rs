//! The whole story of one change: its events, and the fold that makes state of them. The only room that sees all stages.

mod course;
mod event;
mod outcome;
mod state;

pub use crate::build::BuildOutcome;
pub use course::{Next, next};
pub use event::{Bill, CarryOutcome, Event, NotRolled, RunOutcome, Way};
pub use state::{BuildState, CannotFollow, RolloutState, RunState};
