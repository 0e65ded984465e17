//! What may start now, and what a result means for its dependents. Knows no Docker words.
//!
//! In: the steps of a plan, and results as they come. Out: which builds start, which are skipped, how long it will still take; and what
//! is written on an image besides its content. The driver asks and carries out.

mod cutoff;
mod outcome;
mod ready;
mod spec;

pub use cutoff::{Content, same_content};
pub use outcome::BuildOutcome;
pub use ready::{Released, Schedule, Start, StepState};
pub use spec::{ESTATE, INPUTS, ImageLabels, RUN, labels};
