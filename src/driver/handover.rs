//! Between the end of an old container and the start of its successor: what is copied while nobody writes, so that the new one finds it, and so that
//! a person can go back to it.
//!
//! Each copy is journalled before it begins and when it is proven, and the start comes after that: whoever takes the run up again neither copies
//! what a new container has written since, nor starts one that lacks what it is to find.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::guard::{self, Successor};
use super::{DriverError, Recorder};
use crate::data::{self, Adoption, Loss};
use crate::edge::{Engine, EngineError, NewContainer, VolumeCopy, labels};
use crate::model::{Digest, EstateName, MountSource, SlotId};
use crate::pipeline::{DataPolicy, OnLoss, Snapshot};
use crate::plan::Restore;
use crate::release::ServiceRelease;
use crate::rollout::{Action, Heading, Phase, Version};
use crate::run::Event;

/// Why an action was not carried out.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("data would be lost: {0}")]
    Loss(Loss),
    /// The run ends here, and the next one goes on.
    #[error(transparent)]
    Journal(DriverError),
}

/// All that the handover in one slot goes by.
pub(super) struct Handover {
    pub estate: EstateName,
    pub engine: Arc<dyn Engine>,
    pub recorder: Arc<Recorder>,
    pub slot: SlotId,
    /// What its containers are to be, and what they hold is handed over by.
    pub to: ServiceRelease,
    pub policy: DataPolicy,
    /// What ran before.
    pub back: Option<Version>,
    /// The copies that are put back into volumes of this host.
    pub restores: Vec<Restore>,
}

impl Handover {
    /// What comes before a container is started: new or again, on the way there or on the way back.
    pub(super) async fn prepare(&self, action: &Action, phase: &Phase, new: Option<&NewContainer>) -> Result<(), Failed> {
        match (phase.heading(), action) {
            (Some(Heading::Forward), Action::StartNew { takes_over, .. }) => {
                self.keep_volumes().await?;
                self.adopt_over(takes_over.as_deref(), new).await
            }
            (Some(Heading::Forward), Action::StartAgain { container, .. }) => {
                self.keep_volumes().await?;
                self.check_the_others(container).await
            }
            (Some(Heading::Back), Action::StartNew { takes_over, .. }) => {
                self.take_back().await?;
                // The old container is gone, and what it held lives in the one that took its place.
                self.adopt_over(takes_over.as_deref(), new).await
            }
            (Some(Heading::Back), Action::StartAgain { .. }) => self.take_back().await,
            (None, _) | (_, Action::Stop { .. } | Action::Remove { .. }) => Ok(()),
        }
    }

    /// Has files move on from the container whose place is taken, if the service says so.
    async fn adopt_over(&self, takes_over: Option<&str>, new: Option<&NewContainer>) -> Result<(), Failed> {
        match (self.policy.on_loss, takes_over, new) {
            (OnLoss::Adopt, Some(old), Some(new)) => self.adopt(old, new).await,
            _ => Ok(()),
        }
    }

    /// Copies the volumes that are written, and puts older copies back where that is asked for.
    async fn keep_volumes(&self) -> Result<(), Failed> {
        for volume in self.written() {
            let restore = self.restores.iter().find(|restore| restore.volume == volume);
            if self.policy.snapshot == Snapshot::Before || restore.is_some() {
                self.copy(&volume, &self.snapshot_name(&volume)).await?;
            }
            if let Some(restore) = restore {
                self.copy(&restore.copy, &volume).await?;
            }
        }
        Ok(())
    }

    /// On the way back from a rollback that put older data in place, what was there before is put back first.
    async fn take_back(&self) -> Result<(), Failed> {
        for restore in &self.restores {
            let is_touched = self.recorder.state(|state| state.copy(&self.slot, &restore.copy, &restore.volume).is_some()).await;
            if is_touched {
                self.copy(&self.snapshot_name(&restore.volume), &restore.volume).await?;
            }
        }
        Ok(())
    }

    /// The named volumes that the containers of this version write, by their names on the engine.
    fn written(&self) -> Vec<String> {
        let mounts = self.to.container.mounts.iter().filter(|mount| !mount.read_only);
        let named = mounts.filter_map(|mount| if let MountSource::Volume { name, .. } = &mount.source { Some(name.clone()) } else { None });
        named.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
    }

    fn snapshot_name(&self, volume: &str) -> String {
        format!("{volume}.before-run-{}", self.recorder.run().0)
    }

    /// Copies a volume, once in a run.
    async fn copy(&self, from: &str, to: &str) -> Result<(), Failed> {
        if self.recorder.state(|state| state.copy(&self.slot, from, to).is_some_and(|copy| copy.is_done)).await {
            return Ok(());
        }
        let (slot, began_from, began_to) = (self.slot.clone(), from.to_owned(), to.to_owned());
        self.record(Event::CopyBegan { slot, from: began_from, to: began_to }).await?;
        let order =
            VolumeCopy { estate: self.estate.clone(), image: self.to.id, from: from.to_owned(), to: to.to_owned(), labels: self.labels(from, to) };
        let Some(copied) = self.engine.copy_volume(&order).await? else {
            if self.restores.iter().any(|restore| restore.copy == from) {
                return Err(EngineError::Missing { endpoint: self.slot.host.to_string(), what: format!("volume {from}") }.into());
            }
            // A volume that is not there yet holds nothing.
            return Ok(());
        };
        let is_snapshot = to == self.snapshot_name(from);
        let kept = match is_snapshot {
            true => self.engine.snapshots(&self.estate).await?.iter().filter(|seen| seen.volume == from).count(),
            false => 0,
        };
        let (from, to) = (from.to_owned(), to.to_owned());
        self.record(Event::Copied { slot: self.slot.clone(), from, to, files: copied.files, bytes: copied.bytes, hash: copied.hash, kept }).await
    }

    /// What a copy says of itself, so that a person and a later rollback know it. A service's own volume only says whose it is.
    fn labels(&self, from: &str, to: &str) -> BTreeMap<String, String> {
        let mut all = vec![(labels::ESTATE, self.estate.to_string())];
        if to == self.snapshot_name(from) {
            all.extend([
                (labels::VOLUME, from.to_owned()),
                (labels::SERVICE, self.slot.service.to_string()),
                (labels::HOST, self.slot.host.to_string()),
                (labels::RUN, self.recorder.run().0.to_string()),
            ]);
            let back = self.back.iter();
            all.extend(back.flat_map(|back| [(labels::RELEASE, crate::edge::release_label(back.release)), (labels::SPEC, back.spec.to_string())]));
        }
        all.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }

    /// Copies what the old container wrote outside its volumes into the new one, before that runs for the first time.
    async fn adopt(&self, old: &str, new: &NewContainer) -> Result<(), Failed> {
        let made = self.engine.make(new).await?;
        if made.has_run {
            return Ok(());
        }
        match self.adopt_into(old, &made.id).await {
            Err(Failed::Engine(error)) if !error.is_silence() => {
                // One that is only half of what it should be must not be there to be started. Its own error would hide the first one.
                let _ = self.engine.remove(&made.id).await;
                Err(error.into())
            }
            other => other,
        }
    }

    async fn adopt_into(&self, old: &str, made: &str) -> Result<(), Failed> {
        let adoption = guard::adoption(self.engine.as_ref(), old, &self.to.container, &self.policy).await?;
        let adopted = if adoption.is_empty() { data::Adopted::default() } else { self.engine.adopt(old, Some(made), &adoption).await? };
        let Adoption { deleted, .. } = adoption;
        self.record(Event::Adopted { slot: self.slot.clone(), files: adopted.files, bytes: adopted.bytes, deleted }).await
    }

    /// A container that ran before and is started again takes nothing over. So another one in its slot must hold nothing, unless it was handed over
    /// in this run.
    async fn check_the_others(&self, started: &str) -> Result<(), Failed> {
        let is_handed_over = self.policy.on_loss != OnLoss::Adopt || self.recorder.state(|state| state.adopted.contains(&self.slot)).await;
        if is_handed_over {
            return Ok(());
        }
        let policy = DataPolicy { on_loss: OnLoss::Refuse, ..self.policy.clone() };
        let found = self.engine.containers(&self.estate, Some(&self.slot.service)).await?;
        for other in found.iter().filter(|one| one.slot == self.slot && one.id != started) {
            let loss = guard::loss(self.engine.as_ref(), &other.id, Successor::Takes(&self.to.container), &policy).await?;
            if !loss.is_none() {
                return Err(Failed::Loss(loss));
            }
        }
        Ok(())
    }

    async fn record(&self, event: Event) -> Result<(), Failed> {
        self.recorder.record(event).await.map_err(Failed::Journal)
    }
}

/// The service by the hash of its spec, for what a handover needs of it.
pub(super) fn version_of<'v>(
    versions: &'v BTreeMap<Digest, ServiceRelease>,
    action: &Action,
    desired: &crate::rollout::Desired,
    phase: &Phase,
) -> Option<&'v ServiceRelease> {
    let spec = match (action, phase.heading()) {
        (Action::StartNew { version, .. }, _) => version.spec,
        (_, Some(Heading::Back)) => desired.back.as_ref()?.spec,
        _ => desired.to.spec,
    };
    versions.get(&spec)
}
