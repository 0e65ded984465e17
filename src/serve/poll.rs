//! Asks registries whether bases moved: for senders without webhooks, and for webhooks that get lost.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures_util::stream::{self, StreamExt};

use super::daemon::Daemon;
use crate::driver;
use crate::edge::registry::{Known, Look, RegistryError};
use crate::journal::JournalError;
use crate::model::{ImageName, ImageRef};
use crate::pipeline::{Base, Estate};
use crate::report::metrics::PollResult;
use crate::trigger::watch::{Answer, Meaning, Rounds};
use crate::trigger::{Cause, Heard, Trigger};
use crate::workshop::BaseLooks;

/// So many registries are asked at once.
const LOOKS_AT_ONCE: usize = 4;
/// The rounds are looked at so often at least: the estate may have changed.
const LOOKED_AT_EVERY: Duration = Duration::from_secs(10);
/// A base with a cooldown has to be looked at again when that is over, whether it is watched or not.
const COOLING_LOOKED_AT_EVERY: Duration = Duration::from_secs(3600);

/// By base and by image.
type Staleness = (BTreeMap<ImageRef, Duration>, BTreeMap<ImageName, Duration>);

/// What is remembered between two looks at a base, beside what the journal keeps.
type KnownNow = BTreeMap<ImageRef, Known>;

impl Daemon {
    /// Asks registries until the daemon stops.
    pub async fn poll(self: Arc<Self>) {
        if self.how.offline {
            return self.stop.cancelled().await;
        }
        let (mut rounds, mut known) = (Rounds::default(), KnownNow::new());
        loop {
            let loaded = self.loaded();
            let at = self.looks(&loaded);
            rounds.watch(&watched(&loaded.estate), self.clock.now());
            let due = rounds.due(self.clock.now());
            let looks = due.iter().map(|base| {
                let (at, before) = (&at, known.get(base).cloned());
                async move { (base.clone(), at.look(base, before.as_ref()).await) }
            });
            let looks: Vec<_> = looks.collect();
            let mut looks = stream::iter(looks).buffer_unordered(LOOKS_AT_ONCE);
            while let Some((base, looked)) = looks.next().await {
                let answer = looked.as_ref().map_or_else(RegistryError::answer, Look::answer);
                rounds.answered(&base, answer, self.clock.now());
                if let Ok(look) = &looked {
                    known.insert(base.clone(), look.known());
                }
                self.take_look(&at, &base, looked, answer).await;
            }
            let now = self.clock.now();
            let wait = rounds.next_at().map_or(LOOKED_AT_EVERY, |next| driver::until(now, next).min(LOOKED_AT_EVERY));
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = self.clock.sleep(wait.max(Duration::from_millis(100))) => {}
            }
        }
    }

    async fn take_look(&self, at: &BaseLooks, base: &ImageRef, looked: Result<Look, RegistryError>, answer: Answer) {
        let look = match looked {
            Ok(look) => look,
            Err(error) => {
                self.meters.poll(if matches!(answer, Answer::TooMany { .. }) { PollResult::Limited } else { PollResult::Failed });
                tracing::warn!(base = %base.familiar(), "its registry could not be asked: {}", crate::fault::with_help(&error));
                return;
            }
        };
        match self.judge(at, base, &look).await {
            Ok(Meaning::Moved) => self.meters.poll(PollResult::Moved),
            Ok(Meaning::Same) => self.meters.poll(PollResult::Unchanged),
            Ok(Meaning::Cooling { until }) => {
                self.meters.poll(PollResult::Unchanged);
                tracing::info!(base = %base.familiar(), "moved, and is left alone until {until:.0}");
            }
            Err(error) => tracing::error!(%error, base = %base.familiar(), "what its registry said could not be kept"),
        }
    }

    /// Says what a look means, and puts a base that moved into the queue.
    async fn judge(&self, at: &BaseLooks, base: &ImageRef, look: &Look) -> Result<Meaning, JournalError> {
        let meaning = at.judge(base, look).await?;
        if meaning == Meaning::Moved {
            let cause = Cause::Base { base: base.clone(), digest: Some(look.digest) };
            self.hear(vec![Heard { trigger: Trigger { by: "watch".to_owned(), words: cause.to_string(), cause }, delivery: None }]).await?;
            // Should refit die before this is remembered, the same is heard again and joins what waits.
            at.take(base, look).await?;
        }
        Ok(meaning)
    }

    /// For how long each base has been waiting to be built upon, since it was heard of or since a run that was to build on it did not, and each image with it.
    pub(super) fn staleness(&self) -> Result<Staleness, JournalError> {
        let loaded = self.loaded();
        let now = self.clock.now();
        let waiting = self.journal.triggers_waiting()?;
        let mut bases: BTreeMap<ImageRef, Duration> = loaded.bases.iter().map(|base| (base.clone(), Duration::ZERO)).collect();
        for kept in &waiting {
            if let Cause::Base { base, .. } = &kept.trigger.cause
                && let Some(stale) = bases.get_mut(base)
            {
                *stale = driver::until(kept.first_at, now);
            }
        }
        for (base, since) in &self.problems.lock().unwrap_or_else(PoisonError::into_inner).behind {
            if let Some(stale) = bases.get_mut(base) {
                *stale = (*stale).max(driver::until(*since, now));
            }
        }
        let mut images: BTreeMap<ImageName, Duration> = loaded.estate.images.keys().map(|image| (image.clone(), Duration::ZERO)).collect();
        for (base, stale) in bases.iter().filter(|(_, stale)| !stale.is_zero()) {
            let Some(id) = loaded.graph.find(base) else { continue };
            let reached = loaded.graph.reaching(&[id]);
            for image in loaded.graph.images().filter(|image| reached[image.index()]) {
                if let Some(own) = loaded.graph.name(image).and_then(|name| images.get_mut(name)) {
                    *own = (*own).max(*stale);
                }
            }
        }
        Ok((bases, images))
    }
}

/// Which bases are asked for, and how often.
fn watched(estate: &Estate) -> BTreeMap<ImageRef, Duration> {
    let often = |base: &Base| base.watch.or((!base.cooldown.is_zero()).then_some(COOLING_LOOKED_AT_EVERY));
    estate.bases.iter().filter(|(name, _)| name.digest().is_none()).filter_map(|(name, base)| Some((name.clone(), often(base)?))).collect()
}
