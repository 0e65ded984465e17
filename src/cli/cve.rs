//! `refit cve`.

use std::time::Duration;

use super::server::At;
use super::workshop::PipelineFolder;
use super::{Exit, Face, inventories};
use crate::api;
use crate::edge::{Clock, SystemClock};
use crate::inquiry::{NotRead, OpenProblem, ProblemKept, Problems, problem, problems};
use crate::model::parse_duration;
use crate::report;

/// Show which known problems are in containers, for how long, and whether there is a fix; or all about one.
///
/// The exposure clock of a problem runs from the moment at which it was known and the first container had it, until the last one lost it.
///
/// Ends with 1 if a problem is open (with `--older-than`: for so long), else with 0, so that it fits a check in a script. About one problem that is named,
/// everything is shown in any case.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  refit cve CVE-2024-5535\n  refit cve --open --older-than 7d")]
pub struct CveArgs {
    /// All about this one.
    id: Option<String>,
    /// Only those that a container has now.
    #[arg(long)]
    open: bool,
    /// Only those that have been open for so long: `7d`, `12h`.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    older_than: Option<Duration>,
    #[command(flatten)]
    folder: PipelineFolder,
}

/// Runs `refit cve`.
pub(super) async fn run(args: &CveArgs, at: At, face: &mut Face) -> miette::Result<Exit> {
    let now = SystemClock.now();
    match &args.id {
        Some(id) => {
            let found: ProblemKept = match &at.server {
                Some(client) => client.get(&api::of_problem(id)).await?,
                None => problem(&inventories::open(&args.folder.pipelines, at.state)?.inventories, id, now)?,
            };
            if face.json {
                face.printer.json(&found);
            } else {
                report::packages::problem(id, &found).iter().for_each(|line| face.printer.out(line));
            }
            warn(&found.not_read, face);
            Ok(if found.seen.is_some_and(|seen| seen.is_open && is_meant(args, &seen)) { Exit::Failed } else { Exit::Done })
        }
        None => {
            let mut all: Problems = match &at.server {
                Some(client) => client.get("/v1/problems").await?,
                None => problems(&inventories::open(&args.folder.pipelines, at.state)?.inventories, now)?,
            };
            all.problems.retain(|one| is_meant(args, one));
            if face.json {
                face.printer.json(&all);
            } else {
                report::packages::problems(&all.problems).iter().for_each(|line| face.printer.out(line));
            }
            warn(&all.not_read, face);
            report::packages::undetermined(&all.undetermined).iter().for_each(|line| face.printer.err(&format!("warning: {line}")));
            if all.advisories == 0 {
                face.printer.err("warning: no advisory was read yet, so nobody knows of problems; `refit advisories update` reads some");
            }
            Ok(if all.problems.iter().any(|one| one.is_open) { Exit::Failed } else { Exit::Done })
        }
    }
}

fn warn(not_read: &[NotRead], face: &mut Face) {
    report::packages::not_read(not_read).iter().for_each(|line| face.printer.err(&format!("warning: {line}")));
}

fn is_meant(args: &CveArgs, one: &OpenProblem) -> bool {
    match args.older_than {
        Some(span) => one.open_s.is_some_and(|open| open >= span.as_secs()),
        None => one.is_open || !args.open,
    }
}
