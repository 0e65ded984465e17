//! `refit hosts`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use futures_util::future::join_all;
use serde::Serialize;

use super::drain::{self, DrainArgs, UndrainArgs};
use super::estate::{self, EstateArgs};
use super::workshop;
use super::{Exit, Face};
use crate::edge::EngineError;
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

#[derive(Serialize)]
struct HostLine {
    host: String,
    endpoint: String,
    /// Whether images are built there.
    builder: bool,
    /// Whether nothing is to run there.
    drained: bool,
    labels: BTreeMap<String, String>,
    engine: Option<String>,
    problem: Option<String>,
    /// What to do about it.
    help: Option<String>,
}

/// So many next moves are said below the table: where one engine of a hundred is to be seen after, so are the others.
const HELPS_MAX: usize = 3;

/// Runs `refit hosts`.
pub(super) async fn run(args: &HostsArgs, state: Option<PathBuf>, face: &mut Face) -> miette::Result<Exit> {
    match &args.command {
        None => show(args, state, face).await,
        Some(HostsCommand::Drain(args)) => drain::drain(args, state, face).await,
        Some(HostsCommand::Undrain(args)) => drain::undrain(args, state, face).await,
    }
}

async fn show(args: &HostsArgs, state: Option<PathBuf>, face: &mut Face) -> miette::Result<Exit> {
    let estate = match estate::load(&args.estate, face) {
        Ok(estate) => estate,
        Err(exit) => return Ok(exit),
    };
    let drained = SqliteJournal::open(&workshop::state_folder(&args.estate.pipelines, state))?.drained()?;
    let engines = workshop::engines_of(&estate)?;
    let builder =
        estate.builders.get(&engines.builder.0).map(|builder| (engines.builder.0.to_string(), builder.endpoint.to_string(), true, BTreeMap::new()));
    let hosts = estate.hosts.iter().map(|(name, host)| (name.to_string(), host.endpoint.to_string(), false, host.labels.clone()));
    let named = builder.into_iter().chain(hosts);
    let is_drained = |host: &str| drained.iter().any(|drained| drained.as_str() == host);
    let asked =
        named.zip(std::iter::once(&engines.builder.1).chain(engines.hosts.values())).map(|((host, endpoint, builder, labels), engine)| async move {
            let (engine, problem, help) = match engine.info().await {
                Ok(info) => (Some(format!("{} (API {}, {})", info.version, info.api, info.storage)), None, None),
                Err(error) => (None, Some(problem(&error)), miette::Diagnostic::help(&error).map(|help| help.to_string())),
            };
            HostLine { drained: is_drained(&host) && !builder, host, endpoint, builder, labels, engine, problem, help }
        });
    let lines = join_all(asked).await;
    if face.json {
        face.printer.json(&lines);
    } else {
        table(&lines).iter().for_each(|line| face.printer.out(line));
        let helps: BTreeSet<&str> = lines.iter().filter_map(|line| line.help.as_deref()).collect();
        helps.iter().take(HELPS_MAX).for_each(|help| face.printer.err(&format!("help: {help}")));
    }
    Ok(if lines.iter().all(|line| line.problem.is_none()) { Exit::Done } else { Exit::Failed })
}

/// The endpoint stands in a column of its own.
fn problem(error: &EngineError) -> String {
    match error {
        EngineError::Silent { why, .. } => format!("does not answer: {why}"),
        EngineError::Refused { what, why, .. } => format!("refuses to {what}: {why}"),
        other => other.to_string(),
    }
}

fn table(lines: &[HostLine]) -> Vec<String> {
    let row = |line: &HostLine| {
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
