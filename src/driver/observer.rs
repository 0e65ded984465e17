//! Looks at the hosts of a rollout, each at its own pace, so that a slow or silent one holds up no other.
//!
//! One task per host looks again when its engine reports an event, when it is poked, or after [`LOOK_AT_LEAST_EVERY`]; hosts of a large estate in
//! which nothing is under way are asked less often. Every look carries the moment of its beginning on a counter that actions share, so that what
//! was seen before an action ended is known to be old.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::edge::{Clock, ContainerFound, Engine, EngineError, ProbeAnswer};
use crate::model::{Digest, EstateName, HostName, NetworkSpec, ProbeSpec, RunId, ServiceName, SlotId};
use crate::rollout::{self, ContainerSeen, ContainerState, Health, HostSeen, LookAt, ProbeBook, Sightings, Told};

/// An engine whose event stream says nothing is still asked this often.
const LOOK_AT_LEAST_EVERY: Duration = Duration::from_millis(500);
/// For each host so much time may pass between two looks at one in which nothing is under way: a thousand looks a second are enough to hear of a
/// change of which the engine's event stream says nothing. Up to 500 hosts it makes no difference.
const QUIET_FOR_EACH: Duration = Duration::from_millis(1);
/// Where there are so many hosts that quiet ones are asked less often, a host has so much time to tell of more before it is looked at: an action that
/// ends and the engine's event of it are one look then.
const GATHER: Duration = Duration::from_millis(20);
/// A host that answers nothing for this long in one look counts as silent for that look.
const LOOK_AT_MOST: Duration = Duration::from_secs(5);
/// A silent host is asked again after this long.
const ASK_SILENT_AGAIN: Duration = Duration::from_secs(1);

/// What is looked for.
#[derive(Clone)]
pub(super) struct Watched {
    /// The estate.
    pub estate: EstateName,
    /// The service.
    pub service: ServiceName,
    /// How its containers are probed, if refit probes them itself: each as its own version says, by the hash of its spec.
    pub probes: BTreeMap<Digest, ProbeSpec>,
    /// Slots that this run had proven before: what is in them is not new.
    pub proven: Arc<BTreeSet<SlotId>>,
    /// The run.
    pub run: RunId,
    /// The version that it rolls to, and how its containers are to be networked: only those that this run makes are held to it, since a person may
    /// have joined older ones to further networks.
    pub asked: Option<(Digest, NetworkSpec)>,
}

impl Watched {
    fn told<'a>(&self, found: &'a mut ContainerFound) -> Told<'a> {
        let is_of_old = found.run != self.run || self.proven.contains(&found.slot);
        Told { id: &found.id, state: &mut found.state, health: &mut found.health, is_of_old }
    }
}

/// The newest look at every host.
pub(super) struct Observers {
    shared: Arc<Shared>,
    lines: BTreeMap<HostName, Arc<Line>>,
    /// Dropped with the observers, which ends their tasks.
    _tasks: JoinSet<()>,
}

/// The way to one host's observer.
#[derive(Default)]
struct Line {
    poke: Notify,
    /// Whether something is under way there.
    is_close: AtomicBool,
    /// Since when it is being asked, in milliseconds of steady time; [`RESTS`] while it is not.
    asked_since: AtomicI64,
}

/// Nothing is being asked.
const RESTS: i64 = i64::MAX;
/// A host that has not answered a look for so long may be about to fall silent. An engine that is starting and stopping containers takes less.
const ANSWERS_WITHIN_MS: i64 = 1_000;

struct Shared {
    /// Those that nobody has taken yet.
    looks: Mutex<BTreeMap<HostName, Look>>,
    changed: Notify,
    moment: AtomicU64,
}

/// One look at one host.
pub(super) struct Look {
    /// When it began, on the counter of [`Observers::now`].
    pub began: u64,
    /// When it began, in steady time.
    pub at: Timestamp,
    /// What was seen.
    pub seen: HostSeen,
}

impl Observers {
    /// Begins to look at `hosts`.
    pub(super) fn start(hosts: BTreeMap<HostName, Arc<dyn Engine>>, watched: &Watched, clock: &Arc<dyn Clock>) -> Self {
        let shared = Arc::new(Shared { looks: Mutex::new(BTreeMap::new()), changed: Notify::new(), moment: AtomicU64::new(1) });
        let mut tasks = JoinSet::new();
        let mut lines = BTreeMap::new();
        let quiet_pause = QUIET_FOR_EACH.saturating_mul(u32::try_from(hosts.len()).unwrap_or(u32::MAX)).max(LOOK_AT_LEAST_EVERY);
        for (host, engine) in hosts {
            let line = Arc::new(Line { asked_since: AtomicI64::new(RESTS), ..Line::default() });
            lines.insert(host.clone(), line.clone());
            let observer = HostObserver {
                host,
                engine,
                watched: watched.clone(),
                clock: clock.clone(),
                shared: shared.clone(),
                line,
                quiet_pause,
                sightings: Sightings::default(),
                book: ProbeBook::default(),
                next_probe: None,
                silent: None,
            };
            tasks.spawn(observer.look_for_ever());
        }
        Self { shared, lines, _tasks: tasks }
    }

    /// The looks that came in since the last time, the newest of each host.
    pub(super) fn take(&self) -> BTreeMap<HostName, Look> {
        std::mem::take(&mut *self.shared.looks.lock().unwrap_or_else(|broken| broken.into_inner()))
    }

    /// Says whether something is under way on a host, so that it is looked at often.
    pub(super) fn attend(&self, host: &HostName, is_close: bool) {
        if let Some(line) = self.lines.get(host) {
            let was_close = line.is_close.swap(is_close, Ordering::Relaxed);
            // It may be in the middle of a long rest.
            if is_close && !was_close {
                line.poke.notify_one();
            }
        }
    }

    /// A moment later than every look that has begun, and earlier than every one to come.
    pub(super) fn now(&self) -> u64 {
        self.shared.moment.fetch_add(1, Ordering::SeqCst)
    }

    /// The hosts that are being asked and take long to answer.
    pub(super) fn overdue(&self, now: Timestamp) -> BTreeSet<HostName> {
        let limit = now.as_millisecond().saturating_sub(ANSWERS_WITHIN_MS);
        self.lines.iter().filter(|(_, line)| line.asked_since.load(Ordering::Relaxed) < limit).map(|(host, _)| host.clone()).collect()
    }

    /// Has a host looked at again at once.
    pub(super) fn poke(&self, host: &HostName) {
        if let Some(line) = self.lines.get(host) {
            line.poke.notify_one();
        }
    }

    /// Waits until a look has brought something.
    pub(super) async fn changed(&self) {
        self.shared.changed.notified().await;
    }
}

struct HostObserver {
    host: HostName,
    engine: Arc<dyn Engine>,
    watched: Watched,
    clock: Arc<dyn Clock>,
    shared: Arc<Shared>,
    line: Arc<Line>,
    /// How long it rests where nothing is under way.
    quiet_pause: Duration,
    sightings: Sightings,
    book: ProbeBook,
    next_probe: Option<Timestamp>,
    silent: Option<Timestamp>,
}

impl HostObserver {
    async fn look_for_ever(mut self) {
        loop {
            let began = self.shared.moment.fetch_add(1, Ordering::SeqCst);
            let at = self.clock.steady();
            let seen = self.look(at).await;
            let silent = matches!(seen, HostSeen::Silent { .. });
            self.shared.looks.lock().unwrap_or_else(|broken| broken.into_inner()).insert(self.host.clone(), Look { began, at, seen });
            self.shared.changed.notify_one();
            self.rest(silent).await;
            if self.quiet_pause > LOOK_AT_LEAST_EVERY {
                self.clock.sleep(GATHER).await;
                // Whoever poked meanwhile means the look that begins now.
                let _ = self.line.poke.notified().now_or_never();
            }
        }
    }

    async fn rest(&self, silent: bool) {
        if silent {
            tokio::select! {
                biased;
                () = self.clock.sleep(ASK_SILENT_AGAIN) => {}
                () = self.line.poke.notified() => {}
            }
            return;
        }
        let now = self.clock.steady();
        let pause = if self.line.is_close.load(Ordering::Relaxed) { LOOK_AT_LEAST_EVERY } else { self.quiet_pause };
        let pause = self.next_probe.map_or(pause, |due| super::until(now, due).min(pause));
        tokio::select! {
            biased;
            () = self.line.poke.notified() => {}
            event = self.engine.wait_for_event(&self.watched.estate, pause) => {
                if event.is_err() {
                    self.clock.sleep(pause).await;
                }
            }
        }
    }

    async fn look(&mut self, began: Timestamp) -> HostSeen {
        self.line.asked_since.store(began.as_millisecond(), Ordering::Relaxed);
        let answer = tokio::time::timeout(LOOK_AT_MOST, self.ask()).await;
        // Probes take as long as the application does, which says nothing about the host.
        self.line.asked_since.store(RESTS, Ordering::Relaxed);
        match answer {
            Ok(Ok((mut found, ahead))) => {
                self.silent = None;
                let look = LookAt { began, answered: self.clock.steady(), ahead };
                self.sightings.take_in(look, found.iter_mut().map(|one| self.watched.told(one)));
                self.probe_those_that_are_due(&found).await;
                let mut seen: Vec<ContainerSeen> = found.into_iter().map(|container| self.seen(container)).collect();
                // Made in the place of what was found, it would keep the room that only that needs.
                seen.shrink_to_fit();
                HostSeen::Answered(seen)
            }
            Ok(Err(error)) => self.silence(error.to_string()),
            Err(_) => self.silence(format!("no answer within {} s", LOOK_AT_MOST.as_secs())),
        }
    }

    /// What is there, and, where the host's word for it counts, by how much its clock is ahead of ours.
    async fn ask(&self) -> Result<(Vec<ContainerFound>, Option<SignedDuration>), EngineError> {
        let found = self.engine.containers(&self.watched.estate, Some(&self.watched.service)).await?;
        if found.is_empty() || !self.sightings.need_its_clock() {
            return Ok((found, None));
        }
        let time = self.engine.time().await?;
        // By so much at least: it showed this before it had answered. So nothing seems older than it is.
        let ahead = time.map(|time| time.duration_since(self.clock.steady()));
        Ok((found, ahead))
    }

    fn silence(&mut self, why: String) -> HostSeen {
        let since = *self.silent.get_or_insert(self.clock.steady());
        HostSeen::Silent { since, why }
    }

    /// Health is the engine's word and refit's own probe together: both must be well, and the networks as they were asked for.
    fn seen(&self, found: ContainerFound) -> ContainerSeen {
        let probed = match (self.watched.probes.get(&found.version.spec), &found.state) {
            (Some(_), ContainerState::Running { since, .. }) => Some(self.book.health(&found.id, *since)),
            _ => None,
        };
        let own = rollout::combine(found.health.clone(), probed);
        let health = self.not_as_asked(&found).map_or(own, |why| Health::Unhealthy { why });
        ContainerSeen {
            id: found.id,
            name: found.name,
            slot: found.slot,
            version: found.version,
            state: found.state,
            health,
            created_at: found.created_at,
        }
    }

    /// What of a new container's networks is otherwise than asked.
    fn not_as_asked(&self, found: &ContainerFound) -> Option<String> {
        let (spec, asked) = self.watched.asked.as_ref()?;
        let is_ours = found.run == self.watched.run && found.version.spec == *spec && matches!(found.state, ContainerState::Running { .. });
        let lines = rollout::network_differences(asked, found.networks.as_ref().filter(|_| is_ours)?);
        (!lines.is_empty()).then(|| format!("its networks are not as asked: {}", lines.join("; ")))
    }

    async fn probe_those_that_are_due(&mut self, found: &[ContainerFound]) {
        let running = found
            .iter()
            .filter_map(|container| Some((container.id.as_str(), running_since(container)?, self.watched.probes.get(&container.version.spec)?)));
        let running: Vec<(&str, Timestamp, &ProbeSpec)> = running.collect();
        self.book.keep_only(&running.iter().map(|(id, ..)| *id).collect());
        let now = self.clock.steady();
        let due: Vec<_> = running.iter().filter(|(id, since, spec)| self.book.due_at(id, *since, spec) <= now).collect();
        let answers = join_all(due.iter().map(|(id, _, spec)| self.engine.probe(id, spec))).await;
        let moments = (now, self.clock.steady());
        for ((id, since, spec), answer) in due.into_iter().zip(answers) {
            let answer = match answer {
                Ok(ProbeAnswer::Well) => Ok(()),
                Ok(ProbeAnswer::Unwell(why)) => Err(why),
                // An engine that is silent, or a container that just went, says nothing about its health.
                Err(EngineError::Silent { .. } | EngineError::Missing { .. }) => continue,
                Err(error) => Err(error.to_string()),
            };
            self.book.note(id, *since, spec, answer, moments);
        }
        self.next_probe = running.iter().map(|(id, since, spec)| self.book.due_at(id, *since, spec)).min();
    }
}

fn running_since(container: &ContainerFound) -> Option<Timestamp> {
    match container.state {
        ContainerState::Running { since, .. } => Some(since),
        _ => None,
    }
}
