//! What may go, because nothing can need it any more: images that no release in reach has, and stopped containers whose slot another one has.
//!
//! In: what the journal knows ([`Known`]), how many releases are kept, and what is on one engine ([`Stock`]). Out: what goes and why, and what stays
//! and why ([`Chosen`]), which `driver` carries out. Touches no engine, and knows no volumes: nothing here can choose one.

mod containers;
mod images;
mod needed;
mod size;
#[cfg(test)]
mod tests;
mod types;

pub use containers::{Candidate, SlotsNow, candidates, left_with_nobody};
pub use images::choose;
pub use needed::needed;
pub use size::bytes_of;
pub use types::{Chosen, Goner, ImageThere, Known, Needed, Owner, Piece, Stays, Stock, Thing, Unfinished, Ways};
