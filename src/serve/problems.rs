//! Counts, from time to time, the problems that are in containers, and looks which bases are behind: for metrics, which must not wait for so much work.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::daemon::Daemon;
use crate::driver::DriverError;
use crate::inquiry::{open_problems, problems_of_image};
use crate::journal::{Inventories, Journal, JournalError};
use crate::model::{Digest, ImageRef, ServiceName};
use crate::pipeline::Estate;

/// Advisories come daily and rollouts take minutes; nobody needs to see either within less.
const COUNTED_EVERY: Duration = Duration::from_secs(300);

/// What was counted.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Counted {
    pub(super) of_services: BTreeMap<ServiceName, (u64, u64)>,
    pub(super) open: u64,
    pub(super) oldest: Duration,
    /// The bases of which something newer is on the builder than what is released stands on, and since when that is known.
    pub(super) behind: BTreeMap<ImageRef, Timestamp>,
}

impl Daemon {
    /// Counts again and again until the daemon stops.
    pub async fn count_problems(self: Arc<Self>) {
        loop {
            let daemon = self.clone();
            let counting = tokio::task::spawn_blocking(move || daemon.counted());
            // Told to stop, nobody waits for a count.
            let counted = tokio::select! {
                () = self.stop.cancelled() => return,
                counted = counting => counted,
            };
            match counted {
                Ok(Ok(counted)) => self.keep(counted).await,
                Ok(Err(error)) => tracing::warn!(%error, "problems could not be counted"),
                Err(error) => tracing::warn!(%error, "counting problems ended"),
            }
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = self.clock.sleep(COUNTED_EVERY) => {}
            }
        }
    }

    async fn keep(&self, counted: Counted) {
        let before = self.problems.lock().unwrap_or_else(PoisonError::into_inner).behind.clone();
        let behind = match self.bases_behind(&before).await {
            Ok(behind) => behind,
            Err(error) => {
                tracing::debug!(%error, "the builder was not asked for bases");
                before
            }
        };
        *self.problems.lock().unwrap_or_else(PoisonError::into_inner) = Counted { behind, ..counted };
    }

    /// A run that failed, or was taken back, leaves what is released on what a base was.
    async fn bases_behind(&self, before: &BTreeMap<ImageRef, Timestamp>) -> Result<BTreeMap<ImageRef, Timestamp>, DriverError> {
        let (loaded, now) = (self.loaded(), self.clock.now());
        let Some(release) = self.journal.latest_release()? else { return Ok(BTreeMap::new()) };
        let looks = self.looks(&loaded);
        let mut behind = BTreeMap::new();
        for base in loaded.bases.iter().filter(|base| moves_under_its_name(base, &loaded.estate)) {
            let Some(seen) = loaded.engines.builder().image(&base.to_string()).await? else { continue };
            if release.images.values().filter_map(|image| image.bases.get(base)).any(|then| *then != seen.id) {
                behind.insert(base.clone(), before.get(base).copied().or_else(|| looks.since(base)).unwrap_or(now));
            }
        }
        Ok(behind)
    }

    fn counted(&self) -> Result<Counted, JournalError> {
        let (now, inventories) = (self.clock.now(), &self.inventories);
        let (open, oldest) = open(inventories, now)?;
        let mut of_services = BTreeMap::new();
        let mut of_images: BTreeMap<Digest, Option<(u64, u64)>> = BTreeMap::new();
        for (service, state) in self.journal.standing()?.services {
            let Some(release) = state.current else { continue };
            let Some(id) = self.journal.release(release)?.and_then(|release| release.services.get(&service).map(|service| service.id)) else {
                continue;
            };
            let counts = match of_images.get(&id) {
                Some(counts) => *counts,
                None => problems_of_image(inventories, id)?.map(|problems| (problems.fixable.len() as u64, problems.unfixable.len() as u64)),
            };
            of_images.insert(id, counts);
            if let Some(counts) = counts {
                of_services.insert(service, counts);
            }
        }
        Ok(Counted { of_services, open, oldest, behind: BTreeMap::new() })
    }
}

/// Whether something newer may be on the builder under a base's own name. A digest never moves, and of a base that follows a rule the builder has the
/// tag that the rule chose, under that tag's name: what is under its own name says nothing.
fn moves_under_its_name(base: &ImageRef, estate: &Estate) -> bool {
    base.digest().is_none() && estate.bases.get(base).is_none_or(|rules| rules.follow.is_none())
}

fn open(inventories: &Inventories, now: Timestamp) -> Result<(u64, Duration), JournalError> {
    let open: Vec<u64> = open_problems(inventories, now)?.into_iter().filter_map(|one| one.open_s).collect();
    Ok((open.len() as u64, Duration::from_secs(open.into_iter().max().unwrap_or_default())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::{Given, PipelineText, draft};

    #[test]
    fn a_base_that_follows_a_rule_or_is_pinned_is_never_behind_under_its_own_name() {
        let text = "name: shop\nbases: { \"python:3\": { follow: { semver: '^3.12' }, watch: 1h }, \"debian:12\": { watch: 1h } }\nbuilders: { b: { endpoint: \"unix:///d\" } }\n";
        let file = PipelineText { file: "pipelines/shop.yaml".into(), text: text.into() };
        let reading = draft(&[file], &Given { folder: "/srv/shop".into(), vars: BTreeMap::new() }).finish(&BTreeMap::new());
        let estate = reading.estate.unwrap_or_else(|| panic!("{:#?}", reading.findings));
        let pinned = format!("alpine@sha256:{}", "0f".repeat(32));
        for (base, moves) in [("python:3", false), ("debian:12", true), ("alpine", true), (pinned.as_str(), false)] {
            assert_eq!(moves_under_its_name(&base.parse().unwrap(), &estate), moves, "{base}");
        }
    }
}
