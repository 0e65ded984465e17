//! What was seen of every host of a rollout so far, and the moment for which it holds.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::observer::Look;
use crate::model::HostName;
use crate::rollout::{HostSeen, Observed};

/// With more hosts than this, those in which nothing is under way are asked less often than every look counts; see [`Looks::holds_at`].
pub(super) const MANY_HOSTS: usize = 500;

/// The newest look at every host. Grows look by look, so that what did not change costs nothing.
#[derive(Default)]
pub(super) struct Looks {
    observed: Observed,
    hosts: BTreeMap<HostName, LookedAt>,
    /// Hosts whose last look was not as the one before it.
    changed: BTreeSet<HostName>,
    /// The moment for which it held last.
    held_at: Option<Timestamp>,
}

struct LookedAt {
    began: u64,
    at: Timestamp,
    has_answered: bool,
}

impl Looks {
    /// Takes newer looks in.
    pub(super) fn add(&mut self, looks: BTreeMap<HostName, Look>) {
        for (host, Look { began, at, seen }) in looks {
            let has_answered = matches!(seen, HostSeen::Answered(_));
            let old = self.observed.hosts.get(&host);
            if old == Some(&seen) {
                self.changed.remove(&host);
            } else {
                self.changed.insert(host.clone());
                self.observed.hosts.insert(host.clone(), seen);
            }
            self.hosts.insert(host, LookedAt { began, at, has_answered });
        }
    }

    /// What was seen.
    pub(super) fn observed(&self) -> &Observed {
        &self.observed
    }

    /// Hosts of which anything was seen.
    pub(super) fn count(&self) -> usize {
        self.hosts.len()
    }

    /// Hosts in which something moved between the last two looks.
    pub(super) fn changed(&self) -> &BTreeSet<HostName> {
        &self.changed
    }

    /// When the newest look at a host began, on the observers' counter.
    pub(super) fn began(&self, host: &HostName) -> u64 {
        self.hosts.get(host).map_or(0, |looked| looked.began)
    }

    /// The moment for which all of it holds: the oldest answer, so that "healthy for so long" is never said of a time at which nobody looked.
    ///
    /// Of many hosts only those count in which something is under way or has changed: where nothing moves an older look is as good. None if nobody
    /// has answered.
    pub(super) fn holds_at(&mut self, under_way: &BTreeSet<HostName>) -> Option<Timestamp> {
        let oldest = self.hosts.values().filter(|looked| looked.has_answered).map(|looked| looked.at).min();
        if self.hosts.len() <= MANY_HOSTS {
            return oldest;
        }
        let at = |host: &HostName| self.hosts.get(host).filter(|looked| looked.has_answered).map(|looked| looked.at);
        let moving = under_way.union(&self.changed).filter_map(at).min();
        // If nothing moves anywhere, what held once holds on.
        self.held_at = moving.or_else(|| oldest.max(self.held_at));
        self.held_at
    }
}
