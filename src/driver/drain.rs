//! Plans the drain of a host, and its return.

use std::collections::BTreeMap;

use super::{Driver, DriverError};
use crate::model::HostName;
use crate::pipeline::Service;
use crate::plan::{Change, Plan, RollStep, SlotCount};

impl Driver {
    /// Leaves out the hosts that were drained, as the journal has it: nothing is rolled there, and nothing is missing there.
    pub fn leave_out_drained(&mut self) -> Result<(), DriverError> {
        let drained = self.journal.drained()?;
        self.estate.services.values_mut().for_each(|service| service.leave_out(&drained));
        Ok(())
    }

    /// What stops on a host, service by service, dependents before what they depend on. A rollout is about all slots of its service, so that none
    /// is taken down on this host while too many are missing on the others.
    ///
    /// One that was drained before is looked at again: something may run on it that could not be stopped then, or that somebody started.
    pub fn plan_drain(&mut self, host: &HostName) -> Result<Plan, DriverError> {
        self.count_in(host);
        let mut plan = Plan::to_roll(Change::Drain(host.clone()), Vec::new(), &self.estate);
        for (service, step) in self.released_on(host)? {
            let stay = service.hosts.len() - 1;
            let notes = if stay == 0 { vec!["it has no other host: nothing of it will run".to_owned()] } else { Vec::new() };
            plan.rolls.push(RollStep { after: BTreeMap::new(), notes, ..step });
        }
        plan.arrange(&self.estate);
        plan.rolls.reverse();
        Ok(plan)
    }

    /// What starts again on a host that was drained, which counts from here on.
    pub fn plan_undrain(&mut self, host: &HostName) -> Result<Plan, DriverError> {
        self.count_in(host);
        let mut plan = Plan::to_roll(Change::Undrain(host.clone()), Vec::new(), &self.estate);
        for (service, step) in self.released_on(host)? {
            let hosts = vec![SlotCount { host: host.clone(), slots: service.replicas }];
            plan.rolls.push(RollStep { hosts, back: None, ..step });
        }
        plan.arrange(&self.estate);
        Ok(plan)
    }

    fn count_in(&mut self, host: &HostName) {
        self.estate.services.values_mut().for_each(|service| service.count_in(host));
    }

    /// The services that were released and have slots on a host, each with a step that leaves it at its release.
    fn released_on(&self, host: &HostName) -> Result<Vec<(&Service, RollStep)>, DriverError> {
        let expected = self.expected()?;
        let services = self.estate.services.values().filter(|service| service.hosts.contains(host));
        let step = |service: &Service| {
            let release = expected.get(&service.name)?.release;
            Some(RollStep { repair: Some(release), ..RollStep::of(service, Some(release)) })
        };
        Ok(services.filter_map(|service| Some((service, step(service)?))).collect())
    }
}
