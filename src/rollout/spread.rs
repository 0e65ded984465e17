//! Over how many hosts a way goes at once: `max_parallel_hosts`, and never two hosts of one `spread` label.

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
        let is_bounded = desired.max_parallel_hosts.is_some() || !desired.spread.is_empty();
        let busy = if is_bounded { progress.began.keys().map(|slot| slot.host.clone()).collect() } else { BTreeSet::new() };
        Self { desired, busy }
    }

    /// Whether a slot may be begun on this host now.
    pub(super) fn has_room(&self, host: &HostName) -> bool {
        if self.busy.contains(host) {
            return true;
        }
        let is_full = self.desired.max_parallel_hosts.is_some_and(|most| self.busy.len() >= most as usize);
        let spread = &self.desired.spread;
        let is_beside = spread.get(host).is_some_and(|value| self.busy.iter().any(|other| spread.get(other) == Some(value)));
        !is_full && !is_beside
    }

    /// Notes that a slot is begun on it.
    pub(super) fn take(&mut self, host: &HostName) {
        if !self.busy.contains(host) && (self.desired.max_parallel_hosts.is_some() || !self.desired.spread.is_empty()) {
            self.busy.insert(host.clone());
        }
    }
}
