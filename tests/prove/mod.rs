//! The rollout as a model: every order in which things may happen to a small estate, with the real `decide` in the middle.
//!
//! A [`State`] is what hosts, containers, the orchestrator and its journal are at one moment, in as few words as `decide` can tell apart; time is a
//! number of ticks since something happened, and stops counting where nothing depends on it any more. [`steps`] says what may happen next,
//! [`scene`] turns a state into what `decide` is given and takes back what it returns, [`calm`] lets a state go on undisturbed to its end. What must
//! hold is said in `refit::sim`, for this model and for the stories told at random alike.
//!
//! `benches/prove.rs` explores the [`configurations`] completely; `tests/it_prove.rs` explores the small ones, with deciders that are a little wrong besides.

#![allow(missing_docs, unreachable_pub, dead_code, clippy::unwrap_used, reason = "a model for tests, of which each uses a part")]

pub mod ask;
pub mod calm;
pub mod configurations;
pub mod scene;
pub mod state;
pub mod steps;

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use refit::rollout::{Action, Desired, Observed, Person, Progress};
use refit::sim::Promise;
use stateright::{Checker, HasDiscoveries, Model, Property};

use calm::Calm;
use configurations::Configuration;
use scene::Stage;
use state::State;
use steps::Step;

/// What is put to the test: `decide`, or something that only looks like it.
pub type Decider = fn(&Desired, &Observed, Progress, Option<Person>, Timestamp) -> (Progress, Vec<Action>);

/// One configuration with one decider.
#[derive(Clone)]
pub struct Rollout {
    pub stage: Arc<Stage>,
    calm: Arc<Calm>,
}

impl Rollout {
    pub fn new(configuration: Configuration, decide: Decider) -> Self {
        Self { stage: Arc::new(Stage::new(configuration, decide)), calm: Arc::default() }
    }
}

/// The property for all that one decision can do wrong; which promise it was is in the state.
const SAFE: &str = "every promise is kept";
/// The property that a calm world brings every rollout to its end.
const ENDS: &str = "comes to an end";

impl Model for Rollout {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![self.stage.begin()]
    }

    fn actions(&self, state: &State, into: &mut Vec<Step>) {
        steps::possible(&self.stage, state, into);
    }

    fn next_state(&self, state: &State, step: Step) -> Option<State> {
        let next = steps::take(&self.stage, state, step).0;
        (next != *state).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(SAFE, |_, state: &State| state.broken.is_none()),
            Property::always(ENDS, |model: &Self, state: &State| state.broken.is_some() || model.calm.ends(&model.stage, state)),
        ]
    }
}

/// What an exploration came to.
pub struct Explored {
    pub states: usize,
    pub steps: usize,
    pub depth: usize,
    pub took: Duration,
    pub found: Option<Found>,
}

/// A promise that can be broken, and the shortest way there that was found.
pub struct Found {
    pub promise: Promise,
    pub why: String,
    pub way: Vec<Step>,
}

/// Explores everything that can happen, or until something is found.
pub fn explore(configuration: &Configuration, decide: Decider, threads: usize) -> Explored {
    let began = Instant::now();
    let model = Rollout::new(configuration.clone(), decide);
    let checker = model.clone().checker().threads(threads).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let found = checker.discoveries().into_iter().next().map(|(name, path)| {
        let pairs = path.into_vec();
        let way: Vec<Step> = pairs.iter().filter_map(|(_, step)| *step).collect();
        let Some((last, _)) = pairs.last() else { unreachable!("a way has a first state") };
        let before = pairs.len().checked_sub(2).map(|n| &pairs[n]);
        match last.broken {
            Some(promise) => {
                let why = before.and_then(|(state, step)| steps::take(&model.stage, state, (*step)?).1);
                Found { promise, why: why.unwrap_or_default(), way }
            }
            None => Found { promise: Promise::ComesToAnEnd, why: format!("{name} not, from {last:#?}"), way },
        }
    });
    Explored { states: checker.unique_state_count(), steps: checker.state_count(), depth: checker.max_depth(), took: began.elapsed(), found }
}
