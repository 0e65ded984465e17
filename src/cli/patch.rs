//! `refit patch`.

use super::estate::EstateArgs;
use super::server::At;
use super::workshop::{self, Access, BuildArgs};
use super::{Exit, Face, plan, rollout, wish};
use crate::advisory::Asked;
use crate::api::{self, WhoHas};
use crate::client::Client;
use crate::inquiry::{Answer, Query, Remedy, Sought, who_has};
use crate::journal::When;
use crate::plan::Change;
use crate::report;
use crate::workshop::{FoundRemedy, find_remedy, packages_of_bases};

/// Get rid of a problem, or of packages, in every container: rebuild the images that bring them in and all that have them from there, and roll those out.
///
/// Where a package comes from decides what is rebuilt: a base that brings it in must have moved; an image whose own steps bring it in is built without
/// the cache. Whatever else stands on the same base is left alone. A new image that still has it is a failed build.
///
/// Ends as `refit rollout` does; with 1 also if some container keeps it because no fix can be had.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  refit patch CVE-2024-5535\n  refit patch 'openssl<3.0.15' --dry-run")]
pub struct PatchArgs {
    /// A name of an advisory, or packages as `refit who-has` takes them.
    what: Asked,
    /// Show what would be done, and stop.
    #[arg(long)]
    dry_run: bool,
    /// Do not ask before hosts are touched.
    #[arg(short, long)]
    yes: bool,
    /// Roll services that are sick already, too.
    #[arg(long)]
    sick: bool,
    #[command(flatten)]
    estate: EstateArgs,
    #[command(flatten)]
    build: BuildArgs,
}

/// Runs `refit patch`.
pub(super) async fn run(args: &PatchArgs, at: At, face: &mut Face) -> miette::Result<Exit> {
    if let Some(daemon) = at.daemon_unless(args.dry_run, &args.estate.pipelines) {
        return of_daemon(&daemon, args, face).await;
    }
    let access = if args.dry_run { Access::Look } else { Access::Write };
    let mut workshop = match workshop::open(&args.estate, &args.build, at.state, access, face)? {
        Ok(workshop) => workshop,
        Err(exit) => return Ok(exit),
    };
    let inventories = workshop.inventories()?;
    // What nobody knows of is said before anything is taken up or looked at.
    Sought::of(&inventories, &args.what)?;
    if !args.dry_run
        && let Some(exit) = rollout::take_up_what_was_interrupted(&mut workshop, face).await?
    {
        return Ok(exit);
    }
    let now = || who_has(&inventories, &Query { asked: args.what.clone(), when: When::Now });
    let found = find_remedy(&workshop.driver, &args.what).await?;
    let change = match told(&found, face) {
        Told::Change(change) => change,
        Told::Gone => return Ok(only_tell(&now()?, face)),
        Told::Hopeless => return Ok(Exit::Failed),
    };
    let plan = plan::make(&workshop, &change, |_| args.sick, face).await?;
    if args.dry_run || plan.does_nothing() {
        let packages = packages_of_bases(&workshop.driver, &plan).await;
        plan::show_with(&plan, workshop.parallel(), &packages, face);
        return Ok(if plan.does_nothing() { Exit::Failed } else { shown(args, &found) });
    }
    let exit = rollout::begin(&workshop, plan, args.yes, face).await?;
    let left = tell(&now()?, face);
    Ok(if exit == Exit::Done { left } else { exit })
}

/// The same by a daemon: it looks, plans and carries out.
async fn of_daemon(daemon: &Client, args: &PatchArgs, face: &mut Face) -> miette::Result<Exit> {
    args.estate.refuse_for(daemon)?;
    args.build.refuse_for(daemon)?;
    let found: FoundRemedy = daemon.post("/v1/remedies", &api::Gone { gone: args.what.to_string() }).await?;
    let asked = WhoHas { what: Some(args.what.to_string()), ..WhoHas::default() };
    let change = match told(&found, face) {
        Told::Change(change) => change,
        Told::Gone => return Ok(only_tell(&daemon.get(&asked.path()).await?, face)),
        Told::Hopeless => return Ok(Exit::Failed),
    };
    match wish::change(daemon, change, args.sick, args.dry_run, args.yes, face).await? {
        None => Ok(shown(args, &found)),
        Some(exit) => {
            let left = tell(&daemon.get(&asked.path()).await?, face);
            Ok(if exit == Exit::Done { left } else { exit })
        }
    }
}

/// What becomes of a remedy.
enum Told {
    /// It is carried out.
    Change(Change),
    /// There is nothing to get rid of.
    Gone,
    /// There is, and nothing can be done.
    Hopeless,
}

/// Says what was found.
fn told(found: &FoundRemedy, face: &mut Face) -> Told {
    found.warnings.iter().for_each(|line| face.printer.err(&format!("warning: {line}")));
    let Some(remedy) = &found.remedy else {
        face.printer.err("there is no release yet, so nothing runs");
        return Told::Gone;
    };
    report::packages::remedy(remedy).iter().for_each(|line| face.printer.err(line));
    match &remedy.change {
        Some(change) => Told::Change(change.clone()),
        None if remedy.is_gone() => Told::Gone,
        None => {
            if face.json {
                face.printer.json(remedy);
            }
            Told::Hopeless
        }
    }
}

/// How a plan that was only shown is told to a shell.
fn shown(args: &PatchArgs, found: &FoundRemedy) -> Exit {
    let is_whole = found.remedy.as_ref().is_none_or(Remedy::is_whole);
    if args.dry_run && is_whole { Exit::Done } else { Exit::Failed }
}

/// Says who has it now, where nothing else was to be done.
fn only_tell(answer: &Answer, face: &mut Face) -> Exit {
    if face.json {
        face.printer.json(answer);
    }
    tell(answer, face)
}

/// Says who has it now.
fn tell(answer: &Answer, face: &mut Face) -> Exit {
    report::packages::not_told(answer).iter().for_each(|line| face.printer.err(&format!("warning: {line}")));
    report::packages::answer(answer).last().into_iter().for_each(|line| face.printer.err(line));
    if answer.is_nobody() { Exit::Done } else { Exit::Failed }
}
