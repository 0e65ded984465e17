//! `refit release`.

use super::server::{self, At};
use super::workshop::{self, PipelineFolder};
use super::{Exit, Face};
use crate::driver::DriverError;
use crate::edge::{Clock, SystemClock};
use crate::journal::{Journal, SqliteJournal, Standing};
use crate::model::ReleaseNumber;
use crate::report;
use crate::run::Event;

/// List the releases, or show one: its images, its services, who is on it, and whether it is in quarantine.
///
/// A release that a run had to take back, and the bases that moved with it, are in quarantine: nothing rolls them again by itself until something
/// newer comes (another digest, another input), or somebody lifts it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  refit release r7 --unquarantine")]
pub struct ReleaseArgs {
    /// Which release [default: all of them, newest first].
    release: Option<ReleaseNumber>,
    /// Take the release, and the bases that came with it, out of quarantine: the next rollout may apply them again.
    #[arg(long, requires = "release")]
    unquarantine: bool,
    /// How many releases are listed.
    #[arg(long, default_value_t = 20, value_name = "N")]
    limit: usize,
    #[command(flatten)]
    folder: PipelineFolder,
}

/// Runs `refit release`.
pub(super) async fn run(args: &ReleaseArgs, at: At, face: &mut Face) -> miette::Result<Exit> {
    let journal = at.journal(&args.folder)?;
    let standing = journal.standing()?;
    let Some(number) = args.release else {
        let releases = journal.releases(args.limit)?;
        let lines = report::release::list(&releases, &standing);
        if face.json {
            face.printer.json(&lines);
        } else {
            report::release::list_as_text(&lines).iter().for_each(|line| face.printer.out(line));
        }
        return Ok(Exit::Done);
    };
    let release = journal.release(number)?.ok_or(DriverError::UnknownRelease(number))?;
    if args.unquarantine {
        return unquarantine(number, &standing, args, &at, face).await;
    }
    let whole = report::release::whole(&release, &standing);
    if face.json {
        face.printer.json(&whole);
    } else {
        report::release::whole_as_text(&whole).iter().for_each(|line| face.printer.out(line));
    }
    Ok(Exit::Done)
}

/// Lifts the quarantine of a release, in the run that put it there.
async fn unquarantine(number: ReleaseNumber, standing: &Standing, args: &ReleaseArgs, at: &At, face: &mut Face) -> miette::Result<Exit> {
    let Some(run) = standing.put_by(number) else { return Err(not_in_quarantine(number, standing)) };
    let by = workshop::whoami();
    match at.daemon(&args.folder.pipelines) {
        Some(daemon) => daemon.delete(&format!("/v1/releases/{number}/quarantine")).await?,
        None => {
            let state = workshop::state_folder(&args.folder.pipelines, at.state.clone());
            let journal = SqliteJournal::open_to_write(&state, server::take_lock(&state)?)?;
            journal.append(run, SystemClock.now(), &Event::Unquarantined { release: number, by: by.clone() }).await?;
        }
    }
    if face.json {
        face.printer.json(&serde_json::json!({ "release": number, "unquarantined_by": by }));
    }
    face.printer.err(&format!("{number} is out of quarantine; `refit plan` shows what the next rollout makes of it"));
    Ok(Exit::Done)
}

fn not_in_quarantine(number: ReleaseNumber, standing: &Standing) -> miette::Report {
    let of_services = standing.services.values().flat_map(|state| state.quarantined.keys());
    let all: std::collections::BTreeSet<_> = standing.quarantined.keys().chain(of_services).map(ToString::to_string).collect();
    let help = match all.is_empty() {
        true => "no release is in quarantine; `refit plan` tells what the next rollout does, and why".to_owned(),
        false => format!("in quarantine are: {}", all.into_iter().collect::<Vec<_>>().join(", ")),
    };
    miette::miette!(help = help, "release {number} is not in quarantine")
}
