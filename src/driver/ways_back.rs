//! Where services can go back to, by the journal.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Driver, DriverError};
use crate::model::{ReleaseNumber, ServiceName};
use crate::release::ServiceRelease;
use crate::rollout::Outcome;

/// Where one service can go back to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WayBack {
    /// The service.
    pub service: ServiceName,
    /// The release that it is on.
    pub now: ReleaseNumber,
    /// Where it goes if that fails. Of no use elsewhere.
    #[serde(skip)]
    pub back: Option<ReleaseNumber>,
    /// Earlier releases on which the service was something else, newest first.
    pub to: Vec<ReleaseNumber>,
    /// Those of them on which it never was in all of its slots: slots failed, hosts were left behind, or only some were asked for.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub in_part: BTreeSet<ReleaseNumber>,
}

impl WayBack {
    /// The newest release that some of these services can go back to, and that is whole for each of them: where nobody says to which.
    pub fn newest(ways: &[Self]) -> Option<ReleaseNumber> {
        let is_whole = |number: &&ReleaseNumber| !ways.iter().any(|way| way.in_part.contains(number));
        ways.iter().flat_map(|way| &way.to).filter(is_whole).max().copied()
    }
}

impl std::fmt::Display for WayBack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let word = |number: &ReleaseNumber| if self.in_part.contains(number) { " (in part)" } else { "" };
        let to: Vec<_> = self.to.iter().map(|number| format!("{number}{}", word(number))).collect();
        write!(f, "{}: on {}, can go back to {}", self.service, self.now, if to.is_empty() { "nothing earlier".into() } else { to.join(", ") })
    }
}

impl Driver {
    /// Where each service of the estate, or only this one, can go back to; empty if none was ever rolled out.
    pub fn ways_back(&self, only: Option<&ServiceName>) -> Result<Vec<WayBack>, DriverError> {
        let mut ways = Vec::new();
        let standing = self.journal.standing()?;
        for (service, state) in &standing.services {
            let is_meant = self.estate.services.contains_key(service) && only.is_none_or(|only| only == service);
            let Some(now) = state.current.filter(|_| is_meant) else { continue };
            let refused = standing.refused(service);
            let mut seen = self.release(now)?.services.get(service).map(|service| vec![service.spec_hash()]).unwrap_or_default();
            let mut to = Vec::new();
            let reached = self.reached(service)?;
            let whole = |number: &ReleaseNumber| reached[number] || state.healthy.contains(number);
            for number in reached.keys().copied().rev().filter(|number| *number < now && !refused.contains_key(number)) {
                let Some(spec) = self.release(number)?.services.get(service).map(ServiceRelease::spec_hash) else { continue };
                if !seen.contains(&spec) {
                    seen.push(spec);
                    to.push(number);
                }
            }
            let in_part = to.iter().filter(|number| !whole(number)).copied().collect();
            ways.push(WayBack { back: state.way_back(), service: service.clone(), now, to, in_part });
        }
        Ok(ways)
    }

    /// The releases that the service was once rolled to and stayed on, each with whether it was healthy there in all of its slots.
    fn reached(&self, service: &ServiceName) -> Result<BTreeMap<ReleaseNumber, bool>, DriverError> {
        let mut reached = BTreeMap::new();
        for rollout in self.journal.rollouts()?.into_iter().filter(|rollout| rollout.service == *service) {
            if let Some(outcome @ (Outcome::Done | Outcome::DoneInPart)) = rollout.outcome {
                *reached.entry(rollout.to).or_default() |= outcome == Outcome::Done && rollout.is_whole;
            }
        }
        Ok(reached)
    }
}
