//! What people wrote about waves, canaries and blue-green, made into stages: from here on they are all one mechanism.

use super::{Gate, Policy, SlotWanted, Stage};
use crate::model::{HostName, ServiceName, SlotId};
use crate::pipeline::{Amount, Order, UpdateConfig, UpdateStrategy, Wave};

/// The slots of a rollout, and the stages in which they go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stages {
    /// Every slot, by stage; within one, the first slot of each host, then the second ones.
    pub slots: Vec<SlotWanted>,
    /// The stages; none if all slots are one, with nothing behind it.
    pub stages: Vec<Stage>,
}

impl Stages {
    /// The stages of a service of so many `replicas` on each of these hosts, which may be some of its hosts only.
    ///
    /// A wave with a canary is two stages; what its gate is about stands before it. Blue-green ends with a stage of its own, in which all old
    /// containers are stopped that could stay up until then (`order` says which).
    pub fn of(service: &ServiceName, strategy: &UpdateStrategy, replicas: u32, hosts: &[&HostName], order: Order) -> Self {
        let mut all = Self::default();
        for (number, wave) in waves(strategy, hosts).iter().enumerate() {
            all.add(service, wave, number, strategy.waves.len(), replicas, order);
        }
        if strategy.is_blue_green && order == Order::StartFirst && !all.slots.is_empty() {
            all.slots.iter_mut().for_each(|slot| slot.switch = all.stages.len());
            all.stages.push(Stage { name: "switch".to_owned(), gate: Gate::default() });
        }
        if let Some(last) = all.stages.last_mut() {
            last.gate.bake = last.gate.bake.max(strategy.keep);
        }
        if matches!(all.stages.as_slice(), [one] if one.gate == Gate::default()) {
            all.stages.clear();
        }
        all
    }

    fn add(&mut self, service: &ServiceName, wave: &Wave, number: usize, waves: usize, replicas: u32, order: Order) {
        let slot = |index, host: &HostName| SlotId { service: service.clone(), host: host.clone(), index };
        let mut slots: Vec<SlotId> = (0..replicas).flat_map(|index| wave.hosts.iter().map(move |host| slot(index, host))).collect();
        let name = match (number, waves) {
            (0, 0 | 1) => "all".to_owned(),
            (number, waves) if number >= waves => "other hosts".to_owned(),
            _ => format!("wave {}", number + 1),
        };
        let gate = Gate { bake: wave.bake, approve: wave.approve };
        let canary = wave.canary.map_or(0, |amount| amount.rounded_up(slots.len()));
        if canary > 0 && canary < slots.len() {
            let rest = slots.split_off(canary);
            let canary = if waves > 1 { format!("canary of {name}") } else { "canary".to_owned() };
            self.push(canary, slots, gate, order);
            self.push(name, rest, Gate::default(), order);
        } else if !slots.is_empty() {
            self.push(name, slots, gate, order);
        }
    }

    fn push(&mut self, name: String, slots: Vec<SlotId>, gate: Gate, order: Order) {
        let stage = self.stages.len();
        self.slots.extend(slots.into_iter().map(|slot| SlotWanted { slot, order, stage, switch: stage, is_absent: false }));
        self.stages.push(Stage { name, gate });
    }
}

/// The waves as far as they have hosts among these, and one more for those that no wave names.
fn waves(strategy: &UpdateStrategy, hosts: &[&HostName]) -> Vec<Wave> {
    let wave = |hosts: Vec<HostName>, like: Option<&Wave>| Wave {
        hosts,
        canary: like.and_then(|wave| wave.canary),
        bake: like.map(|wave| wave.bake).unwrap_or_default(),
        approve: like.is_some_and(|wave| wave.approve),
    };
    let of = |named: &Wave| hosts.iter().filter(|host| named.hosts.contains(host)).map(|host| (*host).clone()).collect();
    let is_left = |host: &&&HostName| !strategy.waves.iter().any(|wave| wave.hosts.contains(host));
    let left = hosts.iter().filter(is_left).map(|host| (*host).clone()).collect();
    strategy.waves.iter().map(|named| wave(of(named), Some(named))).chain([wave(left, None)]).collect()
}

impl Policy {
    /// A policy for so many slots. A part of them is rounded so that it is safe: with stop-first, where it is how many may be missing, down (one at
    /// least); with start-first, where it is how many are extra, up. Source: Kubernetes, `maxUnavailable` and `maxSurge`.
    pub fn of(config: &UpdateConfig, slots: usize, order: Order) -> Self {
        let parallelism = match (config.parallelism, order) {
            // All at once was asked for beside the old ones. Where each must go before its successor can come, it would leave nothing.
            (Amount::Count(0), Order::StopFirst) if config.order == Order::StartFirst => 1,
            (Amount::Count(0), _) => 0,
            (amount, Order::StopFirst) => amount.rounded_down(slots),
            (amount, Order::StartFirst) => amount.rounded_up(slots),
        };
        Self {
            parallelism: u32::try_from(parallelism).unwrap_or(u32::MAX),
            delay: config.delay,
            monitor: config.monitor,
            healthy_deadline: config.healthy_deadline,
            progress_deadline: config.progress_deadline,
            order: config.order,
            failure_action: config.failure_action,
            max_failure_ratio: config.max_failure_ratio,
            host_timeout: config.host_timeout,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::format_duration;
    use std::time::Duration;

    fn wave(hosts: &[&str], canary: Option<Amount>, bake: u64, approve: bool) -> Wave {
        Wave { hosts: hosts.iter().map(|host| host.parse().unwrap()).collect(), canary, bake: Duration::from_secs(bake), approve }
    }

    /// The stages of two replicas on hosts `a`, `b` and `c`, such as `canary [a0] 10s ask; all [b0 c0 a1 b1 c1]`; `^2` after a slot that switches there.
    fn check(strategy: &UpdateStrategy, order: Order, expected: &str) {
        let hosts: Vec<HostName> = ["a", "b", "c"].map(|host| host.parse().unwrap()).to_vec();
        let made = Stages::of(&"web".parse().unwrap(), strategy, 2, &hosts.iter().collect::<Vec<_>>(), order);
        let plain = [Stage { name: "plain".to_owned(), gate: Gate::default() }];
        let stages = if made.stages.is_empty() { &plain[..] } else { &made.stages };
        let told = stages.iter().enumerate().map(|(number, stage)| {
            let of = |slot: &&SlotWanted| slot.stage == number;
            let switch = |slot: &SlotWanted| if slot.switch == slot.stage { String::new() } else { format!("^{}", slot.switch) };
            let slots: Vec<_> = made.slots.iter().filter(of).map(|one| format!("{}{}{}", one.slot.host, one.slot.index, switch(one))).collect();
            let bake = if stage.gate.bake.is_zero() { String::new() } else { format!(" {}", format_duration(stage.gate.bake)) };
            format!("{} [{}]{bake}{}", stage.name, slots.join(" "), if stage.gate.approve { " ask" } else { "" })
        });
        assert_eq!(told.collect::<Vec<_>>().join("; "), expected, "{strategy:?}");
    }

    #[test]
    fn waves_canaries_and_blue_green_become_stages() {
        use Order::{StartFirst, StopFirst};
        let waves = |waves: &[Wave]| UpdateStrategy { waves: waves.to_vec(), ..UpdateStrategy::default() };
        let kept = |is_blue_green, waves: &[Wave]| UpdateStrategy {
            is_blue_green,
            keep: Duration::from_secs(60),
            waves: waves.to_vec(),
            ..UpdateStrategy::default()
        };
        let (one, all) = (Some(Amount::Count(1)), ["a", "b", "c"]);
        check(&UpdateStrategy::default(), StopFirst, "plain [a0 b0 c0 a1 b1 c1]");
        check(&waves(&[wave(&all, one, 10, true)]), StopFirst, "canary [a0] 10s ask; all [b0 c0 a1 b1 c1]");
        check(&waves(&[wave(&all, Some(Amount::Percent(25)), 10, false)]), StopFirst, "canary [a0 b0] 10s; all [c0 a1 b1 c1]");
        check(&waves(&[wave(&all, Some(Amount::Count(6)), 10, false)]), StopFirst, "all [a0 b0 c0 a1 b1 c1] 10s");
        check(
            &waves(&[wave(&["b"], one, 10, false), wave(&["a", "c"], None, 0, true)]),
            StopFirst,
            "canary of wave 1 [b0] 10s; wave 1 [b1]; wave 2 [a0 c0 a1 c1] ask",
        );
        check(&waves(&[wave(&["c"], None, 10, false)]), StopFirst, "all [c0 c1] 10s; other hosts [a0 b0 a1 b1]");
        check(&kept(false, &[]), StopFirst, "all [a0 b0 c0 a1 b1 c1] 1m");
        check(&kept(true, &[]), StartFirst, "all [a0^1 b0^1 c0^1 a1^1 b1^1 c1^1]; switch [] 1m");
        check(&kept(true, &[wave(&all, one, 0, true)]), StartFirst, "canary [a0^2] ask; all [b0^2 c0^2 a1^2 b1^2 c1^2]; switch [] 1m");
        check(&kept(true, &[]), StopFirst, "all [a0 b0 c0 a1 b1 c1] 1m");
    }

    #[test]
    fn parts_are_rounded_so_that_they_are_safe() {
        let parallelism =
            |amount, slots, order| Policy::of(&UpdateConfig { parallelism: amount, ..UpdateConfig::default() }, slots, order).parallelism;
        for (amount, slots, stop_first, start_first) in [
            (Amount::Count(0), 10, 0, 0),
            (Amount::Count(3), 10, 3, 3),
            (Amount::Percent(25), 10, 2, 3),
            (Amount::Percent(25), 3, 1, 1),
            (Amount::Percent(100), 7, 7, 7),
            (Amount::Percent(1), 1000, 10, 10),
        ] {
            assert_eq!(parallelism(amount, slots, Order::StopFirst), stop_first, "{amount} of {slots}");
            assert_eq!(parallelism(amount, slots, Order::StartFirst), start_first, "{amount} of {slots}");
        }
        let all_beside = UpdateConfig { parallelism: Amount::Count(0), order: Order::StartFirst, ..UpdateConfig::default() };
        assert_eq!(Policy::of(&all_beside, 10, Order::StartFirst).parallelism, 0);
        assert_eq!(Policy::of(&all_beside, 10, Order::StopFirst).parallelism, 1, "one at a time where two cannot stand side by side");
    }
}
