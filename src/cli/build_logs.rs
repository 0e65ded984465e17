//! `refit logs`.

use std::path::PathBuf;

use miette::IntoDiagnostic;

use super::workshop::{self, PipelineFolder};
use super::{Exit, Face};
use crate::driver::DriverError;
use crate::journal::{Journal, Logs};
use crate::model::{ImageName, RunId};

/// Show the log of a build.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  refit logs 7 web")]
pub struct LogsArgs {
    /// Which run [default: the newest].
    run: Option<RunId>,
    /// Which image [default: list those that have a log].
    image: Option<ImageName>,
    #[command(flatten)]
    folder: PipelineFolder,
}

/// Runs `refit logs`.
pub(super) fn run(args: &LogsArgs, state: Option<PathBuf>, face: &mut Face) -> miette::Result<Exit> {
    let journal = workshop::read_journal(&args.folder, state.clone())?;
    let run = workshop::run_or_newest(&journal, args.run)?;
    if journal.run(run).map_err(DriverError::from)?.is_none() {
        return Err(DriverError::UnknownRun(run).into());
    }
    let logs = workshop::logs(&args.folder, state);
    match &args.image {
        None => list(run, &logs, face),
        Some(image) => show(run, image, &logs, face),
    }
}

fn list(run: RunId, logs: &Logs, face: &mut Face) -> miette::Result<Exit> {
    let images = logs.images(run).into_diagnostic()?;
    if face.json {
        face.printer.json(&serde_json::json!({ "run": run, "images": images }));
    } else if images.is_empty() {
        face.printer.err(&format!("{run} built nothing, so it has no logs; `refit show {run}` tells what it did"));
    } else {
        images.iter().for_each(|image| face.printer.out(image.as_str()));
    }
    Ok(Exit::Done)
}

fn show(run: RunId, image: &ImageName, logs: &Logs, face: &mut Face) -> miette::Result<Exit> {
    let Some(text) = logs.read(run, image).into_diagnostic()? else {
        let images: Vec<String> = logs.images(run).into_diagnostic()?.iter().map(ToString::to_string).collect();
        let help = if images.is_empty() { format!("{run} built nothing") } else { format!("it has logs of: {}", images.join(", ")) };
        return Err(miette::miette!(help = help, "{run} has no log of {image}"));
    };
    let text = String::from_utf8_lossy(&text);
    if face.json {
        face.printer.json(&serde_json::json!({ "run": run, "image": image, "log": text }));
    } else {
        face.printer.out(text.trim_end());
    }
    Ok(Exit::Done)
}
