//! Looks at how far behind what runs is.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::driver::{Driver, DriverError};
use crate::inquiry::{ServiceBehind, Services, stale};
use crate::model::{ImageRef, ServiceName};
use crate::plan::Change;
use crate::release::Release;

/// How far behind each service is. Bases are looked at as for a plan of everything; what could not be pulled is told in the second list.
pub async fn staleness(
    driver: &Driver,
    since: &(dyn Fn(&ImageRef) -> Option<Timestamp> + Sync),
) -> Result<(Vec<ServiceBehind>, Vec<String>), DriverError> {
    let Some(inventories) = &driver.inventories else { return Ok((Vec::new(), Vec::new())) };
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
    let behind = tokio::task::block_in_place(|| stale(inventories, &services))?;
    Ok((behind, looked.not_pulled))
}
