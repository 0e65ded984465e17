//! Decides which images a change obliges us to build again, in which order, and which services then roll.
//!
//! In: the inheritance graph, the digests known so far, one [`Change`]. Out: a [`Plan`], which the driver carries out and report prints.
//! Touches no disk, socket or clock; the same input gives the same plan.

mod error;
mod inputs;
mod narrow;
mod planner;
mod request;
mod rolls;
mod service_order;
mod side_by_side;
mod slots;
mod subject;
mod types;
mod verdict;

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;

pub use error::PlanError;
pub use inputs::{inputs, own_inputs, resolve_pins};
pub use planner::plan;
pub use request::{ImageFacts, LastBuild, PlanRequest, Quarantined, RefusedRelease, ServiceFacts, SourceFacts, sources_of};
pub use rolls::{image_as_written, is_asked_for};
pub use slots::{Newcomer, anonymous_places, effective_order};
pub use types::{
    BuildStep, Change, Context, HeldBase, HeldService, MovedBase, Patch, Pin, Plan, Reason, Restore, RollStep, SickService, SlotCount, StageStep,
    StepKind,
};
