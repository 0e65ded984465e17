//! Where services can go back to, by the journal.

use std::collections::BTreeSet;

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
}

impl std::fmt::Display for WayBack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let to: Vec<_> = self.to.iter().map(ToString::to_string).collect();
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
            let earlier = self.good_releases(service)?.into_iter().rev().filter(|number| *number < now && !refused.contains_key(number));
            for number in earlier {
                let Some(spec) = self.release(number)?.services.get(service).map(ServiceRelease::spec_hash) else { continue };
                if !seen.contains(&spec) {
                    seen.push(spec);
                    to.push(number);
                }
            }
            ways.push(WayBack { back: state.way_back(), service: service.clone(), now, to });
        }
        Ok(ways)
    }

    /// The releases that the service was once rolled to and stayed on, oldest first.
    fn good_releases(&self, service: &ServiceName) -> Result<BTreeSet<ReleaseNumber>, DriverError> {
        let is_good = |outcome: &Option<Outcome>| matches!(outcome, Some(Outcome::Done | Outcome::DoneInPart));
        let good = self.journal.rollouts()?.into_iter().filter(|rollout| rollout.service == *service && is_good(&rollout.outcome));
        Ok(good.map(|rollout| rollout.to).collect())
    }
}
