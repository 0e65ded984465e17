//! What was seen of every host of a rollout so far.

use std::collections::{BTreeMap, BTreeSet};

use super::observer::Look;
use crate::model::HostName;
use crate::rollout::Observed;

/// The newest look at every host. Grows look by look, so that what did not change costs nothing.
#[derive(Default)]
pub(super) struct Looks {
    observed: Observed,
    /// When the newest look at each began, on the observers' counter.
    began: BTreeMap<HostName, u64>,
    /// Hosts whose last look was not as the one before it.
    changed: BTreeSet<HostName>,
    /// Hosts in which something moved since they were last asked for.
    moved: BTreeSet<HostName>,
}

impl Looks {
    /// Takes newer looks in.
    pub(super) fn add(&mut self, looks: BTreeMap<HostName, Look>) {
        for (host, Look { began, at, seen }) in looks {
            let old = self.observed.hosts.get(&host);
            if old == Some(&seen) {
                self.changed.remove(&host);
            } else {
                self.changed.insert(host.clone());
                self.moved.insert(host.clone());
                self.observed.hosts.insert(host.clone(), seen);
            }
            self.observed.looked_at.insert(host.clone(), at);
            self.began.insert(host, began);
        }
    }

    /// Takes in which hosts take long to answer.
    pub(super) fn set_overdue(&mut self, hosts: BTreeSet<HostName>) {
        self.observed.overdue = hosts;
    }

    /// What was seen.
    pub(super) fn observed(&self) -> &Observed {
        &self.observed
    }

    /// Hosts of which anything was seen.
    pub(super) fn count(&self) -> usize {
        self.began.len()
    }

    /// Hosts in which something moved between the last two looks.
    pub(super) fn changed(&self) -> &BTreeSet<HostName> {
        &self.changed
    }

    /// Hosts in which something moved since this was asked for the last time.
    pub(super) fn moved(&mut self) -> BTreeSet<HostName> {
        std::mem::take(&mut self.moved)
    }

    /// When the newest look at a host began, on the observers' counter.
    pub(super) fn began(&self, host: &HostName) -> u64 {
        self.began.get(host).copied().unwrap_or(0)
    }
}
