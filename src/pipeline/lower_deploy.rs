//! Services: where they run, when they are healthy, how they are rolled.

use std::time::Duration;

use super::at::At;
use super::defaults;
use super::forms::Words;
use super::lower::Lower;
use super::raw_service as raw;
use super::selector::Selector;
use super::update::{Amount, FailureAction, Order, UpdateConfig};
use super::values;
use crate::model::{ContainerSpec, EngineHealthcheck, HostName, ProbeKind, ProbeSpec};

impl Lower<'_> {
    /// The hosts that a selector selects, by name.
    pub(super) fn select_hosts(&mut self, at: &At<'_>, text: &str) -> Vec<HostName> {
        let Some(selector) = self.ok(at, Selector::parse(text)) else { return Vec::new() };
        let hosts = &self.estate.hosts;
        let selected: Vec<HostName> = self
            .host_names
            .iter()
            .filter(|name| hosts.get(name.as_str()).is_some_and(|labels| selector.selects(name.as_str(), labels)))
            .cloned()
            .collect();
        if !selected.is_empty() || hosts.iter().any(|(name, labels)| selector.selects(name, labels)) {
            return selected;
        }
        if hosts.is_empty() {
            let help = "add one: `hosts: { local: { endpoint: \"unix:///var/run/docker.sock\" } }`";
            self.findings.error(at, "the estate has no hosts for this service to run on", help);
        } else {
            let names: Vec<&str> = hosts.keys().map(String::as_str).take(20).collect();
            let mut labels: Vec<String> = hosts.values().flatten().map(|(label, value)| format!("`{label}={value}`")).collect();
            labels.sort();
            labels.dedup();
            labels.truncate(20);
            let labels = if labels.is_empty() { "none".to_owned() } else { labels.join(", ") };
            let help = format!("hosts: {}; their labels: {labels}; several hosts are written `name=a|b`", names.join(", "));
            self.findings.error(at, format!("the selector `{text}` selects no host"), help);
        }
        selected
    }

    pub(super) fn resources(&mut self, at: &At<'_>, raw: Option<&raw::Resources>, container: &mut ContainerSpec) {
        let Some(raw) = raw else { return };
        let twice = |this: &mut Self, at: &At<'_>, here: bool, there: bool, other: &str| {
            if here && there {
                this.findings.error(at, format!("this limit is given here and by `{other}`"), "keep one of them");
            }
        };
        if let Some(limits) = &raw.limits {
            let at = at.key("limits");
            twice(self, &at.key("memory"), limits.memory.is_some(), container.memory_limit.is_some(), "mem_limit");
            twice(self, &at.key("cpus"), limits.cpus.is_some(), container.nano_cpus.is_some(), "cpus");
            twice(self, &at.key("pids"), limits.pids.is_some(), container.pids_limit.is_some(), "pids_limit");
            container.memory_limit = self.size(&at.key("memory"), limits.memory.as_ref()).or(container.memory_limit);
            let cores = limits.cpus.as_ref().and_then(|text| self.ok(&at.key("cpus"), values::cores(&text.0)));
            container.nano_cpus = cores.or(container.nano_cpus);
            container.pids_limit = limits.pids.or(container.pids_limit);
        }
        if let Some(reserved) = &raw.reservations {
            let at = at.key("reservations").key("memory");
            twice(self, &at, reserved.memory.is_some(), container.memory_reservation.is_some(), "mem_reservation");
            container.memory_reservation = self.size(&at, reserved.memory.as_ref()).or(container.memory_reservation);
        }
    }

    /// The engine's own check, or refit's probe; never both.
    pub(super) fn health(&mut self, at: &At<'_>, raw: Option<&raw::Healthcheck>) -> (Option<EngineHealthcheck>, Option<ProbeSpec>) {
        let Some(raw) = raw else { return (None, None) };
        let interval = self.duration(&at.key("interval"), raw.interval.as_deref(), defaults::HEALTH_INTERVAL);
        let timeout = self.duration(&at.key("timeout"), raw.timeout.as_deref(), defaults::HEALTH_TIMEOUT);
        let start_period = self.duration(&at.key("start_period"), raw.start_period.as_deref(), defaults::HEALTH_START_PERIOD);
        let retries = raw.retries.map_or(defaults::HEALTH_RETRIES, std::num::NonZeroU32::get);
        for (key, value) in [("interval", interval), ("timeout", timeout)] {
            if value < Duration::from_millis(1) {
                self.findings.error(&at.key(key), format!("`{key}` is less than 1ms, which no probe can keep"), "write a longer one, such as `2s`");
            }
        }
        let engine = |test: Vec<String>| EngineHealthcheck { test, interval, timeout, retries, start_period };
        let probe = |kind: ProbeKind| ProbeSpec { kind, interval, timeout, retries, start_period };
        let written: Vec<&str> = ["test", "http", "tcp", "command"].into_iter().filter(|key| at.key(key).is_written()).collect();
        let disabled = raw.disable == Some(true);
        if let [_, second, ..] = written.as_slice() {
            self.findings.error(
                &at.key(second),
                format!("`{}` and `{second}` are both there", written[0]),
                "a container has one health check: keep one of them",
            );
        }
        if disabled {
            if let Some(first) = written.first() {
                self.findings.error(&at.key(first), format!("`{first}` is there, and `disable: true`"), "keep one of them");
            }
            return (Some(engine(vec!["NONE".to_owned()])), None);
        }
        if let Some(test) = &raw.test {
            return (self.engine_test(&at.key("test"), test).map(engine), None);
        }
        if let Some(text) = &raw.http {
            let request = self.ok(&at.key("http"), values::http_probe(text));
            return (None, request.map(|(method, port, path)| probe(ProbeKind::Http { method, port, path })));
        }
        if let Some(port) = raw.tcp {
            if port == 0 {
                self.findings.error(&at.key("tcp"), "expected a port from 1 to 65535, found `0`", "");
            }
            return (None, Some(probe(ProbeKind::Tcp { port })));
        }
        if let Some(words) = &raw.command {
            let command = self.command(&at.key("command"), words).filter(|command| !command.is_empty());
            return (None, command.map(|command| probe(ProbeKind::Command { command })));
        }
        if !written.is_empty() {
            // What was written has a mistake of its own.
            return (None, None);
        }
        let help = "add `http: \"GET :8080/healthz\"`, `tcp: 8080`, `command: […]` or Compose's `test:`";
        self.findings.error_at_key(at, "the health check says when it asks, but not what", help);
        (None, None)
    }

    fn engine_test(&mut self, at: &At<'_>, test: &Words) -> Option<Vec<String>> {
        match test {
            Words::One(line) if line.trim().is_empty() => {}
            Words::One(line) => return Some(vec!["CMD-SHELL".to_owned(), line.clone()]),
            Words::Many(words) => match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
                ["NONE"] | ["CMD", _, ..] | ["CMD-SHELL", _] => return Some(words.clone()),
                _ => {}
            },
        }
        self.findings.error(
            at,
            "expected `[\"CMD\", …]`, `[\"CMD-SHELL\", \"…\"]`, `[\"NONE\"]` or a shell line",
            "the first word of the list says how the rest is run",
        );
        None
    }

    /// How a service is rolled forward and back.
    pub(super) fn updates(&mut self, at: &At<'_>, deploy: &raw::Deploy) -> (UpdateConfig, UpdateConfig) {
        let is_blue_green = deploy.strategy == Some(raw::Strategy::BlueGreen);
        let base = if is_blue_green { defaults::blue_green() } else { defaults::update() };
        let update = self.update(&at.key("update_config"), deploy.update_config.as_ref(), &base);
        if is_blue_green && update.order == Order::StopFirst {
            let message = "blue-green needs old and new side by side, and stop-first forbids that";
            self.findings.error(&at.key("update_config").key("order"), message, "remove `order`, or `strategy`");
        }
        // A rollback that fails has nowhere further back to go: it waits for a person.
        let mut back = update.clone();
        if back.failure_action == FailureAction::Rollback {
            back.failure_action = FailureAction::Pause;
        }
        let at = at.key("rollback_config");
        let rollback = self.update(&at, deploy.rollback_config.as_ref(), &back);
        if rollback.failure_action == FailureAction::Rollback {
            self.findings.error(&at.key("failure_action"), "a rollback cannot itself be rolled back", "write `pause` or `continue`");
        }
        (update, rollback)
    }

    fn update(&mut self, at: &At<'_>, raw: Option<&raw::UpdateConfig>, base: &UpdateConfig) -> UpdateConfig {
        let Some(raw) = raw else { return base.clone() };
        let parallelism = raw.parallelism.as_ref().and_then(|text| self.ok(&at.key("parallelism"), Amount::parse(&text.0)));
        let healthy_deadline = self.opt_duration(&at.key("healthy_deadline"), raw.healthy_deadline.as_deref());
        let of_healthy = healthy_deadline.map(|deadline| deadline.saturating_mul(defaults::PROGRESS_DEADLINE_OF_HEALTHY_DEADLINES));
        let progress_deadline = self.opt_duration(&at.key("progress_deadline"), raw.progress_deadline.as_deref());
        let update = UpdateConfig {
            parallelism: parallelism.unwrap_or(base.parallelism),
            delay: self.duration(&at.key("delay"), raw.delay.as_deref(), base.delay),
            monitor: self.duration(&at.key("monitor"), raw.monitor.as_deref(), base.monitor),
            healthy_deadline: healthy_deadline.unwrap_or(base.healthy_deadline),
            progress_deadline: progress_deadline.or(of_healthy).unwrap_or(base.progress_deadline),
            order: raw.order.map_or(base.order, |order| match order {
                raw::Order::StopFirst => Order::StopFirst,
                raw::Order::StartFirst => Order::StartFirst,
            }),
            failure_action: raw.failure_action.map_or(base.failure_action, |action| match action {
                raw::FailureAction::Rollback => FailureAction::Rollback,
                raw::FailureAction::Pause => FailureAction::Pause,
                raw::FailureAction::Continue => FailureAction::Continue,
            }),
            max_failure_ratio: raw.max_failure_ratio.unwrap_or(base.max_failure_ratio),
            host_timeout: self.duration(&at.key("host_timeout"), raw.host_timeout.as_deref(), base.host_timeout),
        };
        if raw.max_failure_ratio.is_some() && !(0.0..=1.0).contains(&update.max_failure_ratio) {
            let message = format!("`max_failure_ratio` is {}, but a part of a whole lies between 0 and 1", update.max_failure_ratio);
            self.findings.error(&at.key("max_failure_ratio"), message, "write `0.1` for one in ten");
        }
        if (raw.monitor.is_some() || raw.healthy_deadline.is_some()) && update.monitor >= update.healthy_deadline {
            let place = if at.key("monitor").is_written() { at.key("monitor") } else { at.key("healthy_deadline") };
            let message = "`monitor` is not shorter than `healthy_deadline`, so no container could ever count as healthy";
            self.findings.error(&place, message, "make `healthy_deadline` longer (default `5m`), or `monitor` shorter (default `5s`)");
        }
        if (raw.healthy_deadline.is_some() || raw.progress_deadline.is_some()) && update.healthy_deadline >= update.progress_deadline {
            let place = if at.key("progress_deadline").is_written() { at.key("progress_deadline") } else { at.key("healthy_deadline") };
            let message = "`healthy_deadline` is not shorter than `progress_deadline`, so the rollout would be given up before its slowest container";
            self.findings.error(&place, message, "make `progress_deadline` longer (default: twice `healthy_deadline`)");
        }
        update
    }
}
