//! The inheritance graph as people and other tools read it: a tree, Graphviz, Mermaid, JSON.

use std::fmt::{self, Write as _};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::dockerfile::{EdgeClass, RefKind};
use crate::graph::{Graph, NodeId};
use crate::model::Place;

/// How a graph is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GraphFormat {
    /// From bases to leaves.
    #[default]
    Tree,
    /// For Graphviz.
    Dot,
    /// For Mermaid.
    Mermaid,
    /// For programs.
    Json,
}

/// The graph as data.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Graph")]
pub struct GraphJson {
    nodes: Vec<NodeJson>,
    edges: Vec<EdgeJson>,
}

/// A base or an image.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "GraphNode")]
struct NodeJson {
    name: String,
    kind: &'static str,
    reference: String,
    /// How many images reach for it directly.
    dependents: usize,
}

/// An image that reaches for another one, or for a base.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "GraphEdge")]
struct EdgeJson {
    image: String,
    reaches: String,
    class: EdgeClass,
    kind: RefKind,
    at: Place,
}

impl fmt::Display for GraphFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tree => "tree",
            Self::Dot => "dot",
            Self::Mermaid => "mermaid",
            Self::Json => "json",
        })
    }
}

/// All that a graph has, as people name it: bases first.
pub fn graph_names(graph: &Graph) -> String {
    let names: Vec<String> = graph.bases().chain(graph.images()).map(|id| graph.node(id).label()).collect();
    names.join(", ")
}

/// The graph in a format. `affected_by` leaves only what that node is reached by, and the node itself.
pub fn graph(graph: &Graph, format: GraphFormat, affected_by: Option<NodeId>) -> String {
    let shown = Shown::new(graph, affected_by);
    match format {
        GraphFormat::Tree => shown.tree(),
        GraphFormat::Dot => shown.dot(),
        GraphFormat::Mermaid => shown.mermaid(),
        GraphFormat::Json => serde_json::to_string_pretty(&shown.json()).unwrap_or_default(),
    }
}

/// The part of a graph that is shown.
struct Shown<'a> {
    graph: &'a Graph,
    visible: Vec<bool>,
    root: Option<NodeId>,
}

impl<'a> Shown<'a> {
    fn new(graph: &'a Graph, root: Option<NodeId>) -> Self {
        let visible = match root {
            None => vec![true; graph.len()],
            Some(root) => {
                let mut visible = graph.reaching(&[root]);
                visible[root.index()] = true;
                visible
            }
        };
        Self { graph, visible, root }
    }

    fn nodes(&self) -> impl Iterator<Item = NodeId> {
        self.graph.images().chain(self.graph.bases()).filter(|id| self.visible[id.index()])
    }

    fn edges(&self) -> impl Iterator<Item = (NodeId, &crate::graph::Edge, NodeId)> {
        let of = |from: NodeId| self.graph.reaches(from).map(move |(edge, to)| (from, edge, to));
        self.nodes().flat_map(of).filter(|(_, _, to)| self.visible[to.index()])
    }

    /// Where the tree begins: what was asked for, else bases, and images that stand on nothing.
    fn roots(&self) -> Vec<NodeId> {
        match self.root {
            Some(root) => vec![root],
            None => {
                let rootless = |id: &NodeId| self.graph.reaches(*id).next().is_none();
                self.graph.bases().chain(self.graph.images().filter(rootless)).collect()
            }
        }
    }

    /// One line for each way down; what has dependents and was shown before is not opened again. Needs no stack of its own: chains are long.
    fn tree(&self) -> String {
        let mut text = String::new();
        let mut opened = vec![false; self.graph.len()];
        for root in self.roots() {
            let mut open = vec![(root, None, String::new(), true)];
            while let Some((id, parent, indent, last)) = open.pop() {
                let children = self.graph.children(id);
                let again = std::mem::replace(&mut opened[id.index()], true) && !children.is_empty();
                let branch = match (parent, last) {
                    (None, _) => "",
                    (_, true) => "└── ",
                    (_, false) => "├── ",
                };
                let _ = writeln!(text, "{indent}{branch}{}{}", self.graph.node(id).label(), self.after_label(id, parent, children.len(), again));
                if again {
                    continue;
                }
                let indent = match (parent, last) {
                    (None, _) => indent,
                    (_, true) => indent + "    ",
                    (_, false) => indent + "│   ",
                };
                let count = children.len();
                let below = children.into_iter().enumerate().rev();
                open.extend(below.map(|(at, child)| (child, Some(id), indent.clone(), at + 1 == count)));
            }
        }
        text.truncate(text.trim_end().len());
        if text.is_empty() { "the estate has no images".to_owned() } else { text }
    }

    /// Where the child reaches for the parent, how many stand on it, and whether it was shown above.
    fn after_label(&self, id: NodeId, parent: Option<NodeId>, children: usize, again: bool) -> String {
        let mut text = String::new();
        if let Some(parent) = parent {
            let places: Vec<_> =
                self.graph.reaches(id).filter(|(_, to)| *to == parent).map(|(edge, _)| format!("{} {}", edge.kind, edge.at)).collect();
            let _ = write!(text, "  ({})", places.join(", "));
        }
        match children {
            0 => {}
            1 => text.push_str("  1 image on it"),
            more => {
                let _ = write!(text, "  {more} images on it");
            }
        }
        if again {
            text.push_str(", see above");
        }
        text
    }

    fn dot(&self) -> String {
        let mut text = String::from("digraph estate {\n  rankdir=BT;\n  node [shape=box];\n");
        for id in self.nodes().filter(|id| !self.graph.is_image(*id)) {
            let _ = writeln!(text, "  {:?} [style=rounded];", self.graph.node(id).label());
        }
        for id in self.nodes().filter(|id| self.graph.is_image(*id)) {
            let _ = writeln!(text, "  {:?};", self.graph.node(id).label());
        }
        for (from, edge, to) in self.edges() {
            let style = if edge.class == EdgeClass::Build { " style=dashed" } else { "" };
            let (from, to) = (self.graph.node(from).label(), self.graph.node(to).label());
            let _ = writeln!(text, "  {from:?} -> {to:?} [label={:?}{style}];", edge.at.to_string());
        }
        text.push('}');
        text
    }

    fn mermaid(&self) -> String {
        let mut text = String::from("flowchart BT\n");
        for id in self.nodes() {
            let (open, close) = if self.graph.is_image(id) { ("[", "]") } else { ("([", "])") };
            let _ = writeln!(text, "  n{}{open}\"{}\"{close}", id.index(), self.graph.node(id).label());
        }
        for (from, edge, to) in self.edges() {
            let arrow = if edge.class == EdgeClass::Build { "-.->" } else { "-->" };
            let _ = writeln!(text, "  n{} {arrow} n{}", from.index(), to.index());
        }
        text.truncate(text.trim_end().len());
        text
    }

    fn json(&self) -> GraphJson {
        let node = |id: NodeId| NodeJson {
            name: self.graph.node(id).label(),
            kind: if self.graph.is_image(id) { "image" } else { "base" },
            reference: self.graph.node(id).reference().to_string(),
            dependents: self.graph.children(id).len(),
        };
        let edge = |(from, edge, to): (NodeId, &crate::graph::Edge, NodeId)| EdgeJson {
            image: self.graph.node(from).label(),
            reaches: self.graph.node(to).label(),
            class: edge.class,
            kind: edge.kind,
            at: edge.at.clone(),
        };
        GraphJson { nodes: self.nodes().map(node).collect(), edges: self.edges().map(edge).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::samples;

    const ESTATE: &str = "base: debian:bookworm-slim, web: base, api: base tools+, tools: alpine, shop: web api+, void:";

    fn shown(format: GraphFormat, affected_by: Option<&str>) -> String {
        let (of, _) = samples::graph(ESTATE);
        let root = affected_by.map(|name| of.find(&name.parse().unwrap()).unwrap());
        graph(&of, format, root)
    }

    #[test]
    fn a_tree_goes_from_bases_to_leaves() {
        insta::assert_snapshot!(shown(GraphFormat::Tree, None));
        insta::assert_snapshot!(shown(GraphFormat::Tree, Some("alpine")));
    }

    #[test]
    fn other_tools_can_draw_it() {
        insta::assert_snapshot!(shown(GraphFormat::Dot, Some("alpine")));
        insta::assert_snapshot!(shown(GraphFormat::Mermaid, Some("alpine")));
        insta::assert_snapshot!(shown(GraphFormat::Json, Some("api")));
    }
}
