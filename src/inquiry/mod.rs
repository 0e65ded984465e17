//! What people ask about packages: who has one, which problems are open and for how long, what cures them, and what a release changed.
//!
//! In: the inventories and the advisories that the journal keeps, and the estate. Out: answers as plain data, which `report` shows and `api` sends.
//! Joins what `inventory` and `advisory` decide with what is kept; asks no engine. Calls wait for the disk, so from asynchronous code they belong on
//! a thread that may.

mod answer;
mod bill;
mod difference;
mod error;
mod fixes;
mod named;
mod problems;
mod remedy;
mod sought;
mod stale;

pub use answer::{Answer, Container, Fix, NotRead, Query, Unknown, who_has};
pub use bill::subject;
pub use difference::{ImageDifference, ReleaseDifference, difference, of_images};
pub use error::AskError;
pub use named::{Named, contents};
pub use problems::{OpenProblem, ProblemKept, Problems, open_problems, problem, problems};
pub use remedy::{AsItIs, AsTheyAre, Deployed, Remedy, remedy};
pub use sought::Sought;
pub use stale::{BaseBehind, ImageProblems, ServiceBehind, Services, problems_of_image, stale};

#[cfg(test)]
mod tests;
