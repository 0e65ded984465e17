//! `refit check`: reads the estate and says everything that is wrong with it. Changes nothing.

use super::estate::{EstateArgs, read};
use super::{Exit, Face};
use crate::pipeline::Estate;
use crate::report::diagnostic;

/// Reads the pipelines and reports every mistake at once, each with its file, line and column.
///
/// Example: refit check --var env=prod
#[derive(Debug, Clone, clap::Args)]
pub struct CheckArgs {
    /// Which estate.
    #[command(flatten)]
    pub estate: EstateArgs,
}

/// Runs the command.
pub fn run(args: &CheckArgs, face: &mut Face) -> Result<Exit, miette::Report> {
    let read = read(&args.estate)?;
    let findings = &read.reading.findings;
    if face.json {
        let estate = read.reading.estate.as_ref().map(|estate| estate.name.as_str());
        face.printer.json(&serde_json::json!({ "estate": estate, "findings": findings }));
    } else {
        diagnostic::print(findings, &read.files, &mut face.printer);
    }
    let Some(estate) = &read.reading.estate else { return Ok(Exit::Usage) };
    if !face.json {
        face.printer.out(&summary(estate));
    }
    Ok(Exit::Done)
}

/// `estate shop: 8 images, 3 hosts, 2 services`.
fn summary(estate: &Estate) -> String {
    let words = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    let (images, hosts, services) = (estate.images.len(), estate.hosts.len(), estate.services.len());
    format!("estate {}: {}, {}, {}", estate.name, words(images, "image"), words(hosts, "host"), words(services, "service"))
}
