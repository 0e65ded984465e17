//! Opens what refit works with: the estate from its files, its engines, its sources, the state folder. For commands and for the daemon alike.

mod advisories;
mod bases;
mod estate;
mod packages;
mod person;
mod platform;
mod reading;
mod remedy;
mod stale;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use advisories::{AdvisoriesUpdated, UpdateError, update_advisories};
pub use bases::BaseLooks;
pub use estate::{ReadEstate, drained_warnings, read_estate, unknown_host, unknown_service};
pub use packages::{PackagesOfBases, packages_of_bases};
pub use person::whoami;
pub use reading::{ReleaseRead, pull_help, read_image, read_newest};
pub use remedy::{FoundRemedy, RemedyError, find_remedy};
pub use stale::{FoundStaleness, staleness};

use crate::driver::Engines;
use crate::edge::Engine;
use crate::edge::docker::DockerEngine;
use crate::edge::sources::Sources;
use crate::model::{BuilderName, Secret};
use crate::pipeline::{Endpoint, Estate, Notify};

/// Builds at a time, unless the builder's own setting or `--parallel` says otherwise.
pub const PARALLEL_DEFAULT: u32 = 4;

/// Sources for a command that changes nothing: they use the cache where there is one, and make none.
pub fn sources_to_look(state: &Path) -> miette::Result<Sources> {
    if state.is_dir() {
        return Ok(Sources::new(state.join("cache")));
    }
    Sources::passing().map_err(|error| miette::miette!(help = "make room there, or set TMPDIR", "no temporary folder could be made: {error}"))
}

/// `.refit` beside the pipelines, unless one was named.
pub fn state_folder(pipelines: &Path, state: Option<PathBuf>) -> PathBuf {
    state.unwrap_or_else(|| match pipelines.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.join(".refit"),
        _ => PathBuf::from(".refit"),
    })
}

/// A connection to each engine of an estate; opening none of them.
pub fn engines_of(estate: &Estate) -> miette::Result<Engines> {
    let engine = |endpoint: &Endpoint| -> miette::Result<Arc<dyn Engine>> { Ok(Arc::new(DockerEngine::new(endpoint.clone())?)) };
    let mut hosts = BTreeMap::new();
    for (name, host) in &estate.hosts {
        hosts.insert(name.clone(), engine(&host.endpoint)?);
    }
    let Some((name, builder)) = estate.builders.iter().next() else {
        return Err(miette::miette!("the estate has no builder"));
    };
    Ok(Engines { hosts, builder: (BuilderName::clone(name), engine(&builder.endpoint)?) })
}

/// The variables that secrets for builds and notices name, and no others.
pub fn secrets_of_environment(estate: &Estate) -> BTreeMap<String, Secret> {
    let builds = estate.images.values().flat_map(|image| &image.build.secrets).map(|secret| &secret.source);
    let secrets = builds.chain(estate.notify.values().flat_map(Notify::secrets));
    let names = secrets.filter_map(|source| match source {
        crate::pipeline::SecretSource::Environment(name) => Some(name),
        crate::pipeline::SecretSource::File(_) => None,
    });
    names.filter_map(|name| Some((name.clone(), Secret::new(std::env::var(name).ok()?)))).collect()
}
