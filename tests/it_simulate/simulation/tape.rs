//! A journal that notes the true time of every event, and in whose hands refit dies at a chosen moment.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jiff::Timestamp;
use refit::edge::Clock;
use refit::journal::{BuildKept, Journal, JournalError, MemoryJournal, QuarantineKept, Recorded, ReleaseKept, RolloutKept, RunSummary, Verified};
use refit::model::{Digest, ImageName, ReleaseNumber, RunId, TriggerId};
use refit::release::Release;
use refit::rollout::Person;
use refit::run::Event;
use refit::sim::SimClock;
use tokio::sync::Notify;

/// Where a life of refit ends, counted in events of that life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// When so many events are durable, and before anything is done about the last one.
    After(i64),
    /// When the next one after so many is about to be written: what it would tell has happened.
    Before(i64),
    Never,
}

/// Event by event: the true moment, and the event.
pub type Taped = Arc<Mutex<Vec<(Timestamp, Recorded)>>>;

/// One life of refit, as its journal sees it.
pub struct Tape {
    inner: Arc<MemoryJournal>,
    taped: Taped,
    clock: SimClock,
    death: Death,
    written: AtomicI64,
    died: Notify,
}

impl Tape {
    pub fn new(inner: Arc<MemoryJournal>, taped: Taped, clock: SimClock, death: Death) -> Arc<Self> {
        Arc::new(Self { inner, taped, clock, death, written: AtomicI64::new(0), died: Notify::new() })
    }

    /// Carries out work until it ends or refit dies; what it had under way is dropped then.
    pub async fn until_death<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.died.notified() => None,
            done = work => Some(done),
        }
    }

    async fn die<T>(&self) -> T {
        self.died.notify_one();
        std::future::pending().await
    }

    /// Whether the next write gets through, and whether refit lives on after it.
    fn next(&self) -> (bool, bool) {
        let number = self.written.fetch_add(1, Ordering::SeqCst) + 1;
        match self.death {
            Death::Never => (true, true),
            Death::Before(last) => (number <= last, number <= last),
            Death::After(last) => (number <= last, number < last),
        }
    }

    fn note(&self, recorded: &Recorded) {
        self.taped.lock().unwrap().push((self.clock.now(), recorded.clone()));
    }
}

#[async_trait]
impl Journal for Tape {
    async fn begin_run_for(&self, at: Timestamp, event: &Event, triggers: &[TriggerId]) -> Result<RunId, JournalError> {
        let (writes, lives) = self.next();
        if !writes {
            return self.die().await;
        }
        let run = self.inner.begin_run_for(at, event, triggers).await?;
        self.inner.events(run)?.iter().for_each(|recorded| self.note(recorded));
        if lives { Ok(run) } else { self.die().await }
    }

    async fn append(&self, run: RunId, at: Timestamp, event: &Event) -> Result<Recorded, JournalError> {
        let (writes, lives) = self.next();
        if !writes {
            return self.die().await;
        }
        let recorded = self.inner.append(run, at, event).await?;
        self.note(&recorded);
        if lives { Ok(recorded) } else { self.die().await }
    }

    async fn take_words(&self, run: RunId, at: Timestamp) -> Result<Vec<Recorded>, JournalError> {
        if self.inner.words_waiting(run)?.is_empty() {
            return Ok(Vec::new());
        }
        let (writes, lives) = self.next();
        if !writes {
            return self.die().await;
        }
        let taken = self.inner.take_words(run, at).await?;
        taken.iter().for_each(|recorded| self.note(recorded));
        if lives { Ok(taken) } else { self.die().await }
    }

    fn say(&self, run: RunId, at: Timestamp, word: Person, by: &str) -> Result<(), JournalError> {
        self.inner.say(run, at, word, by)
    }
    fn words_waiting(&self, run: RunId) -> Result<Vec<Person>, JournalError> {
        self.inner.words_waiting(run)
    }
    fn events(&self, run: RunId) -> Result<Vec<Recorded>, JournalError> {
        self.inner.events(run)
    }
    fn runs(&self, limit: usize) -> Result<Vec<RunSummary>, JournalError> {
        self.inner.runs(limit)
    }
    fn run(&self, run: RunId) -> Result<Option<RunSummary>, JournalError> {
        self.inner.run(run)
    }
    fn unfinished(&self) -> Result<Vec<RunId>, JournalError> {
        self.inner.unfinished()
    }
    fn releases(&self, limit: usize) -> Result<Vec<ReleaseKept>, JournalError> {
        self.inner.releases(limit)
    }
    fn release(&self, number: ReleaseNumber) -> Result<Option<Release>, JournalError> {
        self.inner.release(number)
    }
    fn builds(&self) -> Result<Vec<BuildKept>, JournalError> {
        self.inner.builds()
    }
    fn build_by_inputs(&self, image: &ImageName, inputs: Digest) -> Result<Option<BuildKept>, JournalError> {
        self.inner.build_by_inputs(image, inputs)
    }
    fn rollouts(&self) -> Result<Vec<RolloutKept>, JournalError> {
        self.inner.rollouts()
    }
    fn quarantines(&self) -> Result<Vec<QuarantineKept>, JournalError> {
        self.inner.quarantines()
    }
    fn verify(&self) -> Result<Verified, JournalError> {
        self.inner.verify()
    }
}
