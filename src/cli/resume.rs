//! `refit resume`.

use std::path::PathBuf;

use super::estate::EstateArgs;
use super::server::At;
use super::workshop::{self, Access, BuildArgs};
use super::{Exit, Face, follow};
use crate::client::{Client, RemoteJournal};
use crate::edge::{Clock, SystemClock};
use crate::journal::{Journal, LockError, SqliteJournal};
use crate::model::RunId;
use crate::rollout::Person;

/// Go on with a run that was paused or interrupted, from where it was.
///
/// Builds that ended are not done again. If another process still carries the run out, that one is told to go on.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  refit resume 7")]
pub struct ResumeArgs {
    /// Which run [default: the one that has not ended].
    run: Option<RunId>,
    #[command(flatten)]
    estate: EstateArgs,
    #[command(flatten)]
    build: BuildArgs,
}

/// Runs `refit resume`.
pub(super) async fn run(args: &ResumeArgs, at: At, face: &mut Face) -> miette::Result<Exit> {
    if let Some(daemon) = at.daemon(&args.estate.pipelines) {
        return of_daemon(daemon, args.run, face).await;
    }
    let state = at.state;
    let folder = workshop::state_folder(&args.estate.pipelines, state.clone());
    let journal = SqliteJournal::open(&folder)?;
    let run = workshop::unfinished(&journal, args.run)?;
    let aborted = workshop::last_word(&journal, run)? == Some(Person::Abort);
    if !aborted {
        journal.say(run, SystemClock.now(), Person::Resume, &workshop::whoami())?;
    }
    drop(journal);
    let told = if aborted { "it ends it, and every service that it rolled goes back" } else { "it was told to go on" };
    take_up(run, &args.estate, &args.build, state, told, face).await
}

/// Has a daemon go on with a run, and follows it.
async fn of_daemon(daemon: Client, run: Option<RunId>, face: &mut Face) -> miette::Result<Exit> {
    let journal = RemoteJournal::of(daemon.clone());
    let run = workshop::unfinished(&journal, run)?;
    // One that was aborted and could not end so is told again: the daemon goes on with what stands still when it hears a word.
    let aborted = workshop::last_word(&journal, run)? == Some(Person::Abort);
    let word = if aborted { Person::Abort } else { Person::Resume };
    follow::after_a_word(daemon, &journal, run, word, face).await
}

/// Takes a run up, unless another process carries it out; that one has been `told` what was to be said.
pub(super) async fn take_up(
    run: RunId,
    estate: &EstateArgs,
    build: &BuildArgs,
    state: Option<PathBuf>,
    told: &str,
    face: &mut Face,
) -> miette::Result<Exit> {
    let workshop = match workshop::open(estate, build, state, Access::Write, face) {
        Err(error) if matches!(error.downcast_ref::<LockError>(), Some(LockError::Held { .. })) => {
            face.printer.err(&format!("{run} is carried out by another process; {told}"));
            return Ok(Exit::Done);
        }
        opened => match opened? {
            Ok(workshop) => workshop,
            Err(exit) => return Ok(exit),
        },
    };
    let recorder = workshop.driver.take_up(run, &workshop::whoami()).await?;
    super::rollout::carry_on(&workshop, &recorder, face).await
}
