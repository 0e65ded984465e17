//! Everything of a story that outlives a refit: engines, files, journal; and foreign containers that nobody may touch.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use refit::driver::{Driver, DriverError, Engines, Recorder, Settings, Watch};
use refit::edge::{Clock, Engine, NewContainer};
use refit::journal::{Journal, Logs, MemoryJournal};
use refit::model::{ContainerSpec, Digest, HostName, ImageName, ReleaseNumber, RunId, SlotId};
use refit::pipeline::{self, Estate, Fact, Given, PipelineText};
use refit::plan::{self, Change, Plan};
use refit::rollout::Version;
use refit::run::Event;
use refit::sim::{Deed, FateRule, Faults, Jumps, JumpyClock, SimClock, SimEngine, SimSource, What, sim_image};

use super::draw::{Happening, HostTrouble, Story};
use super::tape::{Death, Tape, Taped};

pub const START: Timestamp = Timestamp::constant(1_800_000_000, 0);
const BASE: &str = "docker.io/library/debian:12";

pub struct Stage {
    pub estate: Estate,
    pub builder: SimEngine,
    pub hosts: BTreeMap<HostName, SimEngine>,
    pub sources: SimSource,
    pub journal: Arc<MemoryJournal>,
    pub taped: Taped,
    /// The true time.
    pub clock: SimClock,
    /// How the time of day is set on refit's machine.
    pub jumps: Jumps,
    pub logs: Logs,
    /// Containers that are not refit's, as they were at the begin.
    pub foreign: Vec<(HostName, String)>,
    /// What the run that goes on waits for.
    pub waiting: Arc<Mutex<Vec<String>>>,
}

struct Listener(Arc<Mutex<Vec<String>>>);

impl Watch for Listener {
    fn event(&self, _: Timestamp, _: &Event) {}
    fn waiting(&self, what: &[String]) {
        *self.0.lock().unwrap() = what.to_vec();
    }
    fn build_step(&self, _: &ImageName, _: &str) {}
}

fn estate(text: &str) -> Estate {
    let given = Given { folder: PathBuf::from("/shop"), vars: BTreeMap::new() };
    let draft = pipeline::draft(&[PipelineText { file: "pipelines/shop.yaml".into(), text: text.into() }], &given);
    let fact = |path: &PathBuf| if path.ends_with("Dockerfile") { Fact::File } else { Fact::Folder };
    let facts = draft.wanted().into_iter().map(|wanted| (wanted.path.clone(), fact(&wanted.path))).collect();
    let reading = draft.finish(&facts);
    reading.estate.unwrap_or_else(|| panic!("{:#?}\n{text}", reading.findings))
}

impl Stage {
    /// Nothing was ever built.
    pub async fn new(story: &Story, logs: Logs) -> Self {
        let clock = SimClock::new(START);
        let host = |number: usize| {
            let engine = SimEngine::new(&format!("tcp://10.0.0.1{number}:2375"), clock);
            engine.state().deeds.keep();
            engine.state().faults.clock = Jumps(vec![(Timestamp::MIN, story.host_troubles[number].ahead)]);
            (format!("h{number}").parse().unwrap(), engine)
        };
        let mut stage = Self {
            estate: estate(&story.yaml()),
            builder: SimEngine::new("unix:///var/run/docker.sock", clock),
            hosts: (0..story.hosts).map(host).collect(),
            sources: SimSource::default(),
            journal: Arc::new(MemoryJournal::new()),
            taped: Taped::default(),
            clock,
            jumps: Jumps::default(),
            logs,
            foreign: Vec::new(),
            waiting: Arc::default(),
        };
        stage.builder.state().build_takes = Duration::from_secs(1);
        stage.patch("first");
        stage.sources.write("/shop/images/base", "Dockerfile", "FROM debian:12\nRUN apt-get update\n");
        for service in &story.services {
            stage.sources.write(format!("/shop/images/{}", service.name), "Dockerfile", &format!("FROM base\nRUN make {}\n", service.name));
        }
        stage.settle_neighbours().await;
        stage
    }

    /// Another estate's container in a slot of the same name, on every host.
    async fn settle_neighbours(&mut self) {
        for (name, host) in &self.hosts {
            host.state().has_image(&"neighbour:1".parse().unwrap(), sim_image("neighbour"));
            let new = NewContainer {
                estate: "neighbour".parse().unwrap(),
                slot: SlotId { service: "web".parse().unwrap(), host: name.clone(), index: 0 },
                version: Version { release: ReleaseNumber(1), spec: Digest::of(b"neighbour") },
                run: RunId(1),
                image: sim_image("neighbour").id,
                spec: ContainerSpec::default(),
                takes_over: None,
                sole_writer_of: Vec::new(),
            };
            self.foreign.push((name.clone(), host.start_new(&new).await.unwrap()));
        }
    }

    /// The registry's base moves.
    pub fn patch(&self, content: &str) {
        self.builder.state().registry.insert(BASE.to_owned(), sim_image(content));
    }

    pub fn life(&self, death: Death) -> (Arc<Tape>, Driver) {
        let tape = Tape::new(self.journal.clone(), self.taped.clone(), self.clock, death);
        let driver = self.driver(tape.clone());
        (tape, driver)
    }

    fn driver(&self, journal: Arc<dyn Journal>) -> Driver {
        let engine = |engine: &SimEngine| -> Arc<dyn Engine> { Arc::new(engine.clone()) };
        Driver {
            estate: self.estate.clone(),
            journal,
            logs: self.logs.clone(),
            inventories: None,
            engines: Engines {
                hosts: self.hosts.iter().map(|(name, host)| (name.clone(), engine(host))).collect(),
                builder: ("local".parse().unwrap(), engine(&self.builder)),
            },
            sources: Arc::new(self.sources.clone()),
            clock: Arc::new(JumpyClock::new(self.clock, self.jumps.clone())),
            watch: Arc::new(Listener(self.waiting.clone())),
            settings: Settings { parallel: 2, offline: false, bases: None, is_attended: true, environment: BTreeMap::new() },
        }
    }

    pub async fn plan(&self, driver: &Driver) -> Result<Plan, DriverError> {
        let change = Change::Everything;
        let looked = driver.look(&change).await?;
        let mut plan = plan::plan(&looked.request(driver, &change)).unwrap();
        // Whoever breaks everything on purpose has it rolled although it is sick.
        plan.rolls.iter_mut().for_each(|roll| roll.is_asked_for = true);
        driver.look_at_hosts(&mut plan).await?;
        Ok(plan)
    }

    pub async fn begin(&self, driver: &Driver) -> Result<Arc<Recorder>, DriverError> {
        let plan = self.plan(driver).await?;
        driver.begin(plan, "ann@desk", "refit rollout").await
    }

    /// Lets loose what is wrong with the engines.
    pub fn strike(&self, story: &Story) {
        let now = self.clock.now();
        strike_one(&self.builder, &story.builder, now, story.seed);
        for ((number, host), trouble) in self.hosts.values().enumerate().zip(&story.host_troubles) {
            strike_one(host, trouble, now, story.seed.wrapping_add(number as u64 + 1));
        }
    }

    /// Gives the containers of the release to come their fates.
    pub fn doom(&self, story: &Story, release: u64) {
        for (number, host) in self.hosts.values().enumerate() {
            let rules = story.fates.iter().filter(|fate| fate.host.is_none_or(|only| only == number)).map(|fate| FateRule {
                host: None,
                index: fate.index,
                release: (!fate.is_of_all).then_some(ReleaseNumber(release)),
                fate: fate.fate.clone(),
            });
            host.state().fates.extend(rules);
        }
    }

    /// The world is well again.
    pub fn heal(&self) {
        for host in self.hosts.values().chain([&self.builder]) {
            let mut state = host.state();
            // What a clock was set to stays.
            state.faults = Faults { clock: state.faults.clock.clone(), ..Faults::default() };
            state.fates.clear();
            state.machine.mend(self.clock.now());
        }
    }

    /// Waits until a rollout of a run has begun.
    pub async fn rolls(&self, run: u64) {
        let is_it = |recorded: &refit::journal::Recorded| recorded.run.0 == run && matches!(recorded.event, Event::RolloutBegan { .. });
        while !self.taped.lock().unwrap().iter().any(|(_, recorded)| is_it(recorded)) {
            self.clock.sleep(Duration::from_millis(3)).await;
        }
    }

    pub fn happen(&self, happening: &Happening) {
        let host = |number: usize| self.hosts.values().nth(number).unwrap();
        match happening {
            // Nobody can say anything about a run that does not exist, or is over.
            Happening::Says(word) => {
                if let Some(run) = self.journal.unfinished().unwrap().last() {
                    self.journal.say(*run, self.clock.now(), *word, "bob@desk").unwrap();
                }
            }
            Happening::Dies { host: number, nth } => self.kill(host(*number), *nth),
            Happening::DiskFull { host: number, is } => host(*number).state().faults.disk_full = *is,
            Happening::StartsRefused { host: number, is } => {
                host(*number).state().faults.starts_refused = is.then(|| "port is already allocated".to_owned());
            }
            Happening::Prunes { host: number } => {
                let mut state = host(*number).state();
                let used: Vec<Digest> = state.machine.containers().map(|one| one.image).collect();
                state.images.retain(|id, _| used.contains(id));
                state.names.retain(|_, id| used.contains(id));
            }
        }
    }

    /// The n-th own container of a host that runs ends by itself.
    fn kill(&self, host: &SimEngine, nth: u64) {
        let now = self.clock.now();
        let mut state = host.state();
        let running = state.machine.containers().filter(|one| one.is_up(now) && !self.foreign.iter().any(|(_, id)| *id == one.id));
        let mut running: Vec<_> = running.map(|one| (one.slot.clone(), one.created_at, one.id.clone())).collect();
        running.sort();
        if let Some((_, _, id)) = running.get(nth as usize) {
            state.machine.end(id, 137, now).unwrap();
            state.deeds.note(|| Deed { at: now, container: id.clone(), what: What::Died });
        }
    }
}

fn strike_one(engine: &SimEngine, trouble: &HostTrouble, now: Timestamp, seed: u64) {
    let moment = |ms| now + Duration::from_millis(ms);
    engine.state().faults = Faults {
        latency: Duration::from_millis(trouble.latency_ms.max(5)),
        silent: trouble.silent.iter().map(|(from, long)| (moment(*from), moment(from + long))).collect(),
        calls_lost_percent: trouble.calls_lost_percent,
        replies_lost_percent: trouble.replies_lost_percent,
        orphans_percent: trouble.orphans_percent,
        stop_takes: Duration::from_millis(trouble.stop_takes_ms),
        clock: Jumps(std::iter::once((Timestamp::MIN, trouble.ahead)).chain(trouble.jumps.iter().map(|(at, by)| (moment(*at), *by))).collect()),
        seed,
        ..Faults::default()
    };
}

impl Stage {
    /// The true time.
    pub fn clock_now(&self) -> Timestamp {
        self.clock.now()
    }
}
