//! Carries one rollout to its end: look, decide, remember, act.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio::task::{JoinError, JoinSet};
use tracing::Instrument;
use tracing::field::{Empty, display};

use super::guard::Successor;
use super::handover::{self, Failed, Handover};
use super::looks::Looks;
use super::observer::{Observers, Watched};
use super::told::Told;
use super::{DriverError, Engines, Recorder, guard, until};
use crate::edge::{Clock, Engine, EngineError, NewContainer};
use crate::model::{ContainerSpec, Digest, EstateName, HostName, ServiceName, SlotId};
use crate::pipeline::{DataPolicy, OnLoss, Order, Snapshot};
use crate::plan::Restore;
use crate::release::{Release, ServiceRelease};
use crate::rollout::{self, Action, Desired, Heading, Observed, Person, Phase, Progress, Quiet, Version};
use crate::run::Event;

/// A person's word takes effect within this long.
pub(super) const LISTEN_EVERY: Duration = Duration::from_millis(200);
/// A moment that has passed is waited for no shorter than this: until a look from after it is in, deciding again changes nothing.
const WAIT_AT_LEAST: Duration = Duration::from_millis(20);
/// An action that failed is not asked of its host again before this.
const AFTER_A_FAILURE: Duration = Duration::from_secs(1);

/// A decision goes through all slots. For each of them so much time passes until the next one, in which looks and results gather: of a thousand
/// slots nobody notices, and a hundred thousand, whose containers take minutes to make, do not keep a processor busy with deciding the same again.
const GATHER_FOR_EACH_SLOT: Duration = Duration::from_nanos(3_000);
/// Where decisions are further apart than this, they look at what is there, and have nothing looked at for their sake.
const LOOK_FOR_EACH_DECISION: Duration = Duration::from_millis(100);
/// A shorter pause is none.
const GATHER_AT_LEAST: Duration = Duration::from_millis(5);

/// So many stopped containers are being removed at once: clearing away is nobody's hurry, and each takes memory and a connection meanwhile.
const REMOVALS_AT_ONCE: usize = 5_000;

/// Everything that one rollout needs to be carried out.
pub(super) struct Rollout<'a> {
    /// The estate.
    pub estate: EstateName,
    /// From what to what.
    pub desired: Desired,
    /// The service by the hash of its spec, at every release that the rollout may move between.
    pub versions: BTreeMap<Digest, ServiceRelease>,
    /// What becomes of data that a replacement would lose.
    pub data: DataPolicy,
    /// The engines of its hosts.
    pub engines: &'a Engines,
    /// The slots in which a container is to be; any other of the service's containers on these hosts is stopped, or swept.
    pub filled: BTreeSet<SlotId>,
    /// The volumes that one container alone may write.
    pub sole_writer_of: Vec<String>,
    /// The copies of volumes that are put back.
    pub restores: Vec<Restore>,
    /// The journal's pen.
    pub recorder: &'a Arc<Recorder>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Whether somebody is there who can be waited for at a gate.
    pub is_attended: bool,
}

/// A service by the hash of its spec, for every release given.
pub(super) fn versions_of<'r>(service: &ServiceName, releases: impl IntoIterator<Item = &'r Release>) -> BTreeMap<Digest, ServiceRelease> {
    releases.into_iter().filter_map(|release| release.services.get(service)).map(|service| (service.spec_hash(), service.clone())).collect()
}

impl Rollout<'_> {
    /// Rolls until the rollout is finished or paused. `progress` is fresh, or what the journal kept of one that was interrupted; `said` is what
    /// people said and it has not heard yet, oldest first.
    pub(super) async fn carry_out(&self, progress: Progress, said: Vec<Person>) -> Result<Progress, DriverError> {
        let mut words = VecDeque::from(said);
        let mut hand = Hand::new(self, progress);
        let mut quiet = Quiet::of(&self.desired);
        loop {
            hand.wait().await?;
            // Until every host was asked once nothing is decided, and nothing that was said may get lost meanwhile.
            words.extend(self.recorder.listen().await?);
            if hand.look() {
                hand.progress.under_way = hand.busy.keys().cloned().collect();
                let (moved, now) = (hand.looks.moved(), self.clock.steady());
                hand.looks.set_overdue(hand.observers.overdue(now));
                let (observed, progress) = (hand.looks.observed(), hand.progress);
                let (next, actions) = rollout::decide_on(&mut quiet, &moved, &self.desired, observed, progress, words.pop_front(), now);
                self.remember(&mut hand.told, &next, observed).await?;
                self.recorder.waiting(&next.waiting_for);
                hand.progress = next;
                hand.act(actions).await?;
                // Each word has a decision, and a place in the journal, of its own; the next one may end the rest.
                if hand.is_at_rest() && words.is_empty() {
                    return Ok(hand.progress);
                }
                hand.attend();
            }
        }
    }

    fn observe(&self, proven: &BTreeSet<SlotId>) -> Observers {
        let hosts = self.desired.slots.iter().map(|wanted| &wanted.slot.host);
        let hosts = hosts.filter_map(|host| Some((host.clone(), self.engines.hosts.get(host)?.clone()))).collect();
        let probes = self.versions.iter().filter_map(|(spec, service)| Some((*spec, service.probe.clone()?))).collect();
        let to = self.desired.to.spec;
        let asked = self.versions.get(&to).map(|service| (to, service.container.network.clone()));
        let (estate, service, run) = (self.estate.clone(), self.desired.service.clone(), self.recorder.run());
        let watched = Watched { estate, service, probes, proven: Arc::new(proven.clone()), run, asked };
        Observers::start(hosts, &watched, &self.clock)
    }

    /// The work of one action, ready to be run beside others; its end is the id of a container that it made. What it would take from a container is
    /// looked at first.
    fn work(&self, action: &Action, phase: &Phase) -> Result<BoxFuture<'static, Result<Option<String>, Failed>>, DriverError> {
        let host = &action.slot().host;
        let engine = self.engines.hosts.get(host).cloned().ok_or_else(|| DriverError::UnknownHost { host: host.clone() })?;
        let at_stake = self.at_stake(action, phase);
        // A service has one order in all its slots.
        let order = self.desired.slots.first().map_or(Order::StopFirst, |wanted| wanted.order);
        let policy = guard::policy_for(order, &self.data);
        let guarded = engine.clone();
        let handover = self.handover(action, phase, engine.clone(), policy.clone())?;
        let effect = self.effect(action, engine)?;
        if at_stake.is_none() && handover.is_none() {
            // Thousands of these may be under way at once.
            return Ok(Box::pin(async move { Ok(effect.await?) }));
        }
        let (action, phase) = (action.clone(), phase.clone());
        Ok(Box::pin(async move {
            if let Some((old, new)) = at_stake {
                let successor = new.as_ref().map_or(Successor::Nobody, Successor::Takes);
                let loss = guard::loss(guarded.as_ref(), &old, successor, &policy).await?;
                if !loss.is_none() {
                    return Err(Failed::Loss(loss));
                }
            }
            if let Some((handover, new)) = handover {
                handover.prepare(&action, &phase, new.as_ref()).await?;
            }
            Ok(effect.await?)
        }))
    }

    /// The container that gives its place up by this action, and what takes that over; nothing, where the service no longer has the slot.
    ///
    /// On the way back nothing may stand in the way, what is only stopped loses nothing, and what is swept from beside a container that serves was
    /// looked at before that one took its place.
    fn at_stake(&self, action: &Action, phase: &Phase) -> Option<(String, Option<ContainerSpec>)> {
        let is_filled = self.filled.contains(action.slot());
        let new = || self.versions.get(&self.desired.to.spec).map(|service| service.container.clone());
        match (phase.heading(), action) {
            (Some(Heading::Forward), Action::StartNew { takes_over: Some(old), .. }) => Some((old.clone(), Some(new()?))),
            (Some(Heading::Forward), Action::Stop { container, .. }) if is_filled => Some((container.clone(), Some(new()?))),
            (None, Action::Stop { container, .. } | Action::Remove { container, .. }) if !is_filled => Some((container.clone(), None)),
            _ => None,
        }
    }

    /// What is to be handed over before this action, if anything may be.
    fn handover(
        &self,
        action: &Action,
        phase: &Phase,
        engine: Arc<dyn Engine>,
        policy: DataPolicy,
    ) -> Result<Option<(Handover, Option<NewContainer>)>, DriverError> {
        let slot = action.slot();
        let restores: Vec<Restore> = self.restores.iter().filter(|restore| restore.host == slot.host).cloned().collect();
        let is_nothing = policy.on_loss != OnLoss::Adopt && policy.snapshot == Snapshot::Never && restores.is_empty();
        let Some(to) = handover::version_of(&self.versions, action, &self.desired, phase).filter(|_| !is_nothing) else { return Ok(None) };
        let new = match action.clone() {
            Action::StartNew { slot, version, takes_over } => Some(self.new_container(slot, version, takes_over)?),
            _ => None,
        };
        let (estate, slot, back) = (self.estate.clone(), slot.clone(), self.desired.back.clone());
        Ok(Some((Handover { estate, engine, recorder: self.recorder.clone(), slot, to: to.clone(), policy, back, restores }, new)))
    }

    fn effect(&self, action: &Action, engine: Arc<dyn Engine>) -> Result<BoxFuture<'static, Result<Option<String>, EngineError>>, DriverError> {
        Ok(match action.clone() {
            Action::StartNew { slot, version, takes_over } => {
                let new = self.new_container(slot, version, takes_over)?;
                Box::pin(async move { engine.start_new(&new).await.map(Some) })
            }
            Action::StartAgain { container, .. } => Box::pin(async move { engine.start(&container).await.map(|()| None) }),
            Action::Stop { container, .. } => {
                let grace = self.desired.stop_grace_period;
                Box::pin(async move { engine.stop(&container, grace).await.map(|()| None) })
            }
            Action::Remove { container, .. } => Box::pin(async move { engine.remove(&container).await.map(|()| None) }),
        })
    }

    fn new_container(&self, slot: SlotId, version: Version, takes_over: Option<String>) -> Result<NewContainer, DriverError> {
        let service = self.versions.get(&version.spec).ok_or_else(|| DriverError::UnknownVersion { slot: slot.clone(), release: version.release })?;
        Ok(NewContainer {
            estate: self.estate.clone(),
            slot,
            version,
            run: self.recorder.run(),
            image: service.id,
            spec: service.container.clone(),
            takes_over,
            sole_writer_of: self.sole_writer_of.clone(),
        })
    }
}

/// The action in one word, for spans.
fn word(action: &Action) -> &'static str {
    match action {
        Action::StartNew { .. } => "start_new",
        Action::StartAgain { .. } => "start_again",
        Action::Stop { .. } => "stop",
        Action::Remove { .. } => "remove",
    }
}

type Ended = (Action, Result<Option<String>, Failed>);

/// What a rollout has under way.
struct Hand<'a> {
    rollout: &'a Rollout<'a>,
    observers: Observers,
    looks: Looks,
    /// The hosts that there are to look at.
    hosts: BTreeSet<HostName>,
    /// Those of them in which something is under way.
    close: BTreeSet<HostName>,
    /// Slots in which an action is under way (none) or ended at that moment; a look from before it says nothing about the slot.
    busy: BTreeMap<SlotId, Option<u64>>,
    acting: JoinSet<Ended>,
    /// The moment for which hosts were last told to look again, so that they are told once.
    looked_for: Option<Timestamp>,
    progress: Progress,
    told: Told,
}

impl<'a> Hand<'a> {
    fn new(rollout: &'a Rollout<'a>, progress: Progress) -> Self {
        Self {
            rollout,
            observers: rollout.observe(&progress.done),
            looks: Looks::default(),
            hosts: rollout.desired.slots.iter().map(|wanted| &wanted.slot.host).collect::<BTreeSet<_>>().into_iter().cloned().collect(),
            close: BTreeSet::new(),
            busy: BTreeMap::new(),
            acting: JoinSet::new(),
            looked_for: None,
            told: Told::of(&progress),
            progress,
        }
    }

    /// Waits for the next reason to decide: an action ended, a look brought something, time passed that matters, or a person may have spoken.
    async fn wait(&mut self) -> Result<(), DriverError> {
        let now = self.rollout.clock.steady();
        let due = self.progress.look_again_at.filter(|at| self.looked_for != Some(*at));
        let due = due.map_or(LISTEN_EVERY, |at| until(now, at).max(WAIT_AT_LEAST));
        tokio::select! {
            // In this order and not in a random one, so that the same world tells the same story every time.
            biased;
            Some(ended) = self.acting.join_next() => {
                self.gather().await;
                let mut all = vec![ended];
                all.extend(std::iter::from_fn(|| self.acting.try_join_next()));
                self.ended(all).await?;
            }
            () = self.observers.changed() => self.gather().await,
            () = self.rollout.clock.sleep(due.min(LISTEN_EVERY)) => {
                if due < LISTEN_EVERY {
                    self.look_again();
                    self.looked_for = self.progress.look_again_at;
                }
            }
        }
        Ok(())
    }

    /// How long looks and results are gathered for one decision.
    fn pause(&self) -> Duration {
        let slots = u32::try_from(self.rollout.desired.slots.len()).unwrap_or(u32::MAX);
        GATHER_FOR_EACH_SLOT.saturating_mul(slots)
    }

    /// In a large rollout, waits for what comes with the first of many.
    async fn gather(&self) {
        let pause = self.pause();
        if pause >= GATHER_AT_LEAST {
            self.rollout.clock.sleep(pause).await;
        }
    }

    /// Takes in what the observers brought; whether every host was asked by now.
    fn look(&mut self) -> bool {
        self.looks.add(self.observers.take());
        let looks = &self.looks;
        self.busy.retain(|slot, ended| ended.is_none_or(|ended| looks.began(&slot.host) <= ended));
        self.looks.count() >= self.hosts.len()
    }

    /// The hosts in which something is under way.
    fn under_way(&self) -> BTreeSet<HostName> {
        self.progress.began.keys().chain(self.busy.keys()).map(|slot| slot.host.clone()).collect()
    }

    /// Has the hosts looked at closely in which something is under way or moves.
    fn attend(&mut self) {
        let close: BTreeSet<HostName> = self.under_way().union(self.looks.changed()).cloned().collect();
        self.close.difference(&close).for_each(|host| self.observers.attend(host, false));
        close.difference(&self.close).for_each(|host| self.observers.attend(host, true));
        self.close = close;
    }

    async fn act(&mut self, actions: Vec<Action>) -> Result<(), DriverError> {
        let mut removals = REMOVALS_AT_ONCE.saturating_sub(self.acting.len());
        // What is left out now is decided again.
        let mut has_room = |action: &Action| {
            let is_removal = matches!(action, Action::Remove { .. });
            let has_room = !is_removal || removals > 0;
            removals = removals.saturating_sub(usize::from(is_removal));
            has_room
        };
        let free: Vec<Action> = actions.into_iter().filter(|action| !self.busy.contains_key(action.slot()) && has_room(action)).collect();
        // What is decided together is made durable together: one wait for the disk.
        self.rollout.recorder.record_all(free.iter().map(|action| Event::ActionIntended { action: action.clone() }).collect()).await?;
        for action in free {
            let work = self.rollout.work(&action, &self.progress.phase)?;
            self.busy.insert(action.slot().clone(), None);
            let clock = self.rollout.clock.clone();
            let span = tracing::info_span!("slot", slot = %action.slot(), action = word(&action), error = Empty);
            self.acting.spawn(async move {
                let result = work.instrument(span.clone()).await;
                if let Err(error) = &result {
                    span.record("error", display(error));
                }
                if result.is_err() {
                    clock.sleep(AFTER_A_FAILURE).await;
                }
                (action, result)
            });
        }
        Ok(())
    }

    /// Journals how actions ended, together, and takes in what that says of their slots.
    async fn ended(&mut self, all: Vec<Result<Ended, JoinError>>) -> Result<(), DriverError> {
        let died = |died: JoinError| DriverError::Bug { what: format!("an action's task ended by itself: {died}") };
        let all = all.into_iter().collect::<Result<Vec<Ended>, _>>().map_err(died)?;
        let mut events = Vec::with_capacity(all.len());
        for (action, result) in &all {
            let slot = action.slot();
            self.busy.insert(slot.clone(), Some(self.observers.now()));
            self.observers.poke(&slot.host);
            let (made, error) = (result.as_ref().ok().cloned().flatten(), result.as_ref().err().map(ToString::to_string));
            events.push(Event::ActionEnded { action: action.clone(), error, made });
        }
        self.rollout.recorder.record_all(events).await?;
        if all.iter().all(|(_, result)| result.is_ok()) {
            return Ok(());
        }
        for (action, result) in all {
            match result {
                // A host that fell silent, or a container that somebody took away, shows itself as such in the next look.
                Ok(_) | Err(Failed::Engine(EngineError::Silent { .. })) => {}
                Err(Failed::Engine(EngineError::Missing { .. })) if !matches!(action, Action::StartNew { .. }) => {}
                Err(Failed::Engine(error)) => rollout::report_refusal(&mut self.progress, action.slot(), &error.to_string()),
                Err(Failed::Journal(error)) => return Err(error),
                Err(Failed::Loss(loss)) => rollout::report_loss(&mut self.progress, action.slot(), &loss.to_string()),
            }
        }
        self.rollout.remember(&mut self.told, &self.progress, &Observed::default()).await
    }

    /// Has those hosts looked at for whose sake time matters: those in which something is under way, or, at a gate, all. In a rollout so large that
    /// some slot's time comes with every decision, the former are looked at often enough as it is.
    fn look_again(&self) {
        let hosts = if self.close.is_empty() { &self.hosts } else { &self.close };
        if !self.close.is_empty() && self.pause() > LOOK_FOR_EACH_DECISION {
            return;
        }
        hosts.iter().for_each(|host| self.observers.poke(host));
    }

    fn is_at_rest(&self) -> bool {
        let waits_for_nobody = self.progress.stage.needs_person && !self.rollout.is_attended;
        self.acting.is_empty() && (self.progress.is_finished() || self.progress.stands_still() || waits_for_nobody)
    }
}
