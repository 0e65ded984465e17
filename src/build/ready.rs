//! The schedule of a plan's builds: an image starts the moment its own parents are ready, the longest remaining way first.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use crate::build::BuildOutcome;
use crate::model::{Digest, ImageName, ImageRef, SmallMap};
use crate::plan::{BuildStep, Pin, Plan, Reason, StepKind, inputs, resolve_pins};

/// A build that was never measured is taken for one of a second.
const UNMEASURED: Duration = Duration::from_secs(1);

/// Where a step is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepState {
    /// It waits for its parents, or for its turn.
    Waiting,
    /// Its turn has come.
    Running,
    /// It ended; the id that its dependents stand on.
    Ready(Digest),
    /// It failed, or was skipped.
    Lost,
    /// Its policy says not now, and nothing released is there to stand on.
    Absent,
}

/// What is to be done now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// Build it; with these inputs, its references pinned to these.
    Build {
        /// Which image.
        image: ImageName,
        /// All that it depends on.
        inputs: Digest,
        /// What each reference, by its normal form, is pinned to.
        pins: SmallMap<ImageRef, Digest>,
    },
    /// Take the build that is there.
    Reuse {
        /// Which image.
        image: ImageName,
        /// The image that is there.
        id: Digest,
        /// All that it depends on.
        inputs: Digest,
    },
    /// Its parents came out as they were, and nothing else is a reason: the released image stays.
    Keep {
        /// Which image.
        image: ImageName,
        /// The released image.
        id: Digest,
        /// All that it depends on.
        inputs: Digest,
    },
    /// A parent failed or was skipped.
    Skip {
        /// Which image.
        image: ImageName,
        /// The image that failed first, on which this one stands in the end.
        because: ImageName,
    },
}

impl Start {
    /// Which image.
    pub fn image(&self) -> &ImageName {
        match self {
            Self::Build { image, .. } | Self::Reuse { image, .. } | Self::Keep { image, .. } | Self::Skip { image, .. } => image,
        }
    }
}

/// The builds of one plan, from the first start to the last result. Folds the same results to the same state, in life and in recovery.
#[derive(Debug, Clone)]
pub struct Schedule<'a> {
    steps: &'a [BuildStep],
    parallel: usize,
    index: HashMap<&'a ImageName, usize>,
    children: Vec<Vec<usize>>,
    state: Vec<StepState>,
    /// Parents that have not ended.
    waits_for: Vec<usize>,
    /// The image that failed first on the way to a lost one.
    culprit: Vec<Option<usize>>,
    ways: Vec<Duration>,
    /// Builds whose parents have ended, longest way first.
    ready: BTreeMap<(Reverse<Duration>, usize), Start>,
    /// Builds that get ready for their turn, longest way first.
    next: BTreeSet<(Reverse<Duration>, usize)>,
    /// What needs no place: reused, kept, skipped.
    instant: BTreeMap<usize, Start>,
    /// Builds that hold a place.
    running: BTreeSet<usize>,
    released: &'a BTreeMap<ImageName, Released>,
    known: &'a BTreeMap<Digest, Digest>,
}

/// The released build of an image: what stays if nothing is a reason to build it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Released {
    /// The image id.
    pub id: Digest,
    /// All that it was built from.
    pub inputs: Digest,
    /// Whether it is still on the builder, so that others can be built on it.
    pub present: bool,
}

impl<'a> Schedule<'a> {
    /// The schedule before anything has started.
    ///
    /// `released` is the latest release's image of each name, `known` the builds still on the builder that passed their tests (inputs → id).
    /// `parallel` builds run at once; 0 counts as 1.
    pub fn new(plan: &'a Plan, parallel: usize, released: &'a BTreeMap<ImageName, Released>, known: &'a BTreeMap<Digest, Digest>) -> Self {
        let steps = &plan.steps[..];
        let index: HashMap<_, _> = steps.iter().enumerate().map(|(at, step)| (&step.image, at)).collect();
        let mut children = vec![Vec::new(); steps.len()];
        let mut waits_for = vec![0; steps.len()];
        for (at, step) in steps.iter().enumerate() {
            for parent in step.after.iter().filter_map(|parent| index.get(parent)) {
                children[*parent].push(at);
                waits_for[at] += 1;
            }
        }
        let ways = ways(steps, &children);
        let mut schedule = Self {
            steps,
            parallel: parallel.max(1),
            index,
            children,
            state: vec![StepState::Waiting; steps.len()],
            culprit: vec![None; steps.len()],
            ready: BTreeMap::new(),
            next: BTreeSet::new(),
            instant: BTreeMap::new(),
            waits_for,
            ways,
            running: BTreeSet::new(),
            released,
            known,
        };
        schedule.settle_what_waits_for_nothing();
        schedule
    }

    /// Deferred steps are no work: what is released stands. Steps without parents are ready at once.
    fn settle_what_waits_for_nothing(&mut self) {
        for at in 0..self.steps.len() {
            if self.steps[at].kind == StepKind::Deferred {
                let released = self.released.get(&self.steps[at].image);
                self.state[at] = released.map_or(StepState::Absent, |released| StepState::Ready(released.id));
            } else if self.waits_for[at] == 0 {
                self.queue(at);
            }
        }
    }

    /// Decides about a step whose parents have ended, or one of whose parents is lost.
    fn queue(&mut self, at: usize) {
        match self.decide(at) {
            build @ Start::Build { .. } => {
                self.ready.insert((Reverse(self.ways[at]), at), build);
            }
            other => {
                self.instant.insert(at, other);
            }
        }
    }

    /// What may start now, the longest remaining way first: all that needs no place, and of the builds so many that every place has one, and
    /// as many again get ready beside them. A build runs no step before [`Schedule::turn`] names it.
    ///
    /// What is named counts as started: each step is named once, and must come back through [`Schedule::ended`].
    pub fn start(&mut self) -> Vec<Start> {
        let mut starts = Vec::new();
        for (at, start) in std::mem::take(&mut self.instant) {
            self.state[at] = StepState::Running;
            starts.push(start);
        }
        while self.running.len() + self.next.len() < 2 * self.parallel
            && let Some((rank, start)) = self.ready.pop_first()
        {
            self.next.insert(rank);
            starts.push(start);
        }
        starts
    }

    /// Whether a place is free for a started build.
    pub fn has_turn(&self) -> bool {
        self.running.len() < self.parallel && !self.next.is_empty()
    }

    /// The started build whose turn comes next, the longest remaining way first; none if no place is free. Each is named once.
    pub fn turn(&mut self) -> Option<ImageName> {
        let (_, at) = if self.has_turn() { self.next.pop_first()? } else { return None };
        self.state[at] = StepState::Running;
        self.running.insert(at);
        Some(self.steps[at].image.clone())
    }

    /// Whether nothing whose turn has come is still to end.
    pub fn is_quiet(&self) -> bool {
        !self.state.contains(&StepState::Running)
    }

    /// What a step whose parents have ended comes to.
    fn decide(&self, at: usize) -> Start {
        let step = &self.steps[at];
        let image = step.image.clone();
        if let Some(culprit) = self.culprit[at] {
            return Start::Skip { image, because: self.steps[culprit].image.clone() };
        }
        let released = self.released.get(&step.image);
        let Some(pins) = resolve_pins(&step.pins, |image| self.id_of(image)) else {
            return Start::Skip { image, because: self.missing_parent(step) };
        };
        let inputs = inputs(step.own_inputs, &pins);
        match step.kind {
            // What stands keeps the inputs that it was released with.
            StepKind::Reuse { id } if step.pins.is_empty() => {
                Start::Reuse { image, id, inputs: released.filter(|released| released.id == id).map_or(inputs, |released| released.inputs) }
            }
            StepKind::Reuse { id } => Start::Reuse { image, id, inputs },
            _ if step.reasons.iter().any(|reason| matches!(reason, Reason::Asked | Reason::Refresh | Reason::Patch { .. } | Reason::Missing)) => {
                Start::Build { image, inputs, pins }
            }
            _ => match (released, self.known.get(&inputs)) {
                (Some(released), _) if released.inputs == inputs && self.can_stay(at, released) => Start::Keep { image, id: released.id, inputs },
                (_, Some(id)) => Start::Reuse { image, id: *id, inputs },
                _ => Start::Build { image, inputs, pins },
            },
        }
    }

    /// What others are built on must be on the builder.
    fn can_stay(&self, at: usize, released: &Released) -> bool {
        released.present || self.children[at].is_empty()
    }

    /// What a reference to an image of the estate means now.
    fn id_of(&self, image: &ImageName) -> Option<Digest> {
        match self.index.get(image).map(|at| &self.state[*at]) {
            Some(StepState::Ready(id)) => Some(*id),
            Some(_) => None,
            None => self.released.get(image).map(|released| released.id),
        }
    }

    fn missing_parent(&self, step: &BuildStep) -> ImageName {
        let parents = step.pins.values().filter_map(|pin| match pin {
            Pin::Image(image) => Some(image),
            Pin::Base { .. } => None,
        });
        parents.into_iter().find(|image| self.id_of(image).is_none()).unwrap_or(&step.image).clone()
    }

    /// Takes a result. An image that is no step of this plan, or that ended already, changes nothing.
    pub fn ended(&mut self, image: &ImageName, outcome: &BuildOutcome) {
        let Some(&at) = self.index.get(image) else { return };
        if matches!(self.state[at], StepState::Ready(_) | StepState::Lost | StepState::Absent) {
            return;
        }
        // After a restart a result may come from the journal without a start in this life.
        self.ready.remove(&(Reverse(self.ways[at]), at));
        self.next.remove(&(Reverse(self.ways[at]), at));
        self.instant.remove(&at);
        self.running.remove(&at);
        let culprit = match outcome {
            BuildOutcome::Built { id, .. } | BuildOutcome::Reused { id, .. } | BuildOutcome::Unchanged { id, .. } => {
                self.state[at] = StepState::Ready(*id);
                None
            }
            BuildOutcome::Failed { .. } => Some(at),
            BuildOutcome::Skipped { because } => Some(self.index.get(because).copied().unwrap_or(at)),
        };
        if culprit.is_some() {
            self.state[at] = StepState::Lost;
        }
        self.tell_children(at, culprit);
    }

    /// Takes the place of a build from it: its steps are done, and what follows (storing, tests, tags) needs none. It has not ended.
    pub fn freed(&mut self, image: &ImageName) {
        if let Some(at) = self.index.get(image) {
            self.running.remove(at);
        }
    }

    fn tell_children(&mut self, at: usize, culprit: Option<usize>) {
        for child in std::mem::take(&mut self.children[at]) {
            self.waits_for[child] -= 1;
            self.culprit[child] = self.culprit[child].or(culprit);
            // A lost parent decides at once; the others need not be waited for.
            let decided = self.waits_for[child] == 0 || self.culprit[child].is_some();
            if decided && self.state[child] == StepState::Waiting && !self.instant.contains_key(&child) {
                self.queue(child);
            }
        }
    }

    /// Where an image is; none if it is no step of this plan.
    pub fn state(&self, image: &ImageName) -> Option<&StepState> {
        self.index.get(image).map(|at| &self.state[*at])
    }

    /// Whether every step has ended.
    pub fn is_over(&self) -> bool {
        self.state.iter().all(|state| !matches!(state, StepState::Waiting | StepState::Running))
    }

    /// How many builds have ended, and how many there are; what needs no build does not count.
    pub fn count(&self) -> (usize, usize) {
        let builds = || self.steps.iter().zip(&self.state).filter(|(step, _)| step.kind == StepKind::Build);
        (builds().filter(|(_, state)| !matches!(state, StepState::Waiting | StepState::Running)).count(), builds().count())
    }

    /// How long it will still take: the longest way that is left, or all that is left shared by all places, whichever is longer.
    ///
    /// `running_for` says for how long an image has been running. A build that takes longer than last time counts as about to end.
    pub fn left(&self, running_for: impl Fn(&ImageName) -> Duration) -> Duration {
        let mut longest = Duration::ZERO;
        let mut work = Duration::ZERO;
        for (at, step) in self.steps.iter().enumerate() {
            let spent = match self.state[at] {
                StepState::Waiting => Duration::ZERO,
                StepState::Running => running_for(&step.image),
                StepState::Ready(_) | StepState::Lost | StepState::Absent => continue,
            };
            let own = own_time(step);
            let spent = spent.min(own);
            longest = longest.max(self.ways[at] - spent);
            work += own - spent;
        }
        longest.max(work / self.parallel as u32)
    }
}

fn own_time(step: &BuildStep) -> Duration {
    match step.kind {
        StepKind::Build => step.took.unwrap_or(UNMEASURED),
        StepKind::Reuse { .. } | StepKind::Deferred => Duration::ZERO,
    }
}

/// The time of each step and of the longest chain that waits for it. Steps stand parents first.
fn ways(steps: &[BuildStep], children: &[Vec<usize>]) -> Vec<Duration> {
    let mut ways = vec![Duration::ZERO; steps.len()];
    for at in (0..steps.len()).rev() {
        let above = children[at].iter().map(|child| ways[*child]).max().unwrap_or_default();
        ways[at] = above + own_time(&steps[at]);
    }
    ways
}

#[cfg(test)]
#[path = "ready_tests.rs"]
mod tests;
