//! What must be rebuilt so that no container has a problem any more: as little as possible.
//!
//! In: who inherits from whom, what runs, and who has which problem by whom, as plain data. Out: the images to rebuild, parents first and each with its
//! reasons; the bases that must move; and what nobody can cure yet. An image that brings a problem in itself is cured by building it without the cache,
//! one that inherits it by building it on what no longer has it. Whatever stands between the two and has it, too, must be rebuilt, and nothing else:
//! this set is the only smallest one, because who runs with a problem must be rebuilt, and helps only if everything that it inherits it from does not
//! have it any more.

mod order;
mod smallest;
mod spread;
#[cfg(test)]
mod tests;
mod types;

pub use smallest::cure;
pub use types::{BaseMove, Because, Bringer, Cure, Finding, Fix, Hopeless, NewerBase, Outlook, Problem, Reason, Rebuild, Situation};
