//! Which occurrence is to be handled now, each exactly once: on time, late but within its window, or not at all.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::occurrence::{OCCURRENCES_MAX, Occurrence, occurrence, over};
use crate::pipeline::Trigger;

/// What is to be done about an occurrence. Once that is done, and remembered, its `at` is the `last_handled` of the next question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Due {
    /// Its run may begin, as far as its time is concerned; [`fate`](super::fate) says whether something holds it. One that waits is not handled
    /// yet, and asked for again.
    Begin {
        /// The occurrence.
        occurrence: Occurrence,
        /// So many came before it that nobody handled; this one stands for them.
        missed: usize,
    },
    /// It is too late for it.
    Skip {
        /// The occurrence: the last of those that were missed.
        occurrence: Occurrence,
        /// So many came before it that nobody handled either.
        missed: usize,
        /// Why it does not begin.
        why: String,
    },
}

impl Due {
    /// The occurrence that is handled by this.
    pub fn occurrence(&self) -> &Occurrence {
        match self {
            Self::Begin { occurrence, .. } | Self::Skip { occurrence, .. } => occurrence,
        }
    }
}

/// What is due of a trigger; none if its last occurrence is handled, or its jitter still keeps it back.
///
/// `last_handled` is the `at` of the last occurrence that was handled, and of a trigger that is new the moment at which it was first seen. It only
/// ever grows: an occurrence up to it is never due again, so a clock that is set back repeats nothing.
pub fn due(trigger: &Trigger, last_handled: Timestamp, now: Timestamp) -> Option<Due> {
    let last = trigger.cron.last_until(now, &trigger.timezone).filter(|at| *at > last_handled)?;
    let came = occurrence(trigger, last);
    if now < came.begins {
        // Its time comes; the one before it is over.
        let before = trigger.cron.last_until(just_before(last), &trigger.timezone).filter(|at| *at > last_handled)?;
        return Some(skip(trigger, before, last_handled));
    }
    if now < over(trigger, last) {
        return Some(Due::Begin { missed: missed(trigger, last_handled, last), occurrence: came });
    }
    Some(skip(trigger, last, last_handled))
}

fn skip(trigger: &Trigger, at: Timestamp, last_handled: Timestamp) -> Due {
    let occurrence = occurrence(trigger, at);
    let why = match occurrence.closes {
        Some(closes) => format!("its window closed at {} before it began", shown(trigger, closes)),
        None => format!("the next one came at {} before it began", shown(trigger, over(trigger, at))),
    };
    Due::Skip { missed: missed(trigger, last_handled, at), occurrence, why }
}

/// How many came after the last that was handled and before this one. Counts to 10,080.
fn missed(trigger: &Trigger, last_handled: Timestamp, at: Timestamp) -> usize {
    let next = |after: Timestamp| trigger.cron.next_after(after, &trigger.timezone);
    std::iter::successors(next(last_handled), |last| next(*last)).take_while(|one| *one < at).take(OCCURRENCES_MAX).count()
}

/// What to say of a clock that is behind what was handled already; none if it is not. Nothing of the trigger begins before it has caught up.
pub fn clock_is_behind(trigger: &Trigger, last_handled: Timestamp, now: Timestamp) -> Option<String> {
    (now < last_handled).then(|| {
        let (now, handled) = (shown(trigger, now), shown(trigger, last_handled));
        format!("the clock says {now}, but trigger {} was handled up to {handled}: it begins nothing before then", trigger.name)
    })
}

fn just_before(moment: Timestamp) -> Timestamp {
    moment.checked_sub(SignedDuration::from_secs(1)).unwrap_or(moment)
}

fn shown(trigger: &Trigger, moment: Timestamp) -> String {
    super::hold::shown(&trigger.timezone, moment)
}
