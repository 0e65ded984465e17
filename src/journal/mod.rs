//! The memory: what happened in every run, event by event, so that a killed refit goes on from where it was.
//!
//! Events come from `driver`, the journal's only writer; [`SqliteJournal`] keeps them on disk, [`MemoryJournal`] for simulation. An event is
//! durable when [`Journal::append`] returns. Everything else that can be asked for (runs, releases, builds by their inputs, what each
//! service is on) is derived from the events by one fold, [`facts`], and can be thrown away and made again; it is never a second truth.
//! Each event carries the hash of the one before it. Beside the events, in the same file, stands what is in every image: [`Inventories`]. This room
//! appends and reads; it judges nothing.

mod chain;
mod error;
mod facts;
mod format;
mod inventory;
mod lock;
mod logs;
mod memory;
mod record;
mod sqlite;
mod standing;
mod stays;
mod tables;
mod triggers;
mod writer;

use std::collections::BTreeSet;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::model::{Digest, HostName, ImageName, ReleaseNumber, RunId, TriggerId};
use crate::release::Release;
use crate::rollout::Person;
use crate::run::Event;

pub use chain::{Break, Verified};
pub use error::{Elsewhere, JournalError};
#[cfg(test)]
pub(crate) use inventory::tests as samples;
pub use inventory::{
    AdvisoriesRead, AdvisoryKept, AdvisoryRow, BroughtBy, Filter, Gap, Held, Holding, ImageContents, ImageHolding, ImageKept, ImageRow, Inventories,
    IsMeant, KnownAs, Names, PackageIn, Ran, Stay, Subject, When,
};
pub use lock::{Holder, Lock, LockError};
pub use logs::{LogLimits, LogWriter, Logs};
pub use memory::MemoryJournal;
pub use record::{BuildKept, QuarantineKept, QuarantineWord, Recorded, ReleaseKept, RolloutKept, RunSummary};
pub use sqlite::SqliteJournal;
pub use standing::{Quarantine, ReleaseQuarantine, ServiceState, Standing};
pub use triggers::{AuditKept, AuditLine, HeardAs, Role, Settled, TokenKept, TriggerKept};

/// The durable record of every run.
///
/// Reading never waits for a writer. Writing is asynchronous because it waits for the disk, about half a millisecond.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Begins a run with its first event and gives it the next number.
    async fn begin_run(&self, at: Timestamp, event: &Event) -> Result<RunId, JournalError> {
        self.begin_run_for(at, event, &[]).await
    }

    /// The same; the triggers that it answers are settled in the same transaction, so that each leads to one run. If none of them waits any more,
    /// nothing begins: [`JournalError::Withdrawn`].
    async fn begin_run_for(&self, at: Timestamp, event: &Event, triggers: &[TriggerId]) -> Result<RunId, JournalError>;

    /// Adds an event to a run; it is durable when this returns.
    async fn append(&self, run: RunId, at: Timestamp, event: &Event) -> Result<Recorded, JournalError>;

    /// Adds several events to a run, in order; all are durable when this returns. A journal with one wait for the disk makes it one wait.
    async fn append_all(&self, run: RunId, at: Timestamp, events: &[Event]) -> Result<(), JournalError> {
        for event in events {
            self.append(run, at, event).await?;
        }
        Ok(())
    }

    /// Takes what people said about a run out of the inbox and records it as [`Event::PersonSaid`], both in one transaction.
    ///
    /// Cheap when nobody said anything: the driver asks several times a second.
    async fn take_words(&self, run: RunId, at: Timestamp) -> Result<Vec<Recorded>, JournalError>;

    /// Puts a person's word about a run into the inbox, whoever writes the journal.
    fn say(&self, run: RunId, at: Timestamp, word: Person, by: &str) -> Result<(), JournalError>;

    /// What people said about a run that nobody has taken out of the inbox yet, oldest first.
    fn words_waiting(&self, run: RunId) -> Result<Vec<Person>, JournalError>;

    /// All events of a run, in order; [`JournalError::NoSuchRun`] if there is none.
    fn events(&self, run: RunId) -> Result<Vec<Recorded>, JournalError>;

    /// The newest runs, newest first.
    fn runs(&self, limit: usize) -> Result<Vec<RunSummary>, JournalError>;

    /// One run.
    fn run(&self, run: RunId) -> Result<Option<RunSummary>, JournalError>;

    /// Runs that began and have not ended, oldest first.
    fn unfinished(&self) -> Result<Vec<RunId>, JournalError>;

    /// The newest releases, newest first, without their contents.
    fn releases(&self, limit: usize) -> Result<Vec<ReleaseKept>, JournalError>;

    /// One release with its contents.
    fn release(&self, number: ReleaseNumber) -> Result<Option<Release>, JournalError>;

    /// Every image that was ever built, oldest first: what reuse and durations are made of.
    fn builds(&self) -> Result<Vec<BuildKept>, JournalError>;

    /// The newest build with these inputs.
    fn build_by_inputs(&self, image: &ImageName, inputs: Digest) -> Result<Option<BuildKept>, JournalError>;

    /// Every rollout that began, in the order in which they ended (those that go on come last).
    fn rollouts(&self) -> Result<Vec<RolloutKept>, JournalError>;

    /// What was said about the quarantine of releases, oldest first.
    fn quarantines(&self) -> Result<Vec<QuarantineKept>, JournalError>;

    /// Where every service stands, and what must not be rolled by itself.
    fn standing(&self) -> Result<Standing, JournalError> {
        Ok(Standing::of(&self.rollouts()?, &self.quarantines()?))
    }

    /// The newest release with its contents.
    fn latest_release(&self) -> Result<Option<Release>, JournalError> {
        match self.releases(1)?.first() {
            Some(kept) => self.release(kept.number),
            None => Ok(None),
        }
    }

    /// The number that the next release gets.
    fn next_release(&self) -> Result<ReleaseNumber, JournalError> {
        Ok(ReleaseNumber(self.releases(1)?.first().map_or(1, |kept| kept.number.0 + 1)))
    }

    /// What each service is on, which releases it must not go to by itself, and whether a rollout of it has not ended.
    fn service_states(&self) -> Result<std::collections::BTreeMap<crate::model::ServiceName, ServiceState>, JournalError> {
        Ok(self.standing()?.services)
    }

    /// The hosts that were drained and not counted in again since.
    fn drained(&self) -> Result<BTreeSet<HostName>, JournalError> {
        let mut runs = self.runs(usize::MAX)?;
        runs.reverse();
        Ok(standing::drained(&runs))
    }

    /// Goes through the whole chain of hashes and says where it is broken first.
    ///
    /// The hash of the last event stands for all of them: written down elsewhere, it shows later that nothing before it was changed.
    fn verify(&self) -> Result<Verified, JournalError>;
}

#[cfg(test)]
mod tests;
