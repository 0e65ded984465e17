//! `refit schema`: the JSON Schema of a pipeline file, for editors.

use super::{Exit, Face};
use crate::pipeline;

/// Print the JSON Schema of pipeline files, for editors.
///
/// Editors that know YAML's language server find it by a first line `# yaml-language-server: $schema=pipeline.schema.json`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Example:\n  refit schema > pipeline.schema.json")]
pub struct SchemaArgs {}

/// Runs the command.
pub(super) fn run(_args: &SchemaArgs, face: &mut Face) -> Result<Exit, miette::Report> {
    face.printer.json(&pipeline::schema());
    Ok(Exit::Done)
}
