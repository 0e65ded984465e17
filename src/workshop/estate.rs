//! Reads an estate from the files of its folder.

use std::collections::BTreeMap;
use std::path::Path;

use crate::edge::pipeline_files::{self, PipelineFilesError};
use crate::pipeline::{self, Given, PipelineText, Reading};

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
