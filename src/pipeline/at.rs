//! A cursor into a positioned tree: which file, which path of keys, which place. Every finding is made from one.

use super::finding::{Finding, Severity, Spot};
use super::node::{Kind, Node};
use crate::model::Place;

/// Where something stands. A key that was not written has the place of what it is missing from.
#[derive(Debug, Clone)]
pub(super) struct At<'a> {
    pub(super) file: &'a str,
    pub(super) node: Option<&'a Node>,
    pub(super) path: String,
    key_spot: Spot,
    spot: Spot,
}

impl<'a> At<'a> {
    pub(super) fn root(file: &'a str, node: &'a Node) -> Self {
        Self { file, node: Some(node), path: String::new(), key_spot: node.spot, spot: node.spot }
    }

    pub(super) fn key(&self, key: &str) -> At<'a> {
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        match self.node.and_then(|node| node.get(key)) {
            Some(entry) => {
                let node: &'a Node = &entry.value;
                // A map or a list begins somewhere below; its key is what people look for.
                let spot = if matches!(node.kind, Kind::Scalar(_)) { node.spot } else { entry.spot };
                At { file: self.file, node: Some(node), path, key_spot: entry.spot, spot }
            }
            None => At { file: self.file, node: None, path, key_spot: self.key_spot, spot: self.key_spot },
        }
    }

    /// The item of a list; of what is no list (a short form with one value), the value itself.
    pub(super) fn index(&self, index: usize) -> At<'a> {
        match self.node.map(|node| &node.kind) {
            Some(Kind::List(items)) => match items.get(index) {
                Some(node) => At { file: self.file, node: Some(node), path: format!("{}[{index}]", self.path), key_spot: node.spot, spot: node.spot },
                None => self.clone(),
            },
            _ => self.clone(),
        }
    }

    /// Whether it was written, and is not empty.
    pub(super) fn is_written(&self) -> bool {
        self.node.is_some_and(|node| !matches!(node.kind, Kind::Null))
    }

    pub(super) fn spot(&self) -> Spot {
        self.spot
    }

    pub(super) fn key_spot(&self) -> Spot {
        self.key_spot
    }

    /// The place of its key, as the estate keeps it.
    pub(super) fn place(&self) -> Place {
        Place { file: self.file.into(), line: self.key_spot.line }
    }

    pub(super) fn finding(&self, severity: Severity, spot: Spot, message: String, help: String) -> Finding {
        Finding {
            severity,
            file: self.file.into(),
            line: spot.line,
            column: spot.column,
            key: self.path.clone(),
            message,
            help: Some(help).filter(|help| !help.is_empty()),
            span: spot.start..spot.end,
        }
    }
}
