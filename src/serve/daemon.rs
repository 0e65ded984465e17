//! What the daemon holds, and what every part of it shares.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::estate::Loaded;
use super::hooks::GoogleKeys;
use super::news::News;
use super::problems::Counted;
use crate::driver::{BaseRules, Driver, DriverError, Settings};
use crate::edge::sources::Sources;
use crate::edge::{Clock, SystemClock};
use crate::fault;
use crate::journal::{HeardAs, Inventories, JournalError, Logs, SqliteJournal};
use crate::model::RunId;
use crate::report::metrics::{Meters, Snapshot};
use crate::trigger::{Heard, Rules};
use crate::workshop::{BaseLooks, PARALLEL_DEFAULT, secrets_of_environment};

/// How the daemon was started.
#[derive(Debug, Clone)]
pub struct How {
    /// The folder with the pipeline files.
    pub pipelines: PathBuf,
    /// Variables that win over those of the files.
    pub vars: BTreeMap<String, String>,
    /// The state folder.
    pub state: PathBuf,
    /// Ask no registry.
    pub offline: bool,
    /// Builds at a time.
    pub parallel: Option<u32>,
    /// How long hints about a base are let settle.
    pub rules: Rules,
    /// What is done about drift.
    pub drift: DriftPolicy,
    /// How often the remote of the pipelines' own git repository is asked; never if none.
    pub follow: Option<Duration>,
    /// How often the hosts are asked for it.
    pub drift_every: Duration,
}

/// What is done about what runs and was not released so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DriftPolicy {
    /// It is put right.
    #[default]
    Repair,
    /// It is told.
    Report,
    /// Nobody looks.
    Off,
}

/// What the daemon is at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum Standing {
    /// Nothing waits.
    Idle,
    /// It carries out a run.
    Running {
        /// Which.
        run: RunId,
    },
    /// A run stands still until a person says a word.
    Paused {
        /// Which.
        run: RunId,
        /// Why.
        why: String,
    },
    /// Triggers wait.
    Waiting {
        /// When it looks again.
        until: Timestamp,
        /// What holds them.
        why: String,
    },
}

/// The daemon.
pub struct Daemon {
    /// The memory.
    pub journal: Arc<SqliteJournal>,
    /// The logs of builds.
    pub logs: Logs,
    /// What is in images.
    pub inventories: Arc<Inventories>,
    /// How it was started.
    pub how: How,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Tells what happens.
    pub news: News,
    /// Ends everything when it is cancelled.
    pub stop: CancellationToken,
    /// Counts what happens.
    pub meters: Meters,
    /// Wakes the task that carries out runs.
    pub(super) wake: Notify,
    /// Says that something was pushed somewhere: perhaps to the pipelines' own repository.
    pub(super) pushed: Notify,
    /// Says that another estate is in force.
    pub(super) reloaded: Notify,
    /// What the hosts showed last.
    pub(super) seen: Mutex<Snapshot>,
    /// The problems that were in containers when they were counted last.
    pub(super) problems: Mutex<Counted>,
    /// Schedules of which it was said that the clock is behind them.
    pub(super) behind: Mutex<BTreeSet<String>>,
    /// The keys of tokens.
    pub(super) google: tokio::sync::Mutex<GoogleKeys>,
    pub(super) estate: RwLock<Arc<Loaded>>,
    /// Held by who reads the estate again: one at a time.
    pub(super) reading: tokio::sync::Mutex<()>,
    /// What was wrong with the estate when it was read last; empty if nothing was.
    pub(super) told: Mutex<String>,
    standing: Mutex<Standing>,
}

impl Daemon {
    /// Reads the estate and makes a daemon that does nothing yet. The error holds all that is wrong with the estate.
    pub async fn new(how: How, journal: SqliteJournal, stop: CancellationToken) -> Result<Arc<Self>, String> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let loaded = Loaded::read(&how, clock.now()).await?;
        let inventories = Arc::new(Inventories::open(&how.state).map_err(|error| fault::with_help(&error))?);
        Ok(Arc::new(Self {
            logs: Logs::new(&how.state),
            inventories,
            journal: Arc::new(journal),
            clock,
            news: News::default(),
            stop,
            meters: Meters::new(env!("CARGO_PKG_VERSION")),
            wake: Notify::new(),
            pushed: Notify::new(),
            reloaded: Notify::new(),
            seen: Mutex::default(),
            problems: Mutex::default(),
            behind: Mutex::default(),
            google: tokio::sync::Mutex::default(),
            estate: RwLock::new(loaded),
            reading: tokio::sync::Mutex::default(),
            told: Mutex::default(),
            standing: Mutex::new(Standing::Idle),
            how,
        }))
    }

    /// The estate that is in force.
    pub fn loaded(&self) -> Arc<Loaded> {
        self.estate.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What it is at.
    pub fn standing(&self) -> Standing {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn stands(&self, standing: Standing) {
        *self.standing.lock().unwrap_or_else(PoisonError::into_inner) = standing;
    }

    /// Takes in what was heard, durably, and wakes whoever carries it out.
    pub async fn hear(&self, heard: Vec<Heard>) -> Result<Vec<HeardAs>, JournalError> {
        if heard.is_empty() {
            return Ok(Vec::new());
        }
        let answer = self.journal.hear(self.clock.now(), heard).await?;
        self.wake.notify_one();
        Ok(answer)
    }

    /// Wakes whoever carries out runs: something was said about one.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Looks at the bases of an estate.
    pub(crate) fn looks(&self, loaded: &Loaded) -> BaseLooks {
        BaseLooks::new(&loaded.estate, &loaded.engines, self.journal.clone(), self.clock.clone())
    }

    /// A driver for the estate that is in force.
    pub fn driver(&self) -> Result<Driver, DriverError> {
        let loaded = self.loaded();
        let own = loaded.estate.builders.values().next().and_then(|builder| builder.parallel);
        let mut driver = Driver {
            journal: self.journal.clone(),
            logs: Logs::new(&self.how.state),
            inventories: Some(self.inventories.clone()),
            engines: loaded.engines.clone(),
            sources: Arc::new(Sources::new(self.how.state.join("cache"))),
            clock: self.clock.clone(),
            watch: Arc::new(self.news.clone()),
            settings: Settings {
                parallel: self.how.parallel.or(own).unwrap_or(PARALLEL_DEFAULT) as usize,
                offline: self.how.offline,
                bases: (!self.how.offline).then(|| Arc::new(self.looks(&loaded)) as Arc<dyn BaseRules>),
                // A gate that only a person opens is waited at: the word comes through the journal.
                is_attended: true,
                environment: secrets_of_environment(&loaded.estate),
            },
            estate: loaded.estate.clone(),
        };
        driver.leave_out_drained()?;
        Ok(driver)
    }
}
