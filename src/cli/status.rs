//! `refit status`.

use super::estate::EstateArgs;
use super::server::At;
use super::workshop::{self, Access, BuildArgs};
use super::{Exit, Face};
use crate::client::{Client, RemoteJournal};
use crate::edge::{Clock, SystemClock};
use crate::inquiry::ServiceBehind;
use crate::journal::Journal;
use crate::report;
use crate::rollout::SlotStatus;
use crate::workshop::{FoundStaleness, staleness};

/// Show what runs where, and whether that is what was released.
///
/// A line for each slot: release, image, health, since when, and drift. Services that refit itself probes (`http`, `tcp`, `command`) are asked
/// once; what is unhealthy comes with the reason. Ends with 1 if something drifted, is unhealthy or is missing, so that
/// it fits a check in a script.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  refit status --json")]
pub struct StatusArgs {
    /// Show how far behind what runs is instead: bases that moved since it was built and for how many days, and fixes that wait for known problems.
    /// Ends with 1 if something is behind.
    #[arg(long)]
    stale: bool,
    /// With --stale, ask no registry: the bases are the images that the builder has.
    #[arg(long, requires = "stale")]
    offline: bool,
    #[command(flatten)]
    estate: EstateArgs,
}

/// Runs `refit status`.
pub(super) async fn run(args: &StatusArgs, at: At, face: &mut Face) -> miette::Result<Exit> {
    if let Some(client) = &at.server {
        args.estate.refuse_for(client)?;
        return if args.stale { stale_of_daemon(client, face).await } else { of_daemon(client, face).await };
    }
    let build = BuildArgs { parallel: None, offline: !args.stale || args.offline };
    let workshop = match workshop::open(&args.estate, &build, at.state, Access::Look, face)? {
        Ok(workshop) => workshop,
        Err(exit) => return Ok(exit),
    };
    if args.stale {
        return Ok(show_stale(&staleness(&workshop.driver, &|base| workshop.looks.since(base)).await?, face));
    }
    let driver = &workshop.driver;
    let seen = driver.see_health().await?;
    show(&driver.status(&seen, &driver.expected()?), driver.journal.as_ref(), face)
}

async fn stale_of_daemon(client: &Client, face: &mut Face) -> miette::Result<Exit> {
    Ok(show_stale(&client.get("/v1/stale").await?, face))
}

fn show_stale(found: &FoundStaleness, face: &mut Face) -> Exit {
    found.warnings.iter().for_each(|line| face.printer.err(&format!("warning: {line}")));
    if face.json {
        face.printer.json(&found);
    } else {
        report::packages::stale(found, SystemClock.now()).iter().for_each(|line| face.printer.out(line));
    }
    if found.services.iter().any(ServiceBehind::is_stale) { Exit::Failed } else { Exit::Done }
}

async fn of_daemon(client: &Client, face: &mut Face) -> miette::Result<Exit> {
    let statuses: Vec<SlotStatus> = client.get("/v1/status").await?;
    show(&statuses, &RemoteJournal::of(client.clone()), face)
}

fn show(statuses: &[SlotStatus], journal: &dyn Journal, face: &mut Face) -> miette::Result<Exit> {
    if face.json {
        face.printer.json(&statuses);
    } else {
        report::status::as_text(statuses, SystemClock.now()).iter().for_each(|line| face.printer.out(line));
    }
    for run in journal.unfinished()? {
        let waits = workshop::gate_of(journal, run)?;
        face.printer.err(&waits.unwrap_or_else(|| format!("{run} has not ended; `refit resume {run}` goes on with it if nobody does")));
    }
    let well = statuses.iter().all(|status| status.drift.is_none() && status.is_well());
    Ok(if well { Exit::Done } else { Exit::Failed })
}
