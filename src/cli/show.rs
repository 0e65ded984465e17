//! `refit show`.

use super::server::At;
use super::workshop::{self, PipelineFolder};
use super::{Exit, Face, inventories};
use crate::api;
use crate::driver::DriverError;
use crate::inquiry::difference;
use crate::journal::Journal;
use crate::model::{ReleaseNumber, RunId};
use crate::report::{self, Detail};
use crate::run::Event;

/// Show one run, every decision with its reason.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  refit show 7 --all")]
pub struct ShowArgs {
    /// Which run [default: the newest].
    run: Option<RunId>,
    /// Show each action's intention and end too.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    folder: PipelineFolder,
}

/// What a release changed in the packages of its images.
async fn changed(release: ReleaseNumber, journal: &dyn Journal, args: &ShowArgs, at: &At) -> miette::Result<Vec<String>> {
    let before = release.0.checked_sub(1).map(ReleaseNumber).map(|before| journal.release(before)).transpose()?.flatten();
    let (Some(before), Some(after)) = (before, journal.release(release)?) else { return Ok(Vec::new()) };
    let difference = match &at.server {
        Some(daemon) => daemon.get(&api::difference_of(before.number, after.number)).await?,
        None => difference(&inventories::open(&args.folder.pipelines, at.state.clone())?.inventories, &before, &after)?,
    };
    Ok(if args.all { report::packages::difference(&difference) } else { report::packages::difference_in_short(&difference) })
}

/// Runs `refit show`.
pub(super) async fn run(args: &ShowArgs, at: &At, face: &mut Face) -> miette::Result<Exit> {
    let journal = at.journal(&args.folder)?;
    let run = workshop::run_or_newest(journal.as_ref(), args.run)?;
    let events = journal.events(run).map_err(DriverError::from)?;
    if events.is_empty() {
        return Err(DriverError::UnknownRun(run).into());
    }
    if face.json {
        face.printer.json(&events);
        return Ok(Exit::Done);
    }
    let detail = if args.all { Detail::All } else { Detail::Watch };
    face.printer.out(&run.to_string());
    for recorded in &events {
        for (number, line) in report::lines(&recorded.event, detail).iter().enumerate() {
            let moment = if number == 0 { report::moment(recorded.at) } else { " ".repeat(19) };
            face.printer.out(&format!("{moment}  {line}"));
        }
        if let Event::ContentsRead { release, .. } = &recorded.event {
            changed(*release, journal.as_ref(), args, at).await?.iter().for_each(|line| face.printer.out(&format!("{:19}           {line}", "")));
        }
        if let Event::Planned { plan } = &recorded.event {
            report::plan(plan, 0).lines().for_each(|line| face.printer.out(&format!("{:19}  {line}", "")));
        }
    }
    if let Some(waits) = workshop::gate_of(journal.as_ref(), run)? {
        face.printer.out(&format!("{:19}  {waits}", ""));
    }
    Ok(Exit::Done)
}
