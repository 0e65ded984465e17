//! A scan as a forest: each Dockerfile once, below what its last stage is based on.

use std::collections::{BTreeMap, BTreeSet};

use super::Scan;
use super::file::Parent;

/// The whole scan, from bases to leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forest {
    /// Bases with what is built on them; those with the most dependents first.
    pub roots: Vec<Root>,
}

/// What the Dockerfiles of one tree are based on in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// The image in its short form, or a phrase in brackets where there is none.
    pub name: String,
    /// How many Dockerfiles need it themselves, in any stage.
    pub direct: usize,
    /// How many are to be rebuilt when it moves: these, and all that need those.
    pub all: usize,
    /// The Dockerfiles on it, each followed by those on that one.
    pub rows: Vec<Row>,
}

/// One Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its path.
    pub path: String,
    /// How far it is from the root; 0 directly on it.
    pub depth: usize,
    /// Whether it is the last one on its parent.
    pub last: bool,
    /// How many Dockerfiles need what it builds, others' dependents included.
    pub all: usize,
    /// What it needs besides its parent, in short form.
    pub also: Vec<String>,
}

/// An image as people write it.
fn short(image: &str) -> String {
    let image = image.strip_prefix("docker.io/library/").or_else(|| image.strip_prefix("docker.io/")).unwrap_or(image);
    image.strip_suffix(":latest").unwrap_or(image).to_owned()
}

const SCRATCH: &str = "(scratch)";
const UNKNOWN: &str = "(cannot be told)";

struct Builder<'a> {
    scan: &'a Scan,
    children: Vec<Vec<usize>>,
    dependents: Vec<Vec<usize>>,
}

impl Scan {
    /// Makes the forest.
    ///
    /// A file that is refused is not in it, and those of a cycle stand below the phrase for what cannot be told.
    pub fn forest(&self) -> Forest {
        let count = self.dockerfiles.len();
        let mut builder = Builder { scan: self, children: vec![Vec::new(); count], dependents: vec![Vec::new(); count] };
        let mut roots: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        let mut users: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
        for (index, file) in self.dockerfiles.iter().enumerate().filter(|(_, file)| file.error.is_none()) {
            for used in &file.images {
                match used.built_by {
                    Some(base) => builder.dependents[base].push(index),
                    None => {
                        users.entry(short(&used.image)).or_default().insert(index);
                    }
                }
            }
            match &file.parent {
                Parent::Image(image) => match file.images[*image].built_by {
                    Some(base) if !self.is_below(base, index) => builder.children[base].push(index),
                    Some(_) => roots.entry(UNKNOWN.to_owned()).or_default().push(index),
                    None => roots.entry(short(&file.images[*image].image)).or_default().push(index),
                },
                Parent::Scratch => roots.entry(SCRATCH.to_owned()).or_default().push(index),
                Parent::Unknown => roots.entry(UNKNOWN.to_owned()).or_default().push(index),
            }
        }
        // Bases that only builder stages need have no children, yet a move of theirs rebuilds as well.
        for name in users.keys() {
            roots.entry(name.clone()).or_default();
        }
        let mut roots: Vec<Root> = roots
            .into_iter()
            .map(|(name, children)| {
                let direct: Vec<usize> = users.get(&name).map_or_else(|| children.clone(), |users| users.iter().copied().collect());
                Root { direct: direct.len(), all: builder.reach(&direct), rows: builder.rows(&children), name }
            })
            .collect();
        roots.sort_by(|a, b| (a.name.starts_with('('), b.all, &a.name).cmp(&(b.name.starts_with('('), a.all, &b.name)));
        Forest { roots }
    }

    /// Whether `file` stands on `base` along the parents.
    fn is_below(&self, file: usize, base: usize) -> bool {
        let mut at = file;
        for _ in 0..=self.dockerfiles.len() {
            if at == base {
                return true;
            }
            let file = &self.dockerfiles[at];
            match file.parent {
                Parent::Image(image) => match file.images[image].built_by {
                    Some(next) => at = next,
                    None => return false,
                },
                _ => return false,
            }
        }
        // Round and round without coming by: a cycle further down.
        false
    }
}

impl Builder<'_> {
    /// How many files the dependents of `from` and these themselves are.
    fn reach(&self, from: &[usize]) -> usize {
        let mut seen: BTreeSet<usize> = from.iter().copied().collect();
        let mut open = from.to_vec();
        while let Some(at) = open.pop() {
            open.extend(self.dependents[at].iter().filter(|next| seen.insert(**next)));
        }
        seen.len()
    }

    fn rows(&self, top: &[usize]) -> Vec<Row> {
        let mut rows = Vec::new();
        let mut open: Vec<(usize, usize, bool)> = Vec::new();
        let push = |open: &mut Vec<(usize, usize, bool)>, children: &[usize], depth: usize| {
            open.extend(children.iter().enumerate().rev().map(|(place, child)| (*child, depth, place + 1 == children.len())));
        };
        push(&mut open, top, 0);
        while let Some((index, depth, last)) = open.pop() {
            rows.push(self.row(index, depth, last));
            push(&mut open, &self.children[index], depth + 1);
        }
        rows
    }

    fn row(&self, index: usize, depth: usize, last: bool) -> Row {
        let file = &self.scan.dockerfiles[index];
        let others = file.images.iter().enumerate().filter(|(place, _)| file.parent != Parent::Image(*place));
        let also = others.map(|(_, used)| short(&used.image)).collect();
        Row { path: file.path.clone(), depth, last, all: self.reach(&self.dependents[index]), also }
    }
}
