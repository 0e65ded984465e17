//! `refit logs`.

use std::path::PathBuf;

use miette::IntoDiagnostic;

use super::workshop::{self, PipelineFolder};
use super::{Exit, Face};
use crate::model::{ImageName, RunId};

/// Shows the log of a build, kept whole up to a bound.
///
/// Example: refit logs 7 web
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct LogsArgs {
    /// Which run.
    run: RunId,
    /// Which image [default: list those that have a log].
    image: Option<ImageName>,
    #[command(flatten)]
    folder: PipelineFolder,
}

/// Runs `refit logs`.
pub(super) fn run(args: &LogsArgs, state: Option<PathBuf>, face: &mut Face) -> miette::Result<Exit> {
    let logs = workshop::logs(&args.folder, state);
    let Some(image) = &args.image else {
        logs.images(args.run).into_diagnostic()?.iter().for_each(|image| face.printer.out(image.as_str()));
        return Ok(Exit::Done);
    };
    let Some(text) = logs.read(args.run, image).into_diagnostic()? else {
        return Err(miette::miette!(
            help = format!("`refit logs {}` lists the images that have one", args.run),
            "{} has no log of {image}",
            args.run
        ));
    };
    face.printer.out(String::from_utf8_lossy(&text).trim_end());
    Ok(Exit::Done)
}
