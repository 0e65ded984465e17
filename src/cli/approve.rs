//! `refit approve`.

use super::estate::EstateArgs;
use super::server::At;
use super::workshop::{self, BuildArgs};
use super::{Exit, Face, follow};
use crate::client::{Client, RemoteJournal};
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
pub(super) async fn run(args: &ApproveArgs, at: At, face: &mut Face) -> miette::Result<Exit> {
    if let Some(daemon) = at.daemon(&args.estate.pipelines) {
        return of_daemon(daemon, args.run, face).await;
    }
    let state = at.state;
    let folder = workshop::state_folder(&args.estate.pipelines, state.clone());
    let journal = SqliteJournal::open(&folder)?;
    let run = at_gate(&journal, args.run)?;
    journal.say(run, SystemClock.now(), Person::Approve, &workshop::whoami())?;
    drop(journal);
    super::resume::take_up(run, &args.estate, &args.build, state, "it was told to go on", face).await
}

/// The run that is meant, which must wait at a gate.
fn at_gate(journal: &dyn Journal, run: Option<RunId>) -> miette::Result<RunId> {
    let run = workshop::unfinished(journal, run)?;
    if workshop::gate_of(journal, run)?.is_none() {
        let help = format!("`refit show {run}` tells where it is; a run that is paused goes on with `refit resume {run}`");
        return Err(miette::miette!(help = help, "{run} waits for no approval"));
    }
    Ok(run)
}

/// Says so to a daemon, and follows the run.
async fn of_daemon(daemon: Client, run: Option<RunId>, face: &mut Face) -> miette::Result<Exit> {
    let journal = RemoteJournal::of(daemon.clone());
    let run = at_gate(&journal, run)?;
    follow::after_a_word(daemon, &journal, run, Person::Approve, face).await
}
