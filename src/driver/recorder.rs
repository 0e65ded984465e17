//! The journal's only writer during a run: an event is durable first, then part of the state, then shown.

use std::sync::{Arc, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::{Mutex, oneshot};

use super::DriverError;
use crate::edge::Clock;
use crate::journal::Journal;
use crate::model::{ImageName, RunId};
use crate::rollout::Person;
use crate::run::{Event, RunState};

/// Is told of everything that happens, to show it. Must not block.
pub trait Watch: Send + Sync {
    /// An event is durable.
    fn event(&self, at: Timestamp, event: &Event);
    /// Something passing, worth a line on a terminal and in no journal: what a rollout waits for, how far an image has got.
    fn waiting(&self, what: &[String]);
    /// A running build began a step.
    fn build_step(&self, image: &ImageName, step: &str);
}

/// Records the events of one run.
///
/// Every write runs in a task of its own, so that a caller that is dropped (a cancelled build), or that nobody polls for a while, neither tears
/// an event in two nor holds up the others.
pub struct Recorder {
    run: RunId,
    inner: Arc<Inner>,
}

struct Inner {
    run: RunId,
    journal: Arc<dyn Journal>,
    clock: Arc<dyn Clock>,
    watch: Arc<dyn Watch>,
    state: Mutex<RunState>,
    /// What waits to be written, in order, each with who asked.
    queue: std::sync::Mutex<Vec<Asked>>,
}

struct Asked {
    events: Vec<Event>,
    answer: oneshot::Sender<Result<(), DriverError>>,
}

impl Recorder {
    /// A recorder that goes on from `state`.
    pub fn new(run: RunId, state: RunState, journal: Arc<dyn Journal>, clock: Arc<dyn Clock>, watch: Arc<dyn Watch>) -> Self {
        Self { run, inner: Arc::new(Inner { run, journal, clock, watch, state: Mutex::new(state), queue: std::sync::Mutex::default() }) }
    }

    /// The run.
    pub fn run(&self) -> RunId {
        self.run
    }

    /// Makes an event durable and takes it into the state.
    pub async fn record(&self, event: Event) -> Result<(), DriverError> {
        self.record_all(vec![event]).await
    }

    /// The same for several events, which share one wait for the disk.
    pub async fn record_all(&self, events: Vec<Event>) -> Result<(), DriverError> {
        if events.is_empty() {
            return Ok(());
        }
        let inner = self.inner.clone();
        in_a_task(async move { inner.record(events).await }).await
    }

    /// Takes the words that people said about the run since the last time, and returns all of them, oldest first: one does not undo another that was
    /// said a moment before.
    pub async fn listen(&self) -> Result<Vec<Person>, DriverError> {
        let inner = self.inner.clone();
        in_a_task(async move { inner.listen().await }).await
    }

    /// Shows what is waited for.
    pub fn waiting(&self, what: &[String]) {
        self.inner.watch.waiting(what);
    }

    /// Shows that a build began a step.
    pub fn build_step(&self, image: &ImageName, step: &str) {
        self.inner.watch.build_step(image, step);
    }

    /// Looks something up in the state.
    pub async fn state<T>(&self, look: impl FnOnce(&RunState) -> T) -> T {
        look(&*self.inner.state.lock().await)
    }
}

impl Inner {
    /// Puts the events in the queue; whoever comes to write next, writes all that is in it. So those who ask while the disk is waited for
    /// share the next wait.
    async fn record(&self, events: Vec<Event>) -> Result<(), DriverError> {
        let (answer, mut answered) = oneshot::channel();
        self.queue().push(Asked { events, answer });
        // The lock is held across the write, so that journal and state agree on the order.
        let mut state = self.state.lock().await;
        let asked = std::mem::take(&mut *self.queue());
        if !asked.is_empty() {
            self.write(&mut state, asked).await;
        }
        drop(state);
        let lost = || DriverError::Bug { what: "a write of the journal was not answered".into() };
        answered.try_recv().map_err(|_| lost())?
    }

    async fn write(&self, state: &mut RunState, asked: Vec<Asked>) {
        let at = self.clock.now();
        let (mut events, mut answers) = (Vec::new(), Vec::new());
        for one in asked {
            // An event that cannot follow must not reach the journal. Should the write fail, the run ends here and the next one folds anew.
            match one.events.iter().try_for_each(|event| state.apply(at, event)) {
                Ok(()) => {
                    events.extend(one.events);
                    answers.push(one.answer);
                }
                Err(error) => drop(one.answer.send(Err(error.into()))),
            }
        }
        if events.is_empty() {
            return;
        }
        let written = self.journal.append_all(self.run, at, &events).await;
        if written.is_ok() {
            events.iter().for_each(|event| self.watch.event(at, event));
        }
        for answer in answers {
            drop(answer.send(written.clone().map_err(DriverError::from)));
        }
    }

    fn queue(&self) -> MutexGuard<'_, Vec<Asked>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn listen(&self) -> Result<Vec<Person>, DriverError> {
        let mut state = self.state.lock().await;
        let mut words = Vec::new();
        for recorded in self.journal.take_words(self.run, self.clock.now()).await? {
            state.apply(recorded.at, &recorded.event)?;
            self.watch.event(recorded.at, &recorded.event);
            if let Event::PersonSaid { word, .. } = recorded.event {
                words.push(word);
            }
        }
        Ok(words)
    }
}

async fn in_a_task<T: Send + 'static>(work: impl Future<Output = Result<T, DriverError>> + Send + 'static) -> Result<T, DriverError> {
    match tokio::spawn(work).await {
        Ok(done) => done,
        Err(died) => Err(DriverError::Bug { what: format!("a write of the journal ended by itself: {died}") }),
    }
}
