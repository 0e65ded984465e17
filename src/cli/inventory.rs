//! `refit inventory`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::estate::EstateArgs;
use super::inventories;
use super::server::At;
use super::workshop::{self, Access, BuildArgs, PipelineFolder, Workshop};
use super::{Exit, Face};
use crate::api;
use crate::client::Client;
use crate::driver::DriverError;
use crate::inquiry::{ReleaseDifference, difference};
use crate::journal::{Gap, ImageContents, Inventories, Journal};
use crate::model::ReleaseNumber;
use crate::report;
use crate::workshop::{ReleaseRead, pull_help, read_image, read_newest};

/// Read what is in images, show it, and compare it.
///
/// Packages are read out of the image's layers as a stream; no container is run. Each build is read by itself: these commands are for what was there
/// before, and for looking.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  refit inventory scan\n  refit inventory show web\n  refit inventory diff r6 r7")]
pub struct InventoryArgs {
    /// What to do.
    #[command(subcommand)]
    command: InventoryCommand,
}

#[derive(Debug, clap::Subcommand)]
enum InventoryCommand {
    /// Read images that the builder has: these, or everything in the newest release that was not read.
    Scan {
        /// By their names in the estate, by reference or id.
        images: Vec<String>,
        #[command(flatten)]
        estate: EstateArgs,
    },
    /// Show the packages of an image, each with who brought it in.
    Show {
        /// By its name in the estate, by id, or by the reference of a base.
        image: String,
        /// As this release has it [default: the newest].
        #[arg(long, value_name = "N")]
        release: Option<ReleaseNumber>,
        #[command(flatten)]
        folder: PipelineFolder,
    },
    /// Compare what is in the images of two releases: packages added, removed and changed.
    Diff {
        /// From this release.
        before: ReleaseNumber,
        /// To this one.
        after: ReleaseNumber,
        #[command(flatten)]
        folder: PipelineFolder,
    },
}

/// Runs `refit inventory`.
pub(super) async fn run(args: &InventoryArgs, state: Option<PathBuf>, at: &At, face: &mut Face) -> miette::Result<Exit> {
    match &args.command {
        InventoryCommand::Scan { images, estate } => {
            let reader = match at.server.clone() {
                Some(daemon) => {
                    estate.refuse_for(&daemon)?;
                    Reader::There(daemon)
                }
                None => match here(estate, state, face)? {
                    Ok(workshop) => Reader::Here(Box::new(workshop)),
                    Err(exit) => return Ok(exit),
                },
            };
            if images.is_empty() { scan_release(&reader, face).await } else { scan_these(&reader, images, face).await }
        }
        InventoryCommand::Show { image, release, folder } => show(image, *release, folder, at, face).await,
        InventoryCommand::Diff { before, after, folder } => diff(*before, *after, folder, at, face).await,
    }
}

/// Who reads images.
enum Reader {
    /// This process, which asks the builder of the estate.
    Here(Box<Workshop>),
    /// A daemon, which asks its own.
    There(Client),
}

fn here(estate: &EstateArgs, state: Option<PathBuf>, face: &mut Face) -> miette::Result<Result<Workshop, Exit>> {
    let folder = workshop::state_folder(&estate.pipelines, state.clone());
    let mut workshop = match workshop::open(estate, &BuildArgs { parallel: None, offline: true }, state, Access::Look, face)? {
        Ok(workshop) => workshop,
        Err(exit) => return Ok(Err(exit)),
    };
    workshop.driver.inventories = Some(Arc::new(Inventories::open_to_keep(&folder)?));
    Ok(Ok(workshop))
}

async fn scan_release(reader: &Reader, face: &mut Face) -> miette::Result<Exit> {
    let read = match reader {
        Reader::Here(workshop) => read_newest(&workshop.driver, &workshop.inventories()?)
            .await?
            .ok_or_else(|| miette::miette!(help = "`refit inventory scan IMAGE` reads any image that the builder has", "there is no release yet"))?,
        Reader::There(daemon) => daemon.post::<ReleaseRead>("/v1/contents", &()).await?,
    };
    read.troubles.iter().for_each(|line| face.printer.err(&format!("warning: {line}")));
    if face.json {
        face.printer.json(&read);
    } else {
        face.printer.out(&format!("{} was looked through; {} known by now", read.release, report::count(read.images_read, "image")));
    }
    Ok(if read.troubles.is_empty() { Exit::Done } else { Exit::Failed })
}

async fn scan_these(reader: &Reader, images: &[String], face: &mut Face) -> miette::Result<Exit> {
    let (mut exit, mut all) = (Exit::Done, BTreeMap::new());
    for text in images {
        let contents: ImageContents = match reader {
            Reader::Here(workshop) => {
                let missing = || miette::miette!(help = pull_help(text), "the builder has no image {text}");
                read_image(&workshop.driver, &workshop.inventories()?, text).await?.ok_or_else(missing)?
            }
            Reader::There(daemon) => daemon.post(&api::of_image(text, "contents", None, None), &()).await?,
        };
        if !face.json {
            report::packages::contents(&contents).iter().for_each(|line| face.printer.out(line));
        }
        exit = if gaps(text, &contents.unreadable, face) { Exit::Failed } else { exit };
        all.insert(text, contents);
    }
    if face.json {
        face.printer.json_line(&all);
    }
    Ok(exit)
}

async fn show(image: &str, release: Option<ReleaseNumber>, folder: &PipelineFolder, at: &At, face: &mut Face) -> miette::Result<Exit> {
    let contents = match &at.server {
        Some(daemon) => daemon.get(&api::of_image(image, "contents", release, None)).await?,
        None => inventories::open(&folder.pipelines, at.state.clone())?.contents(image, release)?.1,
    };
    if face.json {
        face.printer.json_line(&contents);
    } else {
        report::packages::contents(&contents).iter().for_each(|line| face.printer.out(line));
    }
    Ok(if gaps(image, &contents.unreadable, face) { Exit::Failed } else { Exit::Done })
}

fn gaps(image: &str, gaps: &[Gap], face: &mut Face) -> bool {
    gaps.iter().for_each(|gap| face.printer.err(&format!("warning: {image}: {}", gap.unreadable)));
    !gaps.is_empty()
}

async fn diff(before: ReleaseNumber, after: ReleaseNumber, folder: &PipelineFolder, at: &At, face: &mut Face) -> miette::Result<Exit> {
    let difference: ReleaseDifference = match &at.server {
        Some(daemon) => daemon.get(&api::difference_of(before, after)).await?,
        None => {
            let kept = inventories::open(&folder.pipelines, at.state.clone())?;
            let release = |number| kept.journal.release(number)?.ok_or(DriverError::UnknownRelease(number));
            difference(&kept.inventories, &release(before)?, &release(after)?)?
        }
    };
    if face.json {
        face.printer.json(&difference);
    } else {
        report::packages::difference(&difference).iter().for_each(|line| face.printer.out(line));
    }
    Ok(Exit::Done)
}
