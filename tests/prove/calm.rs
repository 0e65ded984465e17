//! Lets a state go on with no further mishaps, and says whether it comes to its end: finished, or paused until a person speaks.
//!
//! There are four calm worlds: silent hosts come back or stay away, containers become well or stay as they are. Each goes on in one way only, so
//! what was once seen to end is remembered, and asking of every reachable state costs little more than one step each.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Mutex;

use super::scene::Stage;
use super::state::{Budget, Container, State};
use super::steps::{Step, take};

/// No calm rollout of a small estate is nearly as long.
const ROUNDS_MAX: usize = 400;

/// The states that are known to come to an end, for each calm world, by their fingerprint.
#[derive(Default)]
pub struct Calm {
    known: [Mutex<HashSet<u64>>; 4],
}

impl Calm {
    /// Whether the rollout comes to its end in every calm world.
    pub fn ends(&self, stage: &Stage, state: &State) -> bool {
        [(false, false), (false, true), (true, false), (true, true)].into_iter().zip(&self.known).all(|(world, known)| {
            let mut state = State { left: Budget::default(), ..state.clone() };
            let mut way = Vec::new();
            for _ in 0..ROUNDS_MAX {
                let print = fingerprint(&state);
                let is_known = known.lock().is_ok_and(|known| known.contains(&print));
                // A promise that is broken on the way is found where it is broken; this is about the end.
                if is_known || state.is_at_rest() || state.broken.is_some() {
                    if let Ok(mut known) = known.lock() {
                        known.extend(way);
                    }
                    return true;
                }
                way.push(print);
                let Some(next) = round(stage, state, world) else { return false };
                state = next;
            }
            false
        })
    }
}

fn fingerprint(state: &State) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}

/// Lets pass what comes by itself, then decides; time passes when there is nothing to decide. None if nothing changes any more.
fn round(stage: &Stage, before: State, (hosts_return, get_well): (bool, bool)) -> Option<State> {
    let mut state = before.clone();
    for number in 0..state.hosts.len() {
        if hosts_return && state.hosts[number].silent.is_some() {
            state = take(stage, &state, Step::Return(number)).0;
        }
    }
    for number in 0..state.slots.len() {
        let is_silent = state.hosts[stage.host_of[number]].silent.is_some();
        if state.slots[number].call.is_some() {
            let step = if is_silent { Step::Lose { slot: number, late: false } } else { Step::Answer(number) };
            state = take(stage, &state, step).0;
        }
        for which in 0..2 {
            if get_well && matches!(state.slots[number].containers[which], Container::Starting | Container::Unhealthy | Container::Looping) {
                state = take(stage, &state, Step::Well(number, which)).0;
            }
        }
    }
    let next = take(stage, &state, Step::Decide(None)).0;
    if next != before {
        return Some(next);
    }
    let next = take(stage, &next, Step::Tick).0;
    (next != before).then_some(next)
}
