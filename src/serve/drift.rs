//! Drift: what runs is compared with what was released, and a host that is back, or a container that somebody removed, is put right.
//!
//! It is level-triggered and has a budget: what was seen once may be in the middle of something, so it must be seen twice; and where a repair did not
//! help, the next one waits longer.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::daemon::{Daemon, DriftPolicy, Standing};
use crate::driver::DriverError;
use crate::model::HostName;
use crate::notice::Notice;
use crate::pipeline::NoticeKind;
use crate::trigger::{Cause, Heard, Trigger};

/// The next repair waits so long, twice as long each time while nothing gets better.
const PAUSE_MIN: Duration = Duration::from_secs(60);
const PAUSE_MAX: Duration = Duration::from_secs(3600);

/// What was seen so far.
#[derive(Default)]
struct Seen {
    before: BTreeSet<HostName>,
    /// The hosts of which people were told.
    told: BTreeSet<HostName>,
    repairs: u32,
    not_before: Option<Timestamp>,
}

impl Daemon {
    /// Looks for drift until the daemon stops.
    pub async fn watch_drift(self: Arc<Self>) {
        let mut seen = Seen::default();
        if self.how.drift == DriftPolicy::Off {
            return self.stop.cancelled().await;
        }
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = self.clock.sleep(self.how.drift_every) => {}
            }
            // While a run goes on, nothing is as it was released.
            if !matches!(self.standing(), Standing::Idle | Standing::Waiting { .. }) {
                seen.before.clear();
                continue;
            }
            if let Err(error) = self.look_for_drift(&mut seen).await {
                tracing::warn!(error = %crate::fault::with_help(&error), "drift could not be looked for");
            }
        }
    }

    async fn look_for_drift(&self, seen: &mut Seen) -> Result<(), DriverError> {
        let driver = self.driver()?;
        let hosts = driver.see_hosts().await;
        self.keep_seen(&driver, &hosts)?;
        let plan = driver.plan_repair(&hosts)?;
        let drifted: BTreeSet<HostName> = driver
            .status(&hosts, &driver.expected()?)
            .into_iter()
            .filter(|slot| slot.drift.is_some() && slot.health != "unknown")
            .map(|slot| slot.host)
            .collect();
        if plan.rolls.is_empty() || drifted.is_empty() {
            *seen = Seen::default();
            return Ok(());
        }
        let again: BTreeSet<HostName> = drifted.intersection(&seen.before).cloned().collect();
        let is_new = !again.is_empty() && seen.told != again;
        seen.before = drifted;
        if again.is_empty() {
            return Ok(());
        }
        seen.told.clone_from(&again);
        let notes: Vec<String> = plan.rolls.iter().flat_map(|roll| &roll.notes).cloned().collect();
        if is_new {
            let mut notice = Notice::new(&driver.estate.name, None, self.clock.now(), NoticeKind::Drift, "what runs is not what was released");
            notice.reason = Some(notes.join("; "));
            notice.next = Some("refit status".to_owned());
            self.tell_at_once(&notice);
        }
        if is_new || self.how.drift == DriftPolicy::Repair {
            tracing::warn!("what runs is not what was released: {}", notes.join("; "));
        }
        let now = self.clock.now();
        if self.how.drift == DriftPolicy::Report || seen.not_before.is_some_and(|until| now < until) {
            return Ok(());
        }
        let pause = PAUSE_MIN.saturating_mul(1 << seen.repairs.min(8)).min(PAUSE_MAX);
        seen.repairs += 1;
        seen.not_before = now.checked_add(pause).ok();
        let cause = Cause::Drift { hosts: again };
        self.hear(vec![Heard { trigger: Trigger { by: "drift".to_owned(), words: cause.to_string(), cause }, delivery: None }]).await?;
        Ok(())
    }
}
