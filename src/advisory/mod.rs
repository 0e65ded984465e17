//! What is known to be wrong with packages, which of them have it, what cures it, and for how long it was there.
//!
//! In: records of OSV and Debian's security tracker as bytes, the packages of images, the estate's inheritance, and which containers ran when. Out: an
//! [`Advisory`] in one form whatever its source, a [`Hit`] for a package that has it, the smallest [`Cure`], and an [`Exposure`]. Fetches nothing and
//! keeps nothing; the moment is an argument.

mod asked;
mod cure;
pub mod debian_tracker;
mod ecosystem;
mod events;
mod exposure;
mod matching;
pub mod osv;
#[cfg(test)]
mod osv_tests;
mod severity;
mod types;
mod walk;

pub use asked::Asked;
pub use cure::{BaseMove, Because, Bringer, Cure, Finding, Fix, Hopeless, NewerBase, Outlook, Problem, Reason, Rebuild, Situation, cure};
pub use exposure::{Exposure, Span, exposure};
pub use matching::{Fixed, Hit, Key, highest_fix, is_undetermined, keys, keys_of, verdict, verdict_of_all};
pub use severity::{Label, Severity};
pub use types::{Advisory, Affected, DistroMatch, Naming, Range, Standing, Terms, Until};
