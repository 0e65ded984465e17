//! Asks registries whether bases moved: for senders without webhooks, and for webhooks that get lost.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};

use super::daemon::Daemon;
use super::hooks::age;
use super::leave::span;
use crate::edge::registry::{Known, Look, Registry, RegistryClient, RegistryError};
use crate::journal::JournalError;
use crate::model::{Digest, ImageName, ImageRef};
use crate::pipeline::{Base, Estate};
use crate::report::metrics::PollResult;
use crate::trigger::watch::{Answer, Meaning, Rounds, Sightings, newest};
use crate::trigger::{Cause, Heard, Trigger};

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
            let registry = RegistryClient::new(loaded.estate.registries.clone(), self.clock.clone());
            rounds.watch(&watched(&loaded.estate), self.clock.now());
            let due = rounds.due(self.clock.now());
            let looks = due.iter().map(|base| {
                let before = known.get(base).cloned();
                let (registry, estate) = (&registry, &loaded.estate);
                async move { (base.clone(), look(registry, estate, base, before.as_ref()).await) }
            });
            let looks: Vec<_> = looks.collect();
            let mut looks = stream::iter(looks).buffer_unordered(LOOKS_AT_ONCE);
            while let Some((base, looked)) = looks.next().await {
                let answer = looked.as_ref().map_or_else(RegistryError::answer, Look::answer);
                rounds.answered(&base, answer, self.clock.now());
                if let Ok(look) = &looked {
                    known.insert(base.clone(), look.known());
                }
                self.take_look(&loaded.estate, &base, looked, answer).await;
            }
            let now = self.clock.now();
            let wait = rounds.next_at().map_or(LOOKED_AT_EVERY, |next| span(now, next).min(LOOKED_AT_EVERY));
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = self.clock.sleep(wait.max(Duration::from_millis(100))) => {}
            }
        }
    }

    async fn take_look(&self, estate: &Estate, base: &ImageRef, looked: Result<Look, RegistryError>, answer: Answer) {
        let look = match looked {
            Ok(look) => look,
            Err(error) => {
                self.meters.poll(if matches!(answer, Answer::TooMany { .. }) { PollResult::Limited } else { PollResult::Failed });
                tracing::warn!(base = %base.familiar(), "its registry could not be asked: {}", crate::report::chain(&error));
                return;
            }
        };
        match self.judge(estate, base, &look).await {
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
    async fn judge(&self, estate: &Estate, base: &ImageRef, look: &Look) -> Result<Meaning, JournalError> {
        let now = self.clock.now();
        let mut sightings = self.sightings(base)?;
        let before = sightings.clone();
        let cooldown = estate.bases.get(base).map(|base| base.cooldown).unwrap_or_default();
        let meaning = sightings.judge(look.shown(), self.taken(base)?, cooldown, now);
        if sightings != before {
            let text = serde_json::to_string(&sightings).map_err(|error| JournalError::Unreadable { position: 0, why: error.to_string() })?;
            self.journal.set_mark(now, &seen_key(base), &text).await?;
        }
        if meaning == Meaning::Moved {
            let cause = Cause::Base { base: base.clone(), digest: Some(look.digest) };
            self.hear(vec![Heard { trigger: Trigger { by: "watch".to_owned(), words: cause.to_string(), cause }, delivery: None }]).await?;
            // Should refit die before this is marked, the same is heard again and joins what waits.
            self.journal.set_mark(now, &taken_key(base), &look.shown().content().to_string()).await?;
        }
        Ok(meaning)
    }

    fn sightings(&self, base: &ImageRef) -> Result<Sightings, JournalError> {
        Ok(self.journal.mark(&seen_key(base))?.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
    }

    /// The digest of a base that was acted upon last.
    fn taken(&self, base: &ImageRef) -> Result<Option<Digest>, JournalError> {
        Ok(self.journal.mark(&taken_key(base))?.and_then(|text| text.parse().ok()))
    }

    /// For how long each base has been waiting to be built upon, and each image with it.
    pub(super) fn staleness(&self) -> Result<Staleness, JournalError> {
        let loaded = self.loaded();
        let now = self.clock.now();
        let waiting = self.journal.triggers_waiting()?;
        let mut bases: BTreeMap<ImageRef, Duration> = loaded.bases.iter().map(|base| (base.clone(), Duration::ZERO)).collect();
        for kept in &waiting {
            if let Cause::Base { base, .. } = &kept.trigger.cause
                && let Some(stale) = bases.get_mut(base)
            {
                *stale = age(kept.first_at, now);
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

/// Looks at what a base stands for now: its own tag, or the newest of those that it follows.
async fn look(registry: &RegistryClient, estate: &Estate, base: &ImageRef, before: Option<&Known>) -> Result<Look, RegistryError> {
    let platform = estate.images.values().find_map(|image| image.build.platform.as_deref());
    let Some(follow) = estate.bases.get(base).and_then(|base| base.follow.as_ref()) else {
        return registry.look(base, platform, before).await;
    };
    let tags = registry.tags(base).await?;
    let followed = newest(follow, tags.iter().map(String::as_str)).and_then(|tag| base.with_tag(tag).ok());
    registry.look(followed.as_ref().unwrap_or(base), platform, before).await
}

fn seen_key(base: &ImageRef) -> String {
    format!("seen {base}")
}

fn taken_key(base: &ImageRef) -> String {
    format!("taken {base}")
}
