//! Reads a configuration from a line of words, so that another one is one more line in a list, or a word on the command line.
//!
//! `2x2 stop-first failures=2 crashes=1 restarts`: hosts × slots on each, the order, how often each mishap may happen, and what else is special:
//! `restarts`, `probed`, `keeps-least` (see [`Configuration`]), `first` (nothing ran before), `all-at-once`, `delay`, `slow-proof` (two ticks),
//! `pause` or `continue` instead of going back, `canary` (one slot goes first), `bake` and `approve` (the gate behind it, or behind all), `blue-green`
//! (old ones stop together), `drain` (the first host is emptied, and nothing newer is rolled), `zone` (all hosts have one `spread` label) and `hurry` (a progress deadline).

use std::time::Duration;

use refit::model::HostName;
use refit::pipeline::{Amount, FailureAction, Order, UpdateStrategy, Wave};
use refit::rollout::{Policy, Stages};

use super::configurations::{Configuration, TICK, estate, version};
use super::state::Budget;

/// The configuration that a line stands for. Errors with the word that says nothing.
pub fn configuration(line: &str) -> Result<Configuration, String> {
    let mut words = line.split_whitespace();
    let size = words.next().and_then(|word| word.split_once('x')).ok_or("begin with a size such as 2x2")?;
    let (Ok(hosts), Ok(replicas)) = (size.0.parse(), size.1.parse()) else { return Err(format!("{size:?} is no size")) };
    let order = match words.next() {
        Some("start-first") => Order::StartFirst,
        Some("stop-first") => Order::StopFirst,
        other => return Err(format!("{other:?} is no order")),
    };
    let begin = Configuration::new(line, estate(hosts, replicas, order), Budget::default());
    words.try_fold(begin, |configuration, word| match word.split_once('=') {
        Some((mishap, number)) => befall(configuration, mishap, number.parse().map_err(|_| format!("{number} is no number"))?),
        None => special(configuration, word),
    })
}

fn befall(configuration: Configuration, mishap: &str, number: u8) -> Result<Configuration, String> {
    let mut budget = configuration.budget;
    *match mishap {
        "crashes" => &mut budget.crashes,
        "hangs" => &mut budget.hangs,
        "failures" => &mut budget.failures,
        "lost" => &mut budget.lost,
        "refusals" => &mut budget.refusals,
        "deaths" => &mut budget.deaths,
        "late" => &mut budget.late,
        "words" => &mut budget.words,
        other => return Err(format!("{other} is no mishap")),
    } = number;
    Ok(Configuration { budget, ..configuration })
}

fn special(configuration: Configuration, word: &str) -> Result<Configuration, String> {
    let policies = |change: fn(&mut Policy)| {
        configuration.clone().changed(|changed| {
            change(&mut changed.desired.update);
            change(&mut changed.desired.rollback);
        })
    };
    Ok(match word {
        "restarts" => Configuration { restarts: true, ..configuration },
        "probed" => Configuration { probed: true, ..configuration },
        "keeps-least" => Configuration { keeps_least: true, ..configuration },
        "first" => configuration.changed(|changed| changed.desired.back = None),
        "all-at-once" => policies(|policy| policy.parallelism = 0),
        "delay" => policies(|policy| policy.delay = TICK),
        "slow-proof" => policies(|policy| policy.monitor = TICK * 2),
        "canary" => strategy(configuration, |_, wave| wave.canary = Some(Amount::Count(1))),
        "bake" => strategy(configuration, |_, wave| wave.bake = TICK),
        "approve" => strategy(configuration, |_, wave| wave.approve = true),
        "blue-green" => strategy(configuration, |strategy, _| strategy.is_blue_green = true),
        "zone" => configuration.changed(|changed| {
            let hosts = changed.desired.slots.iter().map(|wanted| (wanted.slot.host.clone(), "a".to_owned()));
            changed.desired.spread = hosts.collect();
        }),
        "drain" => configuration.changed(|changed| {
            let first = changed.desired.slots[0].slot.host.clone();
            changed.desired.to = version("old");
            changed.desired.slots.iter_mut().for_each(|wanted| wanted.is_absent = wanted.slot.host == first);
        }),
        "hurry" => policies(|policy| policy.progress_deadline = TICK * 2),
        "pause" => configuration.changed(|changed| changed.desired.update.failure_action = FailureAction::Pause),
        "continue" => configuration.changed(|changed| changed.desired.update.failure_action = FailureAction::Continue),
        other => return Err(format!("{other} says nothing")),
    })
}

/// Changes how the estate's one wave over all hosts is to go, and makes stages of it as the driver does.
fn strategy(configuration: Configuration, change: fn(&mut UpdateStrategy, &mut Wave)) -> Configuration {
    configuration.changed(|changed| {
        let desired = &mut changed.desired;
        let mut hosts: Vec<HostName> = desired.slots.iter().map(|wanted| wanted.slot.host.clone()).collect();
        hosts.sort();
        hosts.dedup();
        let mut wave = changed.strategy.waves.pop().unwrap_or(Wave { hosts: hosts.clone(), canary: None, bake: Duration::ZERO, approve: false });
        change(&mut changed.strategy, &mut wave);
        changed.strategy.waves.push(wave);
        let (order, replicas) = (desired.slots[0].order, desired.slots.len() / hosts.len());
        let stages = Stages::of(&desired.service, &changed.strategy, replicas.try_into().unwrap(), &hosts.iter().collect::<Vec<_>>(), order);
        (desired.slots, desired.stages) = (stages.slots, stages.stages);
    })
}
