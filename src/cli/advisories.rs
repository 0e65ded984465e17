//! `refit advisories`.

use std::path::PathBuf;

use super::workshop::PipelineFolder;
use super::{Exit, Face, inventories};
use crate::edge::advisories::AdvisorySource;
use crate::edge::{Clock, SystemClock};
use crate::report;
use crate::workshop::{AdvisoriesUpdated, update_advisories};

/// Read what is known to be wrong with packages.
///
/// From OSV (a zip of an ecosystem, a folder of records, or single ones) and from Debian's security tracker (its JSON), each from a file, a folder or a
/// URL. Only what names a package of some image that was read is kept.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  refit advisories update https://security-tracker.debian.org/tracker/data/json\n  refit advisories update osv/Debian.zip osv/npm/"
)]
pub struct AdvisoriesArgs {
    /// What to do.
    #[command(subcommand)]
    command: AdvisoriesCommand,
}

#[derive(Debug, clap::Subcommand)]
enum AdvisoriesCommand {
    /// Read advisories, and keep what is about packages here.
    Update {
        /// Files, folders or URLs.
        #[arg(required = true)]
        sources: Vec<AdvisorySource>,
        #[command(flatten)]
        folder: PipelineFolder,
    },
}

/// Runs `refit advisories`.
pub(super) async fn run(args: &AdvisoriesArgs, state: Option<PathBuf>, face: &mut Face) -> miette::Result<Exit> {
    let AdvisoriesCommand::Update { sources, folder } = &args.command;
    let kept = inventories::open(&folder.pipelines, state)?;
    let mut all = Vec::new();
    let mut exit = Exit::Done;
    for source in sources {
        match update_advisories(&kept.inventories, source, SystemClock.now()).await {
            Ok(updated) => {
                exit = if updated.unreadable == 0 { exit } else { Exit::Failed };
                tell(&updated, face);
                all.push(updated);
            }
            // The others are read all the same.
            Err(error) => {
                face.printer.report(&error.into());
                exit = Exit::Failed;
            }
        }
    }
    if face.json {
        face.printer.json(&all);
    }
    Ok(exit)
}

fn tell(updated: &AdvisoriesUpdated, face: &mut Face) {
    updated.warnings.iter().for_each(|line| face.printer.err(&format!("warning: {line}")));
    if !face.json {
        let AdvisoriesUpdated { source, advisories, kept, .. } = updated;
        let forgotten = if updated.forgotten == 0 { String::new() } else { format!("; {} that it says no more are forgotten", updated.forgotten) };
        let read = report::count(*advisories, "record");
        face.printer.out(&format!("{source}: {read} read, {kept} kept: they name packages of images here{forgotten}"));
    }
}
