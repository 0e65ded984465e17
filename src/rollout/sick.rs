//! Judges whether a service was sick before anybody rolled it, so that nobody blames the new release for it.

use std::collections::BTreeMap;

use super::verdict::too_many;
use super::{ContainerState, Health};
use crate::model::SlotId;

/// What is in each slot of a service: the state and health of every container there.
pub type SlotsSeen = BTreeMap<SlotId, Vec<(ContainerState, Health)>>;

/// What is wrong with a service, if more of its slots are sick than may fail when it is rolled; the first of them stands for all.
///
/// A slot is sick when what is in it is unhealthy, starts again and again, or has ended, and nothing else in it runs. An empty slot, or one whose
/// container was made and never started, is not sick: nothing ever ran there. `slots` are those of the hosts that answered.
pub fn sick_before(slots: &SlotsSeen, max_failure_ratio: f64) -> Option<String> {
    let sick: Vec<(&SlotId, String)> = slots.iter().filter_map(|(slot, containers)| Some((slot, sickness(containers)?))).collect();
    let (slot, what) = sick.first()?;
    too_many(sick.len(), slots.len(), max_failure_ratio).then(|| format!("{} of {} slots; {slot}: its container {what}", sick.len(), slots.len()))
}

fn sickness(containers: &[(ContainerState, Health)]) -> Option<String> {
    use ContainerState::{Exited, Restarting, Running};
    let is_well = |(state, health): &(ContainerState, Health)| matches!(state, Running { .. }) && !matches!(health, Health::Unhealthy { .. });
    if containers.iter().any(is_well) {
        return None;
    }
    let word = |(state, health): &(ContainerState, Health)| match (state, health) {
        (Running { .. }, Health::Unhealthy { .. }) => Some((0, "is unhealthy".to_owned())),
        (Restarting { code, .. }, _) => Some((1, format!("starts again and again, and ends with code {code}"))),
        (Exited { code, .. }, _) => Some((2, format!("has ended with code {code}"))),
        _ => None,
    };
    // What is up says more than what lies beside it.
    containers.iter().filter_map(word).min().map(|(_, what)| what)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    const AT: Timestamp = Timestamp::UNIX_EPOCH;

    /// Reads slots such as `well sick+ended`: containers of one slot are joined by `+`.
    fn check(slots: &str, max_failure_ratio: f64, expected: Option<&str>) {
        let container = |word: &str| {
            let running = ContainerState::Running { since: AT, restarts: 0 };
            match word {
                "well" => (running, Health::Healthy { since: AT }),
                "young" => (running, Health::Starting),
                "sick" => (running, Health::Unhealthy { why: "HTTP 500".into() }),
                "loops" => (ContainerState::Restarting { restarts: 9, code: 1 }, Health::Starting),
                "ended" => (ContainerState::Exited { code: 3, at: AT }, Health::Starting),
                "made" => (ContainerState::Created, Health::Starting),
                other => panic!("{other}"),
            }
        };
        let slot = |(index, words): (usize, &str)| {
            let slot = SlotId { service: "web".parse().unwrap(), host: "a".parse().unwrap(), index: index as u32 };
            (slot, words.split('+').filter(|word| *word != "-").map(container).collect())
        };
        let seen = slots.split_whitespace().enumerate().map(slot).collect();
        assert_eq!(sick_before(&seen, max_failure_ratio).as_deref(), expected, "{slots}");
    }

    #[test]
    fn who_is_sick_before() {
        check("well young", 0.0, None);
        check("well sick", 0.0, Some("1 of 2 slots; web@a/1: its container is unhealthy"));
        check("loops", 0.0, Some("1 of 1 slots; web@a/0: its container starts again and again, and ends with code 1"));
        check("ended sick+ended", 0.0, Some("2 of 2 slots; web@a/0: its container has ended with code 3"));
        // One that serves beside one that ended is what a rollout leaves for a while.
        check("well+ended", 0.0, None);
        // Nothing ever ran there.
        check("- made", 0.0, None);
        check("", 0.0, None);
        // So many may fail anyway.
        check("well well well sick", 0.25, None);
        check("well well sick sick", 0.25, Some("2 of 4 slots; web@a/2: its container is unhealthy"));
    }
}
