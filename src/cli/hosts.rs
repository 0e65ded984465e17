//! `refit hosts`.

use std::collections::BTreeSet;

use super::drain::{self, DrainArgs, UndrainArgs};
use super::estate::{self, EstateArgs};
use super::server::At;
use super::workshop;
use super::{Exit, Face};
use crate::driver::{HostStanding, ask_hosts};
use crate::journal::{Journal, SqliteJournal};
use crate::report;

/// Show the hosts and the builder; drain a host, and count it in again.
///
/// Without a subcommand it asks whether they answer, and ends with 1 if one does not.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  refit hosts\n  refit hosts drain web-2", args_conflicts_with_subcommands = true)]
pub struct HostsArgs {
    #[command(subcommand)]
    command: Option<HostsCommand>,
    #[command(flatten)]
    estate: EstateArgs,
}

#[derive(Debug, clap::Subcommand)]
enum HostsCommand {
    Drain(DrainArgs),
    Undrain(UndrainArgs),
}

/// So many next moves are said below the table: where one engine of a hundred is to be seen after, so are the others.
const HELPS_MAX: usize = 3;

/// Runs `refit hosts`.
pub(super) async fn run(args: &HostsArgs, at: At, face: &mut Face) -> miette::Result<Exit> {
    match &args.command {
        None => show(args, at, face).await,
        Some(HostsCommand::Drain(args)) => drain::drain(args, at, face).await,
        Some(HostsCommand::Undrain(args)) => drain::undrain(args, at, face).await,
    }
}

async fn show(args: &HostsArgs, at: At, face: &mut Face) -> miette::Result<Exit> {
    let lines = match &at.server {
        Some(daemon) => {
            args.estate.refuse_for(daemon)?;
            daemon.get("/v1/hosts").await?
        }
        None => {
            let estate = match estate::load(&args.estate, face) {
                Ok(estate) => estate,
                Err(exit) => return Ok(exit),
            };
            let drained = SqliteJournal::open(&workshop::state_folder(&args.estate.pipelines, at.state))?.drained()?;
            ask_hosts(&estate, &workshop::engines_of(&estate)?, &drained).await
        }
    };
    if face.json {
        face.printer.json(&lines);
    } else {
        table(&lines).iter().for_each(|line| face.printer.out(line));
        let helps: BTreeSet<&str> = lines.iter().filter_map(|line| line.help.as_deref()).collect();
        helps.iter().take(HELPS_MAX).for_each(|help| face.printer.err(&format!("help: {help}")));
    }
    Ok(if lines.iter().all(|line| line.problem.is_none()) { Exit::Done } else { Exit::Failed })
}

fn table(lines: &[HostStanding]) -> Vec<String> {
    let row = |line: &HostStanding| {
        let engine = line.engine.clone().or_else(|| line.problem.clone()).unwrap_or_default();
        let host = match (line.builder, line.drained) {
            (true, _) => format!("{} (builder)", line.host),
            (_, true) => format!("{} (drained)", line.host),
            _ => line.host.clone(),
        };
        let labels: Vec<_> = line.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        [host, line.endpoint.clone(), labels.join(","), engine]
    };
    report::table(["HOST", "ENDPOINT", "LABELS", "ENGINE"], lines.iter().map(row))
}
