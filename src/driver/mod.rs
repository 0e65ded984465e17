//! The loop of a run: look, decide, remember, act. The journal's only writer; sees the edge's traits alone.
//!
//! [`Driver::look`] and the planner make a plan; [`Driver::begin`] or [`Driver::take_up`] give a recorder, with which [`Driver::carry_on`]
//! goes from wherever the run is to its end.

mod base_now;
mod blame;
mod build_log;
mod build_one;
mod builds;
mod carry;
mod contents;
mod drain;
mod engines;
mod error;
mod guard;
mod handover;
mod health;
mod hosts;
mod inheritance;
mod look;
mod looks;
mod new_release;
mod observer;
mod platform;
mod prune;
mod recorder;
mod restores;
mod roll;
mod rollouts;
mod status;
mod story;
mod told;
mod turns;
mod ways_back;
mod wind_up;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

pub use base_now::{BaseNow, BaseRules};
pub use contents::{ContentsError, gaps_of_release};
pub use engines::Engines;
pub use error::{DriverError, NotPulled};
pub use hosts::{HostStanding, ask_hosts};
pub use inheritance::{examine, inheritance};
pub use look::Looked;
pub use prune::{EngineSurvey, Survey};
pub use recorder::{Recorder, Watch};
pub use status::{Expected, Seen};
pub use story::CameTo;
pub use ways_back::WayBack;

use crate::edge::{Clock, Source};
use crate::journal::{Inventories, Journal, Logs};
use crate::model::Secret;
use crate::pipeline::Estate;

/// Everything that a run needs.
pub struct Driver {
    /// What people wrote.
    pub estate: Estate,
    /// Where everything is recorded.
    pub journal: Arc<dyn Journal>,
    /// Where the logs of builds are kept.
    pub logs: Logs,
    /// Where it is kept what is in images; without it nothing is read.
    pub inventories: Option<Arc<Inventories>>,
    /// Hosts and builder.
    pub engines: Engines,
    /// Where contexts come from.
    pub sources: Arc<dyn Source>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Who is shown what happens.
    pub watch: Arc<dyn Watch>,
    /// How it is done.
    pub settings: Settings,
}

/// How a run is carried out.
pub struct Settings {
    /// Builds at a time.
    pub parallel: usize,
    /// Ask no registry: the builder's own images are the bases.
    pub offline: bool,
    /// What the names of bases stand for; the newest under each, if nobody says otherwise.
    pub bases: Option<Arc<dyn BaseRules>>,
    /// Whether somebody is there who can be waited for; if not, a run that only a person can let on ends in between.
    pub is_attended: bool,
    /// refit's environment, from which build secrets may come.
    pub environment: BTreeMap<String, Secret>,
}

/// The time from `now` to `at`; nothing if it has passed.
pub(crate) fn until(now: Timestamp, at: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(now)).unwrap_or_default()
}
