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
use crate::driver::{DriverError, gaps_of_release};
use crate::inquiry::{ReleaseDifference, difference};
use crate::journal::{Gap, Inventories, Journal, KnownAs};
use crate::model::{ImageName, ImageRef, ReleaseNumber};
use crate::release::Release;
use crate::report;

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
        InventoryCommand::Scan { images, estate } => match &at.server {
            None => scan(images, estate, state, face).await,
            Some(daemon) => {
                let help = "a daemon reads by itself what its runs release; call it on its machine for anything else";
                Err(miette::miette!(help = help, "images cannot be read by the refit at {} for others", daemon.name()))
            }
        },
        InventoryCommand::Show { image, release, folder } => show(image, *release, folder, at, face).await,
        InventoryCommand::Diff { before, after, folder } => diff(*before, *after, folder, at, face).await,
    }
}

async fn scan(images: &[String], estate: &EstateArgs, state: Option<PathBuf>, face: &mut Face) -> miette::Result<Exit> {
    let folder = workshop::state_folder(&estate.pipelines, state.clone());
    let mut workshop = match workshop::open(estate, &BuildArgs { parallel: None, offline: true }, state, Access::Look, face)? {
        Ok(workshop) => workshop,
        Err(exit) => return Ok(exit),
    };
    workshop.driver.inventories = Some(Arc::new(Inventories::open_to_keep(&folder)?));
    if images.is_empty() { scan_release(&workshop, face).await } else { scan_these(&workshop, images, face).await }
}

async fn scan_release(workshop: &Workshop, face: &mut Face) -> miette::Result<Exit> {
    let Some(release) = workshop.driver.journal.latest_release()? else {
        return Err(miette::miette!(help = "`refit inventory scan IMAGE` reads any image that the builder has", "there is no release yet"));
    };
    let inventories = workshop.inventories()?;
    let mut troubles = workshop.driver.read_release(&inventories, &release).await;
    troubles.extend(gaps_of_release(&inventories, &release)?);
    troubles.iter().for_each(|line| face.printer.err(&format!("warning: {line}")));
    let read = inventories.images()?.iter().filter(|image| image.is_read()).count();
    if face.json {
        face.printer.json(&serde_json::json!({ "release": release.number, "images_read": read, "troubles": troubles }));
    } else {
        face.printer.out(&format!("{} was looked through; {} known by now", release.number, report::count(read, "image")));
    }
    Ok(if troubles.is_empty() { Exit::Done } else { Exit::Failed })
}

async fn scan_these(workshop: &Workshop, images: &[String], face: &mut Face) -> miette::Result<Exit> {
    let inventories = workshop.inventories()?;
    let release = workshop.driver.journal.latest_release()?;
    let (mut exit, mut all) = (Exit::Done, BTreeMap::new());
    for text in images {
        let own = text.parse::<ImageName>().ok().and_then(|name| Some((release.as_ref()?.images.get(&name)?.id, name)));
        let (asked, names) = match own {
            Some((id, name)) => (id.to_string(), [KnownAs::Image(name)].into()),
            // An id is no name, and a tag of an own image no base: who brought what in goes by names.
            None => (text.clone(), text.parse().ok().filter(|base| is_base(base, text, release.as_ref())).map(KnownAs::Base).into_iter().collect()),
        };
        let help = format!("`docker -H … pull {text}` brings it there, or leave out names to read the newest release");
        let missing = || miette::miette!(help = help, "the builder has no image {text}");
        let contents = workshop.driver.read_contents(&inventories, &asked, names).await?.ok_or_else(missing)?;
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

fn is_base(base: &ImageRef, text: &str, release: Option<&Release>) -> bool {
    let is_own = release.is_some_and(|release| release.images.values().any(|image| image.tag.name() == base.name()));
    !text.starts_with("sha256:") && !is_own
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
