//! Reads an estate from the files of its folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::edge::pipeline_files::{self, PipelineFilesError};
use crate::model::{HostName, ServiceName};
use crate::pipeline::{self, Estate, Given, PipelineText, Reading};

/// An estate as it was read, with the texts for showing findings.
#[derive(Debug)]
pub struct ReadEstate {
    /// The estate or the findings.
    pub reading: Reading,
    /// The files.
    pub files: Vec<PipelineText>,
}

/// Reads the estate and everything that is wrong with it; an error only if the folder itself cannot be read. `vars` win over those of the files.
pub fn read_estate(pipelines: &Path, vars: &BTreeMap<String, String>) -> Result<ReadEstate, PipelineFilesError> {
    let files = pipeline_files::read_folder(pipelines)?;
    let folder = pipeline_files::estate_folder(pipelines).map_err(|source| PipelineFilesError::Folder { folder: pipelines.to_owned(), source })?;
    let draft = pipeline::draft(&files, &Given { folder, vars: vars.clone() });
    let facts = pipeline_files::look(&draft.wanted());
    Ok(ReadEstate { reading: draft.finish(&facts), files })
}

/// The first of these services that the estate does not have, and what to do about it: the nearest that it has.
pub fn unknown_service<'s>(services: &'s [ServiceName], estate: &Estate) -> Option<(&'s ServiceName, String)> {
    let unknown = services.iter().find(|name| !estate.services.contains_key(*name))?;
    let names = || estate.services.keys().map(ServiceName::as_str);
    let help = match pipeline::nearest(unknown.as_str(), names()) {
        Some(near) => format!("did you mean {near}?"),
        None if estate.services.is_empty() => "the estate has no services: add them to a pipeline file under `services:`".to_owned(),
        None => format!("the estate has: {}", names().collect::<Vec<_>>().join(", ")),
    };
    Some((unknown, help))
}

/// What to do about a host that the estate does not have; none if it has it.
pub fn unknown_host(host: &HostName, estate: &Estate) -> Option<String> {
    if estate.hosts.contains_key(host) {
        return None;
    }
    Some(match pipeline::nearest(host.as_str(), estate.hosts.keys().map(HostName::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`refit hosts` lists the hosts".to_owned(),
    })
}

/// What is said of hosts that were asked for and are drained: nothing is done there.
pub fn drained_warnings(hosts: Option<&BTreeSet<HostName>>, estate: &Estate) -> Vec<String> {
    let drained: BTreeSet<&HostName> = estate.services.values().flat_map(|service| &service.drained).collect();
    let asked = hosts.into_iter().flatten().filter(|host| drained.contains(host));
    asked.map(|host| format!("{host} is drained, nothing is rolled there; `refit hosts undrain {host}` lifts that")).collect()
}
