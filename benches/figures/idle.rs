//! The daemon with nothing to do, and how long it is from a webhook to a plan in the journal.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::daemon::{Connection, Daemon, hook, write_estate};
use crate::lab::Lab;
use crate::measure::show;
use crate::sheet::{self, Row, met};

const IMAGES: usize = 1_000;
const HOSTS: usize = 200;
/// Over how long the processor's time is counted; drift is looked for twice in it.
const OVER: Duration = Duration::from_secs(70);
const RESIDENT_MB_MAX: f64 = 60.0;
const MANY: usize = 10_000;
const PLANNED_WITHIN: Duration = Duration::from_secs(2);

pub async fn run() {
    let Some(lab) = Lab::hosts(1).await else { return };
    let host = lab.host(1);
    host.import_base("figures-base:1");
    let rows = [idle(&host.endpoint), planned(&host.endpoint)];
    let notes = format!(
        "`refit serve --offline` as a process of its own. Idle: {IMAGES} images, a service on {HOSTS} hosts (one engine plays all of them, and is asked as each), nothing released; after its start it is\n\
         left alone for {} s, in which drift is looked for twice; memory is what is resident then, the share of a core its user and system time. Planned: {MANY} images, none ever built, in one folder each; from the\n\
         hook being sent (`--debounce 0s`) to the event that holds the plan being in the journal, with the files of all images read and hashed on the way for the first time since the start.",
        OVER.as_secs()
    );
    sheet::put("daemon", &rows, &notes);
}

fn idle(endpoint: &str) -> Row {
    let folder = tempfile::tempdir().expect("a folder");
    write_estate(folder.path(), IMAGES, HOSTS, endpoint);
    let daemon = Daemon::start(folder.path(), &[]);
    std::thread::sleep(Duration::from_secs(5));
    let before = ticks(&daemon.proc());
    std::thread::sleep(OVER);
    let share = (ticks(&daemon.proc()) - before) / OVER.as_secs_f64();
    let (resident, peak) = (field(&daemon.proc(), "VmRSS:"), field(&daemon.proc(), "VmHWM:"));
    Row {
        what: format!("idle daemon, {IMAGES} images, {HOSTS} hosts"),
        target: "≤ 60 MB resident, ≤ 1 % of a core".into(),
        measured: format!("{resident:.0} MB (peak {peak:.0} MB), {:.2} % of a core", share * 100.0),
        peer: "none".into(),
        ratio: format!("{:.2} of the memory, {:.2} of the core", resident / RESIDENT_MB_MAX, share / 0.01),
        met: met(resident <= RESIDENT_MB_MAX && share <= 0.01, "above the limit"),
    }
}

fn planned(endpoint: &str) -> Row {
    let folder = tempfile::tempdir().expect("a folder");
    write_estate(folder.path(), MANY, 0, endpoint);
    let daemon = Daemon::start(folder.path(), &["--debounce", "0s"]);
    let mut connection = Connection::open(daemon.address()).expect("a connection");
    let began = Instant::now();
    assert_eq!(connection.say(&hook("one", "library/figures-base", "1")), Some(202), "the hook is taken");
    let took = loop {
        if is_planned(folder.path()) {
            break began.elapsed();
        }
        let log = || fs::read_to_string(folder.path().join("serve.log")).unwrap_or_default();
        assert!(began.elapsed() < Duration::from_secs(120), "no plan within two minutes:\n{}", log());
        std::thread::sleep(Duration::from_millis(5));
    };
    Row {
        what: format!("hook → plan in the journal, {MANY} images"),
        target: "≤ 2 s".into(),
        measured: show(took),
        peer: "none".into(),
        ratio: format!("{:.2} of the limit", took.as_secs_f64() / PLANNED_WITHIN.as_secs_f64()),
        met: met(took <= PLANNED_WITHIN, "above the limit"),
    }
}

fn is_planned(folder: &Path) -> bool {
    let journal = rusqlite::Connection::open(folder.join(".refit/journal.sqlite")).expect("the journal");
    journal.query_row("SELECT count(*) FROM events WHERE seq = 2", [], |row| row.get::<_, i64>(0)).is_ok_and(|events| events > 0)
}

/// The processor's time of a process so far, in seconds. Source: proc_pid_stat(5); a tick is a hundredth.
fn ticks(proc: &Path) -> f64 {
    let stat = fs::read_to_string(proc.join("stat")).expect("it lives");
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let field = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    (field(11) + field(12)) / 100.0
}

/// A line of a process's status, in MB.
fn field(proc: &Path, name: &str) -> f64 {
    let text = fs::read_to_string(proc.join("status")).unwrap_or_default();
    let kib = text.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix("kB")?.trim().parse::<f64>().ok());
    kib.unwrap_or(0.0) * 1.024e-3
}
