//! Over which hosts a way goes at once: `max_parallel_hosts`, never two hosts of one `spread` label, and one with nothing in flight first.

use std::collections::BTreeSet;

use super::{Desired, Progress};
use crate::model::HostName;

/// The hosts in which something is in flight.
pub(super) struct Hosts<'a> {
    desired: &'a Desired,
    busy: BTreeSet<HostName>,
}

impl<'a> Hosts<'a> {
    pub(super) fn of(desired: &'a Desired, progress: &Progress) -> Self {
        Self { desired, busy: progress.began.keys().map(|slot| slot.host.clone()).collect() }
    }

    /// The hosts in which something is in flight.
    pub(super) fn busy(&self) -> &BTreeSet<HostName> {
        &self.busy
    }

    /// Whether a slot may be begun on this host now. Not even on one that has some in flight, if too many hosts have: one that answers again may
    /// bring in what was begun there before.
    pub(super) fn has_room(&self, host: &HostName) -> bool {
        let others = self.busy.len() - usize::from(self.busy.contains(host));
        let is_full = self.desired.max_parallel_hosts.is_some_and(|most| others >= most as usize);
        let spread = &self.desired.spread;
        let is_beside = spread.get(host).is_some_and(|value| self.busy.iter().any(|other| other != host && spread.get(other) == Some(value)));
        !is_full && !is_beside
    }

    /// Notes that a slot is begun on it.
    pub(super) fn take(&mut self, host: &HostName) {
        if !self.busy.contains(host) {
            self.busy.insert(host.clone());
        }
    }
}
