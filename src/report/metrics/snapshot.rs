//! What is so at the moment of asking.

use std::collections::BTreeMap;
use std::time::Duration;

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::meters::{Labels, Seconds};
use crate::model::{HostName, ImageName, ImageRef, ServiceName};
use crate::rollout::SlotStatus;

/// What is so now. Whatever is no longer in it is no longer shown.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// Runs that are carried out.
    pub runs_running: u64,
    /// Runs that wait for a person: at a gate, or paused.
    pub runs_waiting: u64,
    /// Triggers that wait for their run, by kind. A kind without any is 0, so that it is seen to be empty.
    pub queue: BTreeMap<&'static str, u64>,
    /// For how long the oldest of them has waited; zero if none waits.
    pub queue_oldest: Duration,
    /// By base: for how long what deployed images stand on has not been the newest; zero if it is.
    pub bases: BTreeMap<ImageRef, Duration>,
    /// By image: for how long what is deployed has not been the newest that could be built; zero if it is.
    pub images: BTreeMap<ImageName, Duration>,
    /// Slots by service and health, the word of [`SlotStatus::health`].
    pub slots: BTreeMap<(ServiceName, &'static str), u64>,
    /// Slots in which something is not as it was released, by service.
    pub drifted: BTreeMap<ServiceName, u64>,
    /// By host: whether it answered when it was last asked.
    pub hosts: BTreeMap<HostName, bool>,
    /// By service: problems in its image for which there is a fix, and those for which there is none yet. Services whose image was not read are left out.
    pub problems: BTreeMap<ServiceName, (u64, u64)>,
    /// So many problems that advisories know of are in some container.
    pub problems_open: u64,
    /// For how long the oldest of them is open; zero if none is.
    pub problem_oldest: Duration,
    /// Notices that are to be sent, or to be tried again.
    pub notices_waiting: u64,
}

impl Snapshot {
    /// Counts slots by their service, health and drift.
    pub fn count_slots(&mut self, slots: &[SlotStatus]) {
        for slot in slots {
            *self.slots.entry((slot.service.clone(), slot.health)).or_default() += 1;
            *self.drifted.entry(slot.service.clone()).or_default() += u64::from(slot.drift.is_some());
        }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("runs_running", "Runs that are carried out", number(self.runs_running));
        registry.register("runs_waiting", "Runs that wait for a person, at a gate or paused", number(self.runs_waiting));
        let kinds = self.queue.iter().map(|(kind, count)| ([("kind", (*kind).to_owned())], *count));
        registry.register("queue_waiting", "Triggers that wait for their run", numbers(kinds));
        let help = "For how long the oldest waiting trigger has waited";
        registry.register_with_unit("queue_oldest_age", help, Unit::Seconds, seconds(self.queue_oldest));
        let bases = self.bases.iter().map(|(base, stale)| ([("base", base.familiar())], *stale));
        let help = "For how long what deployed images stand on has not been the newest of the base, 0 if it is";
        registry.register_with_unit("base_staleness", help, Unit::Seconds, durations(bases));
        let images = self.images.iter().map(|(image, stale)| ([("image", image.to_string())], *stale));
        let help = "For how long what is deployed of the image has been out of date, 0 if it is not";
        registry.register_with_unit("image_staleness", help, Unit::Seconds, durations(images));
        let slots = self.slots.iter().map(|((service, health), count)| ([("service", service.to_string()), ("state", (*health).to_owned())], *count));
        registry.register("slots", "Slots by how their containers are", numbers(slots));
        let drifted = self.drifted.iter().map(|(service, count)| ([("service", service.to_string())], *count));
        registry.register("slots_drifted", "Slots in which something is not as it was released", numbers(drifted));
        let hosts = self.hosts.iter().map(|(host, is_there)| ([("host", host.to_string())], u64::from(*is_there)));
        registry.register("host_reachable", "Whether the host answered when it was last asked", numbers(hosts));
        let of_services = |of: fn(&(u64, u64)) -> u64| {
            let problems = self.problems.iter();
            problems.map(move |(service, counts)| ([("service", service.to_string())], of(counts))).collect::<Vec<_>>().into_iter()
        };
        let help = "Problems in the image of the service for which there is a fix";
        registry.register("service_fixes_waiting", help, numbers(of_services(|(fixable, _)| *fixable)));
        let help = "Problems in the image of the service for which there is no fix yet";
        registry.register("service_problems_without_fix", help, numbers(of_services(|(_, without)| *without)));
        registry.register("problems_open", "Problems that advisories know of in some container", number(self.problems_open));
        let help = "For how long the oldest problem that is in some container has been known and there";
        registry.register_with_unit("problem_oldest_age", help, Unit::Seconds, seconds(self.problem_oldest));
        registry.register("notices_waiting", "Notices that are to be sent or tried again", number(self.notices_waiting));
    }
}

type Number = Gauge<u64, std::sync::atomic::AtomicU64>;

fn number(value: u64) -> Number {
    let gauge = Number::default();
    gauge.set(value);
    gauge
}

fn seconds(value: Duration) -> Seconds {
    let gauge = Seconds::default();
    gauge.set(value.as_secs_f64());
    gauge
}

fn numbers<const N: usize>(values: impl Iterator<Item = (Labels<N>, u64)>) -> Family<Labels<N>, Number> {
    let family = Family::<Labels<N>, Number>::default();
    values.for_each(|(labels, value)| {
        family.get_or_create(&labels).set(value);
    });
    family
}

fn durations<const N: usize>(values: impl Iterator<Item = (Labels<N>, Duration)>) -> Family<Labels<N>, Seconds> {
    let family = Family::<Labels<N>, Seconds>::default();
    values.for_each(|(labels, value)| {
        family.get_or_create(&labels).set(value.as_secs_f64());
    });
    family
}
