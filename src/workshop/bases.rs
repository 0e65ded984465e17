//! Looks at bases in their registries, and remembers in the journal what was seen since when: for polls, and for what a base's name stands for.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::platform::{Platforms, Wanted};
use crate::driver::{BaseNow, BaseRules, Engines};
use crate::edge::Clock;
use crate::edge::registry::{Known, Look, Registry, RegistryClient, RegistryError};
use crate::fault;
use crate::journal::{JournalError, SqliteJournal};
use crate::model::{Digest, ImageRef};
use crate::pipeline::{Base, Estate};
use crate::trigger::watch::{Meaning, Sightings, newest};

/// Looks at bases.
pub struct BaseLooks {
    bases: BTreeMap<ImageRef, Base>,
    platforms: Platforms,
    registry: RegistryClient,
    journal: Arc<SqliteJournal>,
    clock: Arc<dyn Clock>,
}

impl BaseLooks {
    /// Those of an estate. Of an index only the manifest counts that its images are built on: for the platform that they name, or else the builder's own.
    pub fn new(estate: &Estate, engines: &Engines, journal: Arc<SqliteJournal>, clock: Arc<dyn Clock>) -> Self {
        Self {
            bases: estate.bases.clone(),
            platforms: Platforms::new(estate, engines),
            registry: RegistryClient::new(estate.registries.clone(), clock.clone()),
            journal,
            clock,
        }
    }

    /// Looks at what a base stands for: its own tag, or the newest of those that it follows.
    pub async fn look(&self, base: &ImageRef, before: Option<&Known>) -> Result<Look, RegistryError> {
        let followed = self.followed(base).await?;
        self.look_at(followed.as_ref().unwrap_or(base), before).await
    }

    /// Looks at what a tag stands for.
    async fn look_at(&self, name: &ImageRef, before: Option<&Known>) -> Result<Look, RegistryError> {
        let wanted = self.platforms.wanted(&self.journal, &*self.clock).await;
        match self.registry.look(name, wanted.platform(), before).await {
            // Nobody asked for that platform by name: a service may run the image as it is, on a host of another one.
            Err(RegistryError::NoPlatform { .. }) if matches!(wanted, Wanted::Builders(_)) => self.registry.look(name, None, None).await,
            looked => looked,
        }
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

    /// Whether a base, which stands for this tag now, is left alone for the time being, and until when.
    async fn cooling(&self, base: &ImageRef, now: &ImageRef) -> Result<Option<String>, String> {
        let look = self.look_at(now, None).await.map_err(|error| fault::with_help(&error))?;
        match self.judge(base, &look).await.map_err(|error| fault::with_help(&error))? {
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
        let name = match self.followed(base).await {
            Ok(followed) => followed.unwrap_or_else(|| base.clone()),
            Err(error) => return own(Some(format!("its tags cannot be told: {}", fault::with_help(&error)))),
        };
        let held = match rules.cooldown.is_zero() {
            true => None,
            false => self.cooling(base, &name).await.unwrap_or_else(|why| Some(format!("whether it is cooling cannot be told: {why}"))),
        };
        BaseNow { name, held }
    }
}

fn seen_key(base: &ImageRef) -> String {
    format!("seen {base}")
}

fn taken_key(base: &ImageRef) -> String {
    format!("taken {base}")
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use axum::Router;
    use axum::extract::State;
    use axum::http::{HeaderMap, header};
    use jiff::Timestamp;

    use super::*;
    use crate::journal::Lock;
    use crate::pipeline::{self, Given, PipelineText};
    use crate::sim::{SimClock, SimEngine};

    const START: Timestamp = Timestamp::constant(1_800_000_000, 0);

    /// A registry whose one tag is an index that tests write.
    struct Fake {
        base: ImageRef,
        index: Arc<Mutex<String>>,
    }

    async fn answer(State(index): State<Arc<Mutex<String>>>) -> (HeaderMap, String) {
        let body = index.lock().unwrap().clone();
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, "application/vnd.oci.image.index.v1+json".parse().unwrap());
        headers.insert("docker-content-digest", Digest::of(body.as_bytes()).to_string().parse().unwrap());
        (headers, body)
    }

    impl Fake {
        async fn start() -> Self {
            let index = Arc::new(Mutex::new(String::new()));
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let base = format!("{}/os:stable", listener.local_addr().unwrap()).parse().unwrap();
            let router = Router::new().fallback(answer).with_state(index.clone());
            tokio::spawn(async move { axum::serve(listener, router).await });
            Self { base, index }
        }

        /// Sets what each platform has: `linux/amd64=a linux/arm64=b`.
        fn has(&self, platforms: &str) {
            let entry = |text: &str| {
                let (platform, content) = text.split_once('=').unwrap();
                let (os, architecture) = platform.split_once('/').unwrap();
                let digest = Digest::of(content.as_bytes()).to_string();
                serde_json::json!({ "digest": digest, "platform": { "os": os, "architecture": architecture } })
            };
            let entries: Vec<_> = platforms.split(' ').map(entry).collect();
            *self.index.lock().unwrap() = serde_json::json!({ "manifests": entries }).to_string();
        }
    }

    /// An estate whose images name these platforms; nothing for one that names none.
    fn estate(platforms: &[&str]) -> Estate {
        let image = |(number, platform): (usize, &&str)| {
            let named = if platform.is_empty() { String::new() } else { format!(", platforms: [{platform}]") };
            format!("  i{number}: {{ build: {{ context: ., dockerfile_inline: \"FROM os\"{named} }} }}\n")
        };
        let images: String = platforms.iter().enumerate().map(image).collect();
        let text = format!("name: shop\nbuilders: {{ build: {{ endpoint: \"unix:///nowhere\" }} }}\nimages:\n{images}");
        let folder = std::env::temp_dir();
        let draft = pipeline::draft(&[PipelineText { file: "shop.yaml".into(), text }], &Given { folder, vars: BTreeMap::new() });
        let facts = crate::edge::pipeline_files::look(&draft.wanted());
        let reading = draft.finish(&facts);
        reading.estate.unwrap_or_else(|| panic!("{:?}", reading.findings))
    }

    struct Shop {
        fake: Fake,
        builder: SimEngine,
        engines: Engines,
        journal: Arc<SqliteJournal>,
        clock: Arc<dyn Clock>,
        _folder: tempfile::TempDir,
    }

    impl Shop {
        async fn open() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let clock = SimClock::new(START);
            let builder = SimEngine::new("sim://build", clock);
            let engines = Engines { hosts: BTreeMap::new(), builder: ("build".parse().unwrap(), Arc::new(builder.clone())) };
            let lock = Lock::take(folder.path(), START, "test").unwrap();
            let journal = Arc::new(SqliteJournal::open_to_write(folder.path(), lock).unwrap());
            Self { fake: Fake::start().await, builder, engines, journal, clock: Arc::new(clock), _folder: folder }
        }

        fn looks(&self, estate: &Estate) -> BaseLooks {
            BaseLooks::new(estate, &self.engines, self.journal.clone(), self.clock.clone())
        }

        /// Looks as a poll does, takes what moved, and says whether it did.
        async fn moves(&self, looks: &BaseLooks) -> bool {
            let look = looks.look(&self.fake.base, None).await.unwrap();
            let moved = looks.judge(&self.fake.base, &look).await.unwrap() == Meaning::Moved;
            if moved {
                looks.take(&self.fake.base, &look).await.unwrap();
            }
            moved
        }
    }

    /// Whether a base moves for images with these platforms, on a builder for linux/amd64, when this becomes of its index.
    async fn check(images: &[&str], then: &str, expected: bool) {
        let shop = Shop::open().await;
        let looks = shop.looks(&estate(images));
        shop.fake.has("linux/amd64=a linux/arm64=b");
        assert!(shop.moves(&looks).await, "seen for the first time");
        assert!(!shop.moves(&looks).await, "nothing moved");
        shop.fake.has(then);
        assert_eq!(shop.moves(&looks).await, expected, "{images:?} {then}");
    }

    #[tokio::test]
    async fn an_index_that_moves_for_other_platforms_only_does_not_move() {
        let (others, own) = ("linux/amd64=a linux/arm64=c", "linux/amd64=c linux/arm64=b");
        for (images, of_others, of_own) in [
            (&[""][..], false, true),
            (&["linux/amd64"], false, true),
            (&["linux/arm64"], true, false),
            (&["linux/amd64", ""], false, true),
            // Several count, so that any of them may have moved.
            (&["linux/arm64", ""], true, true),
            (&["linux/arm64", "linux/amd64"], true, true),
        ] {
            check(images, others, of_others).await;
            check(images, own, of_own).await;
        }
    }

    #[tokio::test]
    async fn a_base_that_is_not_there_for_the_builders_own_platform_is_looked_at_as_a_whole() {
        check(&[""], "linux/arm64=b", true).await;
    }

    #[tokio::test]
    async fn a_builder_that_is_away_has_the_platform_that_it_had() {
        let shop = Shop::open().await;
        let looks = || shop.looks(&estate(&[""]));
        shop.fake.has("linux/amd64=a linux/arm64=b");
        assert!(shop.moves(&looks()).await);
        {
            let faults = &mut shop.builder.state().faults;
            (faults.silent, faults.call_timeout) = (vec![(Timestamp::MIN, Timestamp::MAX)], Duration::ZERO);
        }
        shop.fake.has("linux/amd64=a linux/arm64=c");
        assert!(!shop.moves(&looks()).await);
        shop.fake.has("linux/amd64=d linux/arm64=c");
        assert!(shop.moves(&looks()).await);
    }
}
