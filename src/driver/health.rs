//! Asks what runs for its health where refit itself is the one who asks: to the engine such a container is well for as long as it runs.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use super::{Driver, DriverError, Seen};
use crate::edge::{ContainerFound, Engine, ProbeAnswer};
use crate::model::{HostName, ProbeSpec, ReleaseNumber};
use crate::release::Release;
use crate::rollout::{ContainerState, Health};

impl Driver {
    /// What every host says, and what the probes of its containers say: for people to read.
    ///
    /// Nothing is done because of it: one answer may be lost, so what is rolled or repaired asks again.
    pub async fn see_health(&self) -> Result<Seen, DriverError> {
        self.probe_once(self.see_hosts().await).await
    }

    /// Asks each running container that has a probe once, all side by side, so that it takes as long as the slowest may (its `timeout`). The probe is
    /// that of the release that the container is of.
    pub async fn probe_once(&self, mut seen: Seen) -> Result<Seen, DriverError> {
        let releases = self.releases_of(&seen)?;
        let of = |host: &HostName, found: &ContainerFound| {
            let probe = releases.get(&found.version.release)?.services.get(&found.slot.service)?.probe.as_ref()?;
            Some((self.engines.hosts.get(host)?, probe))
        };
        let asked = seen.hosts.iter_mut().flat_map(|(host, found)| found.iter_mut().flatten().map(move |one| (host, one)));
        let asked = asked.filter_map(|(host, one)| of(host, one).map(|(engine, probe)| self.ask(engine.as_ref(), one, probe)));
        join_all(asked).await;
        Ok(seen)
    }

    /// The releases that containers say they are of, as far as the journal has them.
    fn releases_of(&self, seen: &Seen) -> Result<BTreeMap<ReleaseNumber, Release>, DriverError> {
        let mut releases = BTreeMap::new();
        for found in seen.hosts.values().flatten().flatten() {
            let number = found.version.release;
            if !releases.contains_key(&number)
                && let Some(release) = self.journal.release(number)?
            {
                releases.insert(number, release);
            }
        }
        Ok(releases)
    }

    /// Asks one container that its engine calls healthy. An engine that does not answer says nothing against anybody.
    async fn ask(&self, engine: &dyn Engine, one: &mut ContainerFound, probe: &ProbeSpec) {
        let (ContainerState::Running { since, .. }, Health::Healthy { .. }) = (&one.state, &one.health) else { return };
        if let Ok(ProbeAnswer::Unwell(why)) = engine.probe(&one.id, probe).await {
            one.health = if self.is_past(*since, probe.start_period) { Health::Unhealthy { why } } else { Health::Starting };
        }
    }
}
