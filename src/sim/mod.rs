//! The same promises as the edge, without a machine: engines in memory that can be made to fail, and a clock that runs when everybody waits.
//!
//! [`Machine`] is one engine's containers as a plain state machine: what a container is at a moment follows from when it was started and from its
//! [`Fate`], so there are no timers and the same seed gives the same story. [`World`] is several of them, for the pure core: actions in, observations
//! out. [`SimEngine`] wraps one behind the [`Engine`](crate::edge::Engine) trait, with the faults of a network in between.

mod clock;
mod deed;
mod engine;
mod fate;
mod fault;
mod image;
mod machine;
mod promise;
mod promises;
mod source;
#[cfg(test)]
mod tests;
mod world;

pub use clock::{Jumps, JumpyClock, SimClock};
pub use deed::{Deed, Deeds, Hits, What};
pub use engine::{SimEngine, SimState};
pub use fate::{Fate, FateRule};
pub use fault::Faults;
pub use image::sim_image;
pub use machine::{Machine, New, Refusal, SimContainer};
pub use promise::{Broken, Promise};
pub use promises::{Decision, is_serving, is_up};
pub use source::SimSource;
pub use world::World;
