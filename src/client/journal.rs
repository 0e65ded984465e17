//! The journal of a daemon, read over its API, so that a command that looks into a journal need not know where it is.
//!
//! What only whoever carries out a run needs (appending, builds, rollouts) is refused: nobody does that from elsewhere.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use tokio::runtime::Handle;

use super::{Client, ClientError};
use crate::api::{Page, RunStanding};
use crate::journal::{
    BuildKept, Elsewhere, Journal, JournalError, QuarantineKept, Recorded, ReleaseKept, RolloutKept, RunSummary, Standing, Verified,
};
use crate::model::{Digest, ImageName, ReleaseNumber, RunId, TriggerId};
use crate::release::Release;
use crate::rollout::Person;
use crate::run::Event;

/// So many entries are asked for at once.
const PAGE: usize = 500;

/// The journal of a daemon.
#[derive(Debug, Clone)]
pub struct RemoteJournal(Client);

impl RemoteJournal {
    /// That of the daemon that a client asks. It is read within a runtime with several threads.
    pub fn of(client: Client) -> Self {
        Self(client)
    }

    fn wait<T>(&self, answer: impl Future<Output = Result<T, ClientError>>) -> Result<T, ClientError> {
        tokio::task::block_in_place(|| Handle::current().block_on(answer))
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, JournalError> {
        self.wait(self.0.get(path)).map_err(elsewhere)
    }

    /// What a path gives, or nothing if there is no such thing.
    fn find<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, JournalError> {
        match self.wait(self.0.get(path)) {
            Err(error) if error.status() == Some(404) => Ok(None),
            other => other.map(Some).map_err(elsewhere),
        }
    }

    /// A list, page by page, up to so many entries.
    fn list<T: DeserializeOwned>(&self, path: &str, limit: usize) -> Result<Vec<T>, JournalError> {
        let (mut all, mut next) = (Vec::new(), None::<String>);
        while all.len() < limit {
            let joint = if path.contains('?') { '&' } else { '?' };
            let cursor = next.map(|next| format!("&cursor={next}")).unwrap_or_default();
            let page: Page<T> = self.get(&format!("{path}{joint}limit={}{cursor}", PAGE.min(limit - all.len())))?;
            all.extend(page.items);
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        Ok(all)
    }

    fn run_standing(&self, run: RunId) -> Result<Option<RunStanding>, JournalError> {
        self.find(&format!("/v1/runs/{run}"))
    }
}

fn elsewhere(error: ClientError) -> JournalError {
    let is_usage = error.is_usage();
    JournalError::Elsewhere(Elsewhere::new(Arc::new(error), is_usage))
}

/// What is of no use from elsewhere.
fn not_here<T>(what: &'static str) -> Result<T, JournalError> {
    Err(JournalError::NotFromElsewhere { what })
}

#[async_trait]
impl Journal for RemoteJournal {
    async fn begin_run_for(&self, _: Timestamp, _: &Event, _: &[TriggerId]) -> Result<RunId, JournalError> {
        not_here("a run cannot be begun")
    }

    async fn append(&self, _: RunId, _: Timestamp, _: &Event) -> Result<Recorded, JournalError> {
        not_here("events cannot be appended")
    }

    async fn take_words(&self, _: RunId, _: Timestamp) -> Result<Vec<Recorded>, JournalError> {
        not_here("words cannot be taken")
    }

    /// The daemon knows by the token who says it.
    fn say(&self, run: RunId, _: Timestamp, word: Person, _: &str) -> Result<(), JournalError> {
        let word = match word {
            Person::Pause => "pause",
            Person::Resume => "resume",
            Person::Approve => "approve",
            Person::Abort => "abort",
        };
        let path = format!("/v1/runs/{run}/{word}");
        self.wait(self.0.post::<serde_json::Value>(&path, &())).map(drop).map_err(elsewhere)
    }

    fn words_waiting(&self, run: RunId) -> Result<Vec<Person>, JournalError> {
        Ok(self.run_standing(run)?.ok_or(JournalError::NoSuchRun { run })?.words_waiting)
    }

    fn events(&self, run: RunId) -> Result<Vec<Recorded>, JournalError> {
        self.find(&format!("/v1/runs/{run}/events"))?.ok_or(JournalError::NoSuchRun { run })
    }

    fn runs(&self, limit: usize) -> Result<Vec<RunSummary>, JournalError> {
        self.list("/v1/runs", limit)
    }

    fn run(&self, run: RunId) -> Result<Option<RunSummary>, JournalError> {
        Ok(self.run_standing(run)?.map(|standing| standing.summary))
    }

    fn unfinished(&self) -> Result<Vec<RunId>, JournalError> {
        let runs: Vec<RunSummary> = self.list("/v1/runs?unfinished=true", usize::MAX)?;
        Ok(runs.iter().rev().map(|summary| summary.run).collect())
    }

    fn releases(&self, limit: usize) -> Result<Vec<ReleaseKept>, JournalError> {
        self.list("/v1/releases", limit)
    }

    fn release(&self, number: ReleaseNumber) -> Result<Option<Release>, JournalError> {
        self.find(&format!("/v1/releases/{number}"))
    }

    fn builds(&self) -> Result<Vec<BuildKept>, JournalError> {
        not_here("the list of builds cannot be read")
    }

    fn build_by_inputs(&self, _: &ImageName, _: Digest) -> Result<Option<BuildKept>, JournalError> {
        not_here("builds cannot be looked for")
    }

    fn rollouts(&self) -> Result<Vec<RolloutKept>, JournalError> {
        not_here("the list of rollouts cannot be read")
    }

    fn quarantines(&self) -> Result<Vec<QuarantineKept>, JournalError> {
        not_here("the words about quarantines cannot be read")
    }

    fn standing(&self) -> Result<Standing, JournalError> {
        self.get("/v1/services")
    }

    fn verify(&self) -> Result<Verified, JournalError> {
        not_here("hashes cannot be compared")
    }
}
