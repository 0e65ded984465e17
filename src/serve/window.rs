//! The window of a patch cycle: until when its run may go on, and when one that was left behind at the end of its window goes on.
//!
//! Both are read from the journal, so that a daemon that was killed knows them as well.

use jiff::Timestamp;

use super::daemon::Daemon;
use super::leave::DAEMON;
use crate::journal::{Journal, JournalError};
use crate::model::RunId;
use crate::rollout::Person;
use crate::run::Event;
use crate::trigger::Cause;

/// How far back the trigger of a run is looked for: all that are kept.
const TRIGGERS_MAX: usize = 10_000;

/// How a run that has not ended is taken up again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    /// Whether it was the daemon that had it stand still, and it may go on now.
    pub(super) opens: bool,
    /// Until when it may go on; none if it may until it is over.
    pub(super) until: Option<Timestamp>,
}

impl Daemon {
    /// Until when a run may go on: as long as the window of the cycle that it answers is open, or of one that waits. A person's word goes before both.
    pub(super) fn window_of(&self, run: RunId, now: Timestamp) -> Result<Window, JournalError> {
        let said_now = self.journal.words_waiting(run)?;
        let said = self.last_word(run)?;
        let by_person = said_now.contains(&Person::Resume) || said.as_ref().is_some_and(|(word, by)| *word == Person::Resume && by != DAEMON);
        let windows = if by_person { Vec::new() } else { self.windows(run)? };
        let until = if windows.contains(&None) { None } else { windows.into_iter().flatten().max() };
        let was_left = said_now.is_empty() && said.is_some_and(|(word, by)| word == Person::Pause && by == DAEMON);
        Ok(Window { opens: was_left && until.is_none_or(|until| now < until), until })
    }

    /// Whether a window may have opened.
    pub(super) fn a_cycle_waits(&self) -> Result<bool, JournalError> {
        Ok(self.journal.triggers_waiting()?.iter().any(|kept| matches!(kept.trigger.cause, Cause::Cycle { .. })))
    }

    /// What was said about a run last, and by whom.
    fn last_word(&self, run: RunId) -> Result<Option<(Person, String)>, JournalError> {
        let said = |event| if let Event::PersonSaid { word, by } = event { Some((word, by)) } else { None };
        Ok(self.journal.events(run)?.into_iter().rev().find_map(|recorded| said(recorded.event)))
    }

    /// Of the cycles that a run answers when its window closes, and those that wait by now. None if it answers no cycle.
    fn windows(&self, run: RunId) -> Result<Vec<Option<Timestamp>>, JournalError> {
        let closes = |cause: &Cause| if let Cause::Cycle { until, .. } = cause { Some(*until) } else { None };
        let kept = self.journal.triggers(None, TRIGGERS_MAX)?;
        let own = kept.iter().filter(|kept| kept.settled.as_ref().is_some_and(|settled| settled.run == Some(run)));
        let own: Vec<_> = own.filter_map(|kept| closes(&kept.trigger.cause)).collect();
        if own.is_empty() {
            return Ok(own);
        }
        let waiting = kept.iter().filter(|kept| kept.settled.is_none()).filter_map(|kept| closes(&kept.trigger.cause));
        Ok(own.into_iter().chain(waiting).collect())
    }
}
