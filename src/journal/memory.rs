//! The journal for simulation: the same promises, in memory. It can be told to fail, as a disk would.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;

use crate::model::{Digest, ImageName, ReleaseNumber, RunId, TriggerId};
use crate::release::Release;
use crate::rollout::Person;
use crate::run::Event;

use super::chain::{Link, Verified, Walk, root};
use super::facts::{Fact, fact};
use super::record::{BuildKept, QuarantineKept, Recorded, ReleaseKept, RolloutKept, RunSummary};
use super::{Journal, JournalError};

/// A journal that lives as long as its process.
#[derive(Debug, Default)]
pub struct MemoryJournal {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    events: Vec<Recorded>,
    seqs: BTreeMap<RunId, u64>,
    runs: BTreeMap<RunId, RunSummary>,
    builds: Vec<BuildKept>,
    releases: BTreeMap<ReleaseNumber, ReleaseKept>,
    rollouts: Vec<RolloutKept>,
    quarantines: Vec<QuarantineKept>,
    inbox: Vec<(RunId, Person, String)>,
    appends_left: Option<u64>,
}

impl MemoryJournal {
    /// An empty journal.
    pub fn new() -> Self {
        Self::default()
    }

    /// A journal that already holds these events, as if it had been opened again after a crash.
    pub fn with_events(events: &[Recorded]) -> Self {
        let journal = Self::new();
        let mut state = journal.state();
        for recorded in events {
            state.apply(recorded);
            state.events.push(recorded.clone());
        }
        drop(state);
        journal
    }

    /// Every event, in order.
    pub fn all(&self) -> Vec<Recorded> {
        self.state().events.clone()
    }

    /// Lets this many more events in, then fails as a full disk does; `None` takes the limit away.
    pub fn fail_after(&self, appends: Option<u64>) {
        self.state().appends_left = appends;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn append(&mut self, run: RunId, at: Timestamp, event: &Event) -> Result<Recorded, JournalError> {
        match &mut self.appends_left {
            Some(0) => return Err(JournalError::Full { path: PathBuf::from("memory") }),
            Some(left) => *left -= 1,
            None => {}
        }
        let position = self.events.len() as u64 + 1;
        let seq = self.seqs.get(&run).map_or(1, |last| last + 1);
        let before = self.events.last().map_or_else(root, |recorded| recorded.hash);
        let mut recorded = Recorded { position, run, seq, at, event: event.clone(), hash: before };
        recorded.hash = link(&recorded)?.hash(before);
        self.apply(&recorded);
        self.events.push(recorded.clone());
        Ok(recorded)
    }

    fn apply(&mut self, recorded: &Recorded) {
        let Recorded { run, at, .. } = *recorded;
        self.seqs.insert(run, recorded.seq);
        match fact(recorded) {
            // What ran where is asked of the disk's journal alone.
            None | Some(Fact::Stay(_)) => {}
            Some(Fact::Run { change, by, words }) => {
                let summary = RunSummary { run, began_at: at, by, words, change, release: None, ended_at: None, outcome: None };
                self.runs.insert(run, summary);
            }
            Some(Fact::RunEnded { outcome }) => {
                if let Some(summary) = self.runs.get_mut(&run) {
                    (summary.ended_at, summary.outcome) = (Some(at), Some(outcome));
                }
            }
            Some(Fact::Build(build)) => self.builds.push(build),
            Some(Fact::Release { release, .. }) => {
                if let Some(summary) = self.runs.get_mut(&release.run) {
                    summary.release = Some(release.number);
                }
                self.releases.insert(release.number, release);
            }
            Some(Fact::Rollout { rollout, .. }) => {
                self.rollouts.push(rollout);
            }
            Some(Fact::Quarantine(kept)) => self.quarantines.push(kept),
            Some(Fact::RolloutEnded(end)) => {
                // Of a service's rollouts in one run it is the last one that ends.
                match self.rollouts.iter_mut().rev().find(|kept| kept.run == run && kept.service == end.service) {
                    Some(last) => (last.ended_at, last.outcome, last.ended) = (end.ended_at, end.outcome, end.ended),
                    None => self.rollouts.push(end),
                }
            }
        }
    }
}

fn link(recorded: &Recorded) -> Result<Link, JournalError> {
    let body =
        serde_json::to_string(&recorded.event).map_err(|error| JournalError::Unreadable { position: recorded.position, why: error.to_string() })?;
    Ok(Link { position: recorded.position, run: recorded.run, seq: recorded.seq, at: recorded.at.to_string(), body })
}

#[async_trait]
impl Journal for MemoryJournal {
    async fn begin_run_for(&self, at: Timestamp, event: &Event, _triggers: &[TriggerId]) -> Result<RunId, JournalError> {
        let mut state = self.state();
        let run = RunId(state.seqs.last_key_value().map_or(1, |(run, _)| run.0 + 1));
        state.append(run, at, event)?;
        Ok(run)
    }

    async fn append(&self, run: RunId, at: Timestamp, event: &Event) -> Result<Recorded, JournalError> {
        let mut state = self.state();
        if !state.seqs.contains_key(&run) {
            return Err(JournalError::NoSuchRun { run });
        }
        state.append(run, at, event)
    }

    async fn take_words(&self, run: RunId, at: Timestamp) -> Result<Vec<Recorded>, JournalError> {
        let mut state = self.state();
        let mut taken = Vec::new();
        while let Some(place) = state.inbox.iter().position(|(of, ..)| *of == run) {
            let (_, word, by) = state.inbox[place].clone();
            taken.push(state.append(run, at, &Event::PersonSaid { word, by })?);
            state.inbox.remove(place);
        }
        Ok(taken)
    }

    fn say(&self, run: RunId, _at: Timestamp, word: Person, by: &str) -> Result<(), JournalError> {
        let mut state = self.state();
        if !state.seqs.contains_key(&run) {
            return Err(JournalError::NoSuchRun { run });
        }
        state.inbox.push((run, word, by.to_owned()));
        Ok(())
    }

    fn words_waiting(&self, run: RunId) -> Result<Vec<Person>, JournalError> {
        Ok(self.state().inbox.iter().filter(|(about, ..)| *about == run).map(|(_, word, _)| *word).collect())
    }

    fn events(&self, run: RunId) -> Result<Vec<Recorded>, JournalError> {
        let events: Vec<_> = self.state().events.iter().filter(|recorded| recorded.run == run).cloned().collect();
        if events.is_empty() { Err(JournalError::NoSuchRun { run }) } else { Ok(events) }
    }

    fn runs(&self, limit: usize) -> Result<Vec<RunSummary>, JournalError> {
        Ok(self.state().runs.values().rev().take(limit).cloned().collect())
    }

    fn run(&self, run: RunId) -> Result<Option<RunSummary>, JournalError> {
        Ok(self.state().runs.get(&run).cloned())
    }

    fn unfinished(&self) -> Result<Vec<RunId>, JournalError> {
        Ok(self.state().runs.values().filter(|summary| summary.ended_at.is_none()).map(|summary| summary.run).collect())
    }

    fn releases(&self, limit: usize) -> Result<Vec<ReleaseKept>, JournalError> {
        Ok(self.state().releases.values().rev().take(limit).cloned().collect())
    }

    fn release(&self, number: ReleaseNumber) -> Result<Option<Release>, JournalError> {
        Ok(self.state().events.iter().rev().find_map(|recorded| match &recorded.event {
            Event::Released { release } if release.number == number => Some((**release).clone()),
            _ => None,
        }))
    }

    fn builds(&self) -> Result<Vec<BuildKept>, JournalError> {
        Ok(self.state().builds.clone())
    }

    fn build_by_inputs(&self, image: &ImageName, inputs: Digest) -> Result<Option<BuildKept>, JournalError> {
        Ok(self.state().builds.iter().rev().find(|build| build.image == *image && build.inputs == inputs).cloned())
    }

    fn rollouts(&self) -> Result<Vec<RolloutKept>, JournalError> {
        let mut rollouts = self.state().rollouts.clone();
        rollouts.sort_by_key(|kept| (kept.ended.is_none(), kept.ended, kept.began));
        Ok(rollouts)
    }

    fn quarantines(&self) -> Result<Vec<QuarantineKept>, JournalError> {
        Ok(self.state().quarantines.clone())
    }

    fn verify(&self) -> Result<Verified, JournalError> {
        let state = self.state();
        let mut walk = Walk::new();
        for recorded in &state.events {
            if let Err(found) = walk.step(&link(recorded)?, Some(recorded.hash)) {
                return Ok(found);
            }
        }
        Ok(walk.end(Some(state.events.last().map_or_else(|| (0, root()), |last| (last.position, last.hash)))))
    }
}
