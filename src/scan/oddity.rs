//! What is odd in a scan: what cannot be told, what changes under its name, and what runs in a circle.

use std::fmt;

use super::Scan;

/// Something that a person should look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oddity {
    /// The Dockerfile.
    pub path: String,
    /// The line, where there is one.
    pub line: Option<u32>,
    /// What it is.
    pub kind: OddityKind,
}

/// What is odd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OddityKind {
    /// BuildKit refuses the file, or it cannot be read.
    Refused(String),
    /// A reference that cannot be told.
    Unresolved {
        /// As written.
        raw: String,
        /// Why not.
        why: String,
    },
    /// An image of others whose content may change under its name.
    Mutable(String),
    /// Dockerfiles that need one another, in order; the first one again at the end is left out.
    Cycle(Vec<String>),
}

impl fmt::Display for OddityKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(why) => write!(f, "refused: {why}"),
            Self::Unresolved { raw, why } => write!(f, "cannot be resolved: {raw} ({why})"),
            Self::Mutable(image) => write!(f, "mutable tag: {}", image.strip_prefix("docker.io/library/").unwrap_or(image)),
            Self::Cycle(ring) => write!(f, "cycle: {} → {}", ring.join(" → "), ring.first().map_or("", String::as_str)),
        }
    }
}

impl fmt::Display for Oddity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.path, self.kind),
            None => write!(f, "{}: {}", self.path, self.kind),
        }
    }
}

impl Scan {
    /// All oddities: cycles first, then by path and line.
    pub fn oddities(&self) -> Vec<Oddity> {
        let mut all: Vec<Oddity> = Vec::new();
        for file in &self.dockerfiles {
            all.extend(file.oddities.iter().cloned());
            let mutable = file.images.iter().filter(|used| used.mutable && used.built_by.is_none());
            all.extend(mutable.map(|used| Oddity { path: file.path.clone(), line: Some(used.line), kind: OddityKind::Mutable(used.image.clone()) }));
        }
        all.sort_by(|a, b| (&a.path, a.line).cmp(&(&b.path, b.line)));
        let mut oddities: Vec<Oddity> = self.cycles().into_iter().map(|ring| self.cycle(&ring)).collect();
        oddities.append(&mut all);
        oddities
    }

    fn cycle(&self, ring: &[usize]) -> Oddity {
        let first = &self.dockerfiles[ring[0]];
        let next = ring[1 % ring.len()];
        let line = first.images.iter().filter(|used| used.built_by == Some(next)).map(|used| used.line).min();
        let paths = ring.iter().map(|index| self.dockerfiles[*index].path.clone()).collect();
        Oddity { path: first.path.clone(), line, kind: OddityKind::Cycle(paths) }
    }

    /// Rings of Dockerfiles, one for each way back that a walk along the edges finds; each begins with its smallest path.
    fn cycles(&self) -> Vec<Vec<usize>> {
        let needs = |index: usize| self.dockerfiles[index].images.iter().filter_map(|used| used.built_by).collect::<Vec<_>>();
        let (mut done, mut on_way) = (vec![false; self.dockerfiles.len()], vec![false; self.dockerfiles.len()]);
        let mut rings = Vec::new();
        for start in 0..self.dockerfiles.len() {
            let mut way: Vec<(usize, Vec<usize>)> = Vec::new();
            if !done[start] {
                on_way[start] = true;
                way.push((start, needs(start)));
            }
            while let Some((at, open)) = way.last_mut() {
                let at = *at;
                match open.pop() {
                    Some(next) if on_way[next] => {
                        let from = way.iter().position(|(index, _)| *index == next).unwrap_or_default();
                        let mut ring: Vec<usize> = way[from..].iter().map(|(index, _)| *index).collect();
                        let smallest = (0..ring.len()).min_by_key(|place| ring[*place]).unwrap_or_default();
                        ring.rotate_left(smallest);
                        rings.push(ring);
                    }
                    Some(next) if !done[next] => {
                        on_way[next] = true;
                        way.push((next, needs(next)));
                    }
                    Some(_) => {}
                    None => {
                        (on_way[at], done[at]) = (false, true);
                        way.pop();
                    }
                }
            }
        }
        rings.sort();
        rings.dedup();
        rings
    }
}
