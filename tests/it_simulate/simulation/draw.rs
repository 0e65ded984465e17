//! Draws an estate, and what goes wrong in it, from one seed.

use std::fmt::Write;
use std::time::Duration;

use jiff::SignedDuration;
use refit::rollout::Person;
use refit::sim::Fate;

use super::dice::Dice;
use super::tape::Death;

/// What people have, and what befalls them.
#[derive(Debug, Clone)]
pub struct Story {
    pub seed: u64,
    pub hosts: usize,
    pub services: Vec<Drawn>,
    /// Whether services stand on images of the estate, so that a patch builds first.
    pub cascades: bool,
    /// Whether the trouble comes with the very first rollout, so that there is nothing to go back to.
    pub is_first: bool,
    /// Whether the trouble comes with the run, or only when its first rollout has begun: before that a run is refused for less.
    pub is_early: bool,
    pub builder: HostTrouble,
    pub host_troubles: Vec<HostTrouble>,
    pub fates: Vec<DrawnFate>,
    pub happenings: Vec<(u64, Happening)>,
    /// The time of day on refit's machine jumps at this many milliseconds, by so much.
    pub jumps: Vec<(u64, SignedDuration)>,
    /// Where refit dies, one life after the other, and for how long it stays dead.
    pub deaths: Vec<(Death, u64)>,
}

/// One service as it is written.
#[derive(Debug, Clone)]
pub struct Drawn {
    pub name: &'static str,
    pub replicas: u64,
    pub parallelism: u64,
    pub monitor_ms: u64,
    pub order: &'static str,
    pub failure_action: &'static str,
    pub back_action: &'static str,
    pub max_failure_ratio: &'static str,
    pub delay_s: u64,
    pub has_volume: bool,
    pub has_probe: bool,
    pub grace_s: u64,
    /// Further lines of `deploy`: in which stages it goes.
    pub stages: &'static str,
}

/// Waves, canaries and blue-green that need nobody's word; the last one, two hosts.
const STAGES: [&str; 4] = [
    "      waves: [ { canary: 1, bake: 2s } ]\n",
    "      waves: [ { canary: 50%, bake: 500ms } ]\n      spread: pool\n",
    "      strategy: blue-green\n      keep: 2s\n",
    "      waves: [ { hosts: h0, canary: 1, bake: 1s }, { hosts: \"*\" } ]\n      max_parallel_hosts: 2\n",
];

/// What is wrong between refit and one engine. Times are milliseconds from the begin of the trouble.
#[derive(Debug, Clone, Default)]
pub struct HostTrouble {
    pub latency_ms: u64,
    pub stop_takes_ms: u64,
    pub silent: Vec<(u64, u64)>,
    pub calls_lost_percent: u64,
    pub replies_lost_percent: u64,
    pub orphans_percent: u64,
    /// By how much its clock is ahead from the first day on.
    pub ahead: SignedDuration,
    /// Its clock jumps at this many milliseconds, by so much.
    pub jumps: Vec<(u64, SignedDuration)>,
}

/// Containers that are not simply well.
#[derive(Debug, Clone)]
pub struct DrawnFate {
    pub host: Option<usize>,
    pub index: Option<u32>,
    /// Containers of the release before too, once they are started again.
    pub is_of_all: bool,
    pub fate: Fate,
}

/// What happens at a moment.
#[derive(Debug, Clone)]
pub enum Happening {
    Says(Person),
    /// The n-th container of a host ends.
    Dies {
        host: usize,
        nth: u64,
    },
    DiskFull {
        host: usize,
        is: bool,
    },
    StartsRefused {
        host: usize,
        is: bool,
    },
    /// Somebody prunes a host: images that no container was made from are gone.
    Prunes {
        host: usize,
    },
}

impl Story {
    pub fn draw(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let dice = &mut dice;
        let hosts = dice.between(1, 6) as usize;
        let mut services = if dice.chance(40) { vec![service(dice, "api"), service(dice, "web")] } else { vec![service(dice, "web")] };
        let (cascades, is_first, is_early) = (dice.chance(50), dice.chance(15), dice.chance(20));
        let mut host_troubles: Vec<HostTrouble> = (0..hosts).map(|_| host_trouble(dice)).collect();
        let builder = if dice.chance(20) {
            HostTrouble { latency_ms: dice.between(1, 400), silent: silences(dice), ..HostTrouble::default() }
        } else {
            HostTrouble::default()
        };
        let fates = if dice.chance(50) { (0..dice.between(1, 3)).map(|_| fate(dice, hosts)).collect() } else { Vec::new() };
        let mut happenings = Vec::new();
        for _ in 0..dice.one_of(&[0, 0, 1, 2, 4]) {
            happen(dice, hosts, &mut happenings);
        }
        happenings.sort_by_key(|(at, _)| *at);
        let jumps = if dice.chance(10) { (0..dice.between(1, 2)).map(|_| (dice.between(0, 20_000), jump(dice))).collect() } else { Vec::new() };
        let deaths = (0..dice.one_of(&[0, 0, 0, 1, 1, 2, 4])).map(|_| death(dice)).collect();
        if dice.chance(40) {
            host_troubles.iter_mut().for_each(|trouble| set_clock(dice, trouble));
        }
        for one in &mut services {
            if dice.chance(30) {
                let drawn = dice.between(0, if hosts > 1 { 3 } else { 2 }) as usize;
                // Blue-green needs two side by side.
                one.stages = STAGES[if drawn == 2 && one.is_stop_first() { 0 } else { drawn }];
            }
        }
        Self { seed, hosts, services, cascades, is_first, is_early, builder, host_troubles, fates, happenings, jumps, deaths }
    }

    /// The pipeline file.
    pub fn yaml(&self) -> String {
        let mut text = String::from("name: shop\n");
        if self.cascades {
            text.push_str("images:\n  base: { build: images/base }\n");
            self.services.iter().for_each(|one| writeln!(text, "  {0}: {{ build: images/{0} }}", one.name).unwrap());
        }
        if self.services.iter().any(|one| one.has_volume) {
            text.push_str("volumes:\n");
            // Each its own: what two services write is refused before anything is told.
            self.services.iter().filter(|one| one.has_volume).for_each(|one| writeln!(text, "  data-{}: {{}}", one.name).unwrap());
        }
        text.push_str("hosts:\n");
        for host in 0..self.hosts {
            writeln!(text, "  h{host}: {{ endpoint: \"tcp://10.0.0.1{host}:2375\", labels: {{ pool: all }} }}").unwrap();
        }
        text.push_str("services:\n");
        self.services.iter().for_each(|one| text.push_str(&one.yaml(self.cascades)));
        text
    }

    /// In a few lines, for a person.
    pub fn told(&self) -> String {
        let mut text =
            format!("seed {}: {} hosts, cascades {}, first {}, early {}\n", self.seed, self.hosts, self.cascades, self.is_first, self.is_early);
        self.services.iter().for_each(|one| writeln!(text, "  {one:?}").unwrap());
        writeln!(text, "  builder {:?}", self.builder).unwrap();
        self.host_troubles.iter().enumerate().for_each(|(at, one)| writeln!(text, "  h{at} {one:?}").unwrap());
        self.fates.iter().for_each(|one| writeln!(text, "  {one:?}").unwrap());
        self.happenings.iter().for_each(|(at, one)| writeln!(text, "  at {at} ms: {one:?}").unwrap());
        self.jumps.iter().for_each(|(at, by)| writeln!(text, "  at {at} ms: refit's time of day jumps by {by:?}").unwrap());
        self.deaths.iter().for_each(|(death, ms)| writeln!(text, "  dies {death:?}, for {ms} ms").unwrap());
        text
    }
}

impl Drawn {
    fn yaml(&self, cascades: bool) -> String {
        let image = if cascades { self.name.to_owned() } else { "debian:12".to_owned() };
        let update = |action: &str| {
            format!(
                "{{ order: {}, parallelism: {}, monitor: {}ms, delay: {}s, healthy_deadline: 10s, host_timeout: 20s, failure_action: {action}, max_failure_ratio: {} }}",
                self.order, self.parallelism, self.monitor_ms, self.delay_s, self.max_failure_ratio
            )
        };
        let volume = if self.has_volume { format!("    volumes: [\"data-{}:/data\"]\n", self.name) } else { String::new() };
        let probe = if self.has_probe { "    healthcheck: { command: [\"true\"], interval: 2s, timeout: 1s, retries: 2 }\n" } else { "" };
        format!(
            "  {}:\n    image: {image}\n    stop_grace_period: {}s\n{volume}{probe}    deploy:\n      hosts: \"pool=all\"\n      replicas: {}\n{}      update_config: {}\n      rollback_config: {}\n",
            self.name,
            self.grace_s,
            self.replicas,
            self.stages,
            update(self.failure_action),
            update(self.back_action),
        )
    }

    /// Whether two of its containers may stand side by side in one slot.
    pub fn is_stop_first(&self) -> bool {
        self.order == "stop-first" || self.has_volume
    }
}

fn service(dice: &mut Dice, name: &'static str) -> Drawn {
    let has_volume = dice.chance(25);
    Drawn {
        name,
        replicas: if has_volume { 1 } else { dice.between(1, 4) },
        parallelism: dice.between(0, 3),
        monitor_ms: dice.one_of(&[0, 500, 1_000, 3_000]),
        order: dice.one_of(&["start-first", "stop-first"]),
        failure_action: dice.one_of(&["rollback", "rollback", "pause", "continue"]),
        back_action: dice.one_of(&["pause", "pause", "continue"]),
        max_failure_ratio: dice.one_of(&["0", "0", "0.3"]),
        delay_s: dice.one_of(&[0, 0, 2]),
        has_volume,
        has_probe: dice.chance(25),
        grace_s: dice.between(1, 5),
        stages: "",
    }
}

fn silences(dice: &mut Dice) -> Vec<(u64, u64)> {
    match dice.between(0, 3) {
        // Down for a while, perhaps for longer than it is waited for.
        0 => vec![(dice.between(0, 15_000), dice.between(1_000, 60_000))],
        // Flapping.
        1 => (0..dice.between(3, 10)).map(|nth| (nth * 2_500 + dice.between(0, 1_000), dice.between(200, 2_000))).collect(),
        _ => Vec::new(),
    }
}

fn host_trouble(dice: &mut Dice) -> HostTrouble {
    let mut trouble = HostTrouble { latency_ms: 5, orphans_percent: dice.one_of(&[0, 50, 100]), ..HostTrouble::default() };
    if dice.chance(30) {
        trouble.silent = silences(dice);
    }
    if dice.chance(20) {
        trouble.latency_ms = dice.between(20, 1_500);
    }
    if dice.chance(25) {
        trouble.stop_takes_ms = dice.between(100, 6_000);
    }
    if dice.chance(25) {
        trouble.calls_lost_percent = dice.between(0, 8);
        trouble.replies_lost_percent = dice.between(0, 15);
    }
    trouble
}

/// A clock that is wrong all the time, or set in the middle, or both.
fn set_clock(dice: &mut Dice, trouble: &mut HostTrouble) {
    if dice.chance(60) {
        trouble.ahead = jump(dice);
    }
    if dice.chance(50) {
        trouble.jumps.push((dice.between(0, 15_000), jump(dice)));
    }
}

fn fate(dice: &mut Dice, hosts: usize) -> DrawnFate {
    let seconds = |dice: &mut Dice, from, to| Duration::from_millis(dice.between(from, to));
    let fate = match dice.between(0, 6) {
        0 | 1 => Fate::Healthy(seconds(dice, 100, 6_000)),
        2 => Fate::NeverHealthy,
        3 => Fate::Exits(seconds(dice, 100, 2_000), 3),
        4 => Fate::Exits(seconds(dice, 2_000, 30_000), 137),
        5 => Fate::Sickens(seconds(dice, 0, 2_000), seconds(dice, 2_000, 20_000)),
        _ => Fate::Loops(1),
    };
    let host = dice.chance(70).then(|| dice.between(0, hosts as u64 - 1) as usize);
    let index = dice.chance(40).then(|| dice.between(0, 3) as u32);
    DrawnFate { host, index, is_of_all: dice.chance(15), fate }
}

fn happen(dice: &mut Dice, hosts: usize, all: &mut Vec<(u64, Happening)>) {
    let at = dice.between(0, 15_000);
    let host = dice.between(0, hosts as u64 - 1) as usize;
    let until = at + dice.between(500, 30_000);
    match dice.between(0, 6) {
        0 | 1 => all.push((at, Happening::Says(dice.one_of(&[Person::Pause, Person::Resume, Person::Abort])))),
        2 | 3 => all.push((at, Happening::Dies { host, nth: dice.between(0, 9) })),
        4 => all.extend([(at, Happening::DiskFull { host, is: true }), (until, Happening::DiskFull { host, is: false })]),
        5 => all.extend([(at, Happening::StartsRefused { host, is: true }), (until, Happening::StartsRefused { host, is: false })]),
        _ => all.push((at, Happening::Prunes { host })),
    }
}

fn jump(dice: &mut Dice) -> SignedDuration {
    let by = dice.one_of(&[1, 5, 30, 3_600, 86_400]);
    SignedDuration::from_secs(if dice.chance(50) { by } else { -by })
}

fn death(dice: &mut Dice) -> (Death, u64) {
    let at = dice.between(1, 45) as i64;
    let death = if dice.chance(50) { Death::After(at) } else { Death::Before(at) };
    (death, dice.between(100, 20_000))
}
