//! `refit hosts drain` and `refit hosts undrain`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::rollout;
use super::workshop::{self, Access, BuildArgs, RepairArgs, Workshop};
use super::{Exit, Face};
use crate::driver::DriverError;
use crate::model::HostName;
use crate::pipeline::nearest;
use crate::plan::Plan;
use crate::report;

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
pub(super) async fn drain(args: &DrainArgs, state: Option<PathBuf>, face: &mut Face) -> miette::Result<Exit> {
    let mut workshop = match open(&args.host, &args.how, state, face).await? {
        Ok(workshop) => workshop,
        Err(exit) => return Ok(exit),
    };
    let host = &args.host;
    if workshop.driver.journal.drained()?.contains(host) && !runs_something_on(&workshop, host).await {
        face.printer.out(&format!("{host} is drained already; `refit hosts undrain {host}` runs on it again what was released"));
        return Ok(Exit::Done);
    }
    let plan = workshop.driver.plan_drain(host)?;
    let alone: Vec<&str> = plan.rolls.iter().filter(|roll| roll.hosts.len() == 1).map(|roll| roll.service.as_str()).collect();
    if !alone.is_empty() && !args.leave_none {
        return Err(miette::miette!(
            help = "give it another host first; `--leave-none` drains the host all the same",
            "{} no other host than {host}: nothing of {} would run; nothing was begun",
            if alone.len() == 1 { format!("{} has", alone[0]) } else { format!("{} have", alone.join(", ")) },
            if alone.len() == 1 { "it" } else { "them" },
        ));
    }
    let question = format!("Drain {host}?");
    carry_out(&workshop, plan, host, &question, &args.how, face).await
}

/// Runs `refit hosts undrain`.
pub(super) async fn undrain(args: &UndrainArgs, state: Option<PathBuf>, face: &mut Face) -> miette::Result<Exit> {
    let mut workshop = match open(&args.host, &args.how, state, face).await? {
        Ok(workshop) => workshop,
        Err(exit) => return Ok(exit),
    };
    let host = &args.host;
    if !workshop.driver.journal.drained()?.contains(host) {
        face.printer.out(&format!("{host} is not drained; `refit converge --hosts {host}` brings back what is not as it was released"));
        return Ok(Exit::Done);
    }
    let plan = workshop.driver.plan_undrain(host)?;
    let silent = workshop.driver.silent_hosts(&BTreeSet::from([host.clone()])).await?;
    if !silent.is_empty() {
        return Err(DriverError::Preflight { problems: silent, hosts: 1 }.into());
    }
    let question = format!("Run on {host} again what was released?");
    carry_out(&workshop, plan, host, &question, &args.how, face).await
}

/// Opens the workshop, and goes on with what was interrupted first.
async fn open(host: &HostName, how: &RepairArgs, state: Option<PathBuf>, face: &mut Face) -> miette::Result<Result<Workshop, Exit>> {
    let access = if how.dry_run { Access::Look } else { Access::Through };
    let mut workshop = match workshop::open(&how.estate, &BuildArgs { parallel: None, offline: true }, state, access, face)? {
        Ok(workshop) => workshop,
        Err(exit) => return Ok(Err(exit)),
    };
    let hosts = &workshop.driver.estate.hosts;
    if !hosts.contains_key(host) {
        let help = match nearest(host.as_str(), hosts.keys().map(HostName::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`refit hosts` lists the hosts".to_owned(),
        };
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
async fn runs_something_on(workshop: &Workshop, host: &HostName) -> bool {
    let seen = workshop.driver.see_hosts().await;
    let statuses = workshop.driver.status(&seen, &BTreeMap::new());
    statuses.iter().any(|status| status.host == *host && status.health != "drained")
}

/// Shows the plan, asks, and carries it out. A host on which nothing runs is noted all the same.
async fn carry_out(workshop: &Workshop, plan: Plan, host: &HostName, question: &str, how: &RepairArgs, face: &mut Face) -> miette::Result<Exit> {
    if how.dry_run {
        super::plan::show(&plan, workshop.parallel(), face);
        return Ok(Exit::Done);
    }
    if workshop.driver.journal.releases(1)?.is_empty() {
        return Err(miette::miette!(
            help = "a host that is not to be used can be left out of the pipelines",
            "nothing was released yet, so there is nothing to do on {host}"
        ));
    }
    if !face.json {
        report::plan(&plan, workshop.driver.settings.parallel).lines().for_each(|line| face.printer.err(line));
    }
    if !how.yes && !face.ask(question, "look at the plan above; `--yes` carries it out without asking")? {
        face.printer.err("nothing was begun");
        return Ok(Exit::Failed);
    }
    rollout::carry_out(workshop, plan, face).await
}
