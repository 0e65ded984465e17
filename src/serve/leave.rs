//! Carries a run on for as long as the daemon may: told to stop, it comes to a safe point first.

use std::sync::Arc;

use jiff::Timestamp;

use super::daemon::{Daemon, Standing};
use crate::driver::{self, CameTo, Driver, DriverError, Recorder};
use crate::journal::Journal;
use crate::rollout::Person;

/// Who says the words that the daemon itself says about a run.
pub(super) const DAEMON: &str = "refit serve";

/// Why a run is not carried on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leave {
    /// The daemon stops; the next one goes on.
    Stop,
    /// The window of the patch cycle is over.
    WindowCloses,
}

/// Where a run was left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Left {
    /// It came to its end or to a pause by itself.
    Came(CameTo),
    /// At a safe point, because the daemon stops.
    Stopped,
    /// At a safe point, because its window is over.
    OutOfWindow,
}

impl Daemon {
    /// Carries a run on, to its end, a pause, or the safe point at which it must be left.
    pub(super) async fn carry_on(&self, driver: &Driver, recorder: &Arc<Recorder>, until: Option<Timestamp>) -> Result<Left, DriverError> {
        self.stands(Standing::Running { run: recorder.run() });
        let mut work = Box::pin(driver.carry_on(recorder));
        let why = tokio::select! {
            came = &mut work => return Ok(Left::Came(came?)),
            why = self.must_leave(until) => why,
        };
        // In the middle of builds nothing is lost: what ended is kept, what runs is cancelled on the engine.
        if !is_rolling(recorder).await {
            drop(work);
            driver.interrupted(recorder, DAEMON).await?;
            if why == Leave::WindowCloses {
                self.journal.say(recorder.run(), self.clock.now(), Person::Pause, DAEMON)?;
            }
            return Ok(left(why));
        }
        // Slots in flight are brought to their end; then the run stands still.
        self.journal.say(recorder.run(), self.clock.now(), Person::Pause, DAEMON)?;
        match work.await? {
            CameTo::Pause { .. } | CameTo::Gate { .. } => {}
            end @ CameTo::End(_) => return Ok(Left::Came(end)),
        }
        if why == Leave::Stop && no_slot_failed(recorder).await {
            // It was nobody's wish to pause: whoever comes next goes on.
            self.journal.say(recorder.run(), self.clock.now(), Person::Resume, DAEMON)?;
        }
        driver.interrupted(recorder, DAEMON).await?;
        Ok(left(why))
    }

    async fn must_leave(&self, until: Option<Timestamp>) -> Leave {
        let closes = async {
            match until {
                Some(until) => self.clock.sleep(driver::until(self.clock.now(), until)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.stop.cancelled() => Leave::Stop,
            () = closes => Leave::WindowCloses,
        }
    }
}

fn left(why: Leave) -> Left {
    match why {
        Leave::Stop => Left::Stopped,
        Leave::WindowCloses => Left::OutOfWindow,
    }
}

async fn is_rolling(recorder: &Recorder) -> bool {
    recorder.state(|state| state.rollouts.iter().any(|rollout| rollout.ended.is_none())).await
}

/// A rollout whose slots failed may stand still for their sake, and that is for a person to end.
async fn no_slot_failed(recorder: &Recorder) -> bool {
    recorder.state(|state| state.rollouts.iter().all(|rollout| rollout.ended.is_some() || rollout.failed.is_empty())).await
}
