//! Looks at how far behind what runs is.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::driver::{Driver, DriverError};
use crate::inquiry::{ServiceBehind, Services, stale};
use crate::model::{ImageRef, ServiceName};
use crate::plan::Change;
use crate::release::Release;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FoundStaleness {
    /// How far behind each service is, by name; those that are up to date included.
    pub services: Vec<ServiceBehind>,
    /// What could not be looked at, so that something may be behind that is not told to be: one line each.
    pub warnings: Vec<String>,
}

/// How far behind each service is. Bases are looked at as for a plan of everything.
pub async fn staleness(driver: &Driver, since: &(dyn Fn(&ImageRef) -> Option<Timestamp> + Sync)) -> Result<FoundStaleness, DriverError> {
    let Some(inventories) = &driver.inventories else { return Ok(FoundStaleness::default()) };
    let looked = driver.look(&Change::Everything).await?;
    let mut releases: BTreeMap<ServiceName, Release> = BTreeMap::new();
    for (service, state) in driver.journal.standing()?.services {
        if let Some(current) = state.current {
            releases.insert(service, driver.release(current)?);
        }
    }
    let bases = looked.all_bases();
    let images = driver.estate.services.iter().map(|(name, service)| (name.clone(), service.image.clone())).collect();
    let services = Services { images, graph: &looked.graph, releases: &releases, bases: &bases, since };
    let services = tokio::task::block_in_place(|| stale(inventories, &services))?;
    Ok(FoundStaleness { services, warnings: looked.not_pulled })
}
