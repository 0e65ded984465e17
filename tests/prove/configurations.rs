//! What is explored: one line for each estate, with what may befall it.

use std::time::Duration;

use refit::model::{Digest, ReleaseNumber, SlotId};
use refit::pipeline::{FailureAction, Order, UpdateStrategy};
use refit::rollout::{Desired, Policy, SlotWanted, Version};

use super::state::Budget;

/// The modelled time's unit. Every span of a policy is a number of these.
pub const TICK: Duration = Duration::from_secs(10);

/// One estate, and what may befall it.
#[derive(Clone)]
pub struct Configuration {
    pub name: String,
    pub desired: Desired,
    /// What its stages were made of.
    pub strategy: UpdateStrategy,
    /// Whether engines start their containers again (`unless-stopped`), or never (`no`).
    pub restarts: bool,
    /// Whether refit itself asks containers how they are; then its death loses since when they are well.
    pub probed: bool,
    /// Whether an orchestrator that takes over knows no more than phase and failures, instead of all that the journal keeps.
    pub keeps_least: bool,
    pub budget: Budget,
}

impl Configuration {
    pub fn new(name: &str, desired: Desired, budget: Budget) -> Self {
        Self { name: name.to_owned(), desired, strategy: UpdateStrategy::default(), restarts: false, probed: false, keeps_least: false, budget }
    }

    pub fn changed(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}

/// What `make prove` explores. `ask.rs` says how the words are read.
pub const EXPLORED: &[&str] = &[
    "2x2 start-first failures=1 crashes=1",
    "2x2 stop-first failures=1 crashes=1",
    "2x2 start-first hangs=1 deaths=1",
    "2x2 stop-first hangs=1 deaths=1",
    "2x2 start-first deaths=1 words=1 lost=1",
    "2x2 stop-first deaths=1 words=1 lost=1",
    "3x1 start-first hangs=1 deaths=1",
    "3x1 stop-first hangs=1 deaths=1",
    "3x1 start-first failures=1 words=1",
    "3x1 stop-first failures=1 words=1",
    "2x1 start-first failures=1 deaths=1 words=1 late=1",
    "2x1 stop-first failures=1 deaths=1 words=1 late=1",
    "2x1 start-first failures=1 crashes=1 deaths=1 restarts",
    "2x1 stop-first failures=1 crashes=1 deaths=1 restarts",
    "2x1 start-first failures=1 hangs=1 deaths=1 probed",
    "2x1 stop-first failures=1 hangs=1 deaths=1 probed",
    "2x1 start-first failures=2 deaths=1 slow-proof",
    "2x1 stop-first failures=2 deaths=1 slow-proof",
    "2x1 start-first canary bake failures=1 hangs=1 deaths=1",
    "2x1 stop-first canary bake failures=1 crashes=1 hurry",
    "3x1 start-first canary bake approve failures=1 words=2",
    "3x1 stop-first canary bake approve deaths=1 words=2 lost=1",
    "2x1 start-first blue-green failures=1 crashes=1 deaths=1",
    "3x1 start-first blue-green canary approve failures=1 words=1 deaths=1",
    "2x2 start-first blue-green failures=1 hangs=1",
    "3x1 stop-first zone all-at-once failures=1 deaths=1",
    "2x1 start-first hangs=1 hurry",
    "2x1 stop-first failures=1 hurry",
    "2x1 stop-first failures=1 words=2 deaths=1 lost=1",
    "2x2 stop-first drain failures=1 crashes=1 words=1",
    "3x1 start-first drain failures=1 hangs=1 deaths=1",
];

/// What every run of the tests explores, without an optimising compiler.
pub const QUICK: &[&str] = &[
    "2x1 start-first failures=1",
    "2x1 stop-first failures=1",
    "2x1 start-first crashes=1",
    "1x1 stop-first deaths=1 words=1 lost=1",
    "2x1 stop-first canary bake approve words=1 deaths=1",
    "2x1 start-first blue-green failures=1",
    "2x1 stop-first zone all-at-once failures=1",
    "2x1 stop-first failures=1 hurry",
    "2x1 stop-first drain failures=1 deaths=1 words=1",
];

pub fn version(name: &str) -> Version {
    Version { release: ReleaseNumber(if name == "old" { 1 } else { 2 }), spec: Digest::of(name.as_bytes()) }
}

pub fn slot_id(host: usize, index: u32) -> SlotId {
    SlotId { service: "web".parse().unwrap(), host: format!("h{host}").parse().unwrap(), index }
}

/// A service of `hosts` × `replicas` slots, one at a time, from `old` to `new`, and back when one slot fails.
pub fn estate(hosts: usize, replicas: u32, order: Order) -> Desired {
    let policy = |failure_action| Policy {
        parallelism: 1,
        delay: Duration::ZERO,
        monitor: TICK,
        healthy_deadline: TICK,
        progress_deadline: Duration::MAX,
        order,
        failure_action,
        max_failure_ratio: 0.0,
        host_timeout: TICK,
    };
    Desired {
        service: "web".parse().unwrap(),
        to: version("new"),
        back: Some(version("old")),
        slots: (0..hosts)
            .flat_map(|host| (0..replicas).map(move |index| SlotWanted { slot: slot_id(host, index), order, stage: 0, switch: 0, is_absent: false }))
            .collect(),
        stages: Vec::new(),
        max_parallel_hosts: None,
        spread: Default::default(),
        update: policy(FailureAction::Rollback),
        rollback: policy(FailureAction::Pause),
        stop_grace_period: Duration::ZERO,
    }
}
