//! Looks at bases in their registries, and remembers in the journal what was seen since when: for polls, and for what a base's name stands for.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::driver::{BaseNow, BaseRules};
use crate::edge::Clock;
use crate::edge::registry::{Known, Look, Registry, RegistryClient, RegistryError};
use crate::journal::{JournalError, SqliteJournal};
use crate::model::{Digest, ImageRef};
use crate::pipeline::{Base, Estate};
use crate::report;
use crate::trigger::watch::{Meaning, Sightings, newest};

/// Looks at bases.
pub struct BaseLooks {
    bases: BTreeMap<ImageRef, Base>,
    platform: Option<String>,
    registry: RegistryClient,
    journal: Arc<SqliteJournal>,
    clock: Arc<dyn Clock>,
}

impl BaseLooks {
    /// Those of an estate.
    pub fn new(estate: &Estate, journal: Arc<SqliteJournal>, clock: Arc<dyn Clock>) -> Self {
        Self {
            bases: estate.bases.clone(),
            platform: estate.images.values().find_map(|image| image.build.platform.clone()),
            registry: RegistryClient::new(estate.registries.clone(), clock.clone()),
            journal,
            clock,
        }
    }

    /// Looks at what a base stands for: its own tag, or the newest of those that it follows.
    pub async fn look(&self, base: &ImageRef, before: Option<&Known>) -> Result<Look, RegistryError> {
        let followed = self.followed(base).await?;
        self.registry.look(followed.as_ref().unwrap_or(base), self.platform.as_deref(), before).await
    }

    /// The newest tag that a base follows; none if it follows none, or none is there.
    async fn followed(&self, base: &ImageRef) -> Result<Option<ImageRef>, RegistryError> {
        let Some(follow) = self.bases.get(base).and_then(|base| base.follow.as_ref()) else { return Ok(None) };
        let tags = self.registry.tags(base).await?;
        Ok(newest(follow, tags.iter().map(String::as_str)).and_then(|tag| base.with_tag(tag).ok()))
    }

    /// Says what a look means, and remembers it. A journal that is only looked into remembers nothing; then what is new counts as seen just now.
    pub async fn judge(&self, base: &ImageRef, look: &Look) -> Result<Meaning, JournalError> {
        let now = self.clock.now();
        let mut sightings: Sightings = self.kept(&seen_key(base))?.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let before = sightings.clone();
        let cooldown = self.bases.get(base).map(|base| base.cooldown).unwrap_or_default();
        let meaning = sightings.judge(look.shown(), self.taken(base)?, cooldown, now);
        if sightings != before {
            let text = serde_json::to_string(&sightings).map_err(|error| JournalError::Unreadable { position: 0, why: error.to_string() })?;
            match self.journal.set_mark(now, &seen_key(base), &text).await {
                Ok(()) | Err(JournalError::ReadOnly) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(meaning)
    }

    /// Since when refit knows of what a base is now; none if nobody watches it.
    pub fn since(&self, base: &ImageRef) -> Option<Timestamp> {
        let text = self.kept(&seen_key(base)).ok()??;
        serde_json::from_str::<Sightings>(&text).ok()?.newest_since()
    }

    /// The content of a base that was acted upon last.
    fn taken(&self, base: &ImageRef) -> Result<Option<Digest>, JournalError> {
        Ok(self.kept(&taken_key(base))?.and_then(|text| text.parse().ok()))
    }

    /// Remembers that what a look showed was acted upon.
    pub async fn take(&self, base: &ImageRef, look: &Look) -> Result<(), JournalError> {
        self.journal.set_mark(self.clock.now(), &taken_key(base), &look.shown().content().to_string()).await
    }

    fn kept(&self, key: &str) -> Result<Option<String>, JournalError> {
        self.journal.mark(key)
    }

    /// Whether a base is left alone for now, and until when.
    async fn cooling(&self, base: &ImageRef) -> Result<Option<String>, String> {
        let look = self.look(base, None).await.map_err(|error| report::chain(&error))?;
        match self.judge(base, &look).await.map_err(|error| report::chain(&error))? {
            Meaning::Cooling { until } => Ok(Some(format!("what it moved to is left alone until {until:.0}"))),
            Meaning::Same | Meaning::Moved => Ok(None),
        }
    }
}

#[async_trait]
impl BaseRules for BaseLooks {
    async fn now(&self, base: &ImageRef) -> BaseNow {
        let own = |held: Option<String>| BaseNow { name: base.clone(), held };
        let Some(rules) = self.bases.get(base).filter(|_| base.digest().is_none()) else { return own(None) };
        let followed = match self.followed(base).await {
            Ok(followed) => followed,
            Err(error) => return own(Some(format!("its tags cannot be told: {}", report::chain(&error)))),
        };
        let held = match rules.cooldown.is_zero() {
            true => None,
            false => self.cooling(base).await.unwrap_or_else(|why| Some(format!("whether it is cooling cannot be told: {why}"))),
        };
        BaseNow { name: followed.unwrap_or_else(|| base.clone()), held }
    }
}

fn seen_key(base: &ImageRef) -> String {
    format!("seen {base}")
}

fn taken_key(base: &ImageRef) -> String {
    format!("taken {base}")
}
