//! `refit patch`.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::estate::EstateArgs;
use super::server::At;
use super::workshop::{self, Access, BuildArgs, Workshop};
use super::{Exit, Face, plan, rollout, who_has};
use crate::advisory::Asked;
use crate::driver::Looked;
use crate::inquiry::{self, Query, Remedy, remedy};
use crate::journal::{Inventories, KnownAs, When};
use crate::plan::Change;
use crate::report;

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
    let access = if args.dry_run { Access::Look } else { Access::Through };
    let mut workshop = match workshop::open(&args.estate, &args.build, at.state, access, face)? {
        Ok(workshop) => workshop,
        Err(exit) => return Ok(exit),
    };
    let inventories = workshop.inventories()?;
    if let Asked::Problem(name) = &args.what {
        who_has::known(&inventories.advisories_called(name)?, name)?;
    }
    if !args.dry_run
        && let Some(exit) = rollout::take_up_what_was_interrupted(&mut workshop, face).await?
    {
        return Ok(exit);
    }
    let Some(found) = find(&workshop, &inventories, &args.what, face).await? else { return Ok(Exit::Done) };
    report::packages::remedy(&found).iter().for_each(|line| face.printer.err(line));
    let Some(change) = &found.change else {
        return if found.is_gone() { tell(&inventories, &args.what, face) } else { Ok(Exit::Failed) };
    };
    let plan = plan::make(&workshop, change, |_| args.sick, face).await?;
    if args.dry_run || plan.does_nothing() {
        plan::show(&plan, workshop.parallel(), face);
        return Ok(if args.dry_run && found.cure.hopeless.is_empty() { Exit::Done } else { Exit::Failed });
    }
    let exit = rollout::begin(&workshop, plan, args.yes, face).await?;
    let left = tell(&inventories, &args.what, face)?;
    Ok(if exit == Exit::Done { left } else { exit })
}

/// What is to be done; nothing if there is no release.
async fn find(workshop: &Workshop, inventories: &Arc<Inventories>, asked: &Asked, face: &mut Face) -> miette::Result<Option<Remedy>> {
    let Some(release) = workshop.driver.journal.latest_release()? else {
        face.printer.out("there is no release yet, so nothing runs");
        return Ok(None);
    };
    // Bases are looked at as for a plan of everything, and read, so that it is known what a newer one still has.
    let looked = workshop.driver.look(&Change::Everything).await?;
    read_bases(workshop, inventories, &looked, face).await;
    for trouble in workshop.driver.read_release(inventories, &release).await {
        face.printer.err(&format!("warning: {trouble}"));
    }
    let estate = inquiry::Estate { graph: &looked.graph, release: &release, bases: &looked.bases };
    Ok(Some(remedy(inventories, asked, &estate)?))
}

/// Reads what bases are now.
pub(super) async fn read_bases(workshop: &Workshop, inventories: &Arc<Inventories>, looked: &Looked, face: &mut Face) {
    for (base, digest) in &looked.bases {
        let names: BTreeSet<KnownAs> = [KnownAs::Base(base.clone())].into();
        if let Err(error) = workshop.driver.read_contents(inventories, &digest.to_string(), names).await {
            face.printer.err(&format!("warning: base {}: {}", base.familiar(), report::chain(&error)));
        }
    }
}

/// Says who has it now.
fn tell(inventories: &Inventories, asked: &Asked, face: &mut Face) -> miette::Result<Exit> {
    let answer = inquiry::who_has(inventories, &Query { asked: asked.clone(), when: When::Now })?;
    if face.json {
        return Ok(if answer.containers.is_empty() { Exit::Done } else { Exit::Failed });
    }
    report::packages::not_read(&answer.not_read).iter().for_each(|line| face.printer.err(&format!("warning: {line}")));
    let last = report::packages::answer(&answer);
    last.last().iter().for_each(|line| face.printer.err(line));
    Ok(if answer.containers.is_empty() { Exit::Done } else { Exit::Failed })
}
