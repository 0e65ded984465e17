//! What is counted while it happens.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::labels::{self, HookResult, Names, NoticeResult, PollResult};
use super::snapshot::Snapshot;
use crate::model::NotifyName;
use crate::run::{BuildOutcome, Event, RunState};

/// A hook is answered within milliseconds, most of them the disk's.
const HOOK_SECONDS: [f64; 11] = [0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
/// A build takes from a second to an hour.
const BUILD_SECONDS: [f64; 10] = [1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3_600.0];
/// A rollout takes from seconds to a day: waves bake, and wait for people.
const ROLLOUT_SECONDS: [f64; 10] = [5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0];

pub(super) type Labels<const N: usize> = [(&'static str, String); N];
type Counters<const N: usize> = Family<Labels<N>, Counter>;
type Histograms<const N: usize> = Family<Labels<N>, Histogram, fn() -> Histogram>;
pub(super) type Seconds = Gauge<f64, AtomicU64>;

/// Counts what happens. Copies count into the same place.
#[derive(Debug, Clone)]
pub struct Meters {
    live: Arc<Live>,
}

#[derive(Debug)]
struct Live {
    version: String,
    runs: Counters<1>,
    builds: Counters<1>,
    build_seconds: Histograms<1>,
    rollout_seconds: Histograms<1>,
    hooks: Counters<2>,
    hook_names: Names,
    hook_seconds: Histogram,
    polls: Counters<1>,
    notices: Counters<2>,
    addressees: Names,
    reloads: Counters<1>,
    reload_ok_at: Seconds,
    reload_failed_at: Seconds,
}

impl Meters {
    /// Nothing was counted yet. `version` is refit's own.
    pub fn new(version: &str) -> Self {
        let live = Live {
            version: version.to_owned(),
            runs: Family::default(),
            builds: Family::default(),
            build_seconds: Family::new_with_constructor(|| Histogram::new(BUILD_SECONDS)),
            rollout_seconds: Family::new_with_constructor(|| Histogram::new(ROLLOUT_SECONDS)),
            hooks: Family::default(),
            hook_names: Names::default(),
            hook_seconds: Histogram::new(HOOK_SECONDS),
            polls: Family::default(),
            notices: Family::default(),
            addressees: Names::default(),
            reloads: Family::default(),
            reload_ok_at: Gauge::default(),
            reload_failed_at: Gauge::default(),
        };
        begin(&live.runs, "outcome", labels::RUNS);
        begin(&live.builds, "outcome", labels::BUILDS);
        begin(&live.polls, "result", labels::POLLS.map(PollResult::as_str));
        begin(&live.reloads, "result", labels::RELOADS);
        Self { live: Arc::new(live) }
    }

    /// A hook of the estate, by its name, was answered after so many seconds. One whose name the estate does not know is counted as `unknown`.
    pub fn hook(&self, name: Option<&str>, result: HookResult, seconds: f64) {
        let name = self.live.hook_names.counted(name.unwrap_or("unknown"));
        self.live.hooks.get_or_create(&[("hook", name), ("result", result.as_str().to_owned())]).inc();
        // What is no time, neither forwards nor at all, counts as none.
        self.live.hook_seconds.observe(seconds.max(0.0));
    }

    /// A registry was asked for a base.
    pub fn poll(&self, result: PollResult) {
        self.live.polls.get_or_create(&[("result", result.as_str().to_owned())]).inc();
    }

    /// Somebody was told something, or could not be.
    pub fn notice(&self, addressee: &NotifyName, result: NoticeResult) {
        let addressee = self.live.addressees.counted(addressee.as_str());
        self.live.notices.get_or_create(&[("addressee", addressee), ("result", result.as_str().to_owned())]).inc();
    }

    /// The pipelines were read again, and took effect or did not.
    pub fn estate_read(&self, at: Timestamp, is_right: bool) {
        let (result, moment) = if is_right { ("ok", &self.live.reload_ok_at) } else { ("failed", &self.live.reload_failed_at) };
        self.live.reloads.get_or_create(&[("result", result.to_owned())]).inc();
        moment.set(at.as_duration().as_secs_f64());
    }

    /// A run came to something. `state` is the run's with the event in it or without.
    pub fn event(&self, at: Timestamp, event: &Event, state: &RunState) {
        match event {
            Event::BuildEnded { outcome, elapsed_ms, .. } => self.build_ended(outcome, Duration::from_millis(*elapsed_ms)),
            Event::RolloutEnded { service, outcome, .. } => {
                if let Some(rollout) = state.rollout(service) {
                    let seconds = at.duration_since(rollout.began_at).as_secs_f64().max(0.0);
                    self.live.rollout_seconds.get_or_create(&[("outcome", labels::of_rollout(outcome).to_owned())]).observe(seconds);
                }
            }
            Event::RunEnded { outcome } => {
                self.live.runs.get_or_create(&[("outcome", labels::of_run(outcome).to_owned())]).inc();
            }
            _ => {}
        }
    }

    fn build_ended(&self, outcome: &BuildOutcome, took: Duration) {
        let label = [("outcome", labels::of_build(outcome).to_owned())];
        self.live.builds.get_or_create(&label).inc();
        // What was not built took no time, which says nothing about builds.
        if matches!(outcome, BuildOutcome::Built { .. } | BuildOutcome::Unchanged { .. } | BuildOutcome::Failed { .. }) {
            self.live.build_seconds.get_or_create(&label).observe(took.as_secs_f64());
        }
    }

    /// All that was counted, and what is so now, as OpenMetrics text. Asked twice at once it gives both their own.
    pub fn encode(&self, snapshot: &Snapshot) -> String {
        let mut registry = Registry::with_prefix("refit");
        self.register(&mut registry);
        snapshot.register(&mut registry);
        let mut out = String::new();
        // Writing into a text does not fail.
        let _ = text::encode(&mut out, &registry);
        out
    }

    /// Families are shared with the registry, not copied.
    fn register(&self, registry: &mut Registry) {
        let live = &self.live;
        registry.register("build", "The version of refit", Info::new([("version", live.version.clone())]));
        registry.register("runs", "Runs that ended, by how they ended", live.runs.clone());
        registry.register("builds", "Builds that ended, by how they ended", live.builds.clone());
        let help = "How long builds took that were really made, by how they ended";
        registry.register_with_unit("build_duration", help, Unit::Seconds, live.build_seconds.clone());
        let help = "How long rollouts took, gates and pauses included, by how they ended";
        registry.register_with_unit("rollout_duration", help, Unit::Seconds, live.rollout_seconds.clone());
        registry.register("hooks_received", "Hooks that came in, by what became of them", live.hooks.clone());
        registry.register_with_unit("hook_answer_duration", "How long hooks waited for their answer", Unit::Seconds, live.hook_seconds.clone());
        registry.register("polls", "Looks at the registries of bases, by what came of them", live.polls.clone());
        registry.register("notices", "Attempts to tell somebody something, by what became of them", live.notices.clone());
        registry.register("estate_reloads", "How often the pipelines were read again, by whether they took effect", live.reloads.clone());
        let help = "When the pipelines were last read and took effect, 0 if never";
        registry.register_with_unit("estate_reload_ok_timestamp", help, Unit::Seconds, live.reload_ok_at.clone());
        let help = "When the pipelines were last read and had mistakes in them, 0 if never";
        registry.register_with_unit("estate_reload_failed_timestamp", help, Unit::Seconds, live.reload_failed_at.clone());
    }
}

/// Begins each of these at 0.
fn begin<const N: usize>(counters: &Counters<1>, label: &'static str, values: [&'static str; N]) {
    for value in values {
        drop(counters.get_or_create(&[(label, value.to_owned())]));
    }
}
