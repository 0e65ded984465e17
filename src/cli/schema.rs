//! `refit schema`: the JSON Schema of a pipeline file, for editors.

use super::{Exit, Face};
use crate::pipeline;

/// Prints the JSON Schema of a pipeline file.
///
/// Example: refit schema > pipeline.schema.json, then put `# yaml-language-server: $schema=pipeline.schema.json` at the top of a pipeline.
#[derive(Debug, Clone, clap::Args)]
pub struct SchemaArgs {}

/// Runs the command.
pub fn run(_args: &SchemaArgs, face: &mut Face) -> Result<Exit, miette::Report> {
    face.printer.json(&pipeline::schema());
    Ok(Exit::Done)
}
