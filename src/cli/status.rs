//! `refit status`.

use std::path::PathBuf;

use super::estate::EstateArgs;
use super::workshop::{self, Access, BuildArgs};
use super::{Exit, Face};
use crate::report;

/// Show what runs where, and whether that is what was released.
///
/// A line for each slot: release, image, health, since when, and drift. Ends with 1 if something drifted, is unhealthy or is missing, so that
/// it fits a check in a script.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  refit status --json")]
pub struct StatusArgs {
    #[command(flatten)]
    estate: EstateArgs,
}

/// Runs `refit status`.
pub(super) async fn run(args: &StatusArgs, state: Option<PathBuf>, face: &mut Face) -> miette::Result<Exit> {
    let workshop = match workshop::open(&args.estate, &BuildArgs { parallel: None, offline: true }, state, Access::Look, face)? {
        Ok(workshop) => workshop,
        Err(exit) => return Ok(exit),
    };
    let driver = &workshop.driver;
    let seen = driver.see_hosts().await;
    let statuses = driver.status(&seen, &driver.expected()?);
    if face.json {
        face.printer.json(&statuses);
    } else {
        report::status::as_text(&statuses, driver.clock.now()).iter().for_each(|line| face.printer.out(line));
    }
    for run in driver.journal.unfinished()? {
        let waits = workshop::gate_of(driver.journal.as_ref(), run)?;
        face.printer.err(&waits.unwrap_or_else(|| format!("{run} has not ended; `refit resume {run}` goes on with it if nobody does")));
    }
    let well = statuses.iter().all(|status| status.drift.is_none() && status.is_well());
    Ok(if well { Exit::Done } else { Exit::Failed })
}
