//! Who inherits from whom: images and bases as nodes, an edge wherever a Dockerfile reaches from one to another.
//!
//! In: the names of the estate's images and, for each, what its Dockerfile reaches for. Out: a [`Graph`] that answers who is affected when
//! something moves, in which order, and findings about what cannot be right. The only room that knows petgraph.

mod dependence;
mod finding;
mod inheritance;
mod order;
mod reach;

#[cfg(test)]
pub(crate) mod samples;

pub use dependence::dependencies_first;
pub use finding::{GraphFinding, Ring, RingEdge};
pub use inheritance::{Edge, Graph, Node, NodeId};
pub use reach::{ImageReaches, Reach};
