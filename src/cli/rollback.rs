//! `refit rollback`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::estate::{EstateArgs, known};
use super::workshop::{self, Access, BuildArgs, Workshop};
use super::{Exit, Face, follow};
use crate::client::RemoteJournal;
use crate::model::{ReleaseNumber, ServiceName};
use crate::plan::{Change, Plan, Restore, RollStep};
use crate::rollout::{Outcome, Person};

/// Go back to an earlier release; without `--to`, to the one before.
///
/// Nothing is built: the images are proven to be on every host, or are brought there, before the first container is touched.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  refit rollback --list\n  refit rollback web --to r6\n  refit rollback web --with-data")]
pub struct RollbackArgs {
    /// Which service [default: every service that the release has otherwise].
    service: Option<ServiceName>,
    /// Which release [default: the one before the present one].
    #[arg(long, value_name = "RELEASE")]
    to: Option<ReleaseNumber>,
    /// Put the data back, too: each named volume that a service writes gets what it held when the service was last on that release. What it holds
    /// now is copied first. Needs copies that `data: { snapshot: before }` made.
    #[arg(long, conflicts_with = "list")]
    with_data: bool,
    /// List where it can go back to, and stop.
    #[arg(long)]
    list: bool,
    /// Do not ask before hosts are touched.
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    estate: EstateArgs,
}

/// Runs `refit rollback`.
pub(super) async fn run(args: &RollbackArgs, state: Option<PathBuf>, face: &mut Face) -> miette::Result<Exit> {
    let access = match args {
        RollbackArgs { list: true, .. } => Access::Look,
        // Which copies are put back is chosen here, and cannot be wished for.
        RollbackArgs { with_data: true, .. } => Access::Write,
        _ => Access::Through,
    };
    let build = BuildArgs { parallel: None, offline: true };
    let workshop = match workshop::open(&args.estate, &build, state, access, face)? {
        Ok(workshop) => workshop,
        Err(exit) => return Ok(exit),
    };
    known(args.service.as_slice(), &workshop.driver.estate)?;
    if !args.list
        && let Some(exit) = take_back_what_has_not_ended(&workshop, args, face).await?
    {
        return Ok(exit);
    }
    let ways = ways_back(&workshop, args.service.as_ref())?;
    if args.list {
        if face.json {
            face.printer.json(&ways);
        } else {
            ways.iter().for_each(|way| face.printer.out(&way.to_string()));
        }
        return Ok(Exit::Done);
    }
    let mut plan = plan_back(&workshop, &ways, args)?;
    if args.with_data {
        restore_data(&workshop, &mut plan).await?;
    }
    super::rollout::begin(&workshop, plan, args.yes, face).await
}

/// A run that has not ended holds services in between: taking it back is the way back from it, and must come before any other.
async fn take_back_what_has_not_ended(workshop: &Workshop, args: &RollbackArgs, face: &mut Face) -> miette::Result<Option<Exit>> {
    let driver = &workshop.driver;
    let Some(run) = driver.journal.unfinished()?.first().copied() else { return Ok(None) };
    face.printer.err(&format!("{run} has not ended; what it rolled is taken back first"));
    let exit = match &workshop.daemon {
        Some(daemon) => {
            let journal = RemoteJournal::of(daemon.clone());
            follow::after_a_word(daemon.clone(), &journal, run, Person::Abort, face).await?
        }
        None => {
            driver.journal.say(run, driver.clock.now(), Person::Abort, &workshop::whoami())?;
            let recorder = driver.take_up(run, &workshop::whoami()).await?;
            super::rollout::carry_on(workshop, &recorder, face).await?
        }
    };
    match exit {
        Exit::Failed if args.to.is_some() => Ok(None),
        // It was taken back, as was asked for.
        Exit::Failed => Ok(Some(Exit::Done)),
        exit => Ok(Some(exit)),
    }
}

/// Where one service can go back to.
#[derive(Debug, serde::Serialize)]
struct WayBack {
    service: ServiceName,
    now: ReleaseNumber,
    /// Where it goes if that fails.
    #[serde(skip)]
    back: Option<ReleaseNumber>,
    /// Earlier releases on which the service was something else, newest first.
    to: Vec<ReleaseNumber>,
}

impl std::fmt::Display for WayBack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let to: Vec<_> = self.to.iter().map(ToString::to_string).collect();
        write!(f, "{}: on {}, can go back to {}", self.service, self.now, if to.is_empty() { "nothing earlier".into() } else { to.join(", ") })
    }
}

fn ways_back(workshop: &Workshop, only: Option<&ServiceName>) -> miette::Result<Vec<WayBack>> {
    let journal = &workshop.driver.journal;
    let mut ways = Vec::new();
    let standing = journal.standing()?;
    for (service, state) in &standing.services {
        let (service, refused) = (service.clone(), standing.refused(service));
        let Some(now) = state.current.filter(|_| only.is_none_or(|only| *only == service)) else { continue };
        let mut seen = workshop.driver.release(now)?.services.get(&service).map(|service| vec![service.spec_hash()]).unwrap_or_default();
        let mut to = Vec::new();
        for number in
            good_releases(workshop, &service)?.into_iter().rev().filter(|number| !refused.contains_key(number)).filter(|number| *number < now)
        {
            let Some(spec) = workshop.driver.release(number)?.services.get(&service).map(crate::release::ServiceRelease::spec_hash) else { continue };
            if !seen.contains(&spec) {
                seen.push(spec);
                to.push(number);
            }
        }
        ways.push(WayBack { back: state.way_back(), service, now, to });
    }
    match (ways.is_empty(), only) {
        (true, Some(service)) => Err(miette::miette!(help = "`refit status` shows what runs", "service {service} was never rolled out")),
        (true, None) => Err(miette::miette!(help = "`refit rollout` makes the first release", "nothing was rolled out yet")),
        _ => Ok(ways),
    }
}

/// The releases that the service was once rolled to and stayed on, oldest first.
fn good_releases(workshop: &Workshop, service: &ServiceName) -> miette::Result<BTreeSet<ReleaseNumber>> {
    let rollouts = workshop.driver.journal.rollouts()?;
    let good =
        rollouts.into_iter().filter(|rollout| rollout.service == *service && matches!(rollout.outcome, Some(Outcome::Done | Outcome::DoneInPart)));
    Ok(good.map(|rollout| rollout.to).collect())
}

/// Adds to each service the copies that are put back.
async fn restore_data(workshop: &Workshop, plan: &mut Plan) -> miette::Result<()> {
    let Change::Release(target) = plan.change else { return Ok(()) };
    let release = workshop.driver.release(target)?;
    for roll in &mut plan.rolls {
        let (service, released) = (workshop.driver.estate.services.get(&roll.service), release.services.get(&roll.service));
        let Some((service, released)) = service.zip(released) else { continue };
        roll.restore = workshop.driver.restores(service, target, released).await?;
        let note = |restore: &Restore| {
            format!("{}: volume {} gets what {} holds; what it holds now is copied first", restore.host, restore.volume, restore.copy)
        };
        roll.notes.extend(roll.restore.iter().map(note));
    }
    Ok(())
}

fn plan_back(workshop: &Workshop, ways: &[WayBack], args: &RollbackArgs) -> miette::Result<Plan> {
    let target = match args.to {
        Some(to) => workshop.driver.release(to)?.number,
        None => {
            let none = || miette::miette!(help = "`refit rollback --list` lists the ways back", "there is no earlier release to go back to");
            ways.iter().filter_map(|way| way.to.first()).max().copied().ok_or_else(none)?
        }
    };
    let release = workshop.driver.release(target)?;
    let mut rolls = Vec::new();
    for way in ways {
        let Some(service) = workshop.driver.estate.services.get(&way.service) else { continue };
        let Some(released) = release.services.get(&way.service) else {
            if args.service.is_some() {
                return Err(crate::driver::DriverError::NotInRelease { service: way.service.clone(), release: target }.into());
            }
            continue;
        };
        let now = workshop.driver.release(way.now)?;
        if now.services.get(&way.service).is_some_and(|now| now.spec_hash() == released.spec_hash()) {
            continue;
        }
        let notes = vec![format!("back from {} to {target}", way.now)];
        let (image, back) = (released.image.clone(), way.back);
        rolls.push(RollStep { image, notes, back, is_asked_for: true, ..RollStep::of(service, Some(way.now)) });
    }
    Ok(Plan::to_roll(Change::Release(target), rolls, &workshop.driver.estate))
}
