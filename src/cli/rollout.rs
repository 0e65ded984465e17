//! `refit rollout`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::estate::{EstateArgs, known};
use super::plan::{self, ChangeArgs};
use super::server::At;
use super::signals::{Signals, Told};
use super::workshop::{self, Access, BuildArgs, Workshop};
use super::{Exit, Face, wish};
use crate::driver::{CameTo, DriverError, Recorder};
use crate::model::{HostName, ReleaseNumber, RunId, ServiceName};
use crate::pipeline::{Estate, select_hosts};
use crate::plan::Plan;
use crate::report;
use crate::rollout::Person;
use crate::run::RunOutcome;
use crate::workshop::{PackagesOfBases, drained_warnings, packages_of_bases};

/// Build what is out of date and roll it out, with health checks and automatic rollback.
///
/// Shows the plan and asks first. Images are built in the order of inheritance, brought to all hosts, and only then is the first container
/// replaced. A service that gets worse goes back by itself, and when more services do than `run.max_failed_services` allows, so does every
/// service that this run has rolled. Ctrl-C stops builds; during a rollout it pauses first and takes everything back the second time. SIGTERM
/// and SIGHUP stop builds too; during a rollout what is begun is carried to its end, then refit leaves, and `refit resume` or the next rollout
/// goes on.
///
/// At a gate that asks for a person's word it waits for `refit approve`, from this or any other terminal; where stdin is no terminal it ends there.
///
/// Ends with 0 if all is done, 1 if it failed (rolled back, or nothing changed), 3 if it ended in between (paused, waits for approval, hosts left
/// behind), 130 if it was interrupted.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  refit rollout --base debian:bookworm-slim\n  refit rollout web --hosts zone=a --yes")]
pub struct RolloutArgs {
    /// Roll only these services [default: all that the change concerns].
    pub services: Vec<ServiceName>,
    #[command(flatten)]
    pub change: ChangeArgs,
    /// Build nothing and roll this release.
    #[arg(long, value_name = "N", conflicts_with_all = ["base", "image", "all", "rebuild"])]
    pub release: Option<ReleaseNumber>,
    /// Roll only on hosts that this selects: labels (`zone=a,pool=web`), a name, or `*`.
    #[arg(long, value_name = "SELECTOR")]
    pub hosts: Option<String>,
    /// Roll services that are sick already, too; one that is named is rolled in any case.
    #[arg(long)]
    pub sick: bool,
    /// Do not ask before hosts are touched.
    #[arg(short, long)]
    pub yes: bool,
    /// Do exactly the plan that `refit plan` printed with this hash, without asking; refuse if it has become another one.
    #[arg(long, value_name = "HASH", value_parser = PlanHash::parse)]
    pub plan: Option<PlanHash>,
    #[command(flatten)]
    pub estate: EstateArgs,
    #[command(flatten)]
    pub build: BuildArgs,
}

/// The beginning of a plan's hash, as people copy it: twelve hexadecimal digits at least.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanHash(String);

impl PlanHash {
    const DIGITS_MIN: usize = 12;

    fn parse(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix("sha256:").unwrap_or(text);
        match digits.len() {
            Self::DIGITS_MIN..=64 if digits.bytes().all(|byte| byte.is_ascii_hexdigit()) => Ok(Self(digits.to_ascii_lowercase())),
            _ => Err("expected the hash that `refit plan` prints: 12 to 64 hexadecimal digits".to_owned()),
        }
    }

    /// What was agreed to is what is done. A plan that has become another one is shown and refused.
    pub(super) fn check(&self, plan: &Plan, parallel: usize, face: &mut Face) -> miette::Result<()> {
        let now = plan.hash();
        if now.hex().starts_with(&self.0) {
            return Ok(());
        }
        plan::show(plan, parallel, face);
        Err(miette::miette!(
            help = "look at the plan above: something moved, was built or was rolled since; `refit rollout` with its hash does that one",
            "the plan is not {} any more but {}; nothing was begun",
            self.0,
            now.short()
        ))
    }
}

/// Runs `refit rollout`.
pub(super) async fn run(args: &RolloutArgs, at: At, face: &mut Face) -> miette::Result<Exit> {
    if let Some(daemon) = at.daemon(&args.estate.pipelines) {
        return wish::rollout(&daemon, args, face).await;
    }
    let mut workshop = match workshop::open(&args.estate, &args.build, at.state, Access::Write, face)? {
        Ok(workshop) => workshop,
        Err(exit) => return Ok(exit),
    };
    known(&args.services, &workshop.driver.estate)?;
    let hosts = selected(args.hosts.as_deref(), &workshop.driver.estate)?;
    if let Some(exit) = take_up_what_was_interrupted(&mut workshop, face).await? {
        return Ok(exit);
    }
    let change = match args.release {
        Some(number) => plan::release(number, &workshop)?,
        None => args.change.change(),
    };
    let is_asked_for = |service: &ServiceName| args.sick || args.services.contains(service);
    let mut plan = plan::make(&workshop, &change, is_asked_for, face).await?;
    tell_drained(hosts.as_ref(), &workshop.driver.estate, face);
    plan.narrow(&args.services, hosts.as_ref(), &workshop.driver.estate);
    if let Some(agreed) = &args.plan {
        agreed.check(&plan, workshop.parallel(), face)?;
    }
    begin(&workshop, plan, args.yes || args.plan.is_some(), face).await
}

/// Shows a plan, asks, and carries it out.
pub(super) async fn begin(workshop: &Workshop, plan: Plan, yes: bool, face: &mut Face) -> miette::Result<Exit> {
    if plan.does_nothing() {
        plan::show(&plan, workshop.parallel(), face);
        return Ok(Exit::Done);
    }
    let silent = workshop.driver.silent_hosts(&plan.hosts()).await?;
    let packages = packages_of_bases(&workshop.driver, &plan).await;
    if !is_agreed(&plan, workshop.parallel(), &packages, silent, yes, face)? {
        return Ok(Exit::Failed);
    }
    carry_out(workshop, plan, face).await
}

/// Carries a plan out that was agreed to.
pub(super) async fn carry_out(workshop: &Workshop, plan: Plan, face: &mut Face) -> miette::Result<Exit> {
    let recorder = workshop.driver.begin(plan, &workshop::whoami(), &workshop::command_line()).await?;
    carry_on(workshop, &recorder, face).await
}

/// Shows a plan and asks. `silent` are hosts that do not answer: then there is nothing to agree to.
pub(super) fn is_agreed(
    plan: &Plan,
    parallel: usize,
    packages: &PackagesOfBases,
    silent: BTreeMap<HostName, String>,
    yes: bool,
    face: &mut Face,
) -> miette::Result<bool> {
    if !face.json {
        report::packages::of_bases(packages).iter().for_each(|line| face.printer.err(line));
        report::plan(plan, parallel).lines().for_each(|line| face.printer.err(line));
    }
    let hosts = plan.hosts();
    if !silent.is_empty() {
        return Err(DriverError::silent(&silent, hosts.len()).into());
    }
    if yes || face.ask(&question(plan, &hosts), "look at the plan above; `--yes` carries it out without asking")? {
        return Ok(true);
    }
    face.printer.err("nothing was begun");
    Ok(false)
}

/// Carries a run on to its end, listening to signals, and says how it ended.
pub(super) async fn carry_on(workshop: &Workshop, recorder: &Arc<Recorder>, face: &mut Face) -> miette::Result<Exit> {
    let run = recorder.run();
    let leaving = AtomicBool::new(false);
    face.between_runs.abort_all();
    let mut signals = Signals::listen().map_err(|error| miette::miette!("{run}: signals cannot be listened to: {error}"))?;
    let came = tokio::select! {
        came = workshop.driver.carry_on(recorder) => Some(came),
        () = stopped(&mut signals, workshop, recorder, &leaving) => None,
    };
    face.between_runs = signals.end_the_process();
    workshop.live.close();
    let came = came.filter(|came| !(leaving.load(Ordering::Relaxed) && matches!(came, Ok(CameTo::Pause { .. }))));
    let exit = match came {
        None => {
            if leaving.load(Ordering::Relaxed) && no_slot_failed(recorder).await {
                // It was no person's wish to pause: whoever comes next goes on.
                say(workshop, recorder, Person::Resume);
            }
            workshop.driver.interrupted(recorder, &workshop::whoami()).await?;
            face.printer.err(&format!("{run} stopped here; `refit resume {run}` goes on, builds that ended are not done again"));
            Exit::Interrupted
        }
        Some(Ok(CameTo::Pause { what, why })) => tell_pause(run, &format!("{what}: {why}"), face),
        Some(Ok(CameTo::Gate { service, stage })) => tell_gate(run, &service, &stage, face),
        Some(Ok(CameTo::End(outcome))) => tell_end(run, &outcome, face),
        // The run is over, and its error says what to do.
        Some(Err(error @ (DriverError::Preflight { .. } | DriverError::WouldLoseData { .. }))) => return Err(error.into()),
        Some(Err(error)) => {
            face.printer.err(&format!("{run} could not go on; `refit resume {run}` takes it up again"));
            return Err(error.into());
        }
    };
    if face.json
        && let Some(summary) = workshop.driver.journal.run(run)?
    {
        face.printer.json(&summary);
    }
    Ok(exit)
}

/// Says that a run stands still.
pub(super) fn tell_pause(run: RunId, why: &str, face: &mut Face) -> Exit {
    face.printer.err(&format!("paused: {why}"));
    face.printer.err(&format!("`refit resume {run}` goes on, `refit abort {run}` takes back all that it rolled"));
    Exit::Between
}

/// Says that a run waits for a person, and that none is here.
pub(super) fn tell_gate(run: RunId, service: &ServiceName, stage: &str, face: &mut Face) -> Exit {
    face.printer.err(&format!("waits for approval: {service}: {stage} is through, and nobody is here to say whether it goes on"));
    face.printer.err(&format!("`refit approve {run}` goes on, `refit abort {run}` ends it, and the service that it is rolling goes back"));
    Exit::Between
}

/// Says where to look if a run did not end well.
pub(super) fn tell_end(run: RunId, outcome: &RunOutcome, face: &mut Face) -> Exit {
    let exit = exit_of(outcome);
    if exit != Exit::Done {
        face.printer.err(&format!("`refit show {run}` tells why, `refit status` what runs now"));
    }
    exit
}

/// How a run's end is told to a shell.
pub(super) fn exit_of(outcome: &RunOutcome) -> Exit {
    match outcome {
        RunOutcome::Done | RunOutcome::NothingToDo => Exit::Done,
        RunOutcome::BuildsFailed { .. } | RunOutcome::RolledBack { .. } | RunOutcome::Refused { .. } | RunOutcome::Aborted { .. } => Exit::Failed,
        RunOutcome::InPart { .. } | RunOutcome::Stuck { .. } => Exit::Between,
    }
}

/// Returns when a signal should end the process at once. While containers are being rolled, the first Ctrl-C pauses and the second one takes
/// back; who is told to leave carries to its end what is begun, and leaves at once when told again.
async fn stopped(signals: &mut Signals, workshop: &Workshop, recorder: &Arc<Recorder>, leaving: &AtomicBool) {
    let mut pressed = 0;
    loop {
        let told = signals.next().await;
        let rolling = recorder.state(|state| state.rollouts.iter().any(|rollout| rollout.ended.is_none())).await;
        if !rolling {
            return;
        }
        let (word, line) = match (told, pressed) {
            (Told::Leave, _) if leaving.swap(true, Ordering::Relaxed) => return,
            (Told::Leave, _) => (Person::Pause, "told to end: what is begun is carried to its end, then the run stops here"),
            (Told::Interrupt, 0) => (Person::Pause, "pausing here; Ctrl-C again aborts the run: every service that it rolled goes back"),
            (Told::Interrupt, _) => (Person::Abort, "every service that this run rolled goes back, most recent first; please wait"),
        };
        pressed += u32::from(told == Told::Interrupt);
        workshop.live.note(line);
        say(workshop, recorder, word);
    }
}

fn say(workshop: &Workshop, recorder: &Recorder, word: Person) {
    if let Err(error) = workshop.driver.journal.say(recorder.run(), workshop.driver.clock.now(), word, &workshop::whoami()) {
        workshop.live.note(&format!("the word could not be passed on: {error}"));
    }
}

/// A rollout whose slots failed may stand still for their sake, and that is for a person to end.
async fn no_slot_failed(recorder: &Recorder) -> bool {
    recorder.state(|state| state.rollouts.iter().all(|rollout| rollout.ended.is_some() || rollout.failed.is_empty())).await
}

/// A run that died is gone on with before anything new: it may hold services in between. A daemon does that by itself.
pub(super) async fn take_up_what_was_interrupted(workshop: &mut Workshop, face: &mut Face) -> miette::Result<Option<Exit>> {
    let Some(run) = workshop.driver.journal.unfinished()?.first().copied() else { return Ok(None) };
    face.printer.err(&format!("{run} was interrupted and is gone on with first; `refit abort {run}` would take it back instead"));
    let recorder = workshop.driver.take_up(run, &workshop::whoami()).await?;
    match carry_on(workshop, &recorder, face).await? {
        Exit::Done => {
            // It may have been the drain of a host.
            workshop.driver.leave_out_drained()?;
            Ok(None)
        }
        exit => Ok(Some(exit)),
    }
}

/// The hosts that `--hosts` selects.
pub(super) fn selected(selector: Option<&str>, estate: &Estate) -> miette::Result<Option<BTreeSet<HostName>>> {
    let hosts = selector.map(|selector| select_hosts(selector, &estate.hosts)).transpose();
    hosts.map_err(|why| miette::miette!(help = "`refit hosts` lists the hosts and their labels", "`--hosts`: {why}"))
}

/// Says of hosts that were asked for and are drained that nothing is done there.
pub(super) fn tell_drained(hosts: Option<&BTreeSet<HostName>>, estate: &Estate, face: &mut Face) {
    drained_warnings(hosts, estate).iter().for_each(|line| face.printer.err(&format!("warning: {line}")));
}

fn question(plan: &Plan, hosts: &BTreeSet<HostName>) -> String {
    let services: Vec<_> = plan.rolls.iter().map(|roll| roll.service.to_string()).collect();
    let names: Vec<_> = hosts.iter().map(ToString::to_string).collect();
    match services.len() {
        0 => "Build? No host is touched.".to_owned(),
        _ => format!("Roll {} on {} ({})?", services.join(", "), report::count(hosts.len(), "host"), names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_s_hash_is_taken_as_people_copy_it() {
        let hex = "0123456789abcdef".repeat(4);
        for good in [&hex[..12], &hex, &format!("sha256:{hex}"), "0123456789AB"] {
            assert!(hex.starts_with(&PlanHash::parse(good).unwrap().0), "{good}");
        }
        for bad in ["", "0123456789a", "0123456789ag", &format!("{hex}0")] {
            assert!(PlanHash::parse(bad).is_err(), "{bad}");
        }
    }
}
