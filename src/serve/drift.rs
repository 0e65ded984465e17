//! Drift: what runs is compared with what was released, and a host that is back, or a container that somebody removed, is put right.
//!
//! It is level-triggered and has a budget: what was seen once may be in the middle of something, so it must be seen twice; and where a repair did not
//! help, the next one waits longer.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::daemon::{Daemon, DriftPolicy, Standing};
use crate::driver::{Driver, DriverError, Seen as HostsSeen};
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

/// What is to be done about drift.
#[derive(Debug, Default, PartialEq, Eq)]
struct Todo {
    /// The hosts on which it was seen twice in a row.
    hosts: BTreeSet<HostName>,
    /// Whether people are told.
    is_told: bool,
    /// Whether a run puts it right.
    is_repaired: bool,
}

impl Seen {
    /// A run goes on or stands still. Nothing is as it was released then, and what was seen before it proves nothing after it.
    fn interrupted(&mut self) {
        self.before.clear();
    }

    /// Takes in the hosts on which something is not as released, at a moment.
    fn look(&mut self, drifted: BTreeSet<HostName>, policy: DriftPolicy, now: Timestamp) -> Todo {
        if drifted.is_empty() {
            *self = Self::default();
            return Todo::default();
        }
        let hosts: BTreeSet<HostName> = drifted.intersection(&self.before).cloned().collect();
        self.before = drifted;
        if hosts.is_empty() {
            return Todo::default();
        }
        let is_told = self.told != hosts;
        self.told.clone_from(&hosts);
        let is_repaired = policy == DriftPolicy::Repair && self.not_before.is_none_or(|until| until <= now);
        if is_repaired {
            let pause = PAUSE_MIN.saturating_mul(1 << self.repairs.min(8)).min(PAUSE_MAX);
            self.repairs += 1;
            self.not_before = now.checked_add(pause).ok();
        }
        Todo { hosts, is_told, is_repaired }
    }
}

/// Whether it is the time to look for drift.
fn is_time(standing: &Standing) -> bool {
    matches!(standing, Standing::Idle | Standing::Waiting { .. })
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
            if !is_time(&self.standing()) {
                seen.interrupted();
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
        let looked = self.act_on_drift(&driver, &hosts, seen).await;
        // Probes may take long, and one that fails is no drift: they come last, and only metrics show them.
        tokio::select! {
            () = self.stop.cancelled() => {}
            probed = driver.probe_once(hosts) => self.keep_seen(&driver, &probed?)?,
        }
        looked
    }

    async fn act_on_drift(&self, driver: &Driver, hosts: &HostsSeen, seen: &mut Seen) -> Result<(), DriverError> {
        let plan = driver.plan_repair(hosts)?;
        let drifted: BTreeSet<HostName> = driver
            .status(hosts, &driver.expected()?)
            .into_iter()
            .filter(|slot| slot.drift.is_some() && slot.health != "unknown")
            .map(|slot| slot.host)
            .collect();
        let drifted = if plan.rolls.is_empty() { BTreeSet::new() } else { drifted };
        let now = self.clock.now();
        let Todo { hosts, is_told, is_repaired } = seen.look(drifted, self.how.drift, now);
        if hosts.is_empty() {
            return Ok(());
        }
        let notes: Vec<String> = plan.rolls.iter().flat_map(|roll| &roll.notes).cloned().collect();
        if is_told {
            let mut notice = Notice::new(&driver.estate.name, None, now, NoticeKind::Drift, "what runs is not what was released");
            notice.reason = Some(notes.join("; "));
            notice.next = Some("refit status".to_owned());
            self.tell_at_once(&notice);
        }
        if is_told || self.how.drift == DriftPolicy::Repair {
            tracing::warn!("what runs is not what was released: {}", notes.join("; "));
        }
        if !is_repaired {
            return Ok(());
        }
        let cause = Cause::Drift { hosts };
        self.hear(vec![Heard { trigger: Trigger { by: "drift".to_owned(), words: cause.to_string(), cause }, delivery: None }]).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn hosts(names: &str) -> BTreeSet<HostName> {
        names.split_whitespace().map(|name| name.parse().unwrap()).collect()
    }

    /// Looks every half minute; gives back what was done each time, as `told` and `repaired`.
    fn story(policy: DriftPolicy, looks: &[&str]) -> Vec<String> {
        let mut seen = Seen::default();
        let look = |(n, drifted): (usize, &&str)| {
            if *drifted == "a run" {
                seen.interrupted();
                return String::new();
            }
            let todo = seen.look(hosts(drifted), policy, at(30 * i64::try_from(n).unwrap()));
            let words = [(todo.is_told, "told"), (todo.is_repaired, "repaired")].into_iter().filter_map(|(is_so, word)| is_so.then_some(word));
            words.collect::<Vec<_>>().join(" ")
        };
        looks.iter().enumerate().map(look).collect()
    }

    #[test]
    fn drift_that_is_only_reported_is_told_once_and_never_repaired() {
        let all = story(DriftPolicy::Report, &["a", "a", "a", "a", "a b", "a b", "a b", "", "a", "a"]);
        // Seen twice it is told; another host is news; and so is what comes again after all was well.
        assert_eq!(all, ["", "told", "", "", "", "told", "", "", "", "told"]);
    }

    #[test]
    fn drift_is_repaired_when_it_was_seen_twice_and_then_later_and_later() {
        let all = story(DriftPolicy::Repair, &["a"; 12]);
        // After 60 s, then 120 s, then 240 s.
        assert_eq!(all, ["", "told repaired", "", "repaired", "", "", "", "repaired", "", "", "", ""]);
        assert_eq!(
            story(DriftPolicy::Repair, &["a", "", "a", "b", "a"]),
            ["", "", "", "", ""],
            "what is seen once may be in the middle of something"
        );
    }

    #[test]
    fn a_run_that_goes_on_or_stands_still_is_not_taken_for_drift() {
        let (run, why) = (crate::model::RunId(7), "a person said so".to_owned());
        assert!(!is_time(&Standing::Running { run }) && !is_time(&Standing::Paused { run, why: why.clone() }));
        assert!(is_time(&Standing::Idle) && is_time(&Standing::Waiting { until: at(0), why }));
        // What was seen before the run and is seen once after it was not seen twice in a row.
        assert_eq!(story(DriftPolicy::Repair, &["a", "a run", "a run", "a", "a"]), ["", "", "", "", "told repaired"]);
    }
}
