//! What is known of slots in which nothing moves, so that a decision about a hundred thousand slots looks only at those in which something does.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use super::{Desired, Progress};
use crate::model::{HostName, SlotId};

/// What is to be said of a slot for as long as nothing changes there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// It is through.
    Done {
        /// Whether anything in it serves.
        serves: bool,
        /// Since when its container is healthy.
        healthy_since: Option<Timestamp>,
    },
    /// Its stage comes later.
    Later {
        /// Whether anything in it serves.
        serves: bool,
    },
    /// It serves, is not what it shall be, and was not begun.
    Fresh,
    /// It does not serve, is not what it shall be, and was not begun.
    Down,
}

/// What earlier decisions of one rollout said of its slots, as far as it still holds.
///
/// It changes nothing about what is decided, only how long that takes. Goes with one rollout and one [`Progress`], decision by decision.
#[derive(Debug, Default)]
pub struct Quiet<'a> {
    /// The place of each slot; nothing if nothing is to be remembered.
    places: HashMap<&'a SlotId, usize>,
    on_host: HashMap<&'a HostName, Vec<usize>>,
    known: Vec<Option<Known>>,
}

impl<'a> Quiet<'a> {
    /// Nothing is known yet of the slots of a rollout.
    pub fn of(desired: &'a Desired) -> Self {
        let mut quiet = Self { known: vec![None; desired.slots.len()], ..Self::default() };
        for (place, wanted) in desired.slots.iter().enumerate() {
            quiet.places.insert(&wanted.slot, place);
            quiet.on_host.entry(&wanted.slot.host).or_default().push(place);
        }
        quiet
    }

    /// Forgets what may no longer hold: of the slots of hosts on which something `moved`, and of those that are in flight or have failed.
    pub(super) fn stir(&mut self, moved: &BTreeSet<HostName>, progress: &Progress) {
        for place in moved.iter().filter_map(|host| self.on_host.get(host)).flatten() {
            self.known[*place] = None;
        }
        let slots = progress.began.keys().chain(&progress.under_way).chain(progress.failed.keys()).chain(progress.failed_back.keys());
        for place in slots.filter_map(|slot| self.places.get(slot)) {
            self.known[*place] = None;
        }
    }

    /// Forgets everything: where the way turns, and where a person speaks, more changes than what is in flight.
    pub(super) fn forget(&mut self) {
        self.known.fill(None);
    }

    /// What is known of the slot at a place.
    pub(super) fn known(&self, place: usize) -> Option<Known> {
        self.known.get(place).copied().flatten()
    }

    /// Keeps what was said of the slot at a place.
    pub(super) fn remember(&mut self, place: usize, known: Known) {
        if let Some(kept) = self.known.get_mut(place) {
            *kept = Some(known);
        }
    }
}
