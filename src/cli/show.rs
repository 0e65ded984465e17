//! `refit show`.

use super::server::At;
use super::workshop::{self, PipelineFolder};
use super::{Exit, Face};
use crate::driver::DriverError;
use crate::model::RunId;
use crate::report::{self, Detail};

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

/// Runs `refit show`.
pub(super) fn run(args: &ShowArgs, at: &At, face: &mut Face) -> miette::Result<Exit> {
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
        if let crate::run::Event::Planned { plan } = &recorded.event {
            report::plan(plan, 0).lines().for_each(|line| face.printer.out(&format!("{:19}  {line}", "")));
        }
    }
    if let Some(waits) = workshop::gate_of(journal.as_ref(), run)? {
        face.printer.out(&format!("{:19}  {waits}", ""));
    }
    Ok(Exit::Done)
}
