//! The gates between the stages of the way forward: a canary, a wave, a switch is what a stage is called; to what is decided here they are all one.

use std::time::Duration;

use jiff::Timestamp;

use super::leave;
use super::pace::{Aim, Round, Scene, span};
use super::time::after;
use super::{Desired, Gate, HostSeen, Policy, Progress, StageProgress};
use crate::model::format_duration;

/// The gate behind the last stage where nobody wrote any stages.
const OPEN: Gate = Gate { bake: Duration::ZERO, approve: false };

impl Desired {
    /// What people know a stage by.
    pub fn stage_name(&self, number: usize) -> &str {
        self.stages.get(number).map_or("all", |stage| &stage.name)
    }

    /// What stands behind a stage.
    pub fn gate(&self, number: usize) -> &Gate {
        self.stages.get(number).map_or(&OPEN, |stage| &stage.gate)
    }

    /// Whether a stage is the last one.
    pub(super) fn is_last_stage(&self, number: usize) -> bool {
        number + 1 >= self.stages.len()
    }
}

/// Whether the gate behind the stage that is through opens now; notes what is waited for if not. Its time is that of the oldest look at what it is
/// about.
pub(super) fn opens(scene: &Scene, progress: &mut Progress, aim: &Aim, round: &Round) -> bool {
    let desired = scene.desired;
    let gate = desired.gate(progress.stage.number);
    progress.stage.needs_person = false;
    if !progress.stage.has_moved || progress.stage.is_approved {
        return true;
    }
    let now = oldest_look(scene, aim);
    let through = *progress.stage.at_gate.get_or_insert(now);
    let is_baked = is_baked(gate, through, desired.stage_name(progress.stage.number), progress, round, now);
    if is_baked && gate.approve {
        progress.stage.needs_person = true;
        progress.waiting_for.push(format!("the gate behind {}: a person's word (approve)", desired.stage_name(progress.stage.number)));
    }
    is_baked && !gate.approve
}

/// When the host of a slot that the gate is about, of those that answer, was looked at, which was looked at the longest ago.
fn oldest_look(scene: &Scene, aim: &Aim) -> Timestamp {
    let about = scene.desired.slots.iter().filter(|wanted| aim.is_about(wanted)).map(|wanted| &wanted.slot.host);
    let answered = about.filter(|host| matches!(scene.observed.hosts.get(host), Some(HostSeen::Answered(_))));
    answered.map(|host| scene.observed.looked_at(host, scene.now)).min().unwrap_or(scene.now)
}

fn is_baked(gate: &Gate, through: Timestamp, name: &str, progress: &mut Progress, round: &Round, now: Timestamp) -> bool {
    if gate.bake.is_zero() {
        return true;
    }
    // Of a container that nobody can see it cannot be said that it stays healthy.
    if round.unseen > 0 {
        progress.waiting_for.push(format!("the gate behind {name}: {} slots are on hosts that do not answer", round.unseen));
        return false;
    }
    let since = round.healthy_since.map_or(through, |healthy| healthy.max(through));
    let until = after(since, gate.bake);
    if now >= until {
        return true;
    }
    progress.look_at(until);
    progress.waiting_for.push(format!("the gate behind {name}: healthy for {} of {}", span(since, now), format_duration(gate.bake)));
    false
}

/// Turns to the stage behind the gate.
pub(super) fn pass(progress: &mut Progress) {
    progress.stage = StageProgress { number: progress.stage.number + 1, ..StageProgress::default() };
    progress.progressed_at = None;
}

/// Says why the progress deadline is over, if it is. It runs while slots of the present stage are rolled, from the last one that became healthy.
pub(super) fn overdue<'a>(scene: &Scene<'a>, progress: &mut Progress, aim: &Aim<'a>, round: &mut Round<'a>) -> Option<String> {
    let Scene { desired, now, .. } = *scene;
    let Policy { progress_deadline, .. } = aim.policy;
    if *progress_deadline == Duration::MAX {
        return None;
    }
    let since = *progress.progressed_at.get_or_insert(now);
    // Stopping what was there before takes its own time and does not count, as with a slot's deadline.
    let limit = after(after(since, *progress_deadline), desired.stop_grace_period);
    if now <= limit {
        progress.look_at(limit);
        return None;
    }
    // What holds the slots that were not begun is known only to whoever would begin them.
    let mut held = progress.clone();
    leave::go(scene, &mut held, aim, round);
    Some(format!("no slot became healthy within {} ({})", format_duration(*progress_deadline), held.waiting_for.join("; ")))
}
