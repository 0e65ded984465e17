//! `refit hosts drain` and `refit hosts undrain`.

use std::collections::{BTreeMap, BTreeSet};

use super::rollout;
use super::server::At;
use super::workshop::{self, Access, BuildArgs, RepairArgs, Workshop};
use super::{Exit, Face, wish};
use crate::api::PlanMade;
use crate::client::{Client, RemoteJournal};
use crate::driver::{DriverError, HostStanding};
use crate::journal::Journal;
use crate::model::HostName;
use crate::plan::{Change, Plan};
use crate::report;
use crate::rollout::SlotStatus;
use crate::trigger::Wish;
use crate::workshop::unknown_host;

/// Stop what runs on a host, and roll nothing to it until `refit hosts undrain`.
///
/// A wave like any other: service by service, dependents before what they depend on, within each service's parallelism and the run's budget, and
/// back if it fails. Nothing is moved and nothing removed: the containers are stopped and kept. A service with no other host is refused.
///
/// Ends with 3 if the host does not answer: nothing is rolled to it then, but what may run on it was not stopped.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  refit hosts drain web-2 --dry-run\n  refit hosts drain web-2 --yes")]
pub(super) struct DrainArgs {
    /// The host.
    host: HostName,
    /// Drain it although a service has no other host, so that nothing of it will run.
    #[arg(long)]
    leave_none: bool,
    #[command(flatten)]
    how: RepairArgs,
}

/// Run again on a host what was released, and roll to it again.
///
/// What was stopped by `refit hosts drain` starts again; where a service was rolled meanwhile, its newer version takes its place.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  refit hosts undrain web-2 --yes")]
pub(super) struct UndrainArgs {
    /// The host.
    host: HostName,
    #[command(flatten)]
    how: RepairArgs,
}

/// Runs `refit hosts drain`.
pub(super) async fn drain(args: &DrainArgs, at: At, face: &mut Face) -> miette::Result<Exit> {
    let host = &args.host;
    if let Some(daemon) = at.daemon_unless(args.how.dry_run, &args.how.estate.pipelines) {
        return drain_there(&daemon, args, face).await;
    }
    let mut workshop = match open(host, &args.how, at, face).await? {
        Ok(workshop) => workshop,
        Err(exit) => return Ok(exit),
    };
    if workshop.driver.journal.drained()?.contains(host) {
        let seen = workshop.driver.see_hosts().await;
        if !runs_something_on(&workshop.driver.status(&seen, &BTreeMap::new()), host) {
            return Ok(tell_drained_already(host, face));
        }
    }
    let plan = workshop.driver.plan_drain(host)?;
    leaves_some(&plan, args)?;
    carry_out(&workshop, plan, host, &drain_question(host), &args.how, face).await
}

/// Runs `refit hosts undrain`.
pub(super) async fn undrain(args: &UndrainArgs, at: At, face: &mut Face) -> miette::Result<Exit> {
    let host = &args.host;
    if let Some(daemon) = at.daemon_unless(args.how.dry_run, &args.how.estate.pipelines) {
        return undrain_there(&daemon, args, face).await;
    }
    let mut workshop = match open(host, &args.how, at, face).await? {
        Ok(workshop) => workshop,
        Err(exit) => return Ok(exit),
    };
    if !workshop.driver.journal.drained()?.contains(host) {
        return Ok(tell_not_drained(host, face));
    }
    let plan = workshop.driver.plan_undrain(host)?;
    answers(host, &workshop.driver.silent_hosts(&BTreeSet::from([host.clone()])).await?)?;
    carry_out(&workshop, plan, host, &undrain_question(host), &args.how, face).await
}

async fn drain_there(daemon: &Client, args: &DrainArgs, face: &mut Face) -> miette::Result<Exit> {
    args.how.estate.refuse_for(daemon)?;
    let host = &args.host;
    if let Some(exit) = stands_still(daemon, &args.how, face).await? {
        return Ok(exit);
    }
    let wish = Wish::of(Change::Drain(host.clone()));
    let made = wish::foresee(daemon, &wish, face).await?;
    if is_drained_there(daemon, host).await? && !runs_something_on(&daemon.get::<Vec<SlotStatus>>("/v1/status").await?, host) {
        return Ok(tell_drained_already(host, face));
    }
    leaves_some(&made.plan, args)?;
    begin_there(daemon, wish, made, host, &drain_question(host), &args.how, face).await
}

async fn undrain_there(daemon: &Client, args: &UndrainArgs, face: &mut Face) -> miette::Result<Exit> {
    args.how.estate.refuse_for(daemon)?;
    let host = &args.host;
    if let Some(exit) = stands_still(daemon, &args.how, face).await? {
        return Ok(exit);
    }
    let wish = Wish::of(Change::Undrain(host.clone()));
    let made = wish::foresee(daemon, &wish, face).await?;
    if !is_drained_there(daemon, host).await? {
        return Ok(tell_not_drained(host, face));
    }
    answers(host, &made.silent)?;
    begin_there(daemon, wish, made, host, &undrain_question(host), &args.how, face).await
}

async fn stands_still(daemon: &Client, how: &RepairArgs, face: &mut Face) -> miette::Result<Option<Exit>> {
    if how.dry_run { Ok(None) } else { wish::stands_still(daemon, face).await }
}

async fn is_drained_there(daemon: &Client, host: &HostName) -> miette::Result<bool> {
    let hosts: Vec<HostStanding> = daemon.get("/v1/hosts").await?;
    Ok(hosts.iter().any(|one| !one.builder && one.drained && one.host == host.as_str()))
}

/// The same as [`carry_out`] where a daemon has the plan. What was agreed to is what is done, or nothing.
async fn begin_there(
    daemon: &Client,
    wish: Wish,
    made: PlanMade,
    host: &HostName,
    question: &str,
    how: &RepairArgs,
    face: &mut Face,
) -> miette::Result<Exit> {
    if how.dry_run {
        super::plan::show(&made.plan, made.parallel, face);
        return Ok(Exit::Done);
    }
    if !is_agreed(&made.plan, made.parallel, &RemoteJournal::of(daemon.clone()), (host, question, how), face)? {
        return Ok(Exit::Failed);
    }
    let plan = (!how.yes).then_some(made.hash);
    wish::carry_out(daemon, &Wish { plan, ..wish }, face).await
}

fn drain_question(host: &HostName) -> String {
    format!("Drain {host}?")
}

fn undrain_question(host: &HostName) -> String {
    format!("Run on {host} again what was released?")
}

fn tell_drained_already(host: &HostName, face: &mut Face) -> Exit {
    face.printer.out(&format!("{host} is drained already; `refit hosts undrain {host}` runs on it again what was released"));
    Exit::Done
}

fn tell_not_drained(host: &HostName, face: &mut Face) -> Exit {
    face.printer.out(&format!("{host} is not drained; `refit converge --hosts {host}` brings back what is not as it was released"));
    Exit::Done
}

/// What is to run on a host must find it there.
fn answers(host: &HostName, silent: &BTreeMap<HostName, String>) -> miette::Result<()> {
    let Some(why) = silent.get(host) else { return Ok(()) };
    Err(DriverError::silent(&BTreeMap::from([(host.clone(), why.clone())]), 1).into())
}

/// Refuses to leave a service with no host, unless that was asked for.
fn leaves_some(plan: &Plan, args: &DrainArgs) -> miette::Result<()> {
    let host = &args.host;
    let alone: Vec<&str> = plan.rolls.iter().filter(|roll| roll.hosts.len() == 1).map(|roll| roll.service.as_str()).collect();
    if alone.is_empty() || args.leave_none {
        return Ok(());
    }
    Err(miette::miette!(
        help = "give it another host first; `--leave-none` drains the host all the same",
        "{} no other host than {host}: nothing of {} would run; nothing was begun",
        if alone.len() == 1 { format!("{} has", alone[0]) } else { format!("{} have", alone.join(", ")) },
        if alone.len() == 1 { "it" } else { "them" },
    ))
}

/// Opens the workshop, and goes on with what was interrupted first.
async fn open(host: &HostName, how: &RepairArgs, at: At, face: &mut Face) -> miette::Result<Result<Workshop, Exit>> {
    let access = if how.dry_run { Access::Look } else { Access::Write };
    let mut workshop = match workshop::open(&how.estate, &BuildArgs { parallel: None, offline: true }, at.state, access, face)? {
        Ok(workshop) => workshop,
        Err(exit) => return Ok(Err(exit)),
    };
    if let Some(help) = unknown_host(host, &workshop.driver.estate) {
        return Err(miette::miette!(help = help, "the estate has no host `{host}`"));
    }
    if !how.dry_run
        && let Some(exit) = rollout::take_up_what_was_interrupted(&mut workshop, face).await?
    {
        return Ok(Err(exit));
    }
    Ok(Ok(workshop))
}

/// Whether anything of the estate is up on a host.
fn runs_something_on(statuses: &[SlotStatus], host: &HostName) -> bool {
    statuses.iter().any(|status| status.host == *host && status.health != "drained")
}

/// Shows the plan, asks, and carries it out. A host on which nothing runs is noted all the same.
async fn carry_out(workshop: &Workshop, plan: Plan, host: &HostName, question: &str, how: &RepairArgs, face: &mut Face) -> miette::Result<Exit> {
    if how.dry_run {
        super::plan::show(&plan, workshop.parallel(), face);
        return Ok(Exit::Done);
    }
    if !is_agreed(&plan, workshop.parallel(), workshop.driver.journal.as_ref(), (host, question, how), face)? {
        return Ok(Exit::Failed);
    }
    rollout::carry_out(workshop, plan, face).await
}

fn is_agreed(
    plan: &Plan,
    parallel: usize,
    journal: &dyn Journal,
    (host, question, how): (&HostName, &str, &RepairArgs),
    face: &mut Face,
) -> miette::Result<bool> {
    if journal.releases(1)?.is_empty() {
        return Err(miette::miette!(
            help = "a host that is not to be used can be left out of the pipelines",
            "nothing was released yet, so there is nothing to do on {host}"
        ));
    }
    if !face.json {
        report::plan(plan, parallel).lines().for_each(|line| face.printer.err(line));
    }
    if !how.yes && !face.ask(question, "look at the plan above; `--yes` carries it out without asking")? {
        face.printer.err("nothing was begun");
        return Ok(false);
    }
    Ok(true)
}
