//! `refit approve`.

use std::path::PathBuf;

use super::estate::EstateArgs;
use super::workshop::{self, BuildArgs};
use super::{Exit, Face};
use crate::edge::{Clock, SystemClock};
use crate::journal::{Journal, SqliteJournal};
use crate::model::RunId;
use crate::rollout::Person;

/// Open the gate at which a run waits.
///
/// After a canary or a wave that says `approve: true`, and in the middle of a bake, which then ends. The process that carries the run out goes on
/// within a second; if there is none any more, this one goes on with it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  refit approve 7")]
pub struct ApproveArgs {
    /// Which run [default: the one that has not ended].
    run: Option<RunId>,
    #[command(flatten)]
    estate: EstateArgs,
    #[command(flatten)]
    build: BuildArgs,
}

/// Runs `refit approve`.
pub(super) async fn run(args: &ApproveArgs, state: Option<PathBuf>, face: &mut Face) -> miette::Result<Exit> {
    let folder = workshop::state_folder(&args.estate.pipelines, state.clone());
    let journal = SqliteJournal::open(&folder)?;
    let run = workshop::unfinished(&journal, args.run)?;
    if workshop::gate_of(&journal, run)?.is_none() {
        let help = format!("`refit show {run}` tells where it is; a run that is paused goes on with `refit resume {run}`");
        return Err(miette::miette!(help = help, "{run} waits for no approval"));
    }
    journal.say(run, SystemClock.now(), Person::Approve, &workshop::whoami())?;
    drop(journal);
    super::resume::take_up(run, &args.estate, &args.build, state, "it was told to go on", face).await
}
