//! What a rollout remembers: how it begins, how it is taken up again, and what it says it waits for.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{Outcome, Phase, Progress, SlotVerdict};
use crate::model::{HostName, SlotId};

/// Lines of [`Progress::waiting_for`]: what a terminal can show; a last line counts the rest.
const WAITING_LINES_MAX: usize = 20;

impl Progress {
    /// A rollout that has not done anything yet. The first look is due at once.
    pub fn begin(now: Timestamp) -> Self {
        Self { look_again_at: Some(now), ..Self::resume(Phase::Forward, BTreeMap::new(), BTreeSet::new(), BTreeMap::new()) }
    }

    /// A rollout as the journal remembers it. Whatever else there was is found again by looking.
    pub fn resume(phase: Phase, failed: BTreeMap<SlotId, SlotVerdict>, done: BTreeSet<SlotId>, left_behind: BTreeMap<HostName, String>) -> Self {
        // Slots that were done on the way there say nothing about the way back.
        let is_back = matches!(phase, Phase::Back(_) | Phase::Paused { back: Some(_), .. });
        let done = if is_back { BTreeSet::new() } else { done };
        Self {
            phase,
            failed,
            failed_back: BTreeMap::new(),
            left_lying: BTreeMap::new(),
            under_way: BTreeSet::new(),
            done,
            began: BTreeMap::new(),
            last_done_at: None,
            left_behind,
            look_again_at: None,
            waiting_for: Vec::new(),
        }
    }

    /// Whether there is nothing more to do.
    pub fn is_finished(&self) -> bool {
        matches!(self.phase, Phase::Finished(_))
    }

    /// Whether it stands still until a person says something.
    pub fn is_paused(&self) -> bool {
        matches!(self.phase, Phase::Paused { .. })
    }

    /// How it ended, once it has.
    pub fn outcome(&self) -> Option<&Outcome> {
        match &self.phase {
            Phase::Finished(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// Turns to another phase; what was in flight there is begun anew.
    pub(super) fn turn(&mut self, phase: Phase) {
        self.began.clear();
        self.phase = phase;
    }

    /// Notes that time alone can change something at `moment`.
    pub(super) fn look_at(&mut self, moment: Timestamp) {
        self.look_again_at = Some(self.look_again_at.map_or(moment, |earlier| earlier.min(moment)));
    }

    /// Notes what is waited for; the words are made only if there is room for them.
    pub(super) fn waits(&mut self, more: &mut usize, line: impl FnOnce() -> String) {
        if self.waiting_for.len() < WAITING_LINES_MAX {
            self.waiting_for.push(line());
        } else {
            *more += 1;
        }
    }
}

/// Tells the rollout that the engine refused an action on this slot for good (silence is no refusal: look again). Counts as a failure of the slot
/// on the way there and on the way back; while sweeping, the slot is left as it is.
pub fn report_refusal(progress: &mut Progress, slot: &SlotId, why: &str) {
    report_failure(progress, slot, SlotVerdict::Refused { why: why.to_owned() }, why);
}

/// Tells the rollout that the replacement of this slot's container would lose data, and was not begun.
pub fn report_loss(progress: &mut Progress, slot: &SlotId, why: &str) {
    report_failure(progress, slot, SlotVerdict::WouldLoseData { why: why.to_owned() }, why);
}

fn report_failure(progress: &mut Progress, slot: &SlotId, verdict: SlotVerdict, why: &str) {
    match &progress.phase {
        Phase::Forward | Phase::Paused { back: None, .. } => {
            progress.failed.insert(slot.clone(), verdict);
        }
        Phase::Back(_) | Phase::Paused { back: Some(_), .. } => {
            progress.failed_back.insert(slot.clone(), verdict);
        }
        Phase::Sweeping(_) => {
            progress.left_lying.insert(slot.clone(), why.to_owned());
        }
        Phase::Finished(_) => {}
    }
}
