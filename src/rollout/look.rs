//! Sorts what was seen into slots: which container a slot is to have, which others are in its place, and what of that is well.
//!
//! Each host's containers are sorted once, in whichever order the slots come, so a look costs O(slots + containers · log).

use std::collections::HashMap;

use jiff::Timestamp;

use super::{ContainerSeen, ContainerState, Health, HostSeen, Observed, Version};
use crate::model::{HostName, ServiceName, SlotId};

/// What is known of a host.
#[derive(Clone, Copy)]
pub(super) enum HostView<'a> {
    /// It answered: what is there is judged by this moment. "Healthy for so long" is never said of a time at which nobody looked.
    Answered(Timestamp),
    /// It is silent.
    Silent {
        /// Since when.
        since: Timestamp,
        /// What the attempt said.
        why: &'a str,
    },
    /// Nobody asked it yet.
    Unasked,
}

/// What is in one slot, as far as it matters for reaching `goal`.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct SlotView<'a> {
    /// The container of the wanted version; the best one if there are several.
    pub(super) goal: Option<&'a ContainerSeen>,
    /// Another container that is up.
    pub(super) other_up: Option<&'a ContainerSeen>,
    /// The other container whose place the wanted one takes: the one that is up, else the youngest.
    pub(super) kept: Option<&'a ContainerSeen>,
    /// Containers that serve: up and healthy.
    pub(super) healthy: u32,
}

impl Observed {
    /// The moment of which it can be said what is on a host.
    pub(super) fn looked_at(&self, host: &HostName, now: Timestamp) -> Timestamp {
        self.looked_at.get(host).map_or(now, |at| now.min(*at))
    }
}

/// Finds the containers of one slot after another.
pub(super) struct Lookup<'a> {
    observed: &'a Observed,
    service: &'a ServiceName,
    now: Timestamp,
    /// Every host that was turned to, and its containers of this service by slot.
    hosts: HashMap<&'a HostName, (HostView<'a>, Vec<&'a ContainerSeen>)>,
}

impl<'a> Lookup<'a> {
    pub(super) fn new(observed: &'a Observed, service: &'a ServiceName, now: Timestamp) -> Self {
        Self { observed, service, now, hosts: HashMap::new() }
    }

    /// Turns to a host: what is known of it, and its containers.
    pub(super) fn host(&mut self, name: &'a HostName) -> (HostView<'a>, &[&'a ContainerSeen]) {
        let (view, containers) = self.hosts.entry(name).or_insert_with(|| match self.observed.hosts.get(name) {
            None => (HostView::Unasked, Vec::new()),
            Some(HostSeen::Silent { since, why }) => (HostView::Silent { since: *since, why }, Vec::new()),
            Some(HostSeen::Answered(seen)) => {
                let mut containers = Vec::new();
                own(seen, self.service, name, &mut containers);
                (HostView::Answered(self.observed.looked_at(name, self.now)), containers)
            }
        });
        (*view, containers)
    }
}

/// Those of a host's containers, sorted by slot, that are in one slot.
pub(super) fn in_slot<'c, 'a>(containers: &'c [&'a ContainerSeen], slot: &SlotId) -> &'c [&'a ContainerSeen] {
    let from = containers.partition_point(|seen| seen.slot.index < slot.index);
    let to = from + containers[from..].partition_point(|seen| seen.slot.index == slot.index);
    &containers[from..to]
}

/// Collects what belongs to `service` on `host`, by slot. One engine may stand for several hosts, and lists the containers of all of them;
/// the host's name in the label says whose they are.
pub(super) fn own<'a>(seen: &'a [ContainerSeen], service: &ServiceName, host: &HostName, into: &mut Vec<&'a ContainerSeen>) {
    into.extend(seen.iter().filter(|one| one.slot.service == *service && one.slot.host == *host && one.state != ContainerState::Gone));
    into.sort_by(|a, b| a.slot.index.cmp(&b.slot.index).then_with(|| a.id.cmp(&b.id)));
}

/// Looks at one slot with a version in mind.
pub(super) fn view<'a>(containers: &[&'a ContainerSeen], goal: &Version) -> SlotView<'a> {
    let mut view = SlotView::default();
    for &one in containers {
        view.healthy += u32::from(is_serving(one));
        if one.version.spec == goal.spec && view.goal.is_none_or(|best| worth(one) > worth(best)) {
            view.goal = Some(one);
        }
    }
    for &one in containers {
        if view.goal.is_some_and(|goal| goal.id == one.id) {
            continue;
        }
        if is_up(one) && view.other_up.is_none_or(|best| worth(one) > worth(best)) {
            view.other_up = Some(one);
        }
        if view.kept.is_none_or(|best| worth(one) > worth(best)) {
            view.kept = Some(one);
        }
    }
    view
}

/// Of two containers in one place the one that serves counts, then the one that is up, then the younger, then, so that the choice never wavers, the id.
fn worth(one: &ContainerSeen) -> (bool, bool, Timestamp, &str) {
    (is_serving(one), is_up(one), one.created_at, &one.id)
}

/// Whether the container serves: it runs and is well.
pub(super) fn is_serving(one: &ContainerSeen) -> bool {
    matches!((&one.state, &one.health), (ContainerState::Running { .. }, Health::Healthy { .. }))
}

/// Whether the container holds its port and its volumes, or may take them again at any moment.
pub(super) fn is_up(one: &ContainerSeen) -> bool {
    matches!(one.state, ContainerState::Running { .. } | ContainerState::Restarting { .. } | ContainerState::Paused)
}
