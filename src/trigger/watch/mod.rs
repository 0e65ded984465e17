//! Bases whose registries are asked whether they moved: when each is asked next, what an answer means, and which tag a base stands for.
//!
//! In: the estate's `bases.*.{watch, follow, cooldown}`, answers of registries, and `now`. Out: which bases are due ([`Rounds`]), whether one moved
//! ([`Sightings`]), and of many tags the one that counts ([`newest`]). An answer that says "moved" is a reason to plan and no more: the plan looks
//! at everything for itself.

mod newest;
mod rounds;
mod sightings;
mod spread;

pub use newest::newest;
pub use rounds::{Answer, Rounds};
pub use sightings::{Meaning, Shown, Sightings};
pub use spread::RateLimit;
