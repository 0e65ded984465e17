//! One service of 12 containers over 3 hosts: refit's rollout against a Swarm's update, on the same engines.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::lab::{Lab, LabHost};
use crate::measure::{median, ratio, refit, show, timed};
use crate::sheet::{self, Row, met};

const ROUNDS: usize = 3;
const CONTAINERS: u32 = 12;
const PARALLELISM: u32 = 3;

pub async fn run() {
    let Some(lab) = Lab::separate_hosts(3, None).await else { return };
    let hosts = lab.all();
    let yardstick = Yardstick::take(hosts);
    let mut rows = Vec::new();
    let estate = tempfile::tempdir().expect("a folder");
    let mut refits = Vec::new();
    for order in ["stop-first", "start-first"] {
        refits.push(refit_rolls(estate.path(), hosts, order));
        clear(hosts);
    }
    let images = swarm_up(hosts);
    for (order, (ours, detail)) in ["stop-first", "start-first"].into_iter().zip(refits) {
        let theirs = swarm_rolls(hosts, &images, order);
        let (ours, theirs) = (median(ours), median(theirs));
        let limit = yardstick.limit();
        rows.push(Row {
            what: format!("{CONTAINERS} containers over 3 hosts, parallelism {PARALLELISM}, monitor 1 s, {order}"),
            target: format!("less than Swarm, ≤ 1.25 × 4 × (create + start + 1 s) = {}", show(limit)),
            measured: format!("{} ({detail})", show(ours)),
            peer: format!("docker service update: {}", show(theirs)),
            ratio: format!("{:.2} of Swarm, {:.2} of the limit", ratio(ours, theirs), ratio(ours, limit)),
            met: met(ours < theirs && ours <= limit, &why_not(ours, theirs, limit, &yardstick)),
        });
    }
    let version = hosts[0].docker(&["version", "--format", "{{.Server.Version}}"]).expect("a version");
    sheet::put("service", &rows, &yardstick.notes(&version));
}

fn why_not(ours: Duration, theirs: Duration, limit: Duration, yardstick: &Yardstick) -> String {
    let mut words = Vec::new();
    if ours >= theirs {
        // Less than one monitor time for each batch: then it cannot have watched each for so long before the next.
        let watches_less = theirs < Duration::from_secs(u64::from(CONTAINERS / PARALLELISM));
        words.push(match watches_less {
            true => "Swarm took less than four monitor times, so it does not watch each batch for one before the next, as refit does".to_owned(),
            false => "slower than Swarm; the cause is not profiled yet".to_owned(),
        });
    }
    if ours > limit {
        words.push(format!("above the limit, whose yardstick is one container alone; three at once take {}", show(yardstick.three)));
    }
    words.join("; ")
}

/// What creating and starting a container costs here.
struct Yardstick {
    one: Duration,
    three: Duration,
}

impl Yardstick {
    fn take(hosts: &[LabHost]) -> Self {
        for host in hosts {
            let base = host.import_base("refit-figures/base:1");
            assert!(!base.is_empty());
        }
        let run = |host: &LabHost| {
            let id = host.docker(&["create", "--init", "refit-figures/base:1", "sleep", "1000"]).expect("a container");
            host.docker(&["start", &id]).expect("it starts");
            id
        };
        let mut one = Vec::new();
        let mut three = Vec::new();
        for _ in 0..5 {
            let began = std::time::Instant::now();
            let id = run(&hosts[0]);
            one.push(began.elapsed());
            hosts[0].docker(&["rm", "-f", &id]).expect("it goes");
            let began = std::time::Instant::now();
            let ids: Vec<String> = std::thread::scope(|scope| {
                let all: Vec<_> = hosts.iter().map(|host| scope.spawn(move || run(host))).collect();
                all.into_iter().map(|one| one.join().expect("it runs")).collect()
            });
            three.push(began.elapsed());
            for (host, id) in hosts.iter().zip(ids) {
                host.docker(&["rm", "-f", &id]).expect("it goes");
            }
        }
        Self { one: median(one), three: median(three) }
    }

    fn limit(&self) -> Duration {
        (self.one + Duration::from_secs(1)) * (CONTAINERS / PARALLELISM) * 5 / 4
    }

    fn notes(&self, version: &str) -> String {
        format!(
            "Engines {version}, three of them in network namespaces of this machine. The containers run `sleep` under an init, which heeds SIGTERM at once. refit: wall time of\n\
             `refit rollout --release N --yes`, to and fro between two releases whose images are on every host, from reading the pipeline to the removal of the\n\
             old containers; median of {ROUNDS}. Swarm: `docker service update --image` of a service with the same settings and `--no-resolve-image`, images named by id so that no registry is asked, until its\n\
             client says that it has converged, which includes one monitor time at the end; its task history is set to none. create + start, by the docker client: {} for one container, {} for three at once on three\n\
             engines; the limit in the table takes the first.",
            show(self.one),
            show(self.three)
        )
    }
}

fn pipeline(hosts: &[LabHost], order: &str) -> String {
    let mut text = format!(
        "name: figures\nbases:\n  refit-figures/base:1: {{}}\nimages:\n  sleeper: {{ build: images/sleeper }}\nbuilders:\n  build: {{ endpoint: \"{}\" }}\nhosts:\n",
        hosts[0].endpoint
    );
    for host in hosts {
        text += &format!("  {}: {{ endpoint: \"{}\", labels: {{ pool: all }} }}\n", host.name, host.endpoint);
    }
    text + &format!(
        "services:\n  sleeper:\n    image: sleeper\n    init: true\n    deploy:\n      hosts: \"pool=all\"\n      replicas: {}\n      update_config: {{ parallelism: {PARALLELISM}, monitor: 1s, order: {order} }}\n",
        CONTAINERS / 3
    )
}

/// Rolls to and fro between two releases; how long each time took, and where the time of the last one went.
fn refit_rolls(folder: &Path, hosts: &[LabHost], order: &str) -> (Vec<Duration>, String) {
    let folder = folder.join(order);
    fs::create_dir_all(folder.join("pipelines")).expect("a folder");
    fs::create_dir_all(folder.join("images/sleeper")).expect("a folder");
    fs::write(folder.join("pipelines/figures.yaml"), pipeline(hosts, order)).expect("a pipeline");
    for version in 1..=2 {
        let dockerfile = format!("FROM refit-figures/base:1\nENV VERSION={order}-{version}\nCMD [\"sleep\", \"1000\"]\n");
        fs::write(folder.join("images/sleeper/Dockerfile"), dockerfile).expect("a Dockerfile");
        timed(refit().args(["rollout", "--yes", "--offline"]).current_dir(&folder));
    }
    let mut all = Vec::new();
    for round in 0..ROUNDS {
        let release = if round % 2 == 0 { "1" } else { "2" };
        let (took, _) = timed(refit().args(["rollout", "sleeper", "--release", release, "--yes", "--offline"]).current_dir(&folder));
        all.push(took);
    }
    let (_, story) = timed(refit().args(["show"]).current_dir(&folder));
    if std::env::var_os("REFIT_FIGURES_STORY").is_some() {
        println!("{}", String::from_utf8_lossy(&story.stdout));
    }
    let spread = (all.iter().min().copied().unwrap_or_default(), all.iter().max().copied().unwrap_or_default());
    (all, format!("{} to {}", show(spread.0), show(spread.1)))
}

fn clear(hosts: &[LabHost]) {
    for host in hosts {
        let ids = host.docker(&["ps", "-aq"]).expect("a list");
        let ids: Vec<&str> = ids.split_whitespace().collect();
        if !ids.is_empty() {
            host.docker(&[&["rm", "-f"], ids.as_slice()].concat()).expect("they go");
        }
    }
}

/// Makes a Swarm of the hosts, and gives all of them two images. By their ids: by a name, every new task would ask a registry first.
fn swarm_up(hosts: &[LabHost]) -> [String; 2] {
    hosts[0].docker(&["swarm", "init", "--advertise-addr", &hosts[0].address, "--task-history-limit", "0"]).expect("a swarm");
    let token = hosts[0].docker(&["swarm", "join-token", "-q", "worker"]).expect("a token");
    for host in &hosts[1..] {
        host.docker(&["swarm", "join", "--token", &token, &format!("{}:2377", hosts[0].address)]).expect("it joins");
    }
    ["a", "b"].map(|version| {
        let context = tempfile::tempdir().expect("a folder");
        fs::write(context.path().join("Dockerfile"), format!("FROM refit-figures/base:1\nENV VERSION={version}\n")).expect("a Dockerfile");
        let id = hosts[0].docker(&["build", "-q", &context.path().display().to_string()]).expect("it builds");
        let archive = context.path().join("archive").display().to_string();
        hosts[0].docker(&["save", "-o", &archive, &id]).expect("it is saved");
        for host in &hosts[1..] {
            host.docker(&["load", "-q", "-i", &archive]).expect("it is loaded");
        }
        id
    })
}

fn swarm_rolls(hosts: &[LabHost], images: &[String; 2], order: &str) -> Vec<Duration> {
    let manager = &hosts[0];
    let create = format!(
        "service create --quiet --name sleeper --init --no-resolve-image --replicas {CONTAINERS} --replicas-max-per-node {} --update-parallelism {PARALLELISM} \
         --update-monitor 1s --update-order {order} {} sleep 1000",
        if order == "start-first" { 2 * CONTAINERS / 3 } else { CONTAINERS / 3 },
        images[0]
    );
    manager.docker(&create.split_whitespace().collect::<Vec<_>>()).expect("a service");
    let mut all = Vec::new();
    for round in 0..ROUNDS {
        let image = &images[(round + 1) % 2];
        let began = std::time::Instant::now();
        manager.docker(&["service", "update", "--quiet", "--no-resolve-image", "--image", image, "sleeper"]).expect("an update");
        all.push(began.elapsed());
    }
    manager.docker(&["service", "rm", "sleeper"]).expect("it goes");
    // Its containers stop by themselves; the next service shall not pay for that.
    while hosts.iter().any(|host| host.docker(&["ps", "-q"]).is_ok_and(|ids| !ids.is_empty())) {
        std::thread::sleep(Duration::from_millis(100));
    }
    all
}
