//! `refit prune`: what would go and why, what stays all the same, and what became of it.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;

use serde::Serialize;

use super::{count, size};
use crate::model::RunId;
use crate::prune::{Chosen, Stays, Thing};
use crate::run::Event;

/// A survey for people, engine by engine, and the sum at the end.
pub fn survey<'a>(engines: impl Iterator<Item = (&'a str, &'a Chosen)>, left: &BTreeMap<String, String>, keep: NonZeroU32) -> Vec<String> {
    let mut lines = Vec::new();
    let (mut goes, mut bytes, mut needed) = (0, 0, 0);
    for (engine, chosen) in engines {
        (goes, bytes, needed) = (goes + chosen.goes.len(), bytes + chosen.bytes, needed + chosen.needed);
        if chosen.goes.is_empty() && chosen.stays.is_empty() {
            continue;
        }
        lines.push(engine.to_owned());
        let removed = chosen.goes.iter().map(|goner| format!("  remove  {}: {}{}", goner.thing, goner.why, of_size(&goner.thing)));
        lines.extend(removed.chain(chosen.stays.iter().map(|one| format!("  keep    {}: {}", one.thing, one.why))));
    }
    lines.extend(left.iter().map(|(engine, why)| format!("{engine}\n  left    {why}")));
    if !lines.is_empty() {
        lines.push(String::new());
    }
    let kept = format!("{needed} images are needed ({} kept)", count(keep.get() as usize, "release"));
    lines.push(match goes {
        0 => format!("Nothing to remove; {kept}."),
        _ => format!("{} to remove, about {} to become free; {kept}.", count(goes, "thing"), size(bytes)),
    });
    lines
}

/// Images share layers, so the sum of these is more than what becomes free.
fn of_size(thing: &Thing) -> String {
    match thing {
        Thing::Image { size, .. } => format!(", {}", super::size(*size)),
        Thing::Container { .. } => String::new(),
    }
}

/// What a prune came to.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Pruned {
    /// The run in the journal.
    pub run: RunId,
    /// Engine by engine.
    pub engines: Vec<PrunedEngine>,
    /// About so many bytes became free in all.
    pub bytes: u64,
}

/// What a prune came to on one engine.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct PrunedEngine {
    /// The engine, by the names of its hosts.
    pub engine: String,
    /// So many things are gone.
    pub removed: usize,
    /// About so many bytes became free.
    pub bytes: u64,
    /// What could not be removed.
    pub failed: Vec<Stays>,
}

impl Pruned {
    /// Reads it out of the run's events.
    pub fn of<'a>(run: RunId, events: impl IntoIterator<Item = &'a Event>) -> Self {
        let ended = events.into_iter().filter_map(|event| match event {
            Event::PruneEnded { engine, removed, bytes, failed } => {
                Some(PrunedEngine { engine: engine.clone(), removed: *removed, bytes: *bytes, failed: failed.clone() })
            }
            _ => None,
        });
        let engines: Vec<PrunedEngine> = ended.collect();
        Self { run, bytes: engines.iter().map(|one| one.bytes).sum(), engines }
    }
}

impl fmt::Display for Pruned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let removed = self.engines.iter().map(|one| one.removed).sum();
        write!(f, "{} removed from {}, about {} free", count(removed, "thing"), count(self.engines.len(), "engine"), size(self.bytes))?;
        match self.engines.iter().map(|one| one.failed.len()).sum::<usize>() {
            0 => Ok(()),
            failed => write!(f, "; {failed} could not be removed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Digest;
    use crate::prune::Goner;

    #[test]
    fn a_survey_says_what_goes_and_what_stays_and_why() {
        let image =
            |name: &str| Thing::Image { id: Digest::of(name.as_bytes()), names: vec![format!("web:{name}").parse().unwrap()], size: 12_000_000 };
        let container = Thing::Container { id: "c".into(), name: "shop-web-a-0-1".into() };
        let goner = |thing, why: &str| Goner { thing, why: why.into() };
        let chosen = Chosen {
            goes: vec![goner(container.clone(), "r7 serves in its place"), goner(image("old"), "was last in r1")],
            stays: vec![Stays { thing: image("mine"), why: "somebody named it web:mine".into() }],
            needed: 3,
            bytes: 2_500_000,
        };
        let left = BTreeMap::from([("b".to_owned(), "engine tcp://b:2375 did not answer: timed out".to_owned())]);
        let keep = NonZeroU32::new(5).unwrap();
        insta::assert_snapshot!(survey([("a", &chosen)].into_iter(), &left, keep).join("\n"));
        let none = Chosen { needed: 3, ..Chosen::default() };
        insta::assert_snapshot!(survey([("a", &none)].into_iter(), &BTreeMap::new(), keep).join("\n"), @"Nothing to remove; 3 images are needed (5 releases kept).");
        let ended = |failed: Vec<Stays>| Event::PruneEnded { engine: "a".into(), removed: 2, bytes: 2_500_000, failed };
        let done = Pruned::of(RunId(3), &[ended(Vec::new()), ended(vec![Stays { thing: container, why: "in use".into() }])]);
        insta::assert_snapshot!(done.to_string(), @"4 things removed from 2 engines, about 5.0 MB free; 1 could not be removed");
    }
}
