//! What the journal is told of a rollout: what each decision changed, before anything is done about it.

use std::collections::{BTreeMap, BTreeSet};

use super::DriverError;
use super::roll::Rollout;
use crate::model::{HostName, SlotId};
use crate::rollout::{HostSeen, Observed, Phase, Progress, SlotVerdict, StageProgress};
use crate::run::Event;

/// So many lines of a failed container's output are kept with the failure.
const LAST_LINES: u32 = 20;

/// What the journal was told of a rollout's progress.
pub(super) struct Told {
    phase: Phase,
    stage: StageProgress,
    failed: BTreeMap<SlotId, SlotVerdict>,
    left_behind: BTreeMap<HostName, String>,
    done: BTreeSet<SlotId>,
}

impl Told {
    /// The journal knows a rollout's progress as it is.
    pub(super) fn of(progress: &Progress) -> Self {
        let Progress { phase, stage, failed, left_behind, done, .. } = progress.clone();
        Self { phase, stage, failed, left_behind, done }
    }

    /// Takes in what it was told now. What is done is most of all slots in the end, so only the difference is touched.
    fn catch_up(&mut self, progress: &Progress, newly_done: Vec<SlotId>) {
        self.phase.clone_from(&progress.phase);
        self.stage.clone_from(&progress.stage);
        self.failed.clone_from(&progress.failed);
        self.left_behind.clone_from(&progress.left_behind);
        let no_more: Vec<SlotId> = self.done.difference(&progress.done).cloned().collect();
        no_more.iter().for_each(|slot| {
            self.done.remove(slot);
        });
        self.done.extend(newly_done);
    }
}

impl Rollout<'_> {
    /// Journals what a decision changed, before anything is done about it.
    pub(super) async fn remember(&self, told: &mut Told, after: &Progress, observed: &Observed) -> Result<(), DriverError> {
        let service = || self.desired.service.clone();
        let mut events = Vec::new();
        for (slot, verdict) in &after.failed {
            if told.failed.get(slot) != Some(verdict) {
                let last_lines = self.last_lines(slot, verdict, observed).await;
                events.push(Event::SlotFailed { slot: slot.clone(), verdict: verdict.clone(), last_lines });
            }
        }
        for (host, why) in &after.left_behind {
            if !told.left_behind.contains_key(host) {
                events.push(Event::HostLeftBehind { service: service(), host: host.clone(), why: why.clone() });
            }
        }
        if told.phase != after.phase {
            events.push(Event::PhaseChanged { service: service(), phase: after.phase.clone() });
        }
        let drained = self.desired.drains().filter(|_| !after.goes_back());
        let done = |slot: &SlotId| Event::SlotDone { slot: slot.clone(), is_empty: drained == Some(&slot.host) };
        let newly_done: Vec<SlotId> = after.done.difference(&told.done).cloned().collect();
        events.extend(newly_done.iter().map(done));
        events.extend(self.stage_changed(&told.stage, &after.stage));
        self.recorder.record_all(events).await?;
        told.catch_up(after, newly_done);
        Ok(())
    }

    /// That a gate was reached, or that what is behind it begins. After what was proven, so that the journal never says more than is so.
    fn stage_changed(&self, before: &StageProgress, after: &StageProgress) -> Option<Event> {
        let (service, stage) = (self.desired.service.clone(), self.desired.stage_name(after.number).to_owned());
        if before.number != after.number && after.at_gate.is_none() {
            return Some(Event::StageBegan { service, number: after.number, stage });
        }
        let is_reached = after.at_gate.is_some() && (before.number != after.number || before.at_gate.is_none());
        is_reached.then(|| Event::GateReached { service, stage, gate: self.desired.gate(after.number).clone() })
    }

    /// What the failed container wrote last, if its host still tells.
    async fn last_lines(&self, slot: &SlotId, verdict: &SlotVerdict, observed: &Observed) -> Vec<String> {
        if matches!(verdict, SlotVerdict::HostSilent { .. } | SlotVerdict::Refused { .. } | SlotVerdict::WouldLoseData { .. }) {
            return Vec::new();
        }
        let Some(HostSeen::Answered(containers)) = observed.hosts.get(&slot.host) else { return Vec::new() };
        let Some(failed) = containers.iter().find(|seen| seen.slot == *slot && seen.version.spec == self.desired.to.spec) else { return Vec::new() };
        let Some(engine) = self.engines.hosts.get(&slot.host) else { return Vec::new() };
        engine.last_lines(&failed.id, LAST_LINES).await.unwrap_or_default()
    }
}
