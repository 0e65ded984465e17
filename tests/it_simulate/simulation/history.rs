//! What the machines went through, made from their deeds and from the containers' fates alone: refit's own records have no part in it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use refit::model::{HostName, SlotId};
use refit::sim::{Deed, Fate, SimContainer, SimEngine, What};

/// From when to when, the end not included.
pub type Span = (Timestamp, Timestamp);

/// One container's life.
#[derive(Debug, Clone)]
pub struct Life {
    pub made: SimContainer,
    pub made_at: Timestamp,
    pub removed_at: Option<Timestamp>,
    /// Each start, and when and how it ended.
    starts: Vec<(Timestamp, Timestamp, EndedBy)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EndedBy {
    Nobody,
    Engine,
    Itself,
}

/// The lives of all containers of all hosts, and every deed in order.
pub struct History {
    pub lives: BTreeMap<String, Life>,
    pub deeds: Vec<(HostName, Deed)>,
    /// Deeds to containers that are not refit's: those with which they were put there, and no others.
    pub foreign: Vec<(HostName, Deed)>,
}

impl Life {
    pub fn slot(&self) -> &SlotId {
        &self.made.slot
    }

    /// When it ran, or was started again and again.
    pub fn up(&self) -> impl Iterator<Item = Span> {
        self.starts.iter().map(|(from, to, _)| match self.made.fate {
            Fate::Exits(after, _) => (*from, (*to).min(*from + after)),
            _ => (*from, *to),
        })
    }

    /// When it was well.
    pub fn healthy(&self) -> impl Iterator<Item = Span> {
        let spans = self.starts.iter().map(|(from, to, _)| match self.made.fate {
            Fate::Healthy(after) => (*from + after, *to),
            Fate::Sickens(after, sick) => (*from + after, (*to).min(*from + sick)),
            Fate::Exits(after, _) => (*from, (*to).min(*from + after)),
            Fate::NeverHealthy | Fate::Loops(_) => (*to, *to),
        });
        spans.filter(|(from, to)| from < to)
    }

    pub fn is_up(&self, at: Timestamp) -> bool {
        self.up().any(|span| holds(span, at))
    }

    pub fn was_up_between(&self, from: Timestamp, to: Timestamp) -> bool {
        self.up().any(|span| span.0 <= to && from < span.1)
    }

    pub fn was_healthy_between(&self, from: Timestamp, to: Timestamp) -> bool {
        self.healthy().any(|span| span.0 <= to && from < span.1)
    }

    /// Whether it is up, or ended without anybody having stopped it.
    pub fn was_let_be(&self, at: Timestamp) -> bool {
        let last = self.starts.iter().rfind(|(from, ..)| *from <= at);
        last.is_some_and(|(_, to, by)| *to > at || *by != EndedBy::Engine || self.up().all(|(_, ended)| ended < *to))
    }

    /// Whether something other than refit kept it from serving, at any time until `at`.
    pub fn is_sick(&self, at: Timestamp) -> bool {
        let died = self.starts.iter().any(|(_, to, by)| *by == EndedBy::Itself && *to <= at);
        died || (self.made_at <= at && !matches!(self.made.fate, Fate::Healthy(_)))
    }

    /// How long it takes to be well.
    pub fn rises_in(&self) -> Duration {
        match self.made.fate {
            Fate::Healthy(after) | Fate::Sickens(after, _) => after,
            _ => Duration::ZERO,
        }
    }
}

pub fn holds(span: Span, at: Timestamp) -> bool {
    span.0 <= at && at < span.1
}

impl History {
    /// Everything until now.
    pub fn of(hosts: &BTreeMap<HostName, SimEngine>) -> Self {
        let mut deeds: Vec<(HostName, Deed)> = Vec::new();
        for (name, host) in hosts {
            deeds.extend(host.state().deeds.all().iter().map(|deed| (name.clone(), deed.clone())));
        }
        // Stable: the deeds of one host stay in their order.
        deeds.sort_by_key(|(_, deed)| deed.at);
        let mut lives: BTreeMap<String, Life> = BTreeMap::new();
        for (_, deed) in &deeds {
            if let What::Made(made) = &deed.what {
                lives.insert(deed.container.clone(), Life { made: (**made).clone(), made_at: deed.at, removed_at: None, starts: Vec::new() });
            }
            let Some(life) = lives.get_mut(&deed.container) else { continue };
            match deed.what {
                What::Made(_) => {}
                What::Started => {
                    // The start before this one ended by itself.
                    life.end(deed.at, EndedBy::Itself);
                    life.starts.push((deed.at, Timestamp::MAX, EndedBy::Nobody));
                }
                What::Stopped => life.end(deed.at, EndedBy::Engine),
                What::Died => life.end(deed.at, EndedBy::Itself),
                What::Removed => life.removed_at = Some(deed.at),
            }
        }
        let is_foreign = |id: &String| lives.get(id).is_none_or(|life| life.made.name.starts_with("neighbour"));
        let (foreign, deeds) = deeds.into_iter().partition(|(_, deed)| is_foreign(&deed.container));
        lives.retain(|_, life| !life.made.name.starts_with("neighbour"));
        Self { lives, deeds, foreign }
    }

    /// The containers that were ever in a slot of the estate.
    pub fn in_slot<'a>(&'a self, slot: &'a SlotId) -> impl Iterator<Item = (&'a String, &'a Life)> {
        self.lives.iter().filter(move |(_, life)| life.slot() == slot)
    }

    /// The next moment from `at` on at which somebody serves in a slot.
    pub fn served_again(&self, slot: &SlotId, at: Timestamp) -> Option<Timestamp> {
        self.in_slot(slot).flat_map(|(_, life)| life.healthy()).filter(|span| span.1 > at).map(|span| span.0.max(at)).min()
    }
}

impl Life {
    fn end(&mut self, at: Timestamp, by: EndedBy) {
        if let Some(last) = self.starts.last_mut().filter(|(_, to, _)| *to == Timestamp::MAX) {
            (last.1, last.2) = (at, by);
        }
    }
}
