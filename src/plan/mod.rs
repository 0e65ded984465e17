//! Decides which images a change obliges us to build again, in which order, and which services then roll.
//!
//! In: the inheritance graph, the digests known so far, one [`Change`]. Out: a [`Plan`], which the driver carries out and report prints.
//! Touches no disk, socket or clock; the same input gives the same plan.

mod types;

pub use types::{BuildStep, Change, Context, Pin, Plan, Reason, RollStep, SlotCount, StepKind};
