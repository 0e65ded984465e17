//! What a change is about: everything, or some nodes of the graph and all that stands on them.

use super::request::PlanRequest;
use super::{Change, Patch, PlanError, error};
use crate::graph::{Graph, NodeId};
use crate::model::{ImageName, ImageRef};

/// What a change is about.
pub(super) enum Subject {
    /// Every image, and every base.
    Everything,
    /// These, in order, and what stands on them.
    These(Vec<NodeId>),
    /// Exactly these, in order, and nothing that stands on them.
    Only(Vec<NodeId>),
    /// No image at all.
    Nothing,
}

impl Subject {
    /// What the change of a request is about. A name that is asked for must be there; one of those that somebody said moved need not.
    pub(super) fn of(request: &PlanRequest<'_>) -> Result<Self, PlanError> {
        let graph = request.graph;
        Ok(match request.change {
            Change::Base(base) => Self::These(vec![base_node(request, base)?]),
            Change::Image(image) => Self::These(vec![image_node(request, image)?]),
            Change::Moved { bases, images } => {
                let bases = bases.iter().filter_map(|base| graph.find(base)).filter(|id| !graph.is_image(*id));
                let mut these: Vec<NodeId> = bases.chain(images.iter().filter_map(|image| graph.image(image))).collect();
                these.sort_unstable();
                Self::These(these)
            }
            Change::Patch(patch) => {
                let Patch { images, bases, .. } = patch.as_ref();
                // A base that no Dockerfile reaches for is one that services run as it is.
                let bases = bases.iter().filter_map(|base| graph.find(base)).filter(|id| !graph.is_image(*id));
                let images = images.iter().map(|image| image_node(request, image)).collect::<Result<Vec<_>, _>>()?;
                let mut these: Vec<NodeId> = bases.chain(images).collect();
                these.sort_unstable();
                Self::Only(these)
            }
            Change::Release(_) => Self::Nothing,
            _ => Self::Everything,
        })
    }

    /// Whether a node is one of those that the change is about.
    pub(super) fn is(&self, id: NodeId) -> bool {
        match self {
            Self::Everything => true,
            Self::These(these) | Self::Only(these) => these.binary_search(&id).is_ok(),
            Self::Nothing => false,
        }
    }

    /// By node index: whether the change may concern it.
    pub(super) fn considered(&self, graph: &Graph) -> Vec<bool> {
        match self {
            Self::Everything => vec![true; graph.len()],
            Self::These(these) => graph.reaching(these),
            Self::Only(these) => {
                let mut considered = vec![false; graph.len()];
                these.iter().for_each(|id| considered[id.index()] = true);
                considered
            }
            Self::Nothing => vec![false; graph.len()],
        }
    }
}

fn base_node(request: &PlanRequest<'_>, asked: &ImageRef) -> Result<NodeId, PlanError> {
    let graph = request.graph;
    let names = || graph.bases().map(|id| graph.node(id).label());
    let node =
        graph.find(asked).ok_or_else(|| PlanError::NoSuchBase { asked: asked.clone(), nearest: error::nearest(&asked.familiar(), names()) })?;
    match graph.name(node) {
        Some(image) => Err(PlanError::BaseIsImage { image: image.clone() }),
        None => Ok(node),
    }
}

fn image_node(request: &PlanRequest<'_>, asked: &ImageName) -> Result<NodeId, PlanError> {
    let names = request.estate.images.keys().map(ToString::to_string);
    request.graph.image(asked).ok_or_else(|| PlanError::NoSuchImage { asked: asked.clone(), nearest: error::nearest(asked.as_str(), names) })
}
