//! The one writer: a thread that drains what came in meanwhile into one transaction and answers after it is on the disk.
//!
//! One transaction for many events costs one wait for the disk instead of many, and keeps that wait out of the asynchronous runtime.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::JoinHandle;

use jiff::Timestamp;
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;

use crate::model::{Digest, RunId, TriggerId};
use crate::run::Event;
use crate::trigger::Heard;

use super::chain::{Link, root};
use super::error::JournalError;
use super::format::explain;
use super::lock::Lock;
use super::record::Recorded;
use super::tables;
use super::triggers::{self, HeardAs, Note};

/// Requests in one transaction: enough to share the disk's wait, few enough to answer soon.
const BATCH_MAX: usize = 256;

/// What the writer is asked for.
pub(super) enum Ask {
    /// A new run with its first event, which answers these triggers.
    Begin(Timestamp, Box<Event>, Vec<TriggerId>),
    /// One more event of a run.
    Append(RunId, Timestamp, Box<Event>),
    /// Several events of a run, of which nothing need come back.
    AppendAll(RunId, Timestamp, Vec<Event>),
    /// The inbox of a run, recorded as events.
    Words(RunId, Timestamp),
    /// What may begin a run.
    Hear(Timestamp, Vec<Heard>),
    /// Triggers that need no run, and why.
    Settle(Timestamp, Vec<TriggerId>, String),
    /// What belongs to no run.
    Notes(Timestamp, Vec<Note>),
}

/// What came of it.
pub(super) enum Done {
    /// Events, as they were recorded.
    Recorded(Vec<Recorded>),
    /// What was heard, in order.
    Heard(Vec<HeardAs>),
}

type Answer = Result<Done, JournalError>;
type Request = (Ask, oneshot::Sender<Answer>);

/// The handle of the writing thread; the estate's lock lives as long as it.
pub(super) struct Writer {
    requests: Option<mpsc::Sender<Request>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Takes over the journal: raises the fence, brings derived tables up to date, and starts the thread.
    pub(super) fn start(mut connection: Connection, path: PathBuf, lock: Lock) -> Result<Self, JournalError> {
        let mut lock = lock;
        take_over(&mut connection, &path, &mut lock)?;
        let (requests, incoming) = mpsc::channel::<Request>();
        let work = move || {
            let desk = Desk { connection, path, lock };
            desk.serve(&incoming);
        };
        let thread = std::thread::Builder::new()
            .name("refit-journal".into())
            .spawn(work)
            .map_err(|error| JournalError::Other { path: PathBuf::from("journal"), why: format!("its thread cannot be started: {error}") })?;
        Ok(Self { requests: Some(requests), thread: Some(thread) })
    }

    /// Asks for something and waits until it is on the disk.
    pub(super) async fn ask(&self, ask: Ask) -> Answer {
        let (answer, answered) = oneshot::channel();
        let gone = || JournalError::Other { path: PathBuf::from("journal"), why: "its writing thread has ended".into() };
        self.requests.as_ref().ok_or_else(gone)?.send((ask, answer)).map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // The thread ends when nobody can ask any more; waiting for it gives the lock back before this returns.
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn take_over(connection: &mut Connection, path: &Path, lock: &mut Lock) -> Result<(), JournalError> {
    let trouble = |error: rusqlite::Error| explain(path, &error);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(trouble)?;
    // If the lock's file was removed, its count began anew; the journal's never does.
    let last = tables::meta(&transaction, "fence").map_err(trouble)?;
    lock.raise_above(u64::try_from(last).unwrap_or(0))?;
    transaction.execute("UPDATE meta SET value = ?1 WHERE key = 'fence'", [tables::int(lock.fence())]).map_err(trouble)?;
    tables::derive_now(&transaction, path)?;
    transaction.commit().map_err(trouble)
}

struct Desk {
    connection: Connection,
    path: PathBuf,
    lock: Lock,
}

impl Desk {
    fn serve(mut self, incoming: &mpsc::Receiver<Request>) {
        while let Ok(first) = incoming.recv() {
            let mut batch = vec![first];
            batch.extend(incoming.try_iter().take(BATCH_MAX - 1));
            let (asks, answers): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
            match self.write(&asks) {
                Ok(results) => answers.into_iter().zip(results).for_each(|(answer, result)| drop(answer.send(result))),
                Err(error) => answers.into_iter().for_each(|answer| drop(answer.send(Err(error.clone())))),
            }
        }
    }

    /// One transaction. Either all of it is on the disk when this returns, or nothing is.
    fn write(&mut self, asks: &[Ask]) -> Result<Vec<Answer>, JournalError> {
        let (path, ours) = (&self.path, self.lock.fence());
        let trouble = |error: rusqlite::Error| explain(path, &error);
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(trouble)?;
        let now = u64::try_from(tables::meta(&transaction, "fence").map_err(trouble)?).unwrap_or(0);
        if now != ours {
            return Err(JournalError::Fenced { ours, now, lock: self.lock.path().to_owned() });
        }
        let mut results = Vec::with_capacity(asks.len());
        for ask in asks {
            match carry_out(&transaction, ask) {
                Ok(done) => results.push(Ok(done)),
                // Only this one is at fault, and it wrote nothing yet: the others go through.
                Err(Fault::Asked(error)) => results.push(Err(error)),
                Err(Fault::Sqlite(error)) => return Err(explain(path, &error)),
            }
        }
        transaction.commit().map_err(trouble)?;
        Ok(results)
    }
}

enum Fault {
    Asked(JournalError),
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

fn carry_out(connection: &Connection, ask: &Ask) -> Result<Done, Fault> {
    match ask {
        Ask::Begin(at, event, triggers) => {
            if !triggers.is_empty() && !triggers::any_waits(connection, triggers)? {
                return Err(Fault::Asked(JournalError::Withdrawn));
            }
            let run = RunId(tables::last_run(connection)? + 1);
            let recorded = append(connection, run, 1, *at, event)?;
            if !triggers.is_empty() {
                triggers::settle(connection, *at, triggers, Some(run), None)?;
            }
            Ok(Done::Recorded(vec![recorded]))
        }
        Ask::Append(run, at, event) => match tables::last_seq(connection, *run)? {
            0 => Err(Fault::Asked(JournalError::NoSuchRun { run: *run })),
            last => Ok(Done::Recorded(vec![append(connection, *run, last + 1, *at, event)?])),
        },
        Ask::AppendAll(run, at, events) => {
            let last = tables::last_seq(connection, *run)?;
            if last == 0 {
                return Err(Fault::Asked(JournalError::NoSuchRun { run: *run }));
            }
            let mut end = End::of(connection)?;
            // Before anything is written: one that is at fault must not leave the others behind.
            let bodies: Vec<String> =
                events.iter().zip(end.position + 1..).map(|(event, position)| body(event, position)).collect::<Result<_, _>>()?;
            for ((event, body), seq) in events.iter().zip(bodies).zip(last + 1..) {
                end.append(connection, *run, seq, *at, event, body)?;
            }
            end.keep(connection)?;
            Ok(Done::Recorded(Vec::new()))
        }
        Ask::Words(run, at) => {
            let mut seq = tables::last_seq(connection, *run)?;
            let mut taken = Vec::new();
            for event in super::sqlite::empty_inbox(connection, *run)? {
                seq += 1;
                taken.push(append(connection, *run, seq, *at, &event)?);
            }
            Ok(Done::Recorded(taken))
        }
        Ask::Hear(at, heard) => {
            let heard: rusqlite::Result<Vec<HeardAs>> = heard.iter().map(|heard| triggers::hear(connection, *at, heard)).collect();
            Ok(Done::Heard(heard?))
        }
        Ask::Settle(at, ids, why) => {
            triggers::settle(connection, *at, ids, None, Some(why))?;
            Ok(Done::Recorded(Vec::new()))
        }
        Ask::Notes(at, notes) => {
            notes.iter().try_for_each(|note| triggers::note(connection, *at, note))?;
            Ok(Done::Recorded(Vec::new()))
        }
    }
}

fn append(connection: &Connection, run: RunId, seq: u64, at: Timestamp, event: &Event) -> Result<Recorded, Fault> {
    let mut end = End::of(connection)?;
    let body = body(event, end.position + 1)?;
    let recorded = end.append(connection, run, seq, at, event, body)?;
    end.keep(connection)?;
    Ok(recorded)
}

/// The bytes that stand for an event.
fn body(event: &Event, position: u64) -> Result<String, Fault> {
    serde_json::to_string(event).map_err(|error| Fault::Asked(JournalError::Unreadable { position, why: error.to_string() }))
}

/// The end of the chain while a transaction makes it longer: read before the first event, kept after the last.
struct End {
    position: u64,
    hash: Digest,
}

impl End {
    fn of(connection: &Connection) -> Result<Self, Fault> {
        let (position, hash) = tables::head(connection)?.unwrap_or_else(|| (0, root()));
        Ok(Self { position, hash })
    }

    fn append(&mut self, connection: &Connection, run: RunId, seq: u64, at: Timestamp, event: &Event, body: String) -> Result<Recorded, Fault> {
        let link = Link { position: self.position + 1, run, seq, at: at.to_string(), body };
        let recorded = Recorded { position: link.position, run, seq, at, event: event.clone(), hash: link.hash(self.hash) };
        tables::insert(connection, &link, recorded.hash)?;
        tables::apply(connection, &recorded)?;
        (self.position, self.hash) = (recorded.position, recorded.hash);
        Ok(recorded)
    }

    fn keep(&self, connection: &Connection) -> Result<(), Fault> {
        Ok(tables::move_head(connection, self.position, self.hash)?)
    }
}
