//! The graph itself: how it is made, and how it is walked.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;
use petgraph::{Incoming, Outgoing};

use super::{GraphFinding, ImageReaches, Ring, RingEdge};
use crate::dockerfile::{EdgeClass, RefKind};
use crate::model::{ImageName, ImageRef, Place};
use crate::pipeline::Estate;

/// A node of a [`Graph`]. Images come before bases, each in the order of their names, so comparing nodes compares names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u32);

impl NodeId {
    /// Its place among all nodes: images first, by name.
    pub fn index(self) -> usize {
        self.0 as usize
    }

    pub(super) fn inner(self) -> NodeIndex {
        NodeIndex::new(self.index())
    }

    pub(super) fn from_inner(index: NodeIndex) -> Self {
        // Node indices of a `DiGraph` are 32 bits wide.
        Self(index.index() as u32)
    }
}

/// What stands at a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// An image that the estate builds.
    Image {
        /// Its name.
        name: ImageName,
        /// Its normal form.
        reference: ImageRef,
    },
    /// An image that the estate builds on and does not build.
    Base(ImageRef),
}

impl Node {
    /// The normal form.
    pub fn reference(&self) -> &ImageRef {
        match self {
            Self::Image { reference, .. } | Self::Base(reference) => reference,
        }
    }

    /// How people call it.
    pub fn label(&self) -> String {
        match self {
            Self::Image { name, .. } => name.to_string(),
            Self::Base(base) => base.familiar(),
        }
    }
}

/// One reason why a node stands on another. Two nodes may have several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// Which way.
    pub class: EdgeClass,
    /// By which instruction.
    pub kind: RefKind,
    /// Where.
    pub at: Place,
}

/// The inheritance graph of an estate.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    /// Edges lead from who reaches to what is reached.
    pub(super) inner: DiGraph<Node, Edge>,
    images: usize,
    by_reference: HashMap<ImageRef, NodeId>,
    /// What is reached before who reaches, level by level, each by name; not meaningful while there are rings.
    pub(super) bottom_up: Vec<NodeId>,
    /// Where each level ends among them.
    pub(super) level_ends: Vec<usize>,
    rings: Vec<Ring>,
}

impl Graph {
    /// Makes the graph of an estate, and says what cannot be right about it. An image without `reaches` has no edges.
    pub fn new(estate: &Estate, reaches: &[ImageReaches]) -> (Self, Vec<GraphFinding>) {
        let images = estate.images.values().map(|image| (image.name.clone(), image.reference.clone()));
        Self::of(images.collect(), reaches)
    }

    /// Makes the graph of images that are only known by name, as a scan finds them. O(images + edges), but for sorting names.
    pub fn of(images: BTreeMap<ImageName, ImageRef>, reaches: &[ImageReaches]) -> (Self, Vec<GraphFinding>) {
        let mut graph = Self { images: images.len(), ..Self::default() };
        graph.add_nodes(images, reaches);
        graph.add_edges(reaches);
        graph.find_rings();
        let mut findings: Vec<_> = graph.rings.iter().cloned().map(GraphFinding::Cycle).collect();
        findings.extend(graph.other_tags());
        (graph, findings)
    }

    fn add_nodes(&mut self, images: BTreeMap<ImageName, ImageRef>, reaches: &[ImageReaches]) {
        for (name, reference) in images {
            let node = self.inner.add_node(Node::Image { name, reference: reference.clone() });
            self.by_reference.entry(reference).or_insert(NodeId::from_inner(node));
        }
        let reached = reaches.iter().flat_map(|image| &image.reaches).map(|reach| &reach.base);
        let bases: BTreeSet<&ImageRef> = reached.filter(|base| !self.by_reference.contains_key(base)).collect();
        for base in bases {
            let node = self.inner.add_node(Node::Base(base.clone()));
            self.by_reference.insert(base.clone(), NodeId::from_inner(node));
        }
    }

    fn add_edges(&mut self, reaches: &[ImageReaches]) {
        for image in reaches {
            let Some(from) = self.image(&image.image) else { continue };
            // petgraph walks the edges of a node from the youngest to the oldest; added backwards they come in the order of the text.
            for reach in image.reaches.iter().rev() {
                if let Some(to) = self.by_reference.get(&reach.base) {
                    let edge = Edge { class: reach.class, kind: reach.kind, at: reach.at.clone() };
                    self.inner.add_edge(from.inner(), to.inner(), edge);
                }
            }
        }
    }

    /// One ring for each knot of images that reach one another.
    ///
    /// Kosaraju's way, because petgraph's Tarjan recurses and a chain of some ten thousand images would end the stack.
    fn find_rings(&mut self) {
        let knots = kosaraju_scc(&self.inner);
        let loops = |node: NodeIndex| self.inner.contains_edge(node, node);
        let mut starts: Vec<_> =
            knots.iter().filter(|knot| knot.len() > 1 || loops(knot[0])).filter_map(|knot| Some((*knot.iter().min()?, knot))).collect();
        starts.sort();
        self.rings = starts.into_iter().map(|(start, knot)| self.ring_through(start, &knot.iter().copied().collect())).collect();
        (self.bottom_up, self.level_ends) = self.by_level(knots.into_iter().flatten().map(NodeId::from_inner).collect());
    }

    /// Sorts what comes bottom up by how high it stands, then by name: whoever walks it meets the nodes of a level in the order in which they lie
    /// in memory, which counts in an estate that is larger than the caches.
    fn by_level(&self, mut bottom_up: Vec<NodeId>) -> (Vec<NodeId>, Vec<usize>) {
        let mut levels = vec![0_u32; self.len()];
        for id in &bottom_up {
            levels[id.index()] = self.reaches(*id).map(|(_, to)| levels[to.index()] + 1).max().unwrap_or(0);
        }
        bottom_up.sort_unstable_by_key(|id| (levels[id.index()], *id));
        let highest = levels.iter().max().map_or(0, |highest| highest + 1);
        let ends = (0..highest).map(|level| bottom_up.partition_point(|id| levels[id.index()] <= level)).collect();
        (bottom_up, ends)
    }

    /// The shortest ring through `start` that stays within its knot.
    fn ring_through(&self, start: NodeIndex, knot: &BTreeSet<NodeIndex>) -> Ring {
        let mut came_by = HashMap::new();
        let mut queue = VecDeque::from([start]);
        while let Some(node) = queue.pop_front()
            && !came_by.contains_key(&start)
        {
            for edge in self.inner.edges(node).filter(|edge| knot.contains(&edge.target())) {
                came_by.entry(edge.target()).or_insert_with(|| {
                    queue.push_back(edge.target());
                    edge.id()
                });
            }
        }
        let mut edges = Vec::new();
        let mut at = start;
        while let Some(id) = came_by.get(&at) {
            let Some((from, to)) = self.inner.edge_endpoints(*id) else { break };
            edges.extend(self.ring_edge(from, to, &self.inner[*id]));
            at = from;
            if at == start {
                break;
            }
        }
        edges.reverse();
        Ring { edges }
    }

    fn ring_edge(&self, from: NodeIndex, to: NodeIndex, edge: &Edge) -> Option<RingEdge> {
        match (&self.inner[from], &self.inner[to]) {
            (Node::Image { name: image, .. }, Node::Image { name: reaches, .. }) => {
                Some(RingEdge { image: image.clone(), reaches: reaches.clone(), kind: edge.kind, at: edge.at.clone() })
            }
            _ => None,
        }
    }

    fn other_tags(&self) -> Vec<GraphFinding> {
        let key = |reference: &ImageRef| (reference.registry().to_owned(), reference.repository().to_owned());
        let built: HashMap<_, _> = self.images().filter_map(|id| Some((key(self.node(id).reference()), self.name(id)?))).collect();
        let mut findings = Vec::new();
        for base in self.bases() {
            let reference = self.node(base).reference();
            let Some(meant) = built.get(&key(reference)) else { continue };
            let mut here: Vec<_> = self.reached_by(base).filter_map(|(edge, from)| Some((self.name(from)?, &edge.at))).collect();
            here.sort();
            findings.extend(here.into_iter().map(|(image, at)| GraphFinding::OtherTag {
                image: image.clone(),
                reference: reference.clone(),
                meant: (*meant).clone(),
                at: at.clone(),
            }));
        }
        findings
    }

    /// What stands at a node.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.inner[id.inner()]
    }

    /// The name of the image at a node; none if a base stands there.
    pub fn name(&self, id: NodeId) -> Option<&ImageName> {
        match self.node(id) {
            Node::Image { name, .. } => Some(name),
            Node::Base(_) => None,
        }
    }

    /// Whether an image of the estate stands at a node.
    pub fn is_image(&self, id: NodeId) -> bool {
        id.index() < self.images
    }

    /// Finds an image by its name. O(log images).
    pub fn image(&self, name: &ImageName) -> Option<NodeId> {
        let nodes = &self.inner.raw_nodes()[..self.images];
        let found = nodes.binary_search_by(|node| match &node.weight {
            Node::Image { name: other, .. } => other.cmp(name),
            Node::Base(_) => std::cmp::Ordering::Greater,
        });
        found.ok().map(|index| NodeId::from_inner(NodeIndex::new(index)))
    }

    /// Finds a base, or an image of the estate, by its normal form.
    pub fn find(&self, reference: &ImageRef) -> Option<NodeId> {
        self.by_reference.get(reference).copied()
    }

    /// Every image, by name.
    pub fn images(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.images).map(|index| NodeId::from_inner(NodeIndex::new(index)))
    }

    /// Every base, by its normal form.
    pub fn bases(&self) -> impl Iterator<Item = NodeId> + use<> {
        (self.images..self.inner.node_count()).map(|index| NodeId::from_inner(NodeIndex::new(index)))
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.inner.node_count()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What a node reaches for, in the order of its Dockerfile; several edges to one node all come.
    pub fn reaches(&self, id: NodeId) -> impl Iterator<Item = (&Edge, NodeId)> + Clone {
        self.inner.edges_directed(id.inner(), Outgoing).map(|edge| (edge.weight(), NodeId::from_inner(edge.target())))
    }

    /// Who reaches for a node; in no particular order.
    pub fn reached_by(&self, id: NodeId) -> impl Iterator<Item = (&Edge, NodeId)> {
        self.inner.edges_directed(id.inner(), Incoming).map(|edge| (edge.weight(), NodeId::from_inner(edge.source())))
    }

    /// The direct dependents of a node, by name, each once.
    pub fn children(&self, id: NodeId) -> Vec<NodeId> {
        let once: BTreeSet<NodeId> = self.reached_by(id).map(|(_, from)| from).collect();
        once.into_iter().collect()
    }

    /// Cycles, if there are any: then nothing can be ordered.
    pub fn rings(&self) -> &[Ring] {
        &self.rings
    }
}
