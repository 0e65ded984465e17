//! What is wrong with a graph, each with the places to look at.

use std::fmt;

use crate::dockerfile::RefKind;
use crate::model::{ImageName, ImageRef, Place};

/// Something about the graph that its reader should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GraphFinding {
    /// Images that stand on one another: nothing in the ring can be built first.
    Cycle(Ring),
    /// A reference to an image of the estate, but under another tag: it is taken for a base, and does not follow that image.
    OtherTag {
        /// The image that reaches.
        image: ImageName,
        /// What it reaches.
        reference: ImageRef,
        /// The image of the estate that may have been meant.
        meant: ImageName,
        /// Where.
        at: Place,
    },
}

impl GraphFinding {
    /// Whether nothing can be planned before it is mended.
    pub fn is_error(&self) -> bool {
        matches!(self, Self::Cycle(_))
    }
}

impl fmt::Display for GraphFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cycle(ring) => write!(f, "images stand on one another in a ring: {ring}"),
            Self::OtherTag { image, reference, meant, at } => write!(
                f,
                "{image} reaches for {} ({at}), which is not the estate's image {meant} but another tag of it; it is not rebuilt when {meant} is",
                reference.familiar()
            ),
        }
    }
}

/// A cycle, edge by edge. Begins with its first image by name; the last edge leads back to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ring {
    /// Its edges, in order.
    pub edges: Vec<RingEdge>,
}

/// One edge of a ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RingEdge {
    /// The image that reaches.
    pub image: ImageName,
    /// The image that is reached.
    pub reaches: ImageName,
    /// By which instruction.
    pub kind: RefKind,
    /// Where.
    pub at: Place,
}

impl fmt::Display for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, edge) in self.edges.iter().enumerate() {
            let separator = if at == 0 { "" } else { " → " };
            write!(f, "{separator}{}: {} {} ({})", edge.image, edge.kind, edge.reaches, edge.at)?;
        }
        Ok(())
    }
}

impl fmt::Display for RefKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::From => "FROM",
            Self::CopyFrom => "COPY --from",
            Self::MountFrom => "RUN --mount=from",
        })
    }
}
