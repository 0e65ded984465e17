//! The words that stand in labels.

use std::collections::BTreeSet;
use std::sync::{PoisonError, RwLock};

use crate::rollout::Outcome;
use crate::run::{BuildOutcome, RunOutcome};

/// Names of one kind, hooks or addressees: more than any estate has. A name beyond them is counted as [`OTHER`], so that whoever could make names up
/// could not fill the memory.
const NAMES_MAX: usize = 1_000;
/// Where names beyond the most are counted.
const OTHER: &str = "other";

/// What became of a hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HookResult {
    /// It means something here, and is in the journal.
    Accepted,
    /// It means nothing here.
    Ignored,
    /// It did not prove who sent it.
    Refused,
    /// It cannot be read.
    Malformed,
    /// refit could not take it, such as for want of disk.
    Failed,
}

impl HookResult {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Ignored => "ignored",
            Self::Refused => "refused",
            Self::Malformed => "malformed",
            Self::Failed => "failed",
        }
    }
}

/// What came of a look at a base's registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PollResult {
    /// The base is what it was.
    Unchanged,
    /// It moved.
    Moved,
    /// The registry asked to be left alone for a while.
    Limited,
    /// The registry did not answer, or not with a digest.
    Failed,
}

impl PollResult {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Moved => "moved",
            Self::Limited => "limited",
            Self::Failed => "failed",
        }
    }
}

/// What became of an attempt to send a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoticeResult {
    /// It was taken.
    Sent,
    /// It was not, and is tried again.
    Failed,
    /// It was not, and is not tried again.
    GivenUp,
}

impl NoticeResult {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::GivenUp => "given_up",
        }
    }
}

/// Every outcome of a run. What never happened is shown as 0: without a value before, the first time would be no increase.
pub(super) const RUNS: [&str; 8] = ["done", "nothing_to_do", "builds_failed", "rolled_back", "in_part", "refused", "stuck", "aborted"];
/// Every outcome of a build.
pub(super) const BUILDS: [&str; 5] = ["built", "reused", "unchanged", "failed", "skipped"];
/// Every result of a look at a registry.
pub(super) const POLLS: [PollResult; 4] = [PollResult::Unchanged, PollResult::Moved, PollResult::Limited, PollResult::Failed];
/// Whether pipelines that were read again took effect.
pub(super) const RELOADS: [&str; 2] = ["ok", "failed"];

pub(super) fn of_run(outcome: &RunOutcome) -> &'static str {
    match outcome {
        RunOutcome::Done => "done",
        RunOutcome::NothingToDo => "nothing_to_do",
        RunOutcome::BuildsFailed { .. } => "builds_failed",
        RunOutcome::RolledBack { .. } => "rolled_back",
        RunOutcome::InPart { .. } => "in_part",
        RunOutcome::Refused { .. } => "refused",
        RunOutcome::Stuck { .. } => "stuck",
        RunOutcome::Aborted { .. } => "aborted",
    }
}

pub(super) fn of_build(outcome: &BuildOutcome) -> &'static str {
    match outcome {
        BuildOutcome::Built { .. } => "built",
        BuildOutcome::Reused { .. } => "reused",
        BuildOutcome::Unchanged { .. } => "unchanged",
        BuildOutcome::Failed { .. } => "failed",
        BuildOutcome::Skipped { .. } => "skipped",
    }
}

pub(super) fn of_rollout(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Done => "done",
        Outcome::DoneInPart => "in_part",
        Outcome::RolledBack { .. } => "rolled_back",
        Outcome::Stuck { .. } => "stuck",
    }
}

/// The names that were counted by.
#[derive(Debug, Default)]
pub(super) struct Names {
    known: RwLock<BTreeSet<String>>,
}

impl Names {
    /// The name as it is counted.
    pub(super) fn counted(&self, name: &str) -> String {
        if self.known.read().unwrap_or_else(PoisonError::into_inner).contains(name) {
            return name.to_owned();
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= NAMES_MAX && !known.contains(name) {
            return OTHER.to_owned();
        }
        known.insert(name.to_owned());
        name.to_owned()
    }
}
