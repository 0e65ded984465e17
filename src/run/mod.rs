//! The whole story of one change: its events, and the fold that makes state of them. The only room that sees all stages.

mod event;
mod state;

pub use crate::build::BuildOutcome;
pub use event::{CarryOutcome, Event, RunOutcome};
pub use state::{BuildState, CannotFollow, RolloutState, RunState};
