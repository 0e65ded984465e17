//! Looks at everything that a remedy depends on, and finds it.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::advisory::Asked;
use crate::driver::{ContentsError, Driver, DriverError, gaps_of_release};
use crate::fault;
use crate::inquiry::{AskError, Deployed, Remedy, Sought, remedy};
use crate::journal::{JournalError, KnownAs};
use crate::pipeline::CycleRefresh;
use crate::plan::Change;

/// Why no remedy was found.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum RemedyError {
    /// What has to be gone is not known.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Ask(#[from] AskError),
    /// What it depends on could not be looked at.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Driver(#[from] DriverError),
}

impl RemedyError {
    /// Whether the world is at fault, and not who asks.
    pub fn is_world(&self) -> bool {
        match self {
            Self::Ask(error) => error.is_world(),
            Self::Driver(error) => error.is_world(),
        }
    }
}

impl From<JournalError> for RemedyError {
    fn from(error: JournalError) -> Self {
        Self::Driver(error.into())
    }
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FoundRemedy {
    /// The remedy; none if there is no release, so that nothing runs.
    pub remedy: Option<Remedy>,
    /// What could not be looked into, one line each.
    pub warnings: Vec<String>,
}

/// Finds what is to be done so that something is gone from every container. Bases are looked at as for a plan of everything, and read, so that it is known
/// what a newer one still has; what was released and not read is read first.
pub async fn find_remedy(driver: &Driver, asked: &Asked) -> Result<FoundRemedy, RemedyError> {
    let Some(inventories) = &driver.inventories else { return Ok(FoundRemedy { remedy: None, warnings: Vec::new() }) };
    // What nobody knows of is said at once, before anything is looked at.
    tokio::task::block_in_place(|| Sought::of(inventories, asked))?;
    let Some(release) = driver.journal.latest_release()? else { return Ok(FoundRemedy { remedy: None, warnings: Vec::new() }) };
    // As the patch itself will: every base, and the sources that are deployed.
    let looked = driver.look(&Change::Cycle { refresh: CycleRefresh::Never }).await?;
    let bases = looked.all_bases();
    let mut warnings = looked.not_pulled.clone();
    for (base, digest) in &bases {
        let names: BTreeSet<KnownAs> = [KnownAs::Base(base.clone())].into();
        let read = driver.read_contents(inventories, &digest.to_string(), names).await;
        warnings.extend(read.err().map(|error: ContentsError| format!("base {}: {}", base.familiar(), fault::with_help(&error))));
    }
    warnings.extend(driver.read_release(inventories, &release).await);
    warnings.extend(tokio::task::block_in_place(|| gaps_of_release(inventories, &release))?);
    let deployed = Deployed { graph: &looked.graph, release: &release, bases: &bases };
    let remedy = tokio::task::block_in_place(|| remedy(inventories, asked, &deployed))?;
    Ok(FoundRemedy { remedy: Some(remedy), warnings })
}
