//! Looks at everything that a remedy depends on, and finds it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::advisory::Asked;
use crate::driver::{ContentsError, Driver, DriverError};
use crate::inquiry::{Estate, Remedy, remedy};
use crate::journal::KnownAs;
use crate::plan::Change;
use crate::report;

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// The remedy; none if there is no release, so that nothing runs.
    pub remedy: Option<Remedy>,
    /// What could not be looked into, one line each.
    pub warnings: Vec<String>,
}

/// Finds what is to be done so that something is gone from every container. Bases are looked at as for a plan of everything, and read, so that it is known
/// what a newer one still has; what was released and not read is read first.
pub async fn find_remedy(driver: &Driver, asked: &Asked) -> Result<Found, DriverError> {
    let (Some(inventories), Some(release)) = (&driver.inventories, driver.journal.latest_release()?) else {
        return Ok(Found { remedy: None, warnings: Vec::new() });
    };
    // As the patch itself will: from the sources that are deployed.
    let looked = driver.look(&Change::Patch(Box::default())).await?;
    let bases = looked.all_bases();
    let mut warnings = looked.not_pulled.clone();
    for (base, digest) in &bases {
        let names: BTreeSet<KnownAs> = [KnownAs::Base(base.clone())].into();
        let read = driver.read_contents(inventories, &digest.to_string(), names).await;
        warnings.extend(read.err().map(|error: ContentsError| format!("base {}: {}", base.familiar(), report::chain(&error))));
    }
    warnings.extend(driver.read_release(inventories, &release).await);
    let estate = Estate { graph: &looked.graph, release: &release, bases: &bases };
    let remedy = tokio::task::block_in_place(|| remedy(inventories, asked, &estate))?;
    Ok(Found { remedy: Some(remedy), warnings })
}
