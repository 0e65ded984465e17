//! Every default that a pipeline leaves unsaid, in one place. `pipelines/reference.yaml` writes them all out, and a test holds it to these.

use std::num::NonZeroU32;
use std::time::Duration;

use super::estate::{OnExceeded, RunPolicy};
use super::update::{Amount, FailureAction, Order, UpdateConfig};

/// `build.context`: the folder that holds `pipelines/`.
pub(super) const CONTEXT: &str = ".";
/// `build.dockerfile`.
pub(super) const DOCKERFILE: &str = "Dockerfile";
/// `tests[].timeout`.
pub(super) const TEST_TIMEOUT: Duration = Duration::from_secs(60);
/// `deploy.replicas`, on each host.
pub(super) const REPLICAS: u32 = 1;
/// `deploy.hosts`.
pub(super) const HOSTS: &str = "*";
/// `restart`: a container that dies is started again, one that a person stopped is not.
pub(super) const RESTART: &str = "unless-stopped";
/// `healthcheck.interval` and `healthcheck.timeout`, Compose's.
pub(super) const HEALTH_INTERVAL: Duration = Duration::from_secs(30);
/// `healthcheck.timeout`, Compose's.
pub(super) const HEALTH_TIMEOUT: Duration = Duration::from_secs(30);
/// `healthcheck.retries`, Compose's.
pub(super) const HEALTH_RETRIES: u32 = 3;
/// `healthcheck.start_period`, Compose's.
pub(super) const HEALTH_START_PERIOD: Duration = Duration::ZERO;

/// `run`: what stands on one base fails for one reason, so the first service that fails turns the run.
pub(super) fn run() -> RunPolicy {
    RunPolicy { max_failed_services: 0, on_exceeded: OnExceeded::Rollback }
}

/// `data.adopt_max`: what is copied through refit while the service is down.
pub(super) const ADOPT_MAX: u64 = 1 << 30;

/// `prune.keep`: what a rollback can still go to.
pub(super) fn keep() -> NonZeroU32 {
    NonZeroU32::new(5).unwrap_or(NonZeroU32::MIN)
}

/// `progress_deadline` in `healthy_deadline`s: one that fails is followed by one that may take its whole time. Nomad's proportion.
pub(super) const PROGRESS_DEADLINE_OF_HEALTHY_DEADLINES: u32 = 2;

/// `deploy.update_config`. Compose's values, but for `failure_action`: going back by itself is what refit is for.
pub(super) fn update() -> UpdateConfig {
    UpdateConfig {
        parallelism: Amount::Count(1),
        delay: Duration::ZERO,
        monitor: Duration::from_secs(5),
        healthy_deadline: Duration::from_secs(300),
        progress_deadline: PROGRESS_DEADLINE_OF_HEALTHY_DEADLINES * Duration::from_secs(300),
        order: Order::StopFirst,
        failure_action: FailureAction::Rollback,
        max_failure_ratio: 0.0,
        host_timeout: Duration::from_secs(60),
    }
}

/// The same with `strategy: blue-green`: all at once, beside the old ones.
pub(super) fn blue_green() -> UpdateConfig {
    UpdateConfig { parallelism: Amount::Count(0), order: Order::StartFirst, ..update() }
}
