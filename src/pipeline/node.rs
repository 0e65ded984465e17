//! A YAML tree in which every key and value knows its place; `parse` makes it of a text.

use std::collections::HashMap;
use std::rc::Rc;

use super::finding::Spot;

/// A value and its place.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) spot: Spot,
    /// Values in it with all aliases written out.
    pub(super) weight: u32,
}

#[derive(Debug)]
pub(super) enum Kind {
    Null,
    Scalar(String),
    List(Vec<Rc<Node>>),
    Map(Map),
}

/// Keys and values in written order.
#[derive(Debug)]
pub(super) struct Map {
    pub(super) entries: Vec<Entry>,
    /// Where each key stands, once there are many: an estate has thousands of images in one map.
    index: HashMap<String, usize>,
}

/// Up to here looking through all keys is as quick as an index.
const UNINDEXED_MAX: usize = 16;

impl Map {
    pub(super) fn of(entries: Vec<Entry>) -> Self {
        let many = entries.len() > UNINDEXED_MAX;
        let index = if many { entries.iter().enumerate().map(|(at, entry)| (entry.key.clone(), at)).collect() } else { HashMap::new() };
        Self { entries, index }
    }

    fn get(&self, key: &str) -> Option<&Entry> {
        if self.entries.len() > UNINDEXED_MAX {
            return self.index.get(key).and_then(|at| self.entries.get(*at));
        }
        self.entries.iter().find(|entry| entry.key == key)
    }
}

/// One key of a map and its value.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) spot: Spot,
    pub(super) value: Rc<Node>,
}

impl Node {
    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        match &self.kind {
            Kind::Map(map) => map.get(key),
            _ => None,
        }
    }

    /// What it is, for a message: `a map`, `a list`, `the text …`, `nothing`.
    pub(super) fn described(&self) -> String {
        match &self.kind {
            Kind::Null => "nothing".to_owned(),
            Kind::Scalar(text) if text.chars().count() > 40 => format!("`{}…`", text.chars().take(40).collect::<String>().escape_debug()),
            Kind::Scalar(text) => format!("`{}`", text.escape_debug()),
            Kind::List(_) => "a list".to_owned(),
            Kind::Map(_) => "a map".to_owned(),
        }
    }
}
