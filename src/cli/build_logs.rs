//! `refit logs`.

use miette::IntoDiagnostic;

use super::server::At;
use super::workshop::{self, PipelineFolder};
use super::{Exit, Face};
use crate::client::Client;
use crate::driver::DriverError;
use crate::journal::Logs;
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
pub(super) async fn run(args: &LogsArgs, at: &At, face: &mut Face) -> miette::Result<Exit> {
    let journal = at.journal(&args.folder)?;
    let run = workshop::run_or_newest(journal.as_ref(), args.run)?;
    if journal.run(run).map_err(DriverError::from)?.is_none() {
        return Err(DriverError::UnknownRun(run).into());
    }
    let shelf = match &at.server {
        Some(client) => Shelf::There(client),
        None => Shelf::Here(workshop::logs(&args.folder, at.state.clone())),
    };
    match &args.image {
        None => list(run, &shelf, face).await,
        Some(image) => show(run, image, &shelf, face).await,
    }
}

/// Where the logs are.
enum Shelf<'a> {
    /// In the state folder.
    Here(Logs),
    /// At a daemon.
    There(&'a Client),
}

impl Shelf<'_> {
    async fn images(&self, run: RunId) -> miette::Result<Vec<ImageName>> {
        match self {
            Self::Here(logs) => logs.images(run).into_diagnostic(),
            Self::There(client) => Ok(client.get(&format!("/v1/runs/{run}/logs")).await?),
        }
    }

    async fn read(&self, run: RunId, image: &ImageName) -> miette::Result<Option<String>> {
        match self {
            Self::Here(logs) => Ok(logs.read(run, image).into_diagnostic()?.map(|text| String::from_utf8_lossy(&text).into_owned())),
            Self::There(client) => match client.text(&format!("/v1/runs/{run}/logs/{image}")).await {
                Err(error) if error.status() == Some(404) => Ok(None),
                other => Ok(Some(other?)),
            },
        }
    }
}

async fn list(run: RunId, shelf: &Shelf<'_>, face: &mut Face) -> miette::Result<Exit> {
    let images = shelf.images(run).await?;
    if face.json {
        face.printer.json(&serde_json::json!({ "run": run, "images": images }));
    } else if images.is_empty() {
        face.printer.err(&format!("{run} built nothing, so it has no logs; `refit show {run}` tells what it did"));
    } else {
        images.iter().for_each(|image| face.printer.out(image.as_str()));
    }
    Ok(Exit::Done)
}

async fn show(run: RunId, image: &ImageName, shelf: &Shelf<'_>, face: &mut Face) -> miette::Result<Exit> {
    let Some(text) = shelf.read(run, image).await? else {
        let images: Vec<String> = shelf.images(run).await?.iter().map(ToString::to_string).collect();
        let help = if images.is_empty() { format!("{run} built nothing") } else { format!("it has logs of: {}", images.join(", ")) };
        return Err(miette::miette!(help = help, "{run} has no log of {image}"));
    };
    if face.json {
        face.printer.json(&serde_json::json!({ "run": run, "image": image, "log": text }));
    } else {
        face.printer.out(text.trim_end());
    }
    Ok(Exit::Done)
}
