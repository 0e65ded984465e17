//! `refit rollback`.

use super::estate::{EstateArgs, known};
use super::server::At;
use super::workshop::{self, Access, BuildArgs, Workshop};
use super::{Exit, Face, follow, wish};
use crate::client::{Client, RemoteJournal};
use crate::driver::{DriverError, WayBack};
use crate::journal::Journal;
use crate::model::{ReleaseNumber, RunId, ServiceName};
use crate::plan::{Change, Plan, RollStep};
use crate::release::Release;
use crate::rollout::Person;
use crate::trigger::Wish;

/// Go back to an earlier release; without `--to`, to the newest one before on which everything was healthy.
///
/// Nothing is built: the images are proven to be on every host, or are brought there, before the first container is touched.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  refit rollback --list\n  refit rollback web --to r6\n  refit rollback web --with-data")]
pub struct RollbackArgs {
    /// Which service [default: every service that the release has otherwise].
    service: Option<ServiceName>,
    /// Which release [default: the newest one before the present one that was not reached only in part].
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
pub(super) async fn run(args: &RollbackArgs, at: At, face: &mut Face) -> miette::Result<Exit> {
    if let Some(daemon) = at.daemon_unless(args.list, &args.estate.pipelines) {
        return by_daemon(&daemon, args, face).await;
    }
    let access = if args.list { Access::Look } else { Access::Write };
    let build = BuildArgs { parallel: None, offline: true };
    let workshop = match workshop::open(&args.estate, &build, at.state, access, face)? {
        Ok(workshop) => workshop,
        Err(exit) => return Ok(exit),
    };
    known(args.service.as_slice(), &workshop.driver.estate)?;
    if !args.list
        && let Some(exit) = take_back_what_has_not_ended(&workshop, args, face).await?
    {
        return Ok(exit);
    }
    let ways = some(workshop.driver.ways_back(args.service.as_ref())?, args)?;
    if args.list {
        return Ok(list(&ways, face));
    }
    let mut plan = plan_back(&workshop, ways, args)?;
    if args.with_data {
        workshop.driver.restore_data(&mut plan).await?;
    }
    super::rollout::begin(&workshop, plan, args.yes, face).await
}

/// A daemon says where to, plans it and carries it out.
async fn by_daemon(daemon: &Client, args: &RollbackArgs, face: &mut Face) -> miette::Result<Exit> {
    args.estate.refuse_for(daemon)?;
    let only = args.service.as_ref().map(|service| format!("?service={service}")).unwrap_or_default();
    let path = format!("/v1/ways-back{only}");
    // Whether there is such a service is asked before anything is taken back.
    let ways: Vec<WayBack> = daemon.get(&path).await?;
    if args.list {
        return Ok(list(&some(ways, args)?, face));
    }
    if let Some(run) = RemoteJournal::of(daemon.clone()).unfinished()?.first().copied() {
        tell_taken_back(run, face);
        let exit = follow::after_a_word(daemon.clone(), &RemoteJournal::of(daemon.clone()), run, Person::Abort, face).await?;
        if let Some(exit) = after_taking_back(exit, args) {
            return Ok(exit);
        }
    }
    let ways = some(daemon.get(&path).await?, args)?;
    let target = target(&ways, args)?;
    let release = RemoteJournal::of(daemon.clone()).release(target)?.ok_or(DriverError::UnknownRelease(target))?;
    // Each is named: a wish that names none is about every service, and that is more than was looked at here.
    let services = held_by(&release, ways, args)?.into_iter().map(|way| way.service).collect();
    let wish = Wish { services, data: args.with_data, ..Wish::of(Change::Release(target)) };
    let made = wish::foresee(daemon, &wish, face).await?;
    wish::begin(daemon, wish, made, false, args.yes, face).await
}

/// A run that has not ended holds services in between: taking it back is the way back from it, and must come before any other.
async fn take_back_what_has_not_ended(workshop: &Workshop, args: &RollbackArgs, face: &mut Face) -> miette::Result<Option<Exit>> {
    let driver = &workshop.driver;
    let Some(run) = driver.journal.unfinished()?.first().copied() else { return Ok(None) };
    tell_taken_back(run, face);
    driver.journal.say(run, driver.clock.now(), Person::Abort, &workshop::whoami())?;
    let recorder = driver.take_up(run, &workshop::whoami()).await?;
    let exit = super::rollout::carry_on(workshop, &recorder, face).await?;
    Ok(after_taking_back(exit, args))
}

fn tell_taken_back(run: RunId, face: &mut Face) {
    face.printer.err(&format!("{run} has not ended; what it rolled is taken back first"));
}

/// The end of the command, unless there is more to go back to.
fn after_taking_back(exit: Exit, args: &RollbackArgs) -> Option<Exit> {
    match exit {
        Exit::Failed if args.to.is_some() => None,
        // It was taken back, as was asked for.
        Exit::Failed => Some(Exit::Done),
        exit => Some(exit),
    }
}

fn some(ways: Vec<WayBack>, args: &RollbackArgs) -> miette::Result<Vec<WayBack>> {
    match (ways.is_empty(), &args.service) {
        (true, Some(service)) => Err(miette::miette!(help = "`refit status` shows what runs", "service {service} was never rolled out")),
        (true, None) => Err(miette::miette!(help = "`refit rollout` makes the first release", "nothing was rolled out yet")),
        _ => Ok(ways),
    }
}

fn list(ways: &[WayBack], face: &mut Face) -> Exit {
    if face.json {
        face.printer.json(&ways);
    } else {
        ways.iter().for_each(|way| face.printer.out(&way.to_string()));
    }
    Exit::Done
}

/// The release that is gone back to: the one that was named, or the newest that is earlier for any service and whole for all of them.
fn target(ways: &[WayBack], args: &RollbackArgs) -> miette::Result<ReleaseNumber> {
    let help = "`refit rollback --list` lists the ways back; one that was reached in part has to be named: `--to`";
    let none = || miette::miette!(help = help, "there is no earlier release to go back to that was ever whole");
    args.to.or_else(|| WayBack::newest(ways)).ok_or_else(none)
}

/// The services that go back to a release: those that it holds. That it lacks the one that was named, or all of them, is an error.
fn held_by(release: &Release, ways: Vec<WayBack>, args: &RollbackArgs) -> miette::Result<Vec<WayBack>> {
    let held: Vec<WayBack> = ways.into_iter().filter(|way| release.services.contains_key(&way.service)).collect();
    match (held.is_empty(), &args.service) {
        (true, Some(service)) => Err(DriverError::NotInRelease { service: service.clone(), release: release.number }.into()),
        (true, None) => Err(DriverError::NothingInRelease(release.number).into()),
        _ => Ok(held),
    }
}

fn plan_back(workshop: &Workshop, ways: Vec<WayBack>, args: &RollbackArgs) -> miette::Result<Plan> {
    let target = target(&ways, args)?;
    let release = workshop.driver.release(target)?;
    let mut rolls = Vec::new();
    for way in held_by(&release, ways, args)? {
        let Some(service) = workshop.driver.estate.services.get(&way.service) else { continue };
        let released = &release.services[&way.service];
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
