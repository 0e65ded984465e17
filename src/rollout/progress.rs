//! What a rollout remembers: how it begins, how it is taken up again, and what it says it waits for.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{Heading, Outcome, Phase, Progress, SlotVerdict, StageProgress};
use crate::model::{HostName, SlotId};

/// What the journal keeps of a rollout. Whatever else there was is found again by looking.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// Where it is.
    pub phase: Phase,
    /// Slots whose new container failed, and why.
    pub failed: BTreeMap<SlotId, SlotVerdict>,
    /// Slots that are through.
    pub done: BTreeSet<SlotId>,
    /// Slots that were begun on the present way, and are neither through nor failed.
    pub begun: BTreeSet<SlotId>,
    /// Hosts given up.
    pub left_behind: BTreeMap<HostName, String>,
    /// Where it is among its stages.
    pub stage: StageProgress,
}

impl Kept {
    /// A rollout of which nothing is known but where it is.
    pub fn only(phase: Phase) -> Self {
        Self {
            phase,
            failed: BTreeMap::new(),
            done: BTreeSet::new(),
            begun: BTreeSet::new(),
            left_behind: BTreeMap::new(),
            stage: StageProgress::default(),
        }
    }
}

/// Lines of [`Progress::waiting_for`]: what a terminal can show; a last line counts the rest.
const WAITING_LINES_MAX: usize = 20;

impl Progress {
    /// A rollout that has not done anything yet. The first look is due at once.
    pub fn begin(now: Timestamp) -> Self {
        Self { look_again_at: Some(now), ..Self::resume(Kept::only(Phase::Forward), now) }
    }

    /// A rollout as the journal remembers it. The time of slots in flight begins anew: nobody looked at them meanwhile.
    pub fn resume(kept: Kept, now: Timestamp) -> Self {
        // Slots that were done on the way there say nothing about the way back.
        let done = if kept.phase.heading() == Some(Heading::Back) { BTreeSet::new() } else { kept.done };
        Self {
            phase: kept.phase,
            failed: kept.failed,
            failed_back: BTreeMap::new(),
            left_lying: BTreeMap::new(),
            under_way: BTreeSet::new(),
            done,
            ready: BTreeSet::new(),
            stage: kept.stage,
            progressed_at: None,
            began: kept.begun.into_iter().map(|slot| (slot, now)).collect(),
            last_done_at: None,
            left_behind: kept.left_behind,
            look_again_at: None,
            waiting_for: Vec::new(),
        }
    }

    /// Whether there is nothing more to do.
    pub fn is_finished(&self) -> bool {
        matches!(self.phase, Phase::Finished(_))
    }

    /// Whether no further slot is begun until a person says something. Slots in flight are brought to their end first; then it [stands
    /// still](Self::stands_still).
    pub fn is_paused(&self) -> bool {
        matches!(self.phase, Phase::Paused { .. })
    }

    /// Whether it is paused, and nothing is in flight any more.
    pub fn stands_still(&self) -> bool {
        self.is_paused() && self.began.is_empty()
    }

    /// Whether it is on its way back, or has come back.
    pub fn goes_back(&self) -> bool {
        let is_back = |outcome: &Outcome| matches!(outcome, Outcome::RolledBack { .. } | Outcome::Stuck { .. });
        match &self.phase {
            Phase::Forward | Phase::Paused { back: None, .. } => false,
            Phase::Back(_) | Phase::Paused { back: Some(_), .. } => true,
            Phase::Sweeping(outcome) | Phase::Finished(outcome) => is_back(outcome),
        }
    }

    /// How it ended, once it has.
    pub fn outcome(&self) -> Option<&Outcome> {
        match &self.phase {
            Phase::Finished(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// Turns to another phase. A pause and its end leave what is in flight as it is; where the way turns, or ends, it is begun anew.
    pub(super) fn turn(&mut self, phase: Phase) {
        if phase.heading().is_none() || phase.heading() != self.phase.heading() {
            self.began.clear();
        }
        self.progressed_at = None;
        self.phase = phase;
    }

    /// Notes that a slot became healthy at `moment`: from then on the next one has the whole progress deadline.
    pub(super) fn progressed(&mut self, moment: Timestamp) {
        self.progressed_at = Some(self.progressed_at.map_or(moment, |earlier| earlier.max(moment)));
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
