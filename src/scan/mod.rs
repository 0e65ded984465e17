//! The inheritance of a folder of Dockerfiles that nobody has described yet.
//!
//! In: each Dockerfile's path and text, read elsewhere. Out: a [`Scan`], which serialises to the JSON of `refit scan --json` and which
//! `report` prints as a tree; `refit init` makes a first pipeline of it. Pure: the walk is `edge`'s.

mod edges;
mod file;
mod file_name;
mod first_pipeline;
mod oddity;
mod tree;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

pub use file::{FileScan, ImageUse, Parent, StageScan, file, unreadable};
pub use file_name::{FileKind, file_kind};
pub use first_pipeline::first_pipeline;
pub use oddity::{Oddity, OddityKind};
pub use tree::{Forest, Root, Row};

/// What was found below a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Scan {
    /// Every Dockerfile by its path, in the order of the paths.
    #[serde(serialize_with = "as_map")]
    pub dockerfiles: Vec<FileScan>,
    /// Templates of Dockerfiles, which are not read.
    pub templates: Vec<String>,
    /// Dependent and base, where it can be told what a Dockerfile builds.
    #[serde(serialize_with = "as_paths")]
    pub edges: Vec<Edge>,
}

/// A Dockerfile that needs what another one builds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// The path of the Dockerfile that needs.
    pub dependent: String,
    /// The path of the Dockerfile that builds what it needs.
    pub base: String,
}

/// Puts the files of a folder together; `root` is what the folder itself is called.
pub fn scan(mut files: Vec<FileScan>, mut templates: Vec<String>, root: &str) -> Scan {
    files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    templates.sort_unstable();
    let edges = edges::link(&mut files, root);
    Scan { dockerfiles: files, templates, edges }
}

fn as_map<S: Serializer>(files: &[FileScan], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(files.len()))?;
    for file in files {
        map.serialize_entry(&file.path, file)?;
    }
    map.end()
}

fn as_paths<S: Serializer>(edges: &[Edge], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(edges.iter().map(|edge| [&edge.dependent, &edge.base]))
}

#[cfg(test)]
mod tests;
