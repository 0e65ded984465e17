//! What people are told about packages: who has one, what is in an image, which problems are open, what changed, and how far behind what runs is.

mod answer;
mod contents;
mod difference;
mod problems;
mod remedy;
mod stale;

pub use answer::{answer, answer_as_csv, not_read, not_told};
pub use contents::contents;
pub use difference::{difference, difference_in_short, of_bases};
pub use problems::{problem, problems, undetermined};
pub use remedy::remedy;
pub use stale::stale;

/// Said of a version that only subscribers of a distribution get.
const SUBSCRIBERS: &str = "for subscribers only";

/// So many are named, and the rest counted.
const NAMED_MAX: usize = 5;

/// `a, b, c`, and how many more there are.
fn few(names: &[String]) -> String {
    let (shown, rest) = names.split_at(names.len().min(NAMED_MAX));
    match rest.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
