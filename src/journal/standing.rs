//! Where every service stands, and what must not be rolled by itself: the fold of all rollouts and of what was said about releases.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::record::{QuarantineKept, QuarantineWord, RolloutKept, RunSummary};
use crate::model::{Digest, HostName, ImageRef, ReleaseNumber, RunId, ServiceName};
use crate::plan::Change;
use crate::rollout::Outcome;
use crate::run::RunOutcome;

/// What the journal knows of services and releases as they are now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ServicesStanding")]
pub struct Standing {
    /// By service.
    pub services: BTreeMap<ServiceName, ServiceState>,
    /// Releases that no service must go to by itself.
    pub quarantined: BTreeMap<ReleaseNumber, ReleaseQuarantine>,
}

/// What the journal knows about one service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceState {
    /// The release that its last good rollout brought it to.
    pub current: Option<ReleaseNumber>,
    /// Since when.
    pub since: Option<Timestamp>,
    /// The releases on which all of its slots were once healthy and from which it never came back, the last one at the end.
    #[serde(default)]
    pub healthy: Vec<ReleaseNumber>,
    /// Releases that it must not go to by itself, because it came back from them.
    pub quarantined: BTreeMap<ReleaseNumber, Quarantine>,
    /// The rollout that has not ended, and to which release it was to go.
    pub rolling: Option<(RunId, ReleaseNumber)>,
}

/// Why a service must not go to a release by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Quarantine {
    /// Why it came back from it.
    pub why: String,
    /// In which run.
    pub run: RunId,
    /// When.
    pub at: Timestamp,
}

/// Why no service must go to a release by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReleaseQuarantine {
    /// What happened when it was rolled.
    pub why: String,
    /// In which run.
    pub run: RunId,
    /// When.
    pub at: Timestamp,
    /// The bases that moved with it, each at the digest that no service must go to by itself either.
    pub bases: BTreeMap<ImageRef, Digest>,
    /// The services that a person has rolled to it since then, and that are well on it.
    pub well_since: BTreeSet<ServiceName>,
}

impl Standing {
    /// Folds rollouts, in the order in which they ended, and the words about releases, in the order in which they were said.
    pub fn of(rollouts: &[RolloutKept], words: &[QuarantineKept]) -> Self {
        let mut standing = Self::default();
        let mut words = words.iter().peekable();
        for rollout in rollouts {
            while let Some(word) = words.next_if(|word| rollout.ended.is_none_or(|ended| word.position < ended)) {
                standing.hear(word);
            }
            standing.services.entry(rollout.service.clone()).or_default().take(rollout);
            if matches!(rollout.outcome, Some(Outcome::Done | Outcome::DoneInPart))
                && let Some(release) = standing.quarantined.get_mut(&rollout.to)
            {
                release.well_since.insert(rollout.service.clone());
            }
        }
        words.for_each(|word| standing.hear(word));
        standing
    }

    /// What a service must not go to by itself, and why: what it came back from, and what is in quarantine as a whole.
    pub fn refused(&self, service: &ServiceName) -> BTreeMap<ReleaseNumber, Quarantine> {
        let whole = self.quarantined.iter().filter(|(_, release)| !release.well_since.contains(service));
        let whole = whole.map(|(number, release)| (*number, Quarantine { why: release.why.clone(), run: release.run, at: release.at }));
        // What happened to the service itself says more.
        let own = self.services.get(service).map(|state| state.quarantined.clone()).unwrap_or_default();
        whole.chain(own).collect()
    }

    /// The run whose rollouts put a release into quarantine, for all services or for one; none if it is in none.
    pub fn put_by(&self, release: ReleaseNumber) -> Option<RunId> {
        let of_services = self.services.values().filter_map(|state| state.quarantined.get(&release).map(|quarantine| quarantine.run));
        of_services.chain(self.quarantined.get(&release).map(|quarantine| quarantine.run)).max()
    }

    fn hear(&mut self, kept: &QuarantineKept) {
        match &kept.word {
            QuarantineWord::Put { why, bases } => {
                let (run, at) = (kept.run, kept.at);
                let release = ReleaseQuarantine { why: why.clone(), run, at, bases: bases.clone(), well_since: BTreeSet::new() };
                self.quarantined.insert(kept.release, release);
                self.services.values_mut().for_each(|state| state.healthy.retain(|release| *release != kept.release));
            }
            QuarantineWord::Lifted { .. } => {
                self.quarantined.remove(&kept.release);
                self.services.values_mut().for_each(|state| drop(state.quarantined.remove(&kept.release)));
            }
        }
    }
}

/// The hosts that were drained and not counted in again, from all runs in the order in which they began. One whose drain was taken back, or has not
/// ended, is none of them.
pub(super) fn drained(runs: &[RunSummary]) -> BTreeSet<HostName> {
    let mut drained = BTreeSet::new();
    for run in runs {
        match (&run.change, &run.outcome) {
            (Change::Drain(host), Some(RunOutcome::Done | RunOutcome::InPart { .. } | RunOutcome::NothingToDo)) => {
                drained.insert(host.clone());
            }
            // One that was refused began nothing there.
            (Change::Undrain(_), Some(RunOutcome::Refused { .. })) => {}
            (Change::Undrain(host), _) => {
                drained.remove(host);
            }
            _ => {}
        }
    }
    drained
}

impl ServiceState {
    /// The release that a rollout of the service goes back to when it fails: the last one that was wholly healthy; where none ever was, what runs.
    pub fn way_back(&self) -> Option<ReleaseNumber> {
        match self.current {
            Some(current) if !self.healthy.contains(&current) => self.healthy.last().copied().or(self.current),
            current => current,
        }
    }

    fn take(&mut self, rollout: &RolloutKept) {
        let (Some(outcome), Some(at)) = (&rollout.outcome, rollout.ended_at) else {
            self.rolling = Some((rollout.run, rollout.to));
            return;
        };
        let quarantine = |why: &str| Quarantine { why: why.to_owned(), run: rollout.run, at };
        match outcome {
            Outcome::Done | Outcome::DoneInPart => {
                // A person (nobody else may) went back from a later release, so it is not to be rolled again by itself.
                if let Some(left) = rollout.from.filter(|from| *from > rollout.to) {
                    self.refuse(left, quarantine("rolled back by hand"));
                }
                self.quarantined.remove(&rollout.to);
                (self.current, self.since) = (Some(rollout.to), Some(at));
                if *outcome == Outcome::Done && rollout.is_whole {
                    self.healthy.retain(|release| *release != rollout.to);
                    self.healthy.push(rollout.to);
                }
            }
            // A drain that was taken back neither: from and to are the same release.
            Outcome::RolledBack { .. } | Outcome::Stuck { .. } if rollout.from == Some(rollout.to) => {}
            // A repair that came to nothing says nothing about the release that the service is on.
            Outcome::Stuck { .. } if !rollout.is_way_back && self.current == Some(rollout.to) => {}
            Outcome::RolledBack { why } | Outcome::Stuck { why } => {
                self.refuse(rollout.to, quarantine(why));
                // What was through is no more: the service is to be where it was before, whatever of it is still missing.
                if rollout.is_way_back && self.current != rollout.from {
                    (self.current, self.since) = (rollout.from, rollout.from.map(|_| at));
                }
                // Every slot was proven on what it was taken back to, also if a person had just gone back from that.
                if let Some(from) = rollout.from.filter(|_| rollout.is_way_back && matches!(outcome, Outcome::RolledBack { .. })) {
                    self.quarantined.remove(&from);
                    self.healthy.retain(|release| *release != from);
                    self.healthy.push(from);
                }
            }
        }
    }

    fn refuse(&mut self, release: ReleaseNumber, quarantine: Quarantine) {
        self.quarantined.insert(release, quarantine);
        self.healthy.retain(|healthy| *healthy != release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads what happened to a service, such as `1 2 3- 2/ !3 ^3`: rolled to release 1 and then 2, back from 3, 2 in part, and release 3 put into
    /// quarantine and taken out of it; `2<1` is taken back. Says where it is, where it would go back to, and what it must not go to.
    fn check(story: &str, expected: &str) {
        let (mut rollouts, mut words) = (Vec::new(), Vec::new());
        let mut current: Option<ReleaseNumber> = None;
        for (position, word) in (1..).zip(story.split_whitespace()) {
            let number = |text: &str| ReleaseNumber(text.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap());
            let (run, at) = (RunId(position), Timestamp::UNIX_EPOCH);
            let why = || "it died".to_owned();
            let said = |word| QuarantineKept {
                release: number(&story.split_whitespace().nth(position as usize - 1).unwrap()[1..]),
                run,
                at,
                position,
                word,
            };
            if word.starts_with('!') {
                words.push(said(QuarantineWord::Put { why: why(), bases: BTreeMap::new() }));
                continue;
            }
            if word.starts_with('^') {
                words.push(said(QuarantineWord::Lifted { by: "ann".into() }));
                continue;
            }
            let (to, from, is_way_back) = match word.split_once('<') {
                Some((to, from)) => (number(to), from.parse().ok().map(ReleaseNumber), true),
                None => (number(word), current, false),
            };
            let outcome = match word.chars().last() {
                Some('-') => Outcome::RolledBack { why: why() },
                Some('/') => Outcome::DoneInPart,
                _ if is_way_back => Outcome::RolledBack { why: why() },
                _ => Outcome::Done,
            };
            match &outcome {
                Outcome::RolledBack { .. } => current = from,
                _ => current = Some(to),
            }
            let is_whole = !word.ends_with('~');
            let service = "web".parse().unwrap();
            let (ended_at, outcome, ended) = (Some(at), Some(outcome), Some(position));
            rollouts.push(RolloutKept { run, service, to, from, began_at: at, ended_at, outcome, is_way_back, is_whole, began: position, ended });
        }
        let standing = Standing::of(&rollouts, &words);
        let web = "web".parse().unwrap();
        let state = &standing.services[&web];
        let shown = |release: Option<ReleaseNumber>| release.map_or_else(|| "-".to_owned(), |release| release.to_string());
        let refused: Vec<_> = standing.refused(&web).keys().map(ToString::to_string).collect();
        assert_eq!(
            format!("on {}, back to {}, not to {}", shown(state.current), shown(state.way_back()), refused.join(" ")).trim_end(),
            expected,
            "{story}"
        );
    }

    #[test]
    fn where_a_service_stands_and_goes_back_to() {
        check("1", "on r1, back to r1, not to");
        check("1 2", "on r2, back to r2, not to");
        check("1 2-", "on r1, back to r1, not to r2");
        // What is there in part was never wholly healthy; nor was what was rolled on some hosts only.
        check("1 2/", "on r2, back to r1, not to");
        check("1 2~", "on r2, back to r1, not to");
        check("1/ 2/", "on r2, back to r2, not to");
        check("1 2/ 2", "on r2, back to r2, not to");
        // By hand to an earlier one: that is what it goes back to then.
        check("1 2 3 1", "on r1, back to r1, not to r3");
    }

    #[test]
    fn what_its_run_takes_back_is_where_it_was() {
        check("1 2 2<1", "on r1, back to r1, not to r2");
        check("1 1<-", "on -, back to -, not to r1");
        // By hand to an earlier one, which did not go well with the others.
        check("1 2 1 1<2", "on r2, back to r2, not to r1");
        check("1 2/ 3 3<2", "on r2, back to r2, not to r3");
    }

    #[test]
    fn a_host_is_drained_until_it_is_counted_in_again() {
        let run = |change: Change, outcome: Option<RunOutcome>| RunSummary {
            run: RunId(1),
            began_at: Timestamp::UNIX_EPOCH,
            by: "ann".into(),
            words: "refit".into(),
            change,
            release: None,
            ended_at: None,
            outcome,
        };
        let drain = |outcome| run(Change::Drain("a".parse().unwrap()), outcome);
        let undrain = || run(Change::Undrain("a".parse().unwrap()), None);
        let done = || drain(Some(RunOutcome::Done));
        let is_drained = |runs: &[RunSummary]| !drained(runs).is_empty();
        assert!(is_drained(&[done()]));
        assert!(is_drained(&[drain(Some(RunOutcome::InPart { missing: Vec::new() }))]), "a host that does not answer");
        assert!(!is_drained(&[drain(None)]), "it goes on, and may yet be taken back");
        assert!(!is_drained(&[drain(Some(RunOutcome::Aborted { services: BTreeMap::new(), not_rolled: BTreeMap::new() }))]));
        assert!(!is_drained(&[done(), undrain()]));
        assert!(is_drained(&[done(), undrain(), done()]));
        let refused = run(Change::Undrain("a".parse().unwrap()), Some(RunOutcome::Refused { why: "files would be lost".into() }));
        assert!(is_drained(&[done(), refused]), "it began nothing there");
        assert!(is_drained(&[done(), run(Change::Everything, Some(RunOutcome::Done))]));
    }

    #[test]
    fn a_release_is_in_quarantine_until_somebody_lifts_it() {
        check("1 !2", "on r1, back to r1, not to r2");
        check("1 2- !2", "on r1, back to r1, not to r2");
        check("1 2- !2 ^2", "on r1, back to r1, not to");
        check("1 !2 ^2 2", "on r2, back to r2, not to");
        check("1 !2 ^2 2 !2", "on r2, back to r1, not to r2");
        // A person may go there all the same.
        check("1 !2 2", "on r2, back to r2, not to");
    }
}
