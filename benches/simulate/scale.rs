//! One whole rollout over a large estate: what it costs in processor time and memory, at three sizes, each in a process of its own.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::Timestamp;
use refit::driver::{CameTo, Driver, Engines, Settings, Watch};
use refit::edge::{Clock, Engine};
use refit::journal::{
    BuildKept, Journal, JournalError, Lock, Logs, QuarantineKept, Recorded, ReleaseKept, RolloutKept, RunSummary, SqliteJournal, Verified,
};
use refit::model::{Digest, ImageName, ReleaseNumber, RunId, TriggerId};
use refit::pipeline::{self, Estate, Fact, Given, PipelineText};
use refit::plan::{self, Change};
use refit::release::Release;
use refit::rollout::Person;
use refit::run::{Event, RunOutcome};
use refit::sim::{SimClock, SimEngine, SimSource, sim_image};

use crate::page;

const START: Timestamp = Timestamp::constant(1_800_000_000, 0);
const SIZES: [usize; 3] = [100, 1_000, 10_000];
const SLOTS: usize = 10;
/// Of all slots, so many are in flight at once.
const PERCENT_AT_ONCE: usize = 5;
const CPU_MAX_S: f64 = 60.0;
const MB_MAX: f64 = 500.0;
/// So many times the processor time for each slot, at ten times the hosts, still counts as linear.
const GROWTH_MAX: f64 = 1.5;

/// Measures every size and writes the table.
pub fn measure() -> ExitCode {
    let mut rows = Vec::new();
    for hosts in SIZES {
        let own = std::env::current_exe().expect("this program has a place");
        let output = Command::new(own).args(["scale", &hosts.to_string()]).stderr(std::process::Stdio::inherit()).output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        print!("{text}");
        let Some(figures) = text.lines().find_map(|line| line.strip_prefix("figures: ")) else { return ExitCode::FAILURE };
        rows.push((hosts, figures.split(' ').map(|figure| figure.parse().expect("a figure")).collect::<Vec<f64>>()));
    }
    page::put_scale(&table(&rows));
    let (cpu, mb) = rows.last().map_or((0.0, 0.0), |(_, figures)| (figures[0], figures[2]));
    if cpu <= CPU_MAX_S && mb <= MB_MAX { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn table(rows: &[(usize, Vec<f64>)]) -> String {
    let mut text = format!(
        "A patched base under one service with {SLOTS} slots on each host, stop-first, {PERCENT_AT_ONCE} of a hundred slots at once, `monitor` 1 s: plan, two builds, images\n\
         to all hosts, rollout, sweep. The real driver and the real journal on disk, simulated engines; the cost of the engines' simulation is in it.\n\
         Target at 10,000 hosts: ≤ {CPU_MAX_S} s of processor time, ≤ {MB_MAX} MB at the peak of the process, growth linear: a slot costs at most {GROWTH_MAX} times what it costs at 1,000 hosts.\n\n\
         | hosts | slots | processor time | for each slot | wall time | peak of memory | simulated time | events |\n| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
    );
    for (hosts, figures) in rows {
        let [cpu, wall, mb, virtual_s, events] = figures[..] else { continue };
        let slots = hosts * SLOTS;
        let each = cpu * 1e6 / slots as f64;
        writeln!(text, "| {hosts} | {slots} | {cpu:.2} s | {each:.0} µs | {wall:.1} s | {mb:.0} MB | {virtual_s:.0} s | {events:.0} |").unwrap();
    }
    let (cpu, mb) = rows.last().map_or((0.0, 0.0), |(_, figures)| (figures[0], figures[2]));
    write!(text, "\nProcessor time: {}. Memory: {}.", met(cpu <= CPU_MAX_S), met(mb <= MB_MAX)).unwrap();
    if let Some(growth) = growth(rows) {
        writeln!(text, " Growth: {}: {growth:.1} times.", met(growth <= GROWTH_MAX)).unwrap();
        if growth > GROWTH_MAX {
            text += "What a rollout knows of so many slots fits into no cache of the processor any more, so that each look at one of them waits for memory.\n";
        }
    }
    text
}

/// How many times as much a slot costs in the largest estate as in the one before it.
fn growth(rows: &[(usize, Vec<f64>)]) -> Option<f64> {
    let [.., (smaller, few), (larger, many)] = rows else { return None };
    Some((many[0] / *larger as f64) / (few[0] / *smaller as f64))
}

fn met(is_met: bool) -> &'static str {
    if is_met { "met" } else { "not met" }
}

/// One size. Prints processor time, wall time, memory, simulated time and events.
pub fn measure_one(hosts: usize) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(roll(hosts))
}

async fn roll(hosts: usize) -> ExitCode {
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().join("state");
    fs::create_dir(&state).expect("a folder");
    let lock = Lock::take(&state, START, "refit rollout").expect("nobody else has it");
    let sqlite = Arc::new(SqliteJournal::open_to_write(&state, lock).expect("a journal"));
    let clock = SimClock::new(START);
    let builder = SimEngine::new("unix:///var/run/docker.sock", clock);
    builder.state().build_takes = Duration::from_secs(1);
    let engines: BTreeMap<_, _> = (0..hosts)
        .map(|host| {
            let engine: Arc<dyn Engine> = Arc::new(SimEngine::new(&format!("tcp://h{host}:2375"), clock));
            (format!("h{host}").parse().expect("a name"), engine)
        })
        .collect();
    let sources = SimSource::default();
    sources.write("/shop/images/base", "Dockerfile", "FROM debian:12\nRUN apt-get update\n");
    sources.write("/shop/images/web", "Dockerfile", "FROM base\nRUN make web\n");
    let driver = Driver {
        estate: estate(hosts),
        journal: Arc::new(Patient(sqlite.clone())),
        logs: Logs::new(folder.path()),
        inventories: None,
        engines: Engines { hosts: engines, builder: ("local".parse().expect("a name"), Arc::new(builder.clone())) },
        sources: Arc::new(sources),
        clock: Arc::new(clock),
        watch: Arc::new(Nobody),
        settings: Settings { parallel: 2, offline: false, bases: None, is_attended: true, environment: BTreeMap::new() },
    };
    run(&driver, &builder, "first").await;
    let before = events(&sqlite);
    let (cpu, wall, virtual_at) = (cpu_s(), Instant::now(), clock.now());
    run(&driver, &builder, "patched").await;
    let (cpu, wall) = (cpu_s() - cpu, wall.elapsed().as_secs_f64());
    let virtual_s = clock.now().duration_since(virtual_at).as_secs_f64();
    println!("{hosts} hosts: {cpu:.2} s of processor time, {wall:.1} s, {:.0} MB, {virtual_s:.0} s simulated", peak_mb());
    println!("figures: {cpu} {wall} {} {virtual_s} {}", peak_mb(), events(&sqlite) - before);
    ExitCode::SUCCESS
}

async fn run(driver: &Driver, builder: &SimEngine, base: &str) {
    builder.state().registry.insert("docker.io/library/debian:12".to_owned(), sim_image(base));
    let change = Change::Everything;
    let looked = driver.look(&change).await.expect("a look");
    let mut plan = plan::plan(&looked.request(driver, &change)).expect("a plan");
    driver.look_at_hosts(&mut plan).await.expect("hosts");
    let recorder = driver.begin(plan, "ann@desk", "refit rollout").await.expect("a run");
    let came = driver.carry_on(&recorder).await.expect("an end");
    assert_eq!(came, CameTo::End(RunOutcome::Done));
}

fn estate(hosts: usize) -> Estate {
    let parallelism = (hosts * SLOTS * PERCENT_AT_ONCE).div_ceil(100);
    let mut text = String::from("name: shop\nimages:\n  base: { build: images/base }\n  web: { build: images/web }\nhosts:\n");
    for host in 0..hosts {
        writeln!(text, "  h{host}: {{ endpoint: \"tcp://h{host}:2375\", labels: {{ pool: all }} }}").expect("text");
    }
    write!(
        text,
        "services:\n  web:\n    image: web\n    deploy:\n      hosts: \"pool=all\"\n      replicas: {SLOTS}\n      \
         update_config: {{ order: stop-first, parallelism: {parallelism}, monitor: 1s, failure_action: rollback }}\n"
    )
    .expect("text");
    let given = Given { folder: PathBuf::from("/shop"), vars: BTreeMap::new() };
    let draft = pipeline::draft(&[PipelineText { file: "pipelines/shop.yaml".into(), text }], &given);
    let fact = |path: &PathBuf| if path.ends_with("Dockerfile") { Fact::File } else { Fact::Folder };
    let facts = draft.wanted().into_iter().map(|wanted| (wanted.path.clone(), fact(&wanted.path))).collect();
    let reading = draft.finish(&facts);
    reading.estate.unwrap_or_else(|| panic!("{:#?}", reading.findings))
}

fn events(journal: &SqliteJournal) -> u64 {
    let runs = journal.runs(1).expect("runs");
    runs.first().map_or(0, |_| journal.verify().expect("a chain").events)
}

/// Processor time of this process so far, from ticks of which there are a hundred a second.
fn cpu_s() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    after_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

fn peak_mb() -> f64 {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB")?.trim().parse::<f64>().ok());
    kib.unwrap_or(0.0) * 1.024e-3
}

struct Nobody;

impl Watch for Nobody {
    fn event(&self, _: Timestamp, _: &Event) {}
    fn waiting(&self, _: &[String]) {}
    fn build_step(&self, _: &ImageName, _: &str) {}
}

/// The journal on disk; simulated time stands still while it writes.
struct Patient(Arc<SqliteJournal>);

impl Patient {
    async fn standing_still<T: Send + 'static>(&self, ask: impl Future<Output = T> + Send + 'static) -> T {
        let handle = tokio::runtime::Handle::current();
        tokio::task::spawn_blocking(move || handle.block_on(ask)).await.expect("it ends")
    }
}

#[async_trait]
impl Journal for Patient {
    async fn begin_run_for(&self, at: Timestamp, event: &Event, triggers: &[TriggerId]) -> Result<RunId, JournalError> {
        let (journal, event, triggers) = (self.0.clone(), event.clone(), triggers.to_vec());
        self.standing_still(async move { journal.begin_run_for(at, &event, &triggers).await }).await
    }
    async fn append(&self, run: RunId, at: Timestamp, event: &Event) -> Result<Recorded, JournalError> {
        let (journal, event) = (self.0.clone(), event.clone());
        self.standing_still(async move { journal.append(run, at, &event).await }).await
    }
    async fn append_all(&self, run: RunId, at: Timestamp, events: &[Event]) -> Result<(), JournalError> {
        let (journal, events) = (self.0.clone(), events.to_vec());
        self.standing_still(async move { journal.append_all(run, at, &events).await }).await
    }
    async fn take_words(&self, run: RunId, at: Timestamp) -> Result<Vec<Recorded>, JournalError> {
        self.0.take_words(run, at).await
    }
    fn say(&self, run: RunId, at: Timestamp, word: Person, by: &str) -> Result<(), JournalError> {
        self.0.say(run, at, word, by)
    }
    fn words_waiting(&self, run: RunId) -> Result<Vec<Person>, JournalError> {
        self.0.words_waiting(run)
    }
    fn events(&self, run: RunId) -> Result<Vec<Recorded>, JournalError> {
        self.0.events(run)
    }
    fn runs(&self, limit: usize) -> Result<Vec<RunSummary>, JournalError> {
        self.0.runs(limit)
    }
    fn run(&self, run: RunId) -> Result<Option<RunSummary>, JournalError> {
        self.0.run(run)
    }
    fn unfinished(&self) -> Result<Vec<RunId>, JournalError> {
        self.0.unfinished()
    }
    fn releases(&self, limit: usize) -> Result<Vec<ReleaseKept>, JournalError> {
        self.0.releases(limit)
    }
    fn release(&self, number: ReleaseNumber) -> Result<Option<Release>, JournalError> {
        self.0.release(number)
    }
    fn builds(&self) -> Result<Vec<BuildKept>, JournalError> {
        self.0.builds()
    }
    fn build_by_inputs(&self, image: &ImageName, inputs: Digest) -> Result<Option<BuildKept>, JournalError> {
        self.0.build_by_inputs(image, inputs)
    }
    fn quarantines(&self) -> Result<Vec<QuarantineKept>, JournalError> {
        self.0.quarantines()
    }
    fn rollouts(&self) -> Result<Vec<RolloutKept>, JournalError> {
        self.0.rollouts()
    }
    fn verify(&self) -> Result<Verified, JournalError> {
        self.0.verify()
    }
}
