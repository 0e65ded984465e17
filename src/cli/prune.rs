//! `refit prune`.

use std::num::NonZeroU32;

use super::estate::EstateArgs;
use super::server::At;
use super::signals::Signals;
use super::wish::{self, Begun};
use super::workshop::{self, Access, BuildArgs, Workshop};
use super::{Exit, Face, follow};
use crate::client::{Client, RemoteJournal};
use crate::driver::{CameTo, Survey};
use crate::journal::Journal;
use crate::model::RunId;
use crate::plan::Change;
use crate::report;
use crate::rollout::Person;
use crate::trigger::Wish;

/// Remove images and stopped containers that no host runs and no rollback can need.
///
/// On hosts and builder, and only what refit made or brought. Kept are: the images of the last releases, the last versions of each service that it
/// can go back to, what any container is made of, the bases of the latest release, and all that a run needs which has not ended. A stopped
/// container that holds files of its own stays. Volumes are never removed. What was read of images that were never released and never ran is forgotten.
///
/// Ends with 3 if an engine does not answer, or something could not be removed: the next prune finds it again.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  refit prune --dry-run\n  refit prune --keep 3 --yes")]
pub struct PruneArgs {
    /// Say what would go and why, and what stays; change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Keep so many releases, and so many versions of each service [default: `prune: { keep }` of the pipelines, else 5].
    #[arg(long, value_name = "N")]
    keep: Option<NonZeroU32>,
    /// Do not ask before anything is removed.
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    estate: EstateArgs,
}

/// Runs `refit prune`.
pub(super) async fn run(args: &PruneArgs, at: At, face: &mut Face) -> miette::Result<Exit> {
    if let Some(daemon) = at.daemon_unless(args.dry_run, &args.estate.pipelines) {
        return by_daemon(&daemon, args, face).await;
    }
    let access = if args.dry_run { Access::Look } else { Access::Write };
    let workshop = match workshop::open(&args.estate, &BuildArgs { parallel: None, offline: true }, at.state, access, face)? {
        Ok(workshop) => workshop,
        Err(exit) => return Ok(exit),
    };
    let keep = args.keep.unwrap_or(workshop.driver.estate.keep);
    let survey = workshop.driver.survey(keep).await?;
    match agreed(&survey, args, face)? {
        Some(exit) => Ok(exit),
        None => carry_out(&workshop, keep, face).await,
    }
}

/// A daemon looks, a person here agrees, and the daemon looks again and removes.
async fn by_daemon(daemon: &Client, args: &PruneArgs, face: &mut Face) -> miette::Result<Exit> {
    args.estate.refuse_for(daemon)?;
    if !args.dry_run
        && let Some(exit) = wish::stands_still(daemon, face).await?
    {
        return Ok(exit);
    }
    let keep = args.keep.map(|keep| format!("?keep={keep}")).unwrap_or_default();
    let survey: Survey = daemon.get(&format!("/v1/prune{keep}")).await?;
    if let Some(exit) = agreed(&survey, args, face)? {
        return Ok(exit);
    }
    let (run, signals) = match wish::hand_in(daemon, &Wish::of(Change::Prune { keep: survey.keep }), face).await? {
        Begun::Run(run, signals) => (run, signals),
        Begun::None(exit) => return Ok(exit),
    };
    let exit = follow::watch(daemon, run, 0, None, signals, face).await?;
    if exit != Exit::Interrupted {
        tell(run, &RemoteJournal::of(daemon.clone()), face)?;
    }
    Ok(exit)
}

/// Shows what would go, and asks; the end of the command if nothing is to be removed.
fn agreed(survey: &Survey, args: &PruneArgs, face: &mut Face) -> miette::Result<Option<Exit>> {
    let is_all = args.dry_run || survey.goes() == 0;
    show(survey, is_all, face);
    if is_all {
        return Ok(Some(if survey.left.is_empty() { Exit::Done } else { Exit::Between }));
    }
    let question = format!("Remove {}?", report::count(survey.goes(), "thing"));
    if !args.yes && !face.ask(&question, "`--dry-run` only says what would go; `--yes` removes it without asking")? {
        face.printer.err("nothing was removed");
        return Ok(Some(Exit::Failed));
    }
    Ok(None)
}

/// The survey is the result where nothing follows it; else it is what is agreed to.
fn show(survey: &Survey, is_result: bool, face: &mut Face) {
    let engines = survey.engines.iter().map(|one| (one.engine.as_str(), &one.chosen));
    match (face.json, is_result) {
        (true, true) => face.printer.json(survey),
        (true, false) => {}
        (false, true) => report::prune::survey(engines, &survey.left, survey.keep).iter().for_each(|line| face.printer.out(line)),
        (false, false) => report::prune::survey(engines, &survey.left, survey.keep).iter().for_each(|line| face.printer.err(line)),
    }
}

/// A prune that was interrupted is not gone on with: this one looks at everything itself.
async fn end_earlier_ones(workshop: &Workshop) -> miette::Result<()> {
    let driver = &workshop.driver;
    for run in driver.journal.unfinished()? {
        let is_prune = driver.journal.run(run)?.is_some_and(|summary| matches!(summary.change, Change::Prune { .. }));
        if is_prune {
            driver.journal.say(run, driver.clock.now(), Person::Abort, &workshop::whoami())?;
            let recorder = driver.take_up(run, &workshop::whoami()).await?;
            driver.carry_on(&recorder).await?;
        }
    }
    Ok(())
}

async fn carry_out(workshop: &Workshop, keep: NonZeroU32, face: &mut Face) -> miette::Result<Exit> {
    end_earlier_ones(workshop).await?;
    let driver = &workshop.driver;
    let recorder = driver.begin_prune(keep, &workshop::whoami(), &workshop::command_line()).await?;
    let run = recorder.run();
    face.between_runs.abort_all();
    let mut signals = Signals::listen().map_err(|error| miette::miette!("{run}: signals cannot be listened to: {error}"))?;
    let came = tokio::select! {
        came = driver.carry_on(&recorder) => Some(came?),
        _ = signals.next() => None,
    };
    face.between_runs = signals.end_the_process();
    workshop.live.close();
    let Some(CameTo::End(outcome)) = came else {
        driver.interrupted(&recorder, &workshop::whoami()).await?;
        face.printer.err(&format!("{run} stopped here; `refit resume {run}` goes on, or prune again"));
        return Ok(Exit::Interrupted);
    };
    tell(run, driver.journal.as_ref(), face)?;
    Ok(super::rollout::exit_of(&outcome))
}

/// Says what a prune came to.
fn tell(run: RunId, journal: &dyn Journal, face: &mut Face) -> miette::Result<()> {
    let events: Vec<_> = journal.events(run)?.into_iter().map(|recorded| recorded.event).collect();
    let done = report::prune::Pruned::of(run, &events);
    if face.json {
        face.printer.json(&done);
    } else {
        face.printer.out(&done.to_string());
    }
    Ok(())
}
