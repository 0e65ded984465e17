//! 10,000 webhooks over 100 connections to the real daemon: how fast they are answered, and whether every one that was answered is in the journal,
//! also when the daemon is killed in the middle.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::daemon::{Connection, Daemon, hook, write_estate};
use crate::measure::{median, show};
use crate::sheet::{self, Row, met};

const HOOKS: usize = 10_000;
const CONNECTIONS: usize = 100;
const LIMIT: Duration = Duration::from_millis(50);
/// Nobody answers there, so that what is heard waits.
const NOBODY: &str = "unix:///nonexistent/docker.sock";

/// A hook that was answered with success, and how long that took.
type Answered = (String, Duration);

pub fn run() {
    let folder = tempfile::tempdir().expect("a folder");
    write_estate(folder.path(), 10, 0, NOBODY);
    let fsync = fsync(folder.path());
    let daemon = Daemon::start(folder.path(), &["--debounce", "5m"]);
    let (took, answered) = send(daemon.address(), "all", || {});
    drop(daemon);
    assert_eq!(answered.len(), HOOKS, "every hook is answered");
    let lost = lost(folder.path(), &answered);
    let (p50, p99) = (at(&answered, 0.50), at(&answered, 0.99));
    let own = p99.saturating_sub(fsync);
    let rate = HOOKS as f64 / took.as_secs_f64();

    let mut daemon = Daemon::start(folder.path(), &["--debounce", "5m"]);
    let address = daemon.address();
    let killed = std::sync::Mutex::new(&mut daemon);
    let (_, before) = send(address, "killed", || killed.lock().expect("a lock").kill());
    let lost_then = self::lost(folder.path(), &before);

    let what = format!("{HOOKS} hooks over {CONNECTIONS} connections, each durable before its answer");
    let rows = [
        Row {
            what: what.clone(),
            target: "answered in under 50 ms at p99, the disk's own fsync taken off".into(),
            measured: format!("{rate:.0} per second; p50 {}, p99 {} ({} without one fsync of {})", show(p50), show(p99), show(own), show(fsync)),
            peer: format!("fsync alone: {:.0} per second", 1.0 / fsync.as_secs_f64()),
            ratio: format!("{:.2} of the limit", own.as_secs_f64() / LIMIT.as_secs_f64()),
            met: met(own <= LIMIT, "above the limit"),
        },
        Row {
            what: format!(
                "the same, `kill -9` in the middle: answered with success and not in the journal (of {} and of {HOOKS} without a kill)",
                before.len()
            ),
            target: "0".into(),
            measured: format!("{lost_then} and {lost}"),
            peer: "none".into(),
            ratio: String::new(),
            met: met(lost + lost_then == 0, "some are lost"),
        },
    ];
    let notes = format!(
        "`refit serve` as a process of its own, {CONNECTIONS} threads with one kept connection each, on the same machine; each hook is a delivery of its own of a CNCF Distribution about one tag.\n\
         Many share one wait for the disk (SQLite's WAL, synchronous=FULL). The fsync is the median of appends of 4 KiB to a file in the same folder, each followed by fdatasync.\n\
         After the end (and after the kill) the journal is opened and every delivery that was answered with 202 is looked up in it."
    );
    sheet::put("hooks", &rows, &notes);
}

/// Sends all hooks, and calls `in_the_middle` when half of them are answered. Connections that break stop sending.
fn send(address: SocketAddr, run: &str, in_the_middle: impl Fn() + Sync) -> (Duration, Vec<Answered>) {
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let began = Instant::now();
    let answered = std::thread::scope(|scope| {
        let senders: Vec<_> = (0..CONNECTIONS)
            .map(|_| {
                scope.spawn(|| {
                    let mut answered = Vec::new();
                    let Some(mut connection) = Connection::open(address) else { return answered };
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= HOOKS {
                            return answered;
                        }
                        let delivery = format!("{run}-{number}");
                        let asked = Instant::now();
                        match connection.say(&hook(&delivery, "library/figures-base", "1")) {
                            Some(202) => answered.push((delivery, asked.elapsed())),
                            Some(status) => panic!("a hook was answered with {status}"),
                            None => return answered,
                        }
                        if done.fetch_add(1, Ordering::Relaxed) + 1 == HOOKS / 2 {
                            in_the_middle();
                        }
                    }
                })
            })
            .collect();
        senders.into_iter().flat_map(|sender| sender.join().expect("a sender")).collect()
    });
    (began.elapsed(), answered)
}

fn at(answered: &[Answered], share: f64) -> Duration {
    let mut times: Vec<Duration> = answered.iter().map(|(_, took)| *took).collect();
    times.sort();
    times[((times.len() - 1) as f64 * share) as usize]
}

/// How many of those that were answered are not in the journal.
fn lost(folder: &Path, answered: &[Answered]) -> usize {
    let journal = rusqlite::Connection::open(folder.join(".refit/journal.sqlite")).expect("the journal");
    let mut statement = journal.prepare("SELECT delivery FROM deliveries").expect("a table");
    let kept: Result<BTreeSet<String>, _> = statement.query_map([], |row| row.get(0)).expect("rows").collect();
    let kept = kept.expect("rows");
    let is_kept = |delivery: &String| {
        let key = format!("figures {delivery} ");
        kept.range(key.clone()..).next().is_some_and(|found| found.starts_with(&key))
    };
    answered.iter().filter(|(delivery, _)| !is_kept(delivery)).count()
}

/// The disk's own time: an append of one page, and fdatasync.
fn fsync(folder: &Path) -> Duration {
    let mut file = File::create(folder.join("fsync")).expect("a file");
    let one = |file: &mut File| {
        let began = Instant::now();
        file.write_all(&[7; 4096]).and_then(|()| file.sync_data()).expect("the disk");
        began.elapsed()
    };
    median((0..200).map(|_| one(&mut file)).collect())
}
