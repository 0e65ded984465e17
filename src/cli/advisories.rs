//! `refit advisories`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::inventories::{self, Kept};
use super::workshop::PipelineFolder;
use super::{Exit, Face};
use crate::advisory::Advisory;
use crate::edge::advisories::{self, Heard, Source};
use crate::edge::{Clock, SystemClock};
use crate::inventory::Kind;
use crate::journal::{AdvisoriesRead, JournalError};
use crate::report;

/// So many advisories are kept in one transaction: a wait for the disk for each would make a dump take hours.
const BATCH: usize = 2_000;

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
        sources: Vec<Source>,
        #[command(flatten)]
        folder: PipelineFolder,
    },
}

/// What became of one source.
#[derive(Debug, serde::Serialize)]
struct Line {
    source: String,
    advisories: usize,
    kept: usize,
    unreadable: usize,
}

/// Runs `refit advisories`.
pub(super) async fn run(args: &AdvisoriesArgs, state: Option<PathBuf>, face: &mut Face) -> miette::Result<Exit> {
    let AdvisoriesCommand::Update { sources, folder } = &args.command;
    let kept = inventories::open(&folder.pipelines, state)?;
    let mut lines = Vec::new();
    let mut exit = Exit::Done;
    for source in sources {
        match update(source, &kept, face).await {
            Ok(line) => {
                exit = if line.unreadable == 0 { exit } else { Exit::Failed };
                lines.push(line);
            }
            // The others are read all the same.
            Err(error) => {
                face.printer.report(&error);
                exit = Exit::Failed;
            }
        }
    }
    if face.json {
        face.printer.json(&lines);
    }
    Ok(exit)
}

async fn update(source: &Source, kept: &Kept, face: &mut Face) -> miette::Result<Line> {
    let (heard, read, name) = match source {
        Source::Path(path) => {
            let name = path.canonicalize().unwrap_or_else(|_| path.clone()).display().to_string();
            let (heard, read) = read(path, &name, kept)?;
            (heard, read, name)
        }
        Source::Url(url) => {
            let file = advisories::fetch(url).await?;
            // What may be secret in it goes nowhere, and what changes with every day makes no other source of it.
            let name = advisories::shown(url);
            let (heard, read) = read(file.path(), &name, kept)?;
            (heard, read, name)
        }
    };
    for one in &heard.unreadable {
        face.printer.err(&format!("warning: {}: {}", one.path, one.why));
    }
    if heard.unreadable_more > 0 {
        face.printer.err(&format!("warning: and {} more that cannot be read", heard.unreadable_more));
    }
    read.too_long.iter().for_each(|id| face.printer.err(&format!("warning: {id} is too long to be kept")));
    let unreadable = heard.unreadable.len() + heard.unreadable_more + read.too_long.len();
    if !face.json {
        let read_of = report::count(heard.advisories, "record");
        face.printer.out(&format!("{name}: {read_of} read, {} kept: they name packages of images here", read.kept));
    }
    Ok(Line { source: name, advisories: heard.advisories, kept: read.kept, unreadable })
}

/// Reads a source and keeps it, so many at a time. What a source no longer says is forgotten, if all of it was read.
fn read(path: &std::path::Path, name: &str, kept: &Kept) -> miette::Result<(Heard, AdvisoriesRead)> {
    let at = SystemClock.now();
    let mut all = AdvisoriesRead::default();
    let mut batch: Vec<Advisory> = Vec::with_capacity(BATCH);
    let mut failed: Option<JournalError> = None;
    let mut keep = |batch: &mut Vec<Advisory>, failed: &mut Option<JournalError>| {
        if failed.is_none() && !batch.is_empty() {
            match kept.inventories.keep_advisories(name, batch, at) {
                Ok(read) => all.add(read),
                Err(error) => *failed = Some(error),
            }
        }
        batch.clear();
    };
    let mut kinds: BTreeSet<Kind> = BTreeSet::new();
    let heard = advisories::read(path, name, &mut |advisory| {
        kinds.extend(advisory.affected.iter().map(|affected| affected.kind));
        batch.push(advisory);
        if batch.len() == BATCH {
            keep(&mut batch, &mut failed);
        }
    })?;
    keep(&mut batch, &mut failed);
    if let Some(error) = failed {
        return Err(error.into());
    }
    if heard.unreadable.is_empty() && heard.advisories > 0 {
        kept.inventories.forget_advisories(name, &kinds, at)?;
    }
    Ok((heard, all))
}
