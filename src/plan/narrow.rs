//! A plan for a part of the estate only.

use std::collections::BTreeSet;

use super::Plan;
use crate::model::{HostName, ServiceName};
use crate::pipeline::Estate;

impl Plan {
    /// Leaves only the services and hosts that were asked for; all services if none are named, all hosts if there is no set of them.
    pub fn narrow(&mut self, services: &[ServiceName], hosts: Option<&BTreeSet<HostName>>, estate: &Estate) {
        if !services.is_empty() {
            self.rolls.retain(|roll| services.contains(&roll.service));
            self.held.retain(|held| services.contains(&held.service));
            self.sick.retain(|sick| services.contains(&sick.service));
        }
        if let Some(hosts) = hosts {
            self.rolls.iter_mut().for_each(|roll| roll.hosts.retain(|count| hosts.contains(&count.host)));
            self.rolls.retain(|roll| !roll.hosts.is_empty());
            for roll in self.rolls.iter_mut().filter(|roll| !roll.stages.is_empty()) {
                estate.services.get(&roll.service).into_iter().for_each(|service| roll.stage(service));
            }
        }
    }
}
