//! The schedule: when patch cycles come, how long their windows are open, and what holds runs back.
//!
//! In: the triggers, freezes and maintenance windows of an estate, and `now`. Out: occurrences with their moments, and waits with their reasons.
//! Nothing here looks at a clock or remembers anything: who calls [`due`] keeps the last occurrence that was handled, and gives it back.

mod due;
mod hold;
mod maintenance;
mod occurrence;
mod outlook;

#[cfg(test)]
mod tests;

pub use due::{Due, clock_is_behind, due};
pub use hold::{Asked, Origin, Wait, may_begin, may_roll};
pub use occurrence::{Occurrence, next, occurrences, window_closes};
pub use outlook::{Fate, Outlook, Planned, Poll, fate, outlook};
