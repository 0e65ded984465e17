//! A shop of four images and two services on three simulated hosts, and a way to look at what became of it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use refit::driver::{CameTo, Driver, DriverError, Engines, Recorder, Settings, Watch};
use refit::edge::{Clock, Engine};
use refit::journal::{Journal, Logs, MemoryJournal};
use refit::model::{Digest, HostName, ImageName, ReleaseNumber, RunId, ServiceName};
use refit::pipeline::{self, Estate, Fact, Given, PipelineText};
use refit::plan::{self, Change, Plan};
use refit::rollout::Person;
use refit::run::{BuildOutcome, Event, RunOutcome};
use refit::sim::{Fate, FateRule, SimClock, SimEngine, SimSource, sim_image};

pub const START: Timestamp = Timestamp::constant(1_800_000_000, 0);
pub const BASE: &str = "docker.io/library/debian:12";

/// `api` goes start-first and `web` stop-first; both stand on `base`. `api` comes first by name.
pub const SHOP: &str = r#"
name: shop
images:
  base: { build: images/base }
  tools: { build: images/tools }
  api: { build: images/api }
  web: { build: images/web, tests: [ { run: ["true"] } ] }
hosts:
  h0: { endpoint: "tcp://10.0.0.10:2375", labels: { zone: a } }
  h1: { endpoint: "tcp://10.0.0.11:2375", labels: { zone: b } }
  h2: { endpoint: "tcp://10.0.0.12:2375", labels: { zone: b } }
services:
  api:
    image: api
    deploy:
      hosts: "zone=b"
      update_config: { order: start-first, monitor: 1s, healthy_deadline: 10s, host_timeout: 20s, failure_action: rollback }
  web:
    image: web
    deploy:
      replicas: 2
      hosts: "zone=b"
      update_config: { order: stop-first, parallelism: 2, monitor: 1s, healthy_deadline: 10s, host_timeout: 20s, failure_action: rollback }
"#;

/// Everything that outlives a refit: engines, files, journal.
pub struct World {
    pub yaml: Mutex<String>,
    pub builder: SimEngine,
    pub hosts: BTreeMap<HostName, SimEngine>,
    pub sources: SimSource,
    pub journal: Arc<MemoryJournal>,
    pub clock: SimClock,
    pub folder: tempfile::TempDir,
}

/// What serves in one slot: the layers of its image, and its anonymous volume.
pub type Running = BTreeMap<String, (Vec<Digest>, String)>;

struct Silent;

impl Watch for Silent {
    fn event(&self, _: Timestamp, _: &Event) {}
    fn waiting(&self, _: &[String]) {}
    fn build_step(&self, _: &ImageName, _: &str) {}
}

pub fn estate(text: &str) -> Estate {
    let given = Given { folder: PathBuf::from("/shop"), vars: BTreeMap::new() };
    let draft = pipeline::draft(&[PipelineText { file: "pipelines/shop.yaml".into(), text: text.into() }], &given);
    let fact = |path: &PathBuf| if path.ends_with("Dockerfile") { Fact::File } else { Fact::Folder };
    let facts = draft.wanted().into_iter().map(|wanted| (wanted.path.clone(), fact(&wanted.path))).collect();
    let reading = draft.finish(&facts);
    reading.estate.unwrap_or_else(|| panic!("{:#?}", reading.findings))
}

impl World {
    /// Nothing was ever built. Must be made within a tokio runtime whose clock is paused.
    pub fn new() -> Self {
        let clock = SimClock::new(START);
        let host = |number: u8| (format!("h{number}").parse().unwrap(), SimEngine::new(&format!("tcp://10.0.0.1{number}:2375"), clock));
        let world = Self {
            yaml: Mutex::new(SHOP.to_owned()),
            builder: SimEngine::new("unix:///var/run/docker.sock", clock),
            hosts: (0..3).map(host).collect(),
            sources: SimSource::default(),
            journal: Arc::new(MemoryJournal::new()),
            clock,
            folder: tempfile::tempdir().unwrap(),
        };
        world.builder.state().build_takes = Duration::from_secs(2);
        world.patch("first");
        world.dockerfile("base", "FROM debian:12\nRUN apt-get update\n");
        world.dockerfile("tools", "FROM base\nRUN make tools\n");
        world.dockerfile("api", "FROM base\nRUN make api\n");
        world.dockerfile("web", "FROM base\nRUN make web\n");
        world
    }

    /// A new world in which everything was built and rolled once, as r1.
    pub async fn rolled() -> Self {
        let world = Self::new();
        assert_eq!(world.roll(Change::Everything).await, RunOutcome::Done);
        world
    }

    /// The registry's base moves.
    pub fn patch(&self, content: &str) {
        self.builder.state().registry.insert(BASE.to_owned(), sim_image(content));
    }

    pub fn dockerfile(&self, image: &str, text: &str) {
        self.sources.write(format!("/shop/images/{image}"), "Dockerfile", text);
    }

    /// Containers of this release have another fate than being well; on one host only, if it is named.
    pub fn fate(&self, release: u64, host: Option<&str>, fate: Fate) {
        let rule = FateRule { host: host.map(|host| host.parse().unwrap()), index: None, release: Some(ReleaseNumber(release)), fate };
        self.hosts.values().for_each(|host| host.state().fates.push(rule.clone()));
    }

    /// The same for `web` alone: only it has a second slot on a host.
    pub fn fate_of_web(&self, release: u64, fate: Fate) {
        let rule = FateRule { host: Some("h2".parse().unwrap()), index: Some(1), release: Some(ReleaseNumber(release)), fate };
        self.hosts.values().for_each(|host| host.state().fates.push(rule.clone()));
    }

    pub fn host(&self, host: &str) -> &SimEngine {
        &self.hosts[&host.parse::<HostName>().unwrap()]
    }

    pub fn driver(&self) -> Driver {
        self.driver_with(self.journal.clone())
    }

    pub fn driver_with(&self, journal: Arc<dyn Journal>) -> Driver {
        let engine = |engine: &SimEngine| -> Arc<dyn Engine> { Arc::new(engine.clone()) };
        Driver {
            estate: estate(&self.yaml.lock().unwrap()),
            journal,
            logs: Logs::new(self.folder.path()),
            inventories: None,
            engines: Engines {
                hosts: self.hosts.iter().map(|(name, host)| (name.clone(), engine(host))).collect(),
                builder: ("local".parse().unwrap(), engine(&self.builder)),
            },
            sources: Arc::new(self.sources.clone()),
            clock: Arc::new(self.clock),
            watch: Arc::new(Silent),
            settings: Settings { parallel: 2, offline: false, bases: None, is_attended: true, environment: BTreeMap::new() },
        }
    }

    /// As `refit plan` does it.
    pub async fn plan(&self, change: &Change) -> Plan {
        self.plan_by(&self.driver(), change).await.unwrap()
    }

    pub async fn plan_by(&self, driver: &Driver, change: &Change) -> Result<Plan, DriverError> {
        let looked = driver.look(change).await?;
        let mut plan = plan::plan(&looked.request(driver, change)).unwrap();
        driver.look_at_hosts(&mut plan).await?;
        Ok(plan)
    }

    pub async fn begin(&self, driver: &Driver, change: Change) -> Result<Arc<Recorder>, DriverError> {
        let plan = self.plan_by(driver, &change).await?;
        driver.begin(plan, "ann@desk", "refit rollout").await
    }

    /// A whole run, which ends.
    pub async fn roll(&self, change: Change) -> RunOutcome {
        match self.roll_until(change).await {
            CameTo::End(outcome) => outcome,
            CameTo::Pause { what, why } => panic!("{what} paused: {why}"),
            CameTo::Gate { service, stage } => panic!("{service} waits behind {stage}"),
        }
    }

    pub async fn roll_until(&self, change: Change) -> CameTo {
        self.roll_until_by(&self.driver(), change).await
    }

    pub async fn roll_until_by(&self, driver: &Driver, change: Change) -> CameTo {
        let recorder = self.begin(driver, change).await.unwrap();
        driver.carry_on(&recorder).await.unwrap()
    }

    /// As `refit resume` does it.
    pub async fn resume(&self, run: RunId) -> Result<CameTo, DriverError> {
        self.say(run, Person::Resume);
        self.take_up(run).await
    }

    /// As `refit rollout` does it with a run that was interrupted.
    pub async fn take_up(&self, run: RunId) -> Result<CameTo, DriverError> {
        let driver = self.driver();
        let recorder = driver.take_up(run, "bob@desk").await?;
        driver.carry_on(&recorder).await
    }

    pub fn say(&self, run: RunId, word: Person) {
        self.journal.say(run, self.clock.now(), word, "bob@desk").unwrap();
    }

    pub fn events(&self, run: u64) -> Vec<Event> {
        self.journal.events(RunId(run)).unwrap().into_iter().map(|recorded| recorded.event).collect()
    }

    /// How the builds of a run ended, a word for each.
    pub fn builds(&self, run: u64) -> BTreeMap<String, &'static str> {
        let word = |outcome: &BuildOutcome| match outcome {
            BuildOutcome::Built { .. } => "built",
            BuildOutcome::Reused { .. } => "reused",
            BuildOutcome::Unchanged { .. } => "unchanged",
            BuildOutcome::Failed { .. } => "failed",
            BuildOutcome::Skipped { .. } => "skipped",
        };
        let ended = self.events(run).into_iter().filter_map(|event| match event {
            Event::BuildEnded { image, outcome, .. } => Some((image.to_string(), word(&outcome))),
            _ => None,
        });
        ended.collect()
    }

    /// The release that each service is on, by the journal.
    pub fn on(&self, service: &str) -> Option<u64> {
        self.journal.service_states().unwrap().get(&service.parse::<ServiceName>().unwrap())?.current.map(|release| release.0)
    }

    /// What serves, slot by slot; fails if anything else lies around.
    pub fn running(&self) -> Running {
        let now = self.clock.now();
        let mut running = Running::new();
        for host in self.hosts.values() {
            let state = host.state();
            for one in state.machine.containers() {
                assert!(one.is_healthy(now), "left over: {} of {} in {}: {:?}", one.name, one.version.release, one.slot, one.at(now));
                let before = running.insert(one.slot.to_string(), (state.images[&one.image].layers.clone(), one.volume.clone()));
                assert_eq!(before, None, "two containers in {}", one.slot);
            }
        }
        running
    }

    /// What serves of one service; others may be as they are.
    pub fn running_of(&self, service: &str) -> Running {
        let now = self.clock.now();
        let mut running = Running::new();
        for host in self.hosts.values() {
            let state = host.state();
            for one in state.machine.containers().filter(|one| one.slot.service.as_str() == service) {
                assert!(one.is_healthy(now), "left over: {} of {} in {}", one.name, one.version.release, one.slot);
                running.insert(one.slot.to_string(), (state.images[&one.image].layers.clone(), one.volume.clone()));
            }
        }
        running
    }

    /// The content of every slot, without volumes.
    pub fn contents(&self) -> BTreeMap<String, Vec<Digest>> {
        self.running().into_iter().map(|(slot, (layers, _))| (slot, layers)).collect()
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Healthy containers of a service, wherever they are.
    pub fn healthy(&self, service: &str) -> usize {
        let now = self.clock.now();
        let of =
            |host: &SimEngine| host.state().machine.containers().filter(|one| one.slot.service.as_str() == service && one.is_healthy(now)).count();
        self.hosts.values().map(of).sum()
    }

    /// Invariant 5: every container's image is what a release in the journal has for its service.
    pub fn check_that_all_was_released(&self) {
        let releases: BTreeMap<ReleaseNumber, _> = self
            .journal
            .all()
            .into_iter()
            .filter_map(|recorded| match recorded.event {
                Event::Released { release } => Some((release.number, release)),
                _ => None,
            })
            .collect();
        for host in self.hosts.values() {
            for one in host.state().machine.containers() {
                let released = &releases[&one.version.release].services[&one.slot.service];
                assert_eq!((released.id, released.spec_hash()), (one.image, one.version.spec), "{}", one.slot);
            }
        }
    }

    /// Invariant 1, looked at all the time until the future ends: `api` goes start-first, `web` stop-first two at a time.
    pub async fn watched<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = tokio::time::sleep(Duration::from_millis(25)) => {
                    assert!(self.healthy("api") >= 2, "api has {} of 2 at {}", self.healthy("api"), self.clock.now());
                    assert!(self.healthy("web") >= 2, "web has {} of 4 at {}", self.healthy("web"), self.clock.now());
                }
            }
        }
    }
}
