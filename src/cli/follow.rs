//! A run that a daemon carries out, followed to its end: shown as one of this process is, and spoken to with the same keys.

use std::io::IsTerminal;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};

use super::rollout::{tell_end, tell_gate, tell_pause};
use super::signals::{Signals, Told as Signal};
use super::{Exit, Face};
use crate::api::RunStanding;
use crate::client::{Client, Following, RemoteJournal, Told};
use crate::edge::{Clock, SystemClock};
use crate::journal::Journal;
use crate::model::{RunId, ServiceName};
use crate::report::{self, Live};
use crate::rollout::{Gate, Person};
use crate::run::{Event, RunOutcome, RunState};
use crate::serve::{Passing, Standing};

/// A word that is not passed on in this time is not passed on.
const WORD_WITHIN: Duration = Duration::from_secs(10);

/// How far a run came, as far as it is followed.
enum Came {
    /// Its end.
    End(RunOutcome),
    /// It stands still.
    Pause(String),
    /// At a gate that only a person opens, and nobody is here.
    Gate(AtGate),
    /// It goes on, and nobody follows it any more.
    Left,
}

/// A gate at which nobody waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AtGate {
    service: ServiceName,
    stage: String,
    /// When its bake is over.
    until: Instant,
}

/// What is known of a run while it is followed.
struct Watcher<'a> {
    daemon: &'a Client,
    run: RunId,
    live: Live,
    is_attended: bool,
    gate: Option<AtGate>,
    /// How often Ctrl-C was pressed.
    pressed: u32,
    /// The last word could not be passed on.
    is_cut_off: bool,
}

/// Says a word about a run that a daemon has, and follows what becomes of it.
pub(super) async fn after_a_word(daemon: Client, journal: &RemoteJournal, run: RunId, word: Person, face: &mut Face) -> miette::Result<Exit> {
    face.between_runs.abort_all();
    let signals = Signals::listen().map_err(|error| miette::miette!("{run}: signals cannot be listened to: {error}"))?;
    let events = journal.events(run)?;
    let state = RunState::of(events.iter().map(|recorded| (recorded.at, &recorded.event))).map_err(crate::driver::DriverError::from)?;
    let gate = state.at_gate().filter(|_| word != Person::Approve).and_then(|rollout| {
        let gate = rollout.desired.gate(rollout.stage.number);
        let stage = rollout.desired.stage_name(rollout.stage.number).to_owned();
        gate.approve.then(|| AtGate { service: rollout.desired.service.clone(), stage, until: Instant::now() + gate.bake })
    });
    journal.say(run, SystemClock.now(), word, "")?;
    to_its_end(daemon, run, events.last().map_or(0, |last| last.seq), gate, signals, face).await
}

/// Follows a run from behind an event, and says how it ended; for machines with the run's summary.
pub(super) async fn to_its_end(
    daemon: Client,
    run: RunId,
    after: u64,
    gate: Option<AtGate>,
    signals: Signals,
    face: &mut Face,
) -> miette::Result<Exit> {
    let exit = watch(&daemon, run, after, gate, signals, face).await?;
    if face.json && exit != Exit::Interrupted {
        face.printer.json(&daemon.get::<RunStanding>(&format!("/v1/runs/{run}")).await?.summary);
    }
    Ok(exit)
}

/// Follows a run from behind an event, and says how it ended; [`Exit::Interrupted`] if it goes on without being watched.
pub(super) async fn watch(
    daemon: &Client,
    run: RunId,
    after: u64,
    gate: Option<AtGate>,
    mut signals: Signals,
    face: &mut Face,
) -> miette::Result<Exit> {
    let is_attended = std::io::stdin().is_terminal();
    let live = Live::new(face.printer.live && !face.json);
    let mut watcher = Watcher { daemon, run, live, is_attended, gate: gate.filter(|_| !is_attended), pressed: 0, is_cut_off: false };
    let came = watcher.follow(after, &mut signals).await;
    watcher.live.close();
    face.between_runs = signals.end_the_process();
    match came {
        Ok(Came::End(outcome)) => Ok(tell_end(run, &outcome, face)),
        Ok(Came::Pause(why)) => Ok(tell_pause(run, &why, face)),
        Ok(Came::Gate(gate)) => Ok(tell_gate(run, &gate.service, &gate.stage, face)),
        Ok(Came::Left) => {
            face.printer.err(&format!("{run} goes on without being watched; `refit show {run}` tells how far it is"));
            Ok(Exit::Interrupted)
        }
        Err(error) => {
            face.printer.err(&format!("{run} is not watched any more, and may go on; `refit show {run}` tells"));
            Err(error)
        }
    }
}

impl Watcher<'_> {
    async fn follow(&mut self, after: u64, signals: &mut Signals) -> miette::Result<Came> {
        let mut following = Following::of(self.daemon.clone(), self.run, after);
        loop {
            let came = tokio::select! {
                told = following.next() => self.hear(told?),
                told = signals.next() => self.signalled(told).await,
                gate = gate_stays_shut(self.gate.clone()) => Some(Came::Gate(gate)),
            };
            if let Some(came) = came {
                return Ok(came);
            }
        }
    }

    fn hear(&mut self, told: Told) -> Option<Came> {
        match told {
            Told::Recorded(recorded) => {
                self.live.event(&recorded.event);
                self.mind_gate(&recorded.event);
                if let Event::RunEnded { outcome } = recorded.event {
                    return Some(Came::End(outcome));
                }
            }
            Told::Passing(Passing::Waiting { what }) => self.live.waiting(&what),
            Told::Passing(Passing::BuildStep { image, step }) => self.live.build_step(&image, &step),
            Told::Standing(Standing::Paused { why, .. }) => return Some(Came::Pause(why)),
            Told::Standing(Standing::Waiting { until, why }) => {
                self.live.note(&format!("could not go on, tried again at {}: {why}", report::moment(until)));
            }
            Told::Passing(Passing::Journalled) | Told::Standing(_) => {}
            Told::Lost => self.live.note(&format!("{} does not answer; {} may go on, and is looked for", self.daemon.name(), self.run)),
            Told::Back => {
                self.is_cut_off = false;
                self.live.note(&format!("{} is back", self.daemon.name()));
            }
        }
        None
    }

    /// Where nobody is here to open a gate, it is left shut; but while it bakes it may still fail.
    fn mind_gate(&mut self, event: &Event) {
        match event {
            Event::GateReached { service, stage, gate: Gate { approve: true, bake, .. } } if !self.is_attended => {
                self.gate = Some(AtGate { service: service.clone(), stage: stage.clone(), until: Instant::now() + *bake });
            }
            Event::StageBegan { .. } | Event::PhaseChanged { .. } | Event::RolloutEnded { .. } => self.gate = None,
            Event::PersonSaid { word: Person::Approve | Person::Abort, .. } => self.gate = None,
            _ => {}
        }
    }

    /// The first Ctrl-C pauses, the next one takes everything back. Whoever is told to end leaves the run to the daemon.
    async fn signalled(&mut self, told: Signal) -> Option<Came> {
        if told == Signal::Leave || self.is_cut_off {
            return Some(Came::Left);
        }
        let (word, line) = match self.pressed {
            0 => ("pause", "pausing there; Ctrl-C again aborts the run: every service that it rolled goes back"),
            _ => ("abort", "every service that this run rolled goes back, most recent first; please wait"),
        };
        self.pressed += 1;
        self.live.note(line);
        let path = format!("/v1/runs/{}/{word}", self.run);
        let why = match timeout(WORD_WITHIN, self.daemon.post::<serde_json::Value>(&path, &())).await {
            Ok(Ok(_)) => return None,
            // It is over already, which is told in a moment.
            Ok(Err(error)) if error.status() == Some(409) => return None,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("{} does not answer", self.daemon.name()),
        };
        self.is_cut_off = true;
        self.live.note(&format!("the word could not be passed on: {why}; Ctrl-C again leaves {} to itself", self.run));
        None
    }
}

/// Waits until a gate has baked and only a person can open it; for ever if there is none.
async fn gate_stays_shut(gate: Option<AtGate>) -> AtGate {
    match gate {
        Some(gate) => {
            sleep_until(gate.until).await;
            gate
        }
        None => std::future::pending().await,
    }
}
