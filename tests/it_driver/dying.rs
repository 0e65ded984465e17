//! A journal in whose hands refit dies at a chosen moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use async_trait::async_trait;
use jiff::Timestamp;
use refit::journal::{BuildKept, Journal, JournalError, MemoryJournal, QuarantineKept, Recorded, ReleaseKept, RolloutKept, RunSummary, Verified};
use refit::model::{Digest, ImageName, ReleaseNumber, RunId, TriggerId};
use refit::release::Release;
use refit::rollout::Person;
use refit::run::Event;
use tokio::sync::Notify;

/// Where refit dies, counted in events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// When so many events are durable, and before anything is done about the last one.
    After(i64),
    /// When the next one after so many is about to be written: what it would tell has happened.
    Before(i64),
    /// When it is told to.
    Sudden,
}

/// Passes everything on until the moment of death; from then on nothing comes back.
pub struct DyingJournal {
    inner: Arc<MemoryJournal>,
    death: Death,
    written: AtomicI64,
    is_dead: AtomicBool,
    died: Notify,
}

impl DyingJournal {
    pub fn new(inner: Arc<MemoryJournal>, death: Death) -> Arc<Self> {
        Arc::new(Self { inner, death, written: AtomicI64::new(0), is_dead: AtomicBool::new(false), died: Notify::new() })
    }

    /// Carries out work until it ends or refit dies; what it had under way is dropped then.
    pub async fn until_death<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.died.notified() => None,
            done = work => Some(done),
        }
    }

    /// Lets refit die now. A write runs in a task of its own, which would outlive a life that is merely dropped and write into the next one's journal.
    pub fn kill(&self) {
        self.is_dead.store(true, Ordering::SeqCst);
    }

    async fn die<T>(&self) -> T {
        self.died.notify_one();
        std::future::pending().await
    }

    async fn write<T>(&self, write: impl Future<Output = T>) -> T {
        let number = self.written.fetch_add(1, Ordering::SeqCst) + 1;
        if self.is_dead.load(Ordering::SeqCst) {
            return self.die().await;
        }
        match self.death {
            Death::Before(last) if number > last => self.die().await,
            Death::After(last) if number > last => self.die().await,
            Death::After(last) if number == last => {
                write.await;
                self.die().await
            }
            Death::After(_) | Death::Before(_) | Death::Sudden => write.await,
        }
    }
}

#[async_trait]
impl Journal for DyingJournal {
    async fn begin_run_for(&self, at: Timestamp, event: &Event, triggers: &[TriggerId]) -> Result<RunId, JournalError> {
        self.write(self.inner.begin_run_for(at, event, triggers)).await
    }
    async fn append(&self, run: RunId, at: Timestamp, event: &Event) -> Result<Recorded, JournalError> {
        self.write(self.inner.append(run, at, event)).await
    }
    async fn take_words(&self, run: RunId, at: Timestamp) -> Result<Vec<Recorded>, JournalError> {
        if self.inner.words_waiting(run)?.is_empty() {
            return Ok(Vec::new());
        }
        self.write(self.inner.take_words(run, at)).await
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
