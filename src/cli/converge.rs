//! `refit converge`.

use super::estate::known;
use super::rollout;
use super::server::At;
use super::workshop::{self, Access, BuildArgs, RepairArgs};
use super::{Exit, Face, wish};
use crate::model::ServiceName;
use crate::plan::Plan;

/// Bring what runs back to what was released; builds nothing and rolls nothing newer.
///
/// For hosts that were left behind and are back, for containers that somebody removed, and for what a rollout could not clear away. `refit status`
/// shows what drifted. Hosts that do not answer are named and left out: call it again when they are back.
///
/// Ends with 0 if all is as it was released, 3 if hosts are still silent.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  refit converge\n  refit converge web --hosts web-2 --dry-run")]
pub struct ConvergeArgs {
    /// Only these services [default: all that drifted].
    pub(super) services: Vec<ServiceName>,
    /// Only on hosts that this selects: labels (`zone=a,pool=web`), a name, or `*`.
    #[arg(long, value_name = "SELECTOR")]
    pub(super) hosts: Option<String>,
    #[command(flatten)]
    pub(super) how: RepairArgs,
}

/// Runs `refit converge`.
pub(super) async fn run(args: &ConvergeArgs, at: At, face: &mut Face) -> miette::Result<Exit> {
    if let Some(daemon) = at.daemon(&args.how.estate.pipelines) {
        return wish::converge(&daemon, args, face).await;
    }
    let state = at.state;
    let access = if args.how.dry_run { Access::Look } else { Access::Write };
    let build = BuildArgs { parallel: None, offline: true };
    let mut workshop = match workshop::open(&args.how.estate, &build, state, access, face)? {
        Ok(workshop) => workshop,
        Err(exit) => return Ok(exit),
    };
    known(&args.services, &workshop.driver.estate)?;
    let hosts = rollout::selected(args.hosts.as_deref(), &workshop.driver.estate)?;
    if !args.how.dry_run
        && let Some(exit) = rollout::take_up_what_was_interrupted(&mut workshop, face).await?
    {
        return Ok(exit);
    }
    let seen = workshop.driver.see_hosts().await;
    let silent = workshop.driver.silent(&seen, &args.services, hosts.as_ref());
    for (host, why) in &silent {
        face.printer.err(&format!("warning: {host} is left out, it does not answer: {why}"));
    }
    let mut plan = workshop.driver.plan_repair(&seen)?;
    rollout::tell_drained(hosts.as_ref(), &workshop.driver.estate, face);
    plan.narrow(&args.services, hosts.as_ref(), &workshop.driver.estate);
    let exit = if plan.rolls.is_empty() || args.how.dry_run {
        show(&plan, workshop.parallel(), face);
        Exit::Done
    } else {
        rollout::begin(&workshop, plan, args.how.yes, face).await?
    };
    Ok(if exit == Exit::Done && !silent.is_empty() { Exit::Between } else { exit })
}

/// Shows what would be put right.
pub(super) fn show(plan: &Plan, parallel: usize, face: &mut Face) {
    if plan.rolls.is_empty() && !face.json {
        face.printer.out("Nothing to do: what answers runs what was released.");
    } else {
        super::plan::show(plan, parallel, face);
    }
}
