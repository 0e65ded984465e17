//! Opens what a command works with: the estate, the journal, the engines.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

pub(super) use crate::workshop::{engines_of, sources_to_look, state_folder, whoami};

use super::estate::{self, EstateArgs};
use super::{Exit, Face, server};
use crate::client::Client;
use crate::driver::{BaseRules, Driver, Settings, Watch};
use crate::edge::docker::login_trouble;
use crate::edge::sources::Sources;
use crate::edge::{Clock, SystemClock};
use crate::journal::{Inventories, Journal, Lock, LockError, Logs, SqliteJournal};
use crate::model::{ImageName, RunId, format_duration};
use crate::report::{self, Live};
use crate::rollout::Person;
use crate::run::{Event, RolloutState, RunState};
use crate::workshop::{BaseLooks, PARALLEL_DEFAULT, secrets_of_environment};

/// Where the pipelines are, for commands that need no estate.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct PipelineFolder {
    /// The folder of the pipeline files; `.refit` is looked for beside it.
    #[arg(long, default_value = "pipelines", value_name = "DIR", env = "REFIT_PIPELINES")]
    pub pipelines: PathBuf,
}

/// How builds are made.
#[derive(Debug, Clone, clap::Args)]
pub struct BuildArgs {
    /// Let so many images run the steps of their Dockerfiles at a time; the next get ready meanwhile [default: the builder's own setting,
    /// else 4].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub parallel: Option<u32>,
    /// Ask no registry: the bases are the images that the builder has.
    #[arg(long)]
    pub offline: bool,
}

impl BuildArgs {
    /// How a daemon builds is its own.
    pub(super) fn refuse_for(&self, daemon: &Client) -> miette::Result<()> {
        estate::refuse(self.offline, "--offline", daemon)?;
        estate::refuse(self.parallel.is_some(), "--parallel", daemon)
    }
}

/// How what was released is put in place again, or away for a while: nothing is built.
#[derive(Debug, clap::Args)]
pub(super) struct RepairArgs {
    /// Show what would be done, and stop.
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask before hosts are touched.
    #[arg(short, long)]
    pub yes: bool,
    #[command(flatten)]
    pub estate: EstateArgs,
}

/// What a command that looks or acts works with.
pub(super) struct Workshop {
    /// The driver, with everything real behind it.
    pub driver: Driver,
    /// Looks at bases, and what they showed so far.
    pub looks: Arc<BaseLooks>,
    /// What is shown while it goes on.
    pub live: Arc<Live>,
}

impl Workshop {
    /// Where it is kept what is in images.
    pub(super) fn inventories(&self) -> miette::Result<Arc<Inventories>> {
        let none = || miette::miette!(help = "this is a fault in refit", "the inventories were not opened");
        self.driver.inventories.clone().ok_or_else(none)
    }

    /// Builds at a time.
    pub(super) fn parallel(&self) -> usize {
        self.driver.settings.parallel
    }
}

/// Whether a command writes the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// It only looks.
    Look,
    /// It begins or goes on with a run: it must hold the estate's lock.
    Write,
}

/// Opens everything. `Err(exit)` when the findings were printed already.
pub(super) fn open(
    args: &EstateArgs,
    build: &BuildArgs,
    state: Option<PathBuf>,
    access: Access,
    face: &mut Face,
) -> miette::Result<Result<Workshop, Exit>> {
    let estate = match estate::load(args, face) {
        Ok(estate) => estate,
        Err(exit) => return Ok(Err(exit)),
    };
    let state = state_folder(&args.pipelines, state);
    let journal = Arc::new(match access {
        Access::Look => SqliteJournal::open(&state)?,
        Access::Write => SqliteJournal::open_to_write(&state, server::take_lock(&state)?)?,
    });
    let engines = engines_of(&estate)?;
    if !build.offline
        && let Some(trouble) = login_trouble()
    {
        face.printer.err(&format!("warning: {trouble}; mend it, or move it away and `docker login` again"));
    }
    let own = estate.builders.values().next().and_then(|builder| builder.parallel);
    let live = Arc::new(Live::new(face.printer.live && !face.json));
    let watch = Arc::new(Shown(live.clone()));
    let looks = Arc::new(BaseLooks::new(&estate, &engines, journal.clone(), Arc::new(SystemClock)));
    let mut driver = Driver {
        journal: journal.clone(),
        logs: Logs::new(&state),
        inventories: Some(Arc::new(Inventories::open(&state)?)),
        engines,
        sources: Arc::new(match access {
            Access::Look => sources_to_look(&state)?,
            Access::Write => Sources::new(state.join("cache")),
        }),
        clock: Arc::new(SystemClock),
        watch,
        settings: Settings {
            parallel: build.parallel.or(own).unwrap_or(PARALLEL_DEFAULT) as usize,
            offline: build.offline,
            bases: (!build.offline).then(|| looks.clone() as Arc<dyn BaseRules>),
            is_attended: std::io::stdin().is_terminal(),
            environment: secrets_of_environment(&estate),
        },
        estate,
    };
    driver.leave_out_drained()?;
    Ok(Ok(Workshop { driver, looks, live }))
}

/// Shows on the terminal what the driver reports.
struct Shown(Arc<Live>);

impl Watch for Shown {
    fn event(&self, _at: Timestamp, event: &Event) {
        self.0.event(event);
    }

    fn waiting(&self, what: &[String]) {
        self.0.waiting(what);
    }

    fn build_step(&self, image: &ImageName, step: &str) {
        self.0.build_step(image, step);
    }
}

/// The logs of builds.
pub(super) fn logs(folder: &PipelineFolder, state: Option<PathBuf>) -> Logs {
    Logs::new(&state_folder(&folder.pipelines, state))
}

pub(super) fn take_lock(state: &Path) -> Result<Lock, LockError> {
    Lock::take(state, SystemClock.now(), &command_line())
}

/// What was asked for, as a person would type it: where the program lies is of no interest afterwards, and the value of a variable may be secret.
pub(super) fn command_line() -> String {
    words(std::env::args().skip(1))
}

fn words(arguments: impl Iterator<Item = String>) -> String {
    let without_value = |setting: &str| format!("{}=***", setting.split_once('=').map_or(setting, |(name, _)| name));
    let mut line = "refit".to_owned();
    let (mut is_setting, mut is_server) = (false, false);
    for argument in arguments {
        let whom = argument.split('=').next().unwrap_or_default();
        // Whom a command asks is no part of what it asks for, and a URL may hold a password.
        if std::mem::take(&mut is_server) {
            continue;
        }
        if matches!(whom, "--server" | "--server-ca") {
            is_server = whom == argument;
            continue;
        }
        let shown = match argument.strip_prefix("--var=") {
            _ if is_setting => without_value(&argument),
            Some(setting) => format!("--var={}", without_value(setting)),
            None => argument.clone(),
        };
        is_setting = argument == "--var";
        line.push(' ');
        line.push_str(&shown);
    }
    line
}

/// A run that was named, or the newest.
pub(super) fn run_or_newest(journal: &dyn Journal, run: Option<RunId>) -> miette::Result<RunId> {
    match run {
        Some(run) => Ok(run),
        None => {
            let none = || miette::miette!(help = "`refit plan` shows what the first one would do", "there is no run yet");
            journal.runs(1)?.first().map(|summary| summary.run).ok_or_else(none)
        }
    }
}

/// A run that has not ended: the one that was named, or the only one.
pub(super) fn unfinished(journal: &dyn Journal, run: Option<RunId>) -> miette::Result<RunId> {
    let open = journal.unfinished()?;
    match run {
        Some(run) if open.contains(&run) => Ok(run),
        Some(run) if journal.run(run)?.is_some() => Err(miette::miette!(help = format!("`refit show {run}` tells how it ended"), "{run} is over")),
        Some(run) => Err(crate::driver::DriverError::UnknownRun(run).into()),
        None => open.last().copied().ok_or_else(|| miette::miette!(help = "`refit history` lists the runs", "no run is under way")),
    }
}

/// What a run waits for at a gate, in words; none if it waits at none.
pub(super) fn gate_of(journal: &dyn Journal, run: RunId) -> miette::Result<Option<String>> {
    let events = journal.events(run)?;
    let state = RunState::of(events.iter().map(|recorded| (recorded.at, &recorded.event))).map_err(crate::driver::DriverError::from)?;
    let words = |rollout: &RolloutState| {
        let (desired, number) = (&rollout.desired, rollout.stage.number);
        let gate = desired.gate(number);
        let approve = if gate.approve { format!("; `refit approve {run}` says that it may go on") } else { String::new() };
        let since = rollout.stage.at_gate.map(report::moment).unwrap_or_default();
        let bake = if gate.bake.is_zero() { String::new() } else { format!(", which bakes for {}", format_duration(gate.bake)) };
        format!("{run} waits at the gate behind {} of {} since {since}{bake}{approve}", desired.stage_name(number), desired.service)
    };
    Ok(state.at_gate().map(words))
}

/// The last word that people said about a run, waiting ones included.
pub(super) fn last_word(journal: &dyn Journal, run: RunId) -> miette::Result<Option<Person>> {
    let events = journal.events(run)?;
    let state = RunState::of(events.iter().map(|recorded| (recorded.at, &recorded.event))).map_err(crate::driver::DriverError::from)?;
    Ok(journal.words_waiting(run)?.last().copied().or(state.person))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_value_of_a_variable_is_not_journalled() {
        let asked = ["rollout", "--var", "token=a=b", "--var=key=c=d", "--yes"].map(String::from);
        assert_eq!(super::words(asked.into_iter()), "refit rollout --var token=*** --var=key=*** --yes");
    }

    #[test]
    fn whom_a_command_asks_is_not_journalled() {
        let asked = ["--server", "https://a:b@c", "rollout", "--server=https://d", "--server-ca", "ca.pem", "--yes"].map(String::from);
        assert_eq!(super::words(asked.into_iter()), "refit rollout --yes");
    }
}
