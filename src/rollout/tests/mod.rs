//! What the tests of this room share: scenes written as one line of text, and worlds in which a rollout is driven to its end.

mod broken;
mod drain;
mod properties;
mod stages;
mod stories;
mod tables;

use std::time::Duration;

use jiff::Timestamp;

use super::*;
use crate::model::{Digest, HostName, ReleaseNumber, SlotId};
use crate::pipeline::{FailureAction, Order};
use crate::sim::World;

pub(super) const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

pub(super) fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(super) fn ago(seconds: u64) -> Timestamp {
    NOW.checked_sub(s(seconds)).unwrap()
}

pub(super) fn policy() -> Policy {
    Policy {
        parallelism: 1,
        delay: Duration::ZERO,
        monitor: s(10),
        healthy_deadline: s(60),
        progress_deadline: Duration::MAX,
        order: Order::StartFirst,
        failure_action: FailureAction::Rollback,
        max_failure_ratio: 0.0,
        host_timeout: s(60),
    }
}

pub(super) fn version(name: &str) -> Version {
    let release = match name {
        "old" => 1,
        "new" => 2,
        _ => 3,
    };
    Version { release: ReleaseNumber(release), spec: Digest::of(name.as_bytes()) }
}

pub(super) fn host(number: usize) -> HostName {
    format!("h{number}").parse().unwrap()
}

pub(super) fn slot(host_number: usize, index: u32) -> SlotId {
    SlotId { service: "web".parse().unwrap(), host: host(host_number), index }
}

/// A service of `hosts` × `replicas` slots, from `old` to `new`.
pub(super) fn desired(hosts: usize, replicas: u32, order: Order) -> Desired {
    let slots = (0..hosts).flat_map(|h| (0..replicas).map(move |i| SlotWanted { slot: slot(h, i), order, stage: 0, switch: 0, is_absent: false }));
    Desired {
        service: "web".parse().unwrap(),
        to: version("new"),
        back: Some(version("old")),
        slots: slots.collect(),
        stages: Vec::new(),
        max_parallel_hosts: None,
        spread: std::collections::BTreeMap::new(),
        update: policy(),
        rollback: policy(),
        stop_grace_period: Duration::ZERO,
    }
}

/// Reads a container: its version and a mark of its state, such as `old+`.
///
/// `+` healthy for an hour, `*3` healthy for 3 s, `~` starting, `!` unhealthy, `?` created, `.` stopped an hour ago, `x` exited with 1 just now,
/// `@` restarting for the third time, `%` restarting for the first, `=` frozen.
fn container(text: &str, slot: &SlotId, number: usize) -> ContainerSeen {
    let (name, mark) = text.split_at(3);
    let running = |since| ContainerState::Running { since, restarts: 0 };
    let (state, health) = match mark.split_at(1) {
        ("+", _) => (running(ago(3600)), Health::Healthy { since: ago(3600) }),
        ("*", seconds) => (running(ago(30)), Health::Healthy { since: ago(seconds.parse().unwrap()) }),
        ("~", _) => (running(ago(1)), Health::Starting),
        ("!", _) => (running(ago(30)), Health::Unhealthy { why: "HTTP 500".to_owned() }),
        ("?", _) => (ContainerState::Created, Health::Starting),
        (".", _) => (ContainerState::Exited { code: 0, at: ago(3600) }, Health::Starting),
        ("x", _) => (ContainerState::Exited { code: 1, at: NOW }, Health::Starting),
        ("@", _) => (ContainerState::Restarting { restarts: 3, code: 7 }, Health::Starting),
        ("%", _) => (ContainerState::Restarting { restarts: 1, code: 7 }, Health::Starting),
        ("=", _) => (ContainerState::Paused, Health::Starting),
        other => panic!("no mark {other:?}"),
    };
    let created_at = ago(4000 - number as u64);
    ContainerSeen { id: format!("{name}{number}"), name: text.to_owned(), slot: slot.clone(), version: version(name), state, health, created_at }
}

/// Reads a scene: one host with one slot between each two bars; `silent 5` is a host silent for 5 s, `unasked` one that nobody asked.
pub(super) fn scene(text: &str) -> Observed {
    let mut observed = Observed::default();
    for (number, text) in text.split('|').map(str::trim).enumerate() {
        let seen = match text.strip_prefix("silent ") {
            Some(seconds) => HostSeen::Silent { since: ago(seconds.parse().unwrap()), why: "no route".to_owned() },
            None if text == "unasked" => continue,
            None => HostSeen::Answered(text.split_whitespace().enumerate().map(|(i, one)| container(one, &slot(number, 0), i)).collect()),
        };
        observed.hosts.insert(host(number), seen);
    }
    observed
}

/// A rollout in which these hosts' slots were begun 5 s ago.
pub(super) fn begun(hosts: &[usize]) -> Progress {
    Progress { began: hosts.iter().map(|number| (slot(*number, 0), ago(5))).collect(), ..Progress::begin(NOW) }
}

/// Prints actions as `h0 stop old0, h1 start (over old0)`.
pub(super) fn print(actions: &[Action]) -> String {
    let print = |action: &Action| {
        let at = &action.slot().host;
        match action {
            Action::StartNew { takes_over: Some(old), version, .. } => format!("{at} start r{} over {old}", version.release.0),
            Action::StartNew { takes_over: None, version, .. } => format!("{at} start r{}", version.release.0),
            Action::StartAgain { container, .. } => format!("{at} again {container}"),
            Action::Stop { container, .. } => format!("{at} stop {container}"),
            Action::Remove { container, .. } => format!("{at} remove {container}"),
        }
    };
    actions.iter().map(print).collect::<Vec<_>>().join(", ")
}

/// Fills a world with `old` containers, one for each slot, that have been healthy for long.
pub(super) fn world_of_old(desired: &Desired) -> World {
    let mut world = World::new(ago(7200), desired.slots.iter().map(|one| one.slot.host.clone()));
    for wanted in &desired.slots {
        world.carry_out(&Action::StartNew { slot: wanted.slot.clone(), version: version("old"), takes_over: None }).unwrap();
    }
    world.now = NOW;
    world
}

/// The longest story that is told: no healthy one is nearly as long.
pub(super) const LOOKS_MAX: usize = 4000;

/// Looks, decides and acts until the rollout is finished or waits for a person; returns what was said and done, in order.
pub(super) fn drive(desired: &Desired, world: &mut World, mut progress: Progress) -> (Progress, Vec<Action>) {
    let mut story = Vec::new();
    for _ in 0..LOOKS_MAX {
        let (next, actions) = decide(desired, &world.observe(), progress, None, world.now);
        progress = next;
        if progress.is_finished() || progress.stands_still() {
            return (progress, story);
        }
        for action in &actions {
            if let Err(refusal) = world.carry_out(action) {
                report_refusal(&mut progress, action.slot(), &refusal.to_string());
            }
        }
        story.extend(actions);
        world.pass(s(1));
    }
    panic!("no end after {LOOKS_MAX} looks: {progress:#?}");
}

/// What runs in each slot, such as `new old new`; `-` where nothing does.
pub(super) fn running(desired: &Desired, world: &World) -> String {
    let names = ["old", "new", "odd"];
    let name = |version: &Version| names[version.release.0 as usize - 1];
    let slots = desired.slots.iter().map(|wanted| {
        let up: Vec<_> = world.containers().filter(|one| one.slot == wanted.slot && one.is_up(world.now)).map(|one| name(&one.version)).collect();
        if up.is_empty() { "-".to_owned() } else { up.join("+") }
    });
    slots.collect::<Vec<_>>().join(" ")
}
