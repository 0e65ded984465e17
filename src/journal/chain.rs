//! The chain: each event's hash covers the event and the hash before it, so that no event can be changed, removed or moved unnoticed.
//!
//! It runs over the whole journal, not over each run alone: a run that was cut out as a whole breaks it too.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::model::{Digest, RunId};

/// One event as it is kept: exactly the bytes that the hash covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    /// Its place in the journal, counted from 1.
    pub(super) position: u64,
    /// Its run.
    pub(super) run: RunId,
    /// Its place in the run, counted from 1.
    pub(super) seq: u64,
    /// When, in RFC 3339 with all its digits.
    pub(super) at: String,
    /// The event as JSON.
    pub(super) body: String,
}

impl Link {
    /// The hash of this event after `before`.
    pub(super) fn hash(&self, before: Digest) -> Digest {
        let mut hasher = Sha256::new();
        hasher.update(before.hex());
        for number in [self.position, self.run.0, self.seq] {
            hasher.update(number.to_be_bytes());
        }
        // Lengths go first, so that no two different events give the same bytes.
        for text in [&self.at, &self.body] {
            hasher.update((text.len() as u64).to_be_bytes());
            hasher.update(text);
        }
        Digest::from_hasher(hasher)
    }
}

/// The hash before the first event.
pub(super) fn root() -> Digest {
    Digest::of(b"refit journal")
}

/// What going through the chain found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// How many events are in order, from the first one on.
    pub events: u64,
    /// The hash of the last one of them; it stands for all.
    pub hash: Digest,
    /// Where the chain is broken, if it is.
    pub broken: Option<Break>,
}

/// The first broken place of the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Break {
    /// The place in the journal, counted from 1.
    pub position: u64,
    /// The run of the event that stands there, if one does.
    pub run: Option<RunId>,
    /// What is wrong there.
    pub what: &'static str,
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "event {} ", self.position)?;
        if let Some(run) = self.run {
            write!(f, "({run}) ")?;
        }
        f.write_str(self.what)
    }
}

/// Goes along a chain, link by link.
pub(super) struct Walk {
    events: u64,
    hash: Digest,
}

impl Walk {
    pub(super) fn new() -> Self {
        Self { events: 0, hash: root() }
    }

    /// Takes the next link with the hash that stands beside it; the first one that does not fit ends the walk.
    pub(super) fn step(&mut self, link: &Link, hash: Option<Digest>) -> Result<(), Verified> {
        let expected = self.events + 1;
        if link.position != expected {
            return Err(self.broken(expected, None, "is missing"));
        }
        let fits = link.hash(self.hash);
        if hash != Some(fits) {
            return Err(self.broken(expected, Some(link.run), "does not fit the one before it: one of the two was changed"));
        }
        (self.events, self.hash) = (expected, fits);
        Ok(())
    }

    /// Ends the walk; `head` is the position and hash that the journal remembers as its last.
    pub(super) fn end(&self, head: Option<(u64, Digest)>) -> Verified {
        match head {
            Some((position, _)) if position > self.events => self.broken(self.events + 1, None, "is missing"),
            Some(head) if head == (self.events, self.hash) => Verified { events: self.events, hash: self.hash, broken: None },
            _ => self.broken(self.events, None, "is not the last one that the journal remembers"),
        }
    }

    fn broken(&self, position: u64, run: Option<RunId>, what: &'static str) -> Verified {
        Verified { events: self.events, hash: self.hash, broken: Some(Break { position, run, what }) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chain_of(bodies: &[String]) -> Vec<(Link, Digest)> {
        let mut before = root();
        let mut links = Vec::new();
        for (body, position) in bodies.iter().zip(1..) {
            let link = Link { position, run: RunId(1 + position / 3), seq: position, at: "2026-01-01T00:00:00Z".into(), body: body.clone() };
            before = link.hash(before);
            links.push((link, before));
        }
        links
    }

    fn walk(links: &[(Link, Digest)], head: (u64, Digest)) -> Verified {
        let mut walk = Walk::new();
        for (link, hash) in links {
            if let Err(found) = walk.step(link, Some(*hash)) {
                return found;
            }
        }
        walk.end(Some(head))
    }

    #[derive(Debug, Clone)]
    enum Harm {
        Body(String),
        Seq(u64),
        Run(u64),
        Remove,
        RemoveAndRenumber,
        SwapWithNext,
        Append,
    }

    fn any_harm() -> impl Strategy<Value = Harm> {
        prop_oneof![
            "[a-z]{0,6}".prop_map(Harm::Body),
            (1u64..9).prop_map(Harm::Seq),
            (1u64..9).prop_map(Harm::Run),
            Just(Harm::Remove),
            Just(Harm::RemoveAndRenumber),
            Just(Harm::SwapWithNext),
            Just(Harm::Append),
        ]
    }

    fn harmed(links: &[(Link, Digest)], at: usize, harm: &Harm) -> Vec<(Link, Digest)> {
        let mut links = links.to_vec();
        match harm {
            Harm::Body(text) => links[at].0.body = text.clone(),
            Harm::Seq(seq) => links[at].0.seq = *seq,
            Harm::Run(run) => links[at].0.run = RunId(*run),
            Harm::Remove | Harm::RemoveAndRenumber => {
                links.remove(at);
                if matches!(harm, Harm::RemoveAndRenumber) {
                    links.iter_mut().zip(1..).for_each(|((link, _), position)| link.position = position);
                }
            }
            Harm::SwapWithNext => {
                let next = (at + 1) % links.len();
                let (a, b) = (links[at].0.body.clone(), links[next].0.body.clone());
                links[at].0.body = b;
                links[next].0.body = a;
            }
            Harm::Append => {
                let (mut link, hash) = links[links.len() - 1].clone();
                link.position += 1;
                links.push((link.clone(), link.hash(hash)));
            }
        }
        links
    }

    proptest! {
        /// No event can be changed, removed, moved or slipped in without `verify` finding it.
        #[test]
        fn whatever_is_changed_is_found(bodies in prop::collection::vec("[a-z]{0,6}", 2..8), at in 0usize..8, harm in any_harm()) {
            let links = chain_of(&bodies);
            let head = (links.len() as u64, links[links.len() - 1].1);
            prop_assert_eq!(walk(&links, head).broken, None);

            let changed = harmed(&links, at % links.len(), &harm);
            prop_assume!(changed != links);
            prop_assert!(walk(&changed, head).broken.is_some());
        }
    }

    #[test]
    fn the_break_names_the_first_place() {
        let mut links = chain_of(&["a".into(), "b".into(), "c".into()]);
        let head = (3, links[2].1);
        links[1].0.body = "x".into();
        let found = walk(&links, head);
        assert_eq!(found.events, 1);
        assert_eq!(found.broken.unwrap().to_string(), "event 2 (run-1) does not fit the one before it: one of the two was changed");
        links.truncate(1);
        assert_eq!(walk(&links, head).broken.unwrap().to_string(), "event 2 is missing");
    }
}
