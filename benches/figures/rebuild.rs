//! 41 images, 1 → 8 → 32, after their base moved: refit against `docker buildx bake` on a new engine, against make and a shell loop on the
//! installed one. Every round of every tool gets a base of its own, so that no build is served from a cache.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::lab::{Lab, LabHost};
use crate::measure::{median, ratio, refit, show, timed};
use crate::sheet::{self, Row, met};

const ROUNDS: usize = 3;
const PARALLEL: usize = 8;
const LEAVES: usize = 32;
const MIDDLE: usize = 8;
const BASE: &str = "refit-figures/base:1";

/// The images by name, each with what it stands on.
fn images() -> Vec<(String, String)> {
    let mut all = vec![("figures-root".to_owned(), BASE.to_owned())];
    all.extend((0..MIDDLE).map(|at| (format!("figures-mid-{at}"), "figures-root".to_owned())));
    all.extend((0..LEAVES).map(|at| (format!("figures-leaf-{at:02}"), format!("figures-mid-{}", at % MIDDLE))));
    all
}

/// Whether the engine is the unpacked new one, with buildx beside it; else it is the installed one.
pub async fn run(is_new: bool) {
    let Some(lab) = Lab::separate_hosts(1, None).await else { return };
    let host = lab.host(1);
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), host);
    let bench = Bench { host, folder: folder.path() };
    let version = host.docker(&["version", "--format", "{{.Server.Version}}"]).expect("a version");
    let alone = median((0..ROUNDS).map(|_| bench.one_alone()).collect());
    let limit = Duration::from_secs_f64((3.0 * alone.as_secs_f64()).max(41.0 * alone.as_secs_f64() / PARALLEL as f64) * 1.10);
    // In turns, so that a machine that is busy for a while is so for all of them.
    let (mut ours, mut unbounded) = (Vec::new(), Vec::new());
    let mut peers: Vec<(&str, Vec<Duration>)> =
        if is_new { vec![("buildx bake", vec![])] } else { vec![("make -j8, docker build", vec![]), ("shell loop, docker build", vec![])] };
    for round in 0..ROUNDS {
        ours.push(bench.refit(PARALLEL));
        // bake has no bound of its own, so this is the comparison of like with like.
        unbounded.push(bench.refit(LEAVES));
        for (name, took) in &mut peers {
            match *name {
                "buildx bake" => took.push(bench.bake()),
                "make -j8, docker build" => took.push(bench.make()),
                // Some fifty seconds each time.
                _ if round == 0 => took.push(bench.shell_loop()),
                _ => {}
            }
        }
    }
    let (ours, unbounded) = (median(ours), median(unbounded));
    let peers: Vec<(&str, Duration)> = peers.into_iter().map(|(name, took)| (name, median(took))).collect();
    let best = peers.iter().map(|(_, took)| *took).min().unwrap_or_default();
    let mut why_not = Vec::new();
    if ours >= best {
        why_not.push("slower than its peer, which runs all 32 leaves at once".to_owned());
    }
    if ours > limit {
        why_not.push(
            "above the limit: one, eight and four times eight RUN steps one after another, which beside others take longer than alone: each keeps a processor \
             busy for 0.15 s beside its sleep"
                .to_owned(),
        );
    }
    let row = Row {
        what: format!("rebuild of 41 images (1 → 8 → 32), each sleeping 1 s, {PARALLEL} at a time, engine {version}"),
        target: format!("less than its peers, ≤ 1.10 × max(3, 41 ÷ 8) × one alone = {}", show(limit)),
        measured: format!("{} (one alone {})", show(ours), show(alone)),
        peer: peers.iter().map(|(name, took)| format!("{name}: {}", show(*took))).collect::<Vec<_>>().join("; "),
        ratio: format!("{:.2} of its best peer, {:.2} of the limit", ratio(ours, best), ratio(ours, limit)),
        met: met(ours < best && ours <= limit, &why_not.join("; ")),
    };
    let wide = Row {
        what: format!("the same, refit with {LEAVES} at a time"),
        target: "less than its peers".into(),
        measured: show(unbounded),
        peer: row.peer.clone(),
        ratio: format!("{:.2} of its best peer", ratio(unbounded, best)),
        met: met(unbounded < best, "slower than its peer"),
    };
    let notes = format!(
        "On an engine {version} in a network namespace: refit's wall time of `refit rollout --parallel {PARALLEL} --offline --yes` of an estate without services\n\
         (plan, 41 builds, tags, journal, release) after the base moved; the peers build the same tree: `docker buildx bake` with `contexts = target:`, or `make -j8`\n\
         and a plain loop around `docker build`. Median of {ROUNDS} (the loop: once), the tools in turns, every round with a base that no cache knows. One alone: `docker\n\
         build` of one such image."
    );
    sheet::put(if is_new { "rebuild" } else { "rebuild-installed" }, &[row, wide], &notes);
}

/// The same tree for every tool: an estate, a bake file, a makefile.
fn write(folder: &Path, host: &LabHost) {
    fs::create_dir_all(folder.join("pipelines")).expect("a folder");
    let mut pipeline = format!("name: figures\nbases:\n  {BASE}: {{}}\nbuilders:\n  build: {{ endpoint: \"{}\" }}\nimages:\n", host.endpoint);
    let mut bake = String::new();
    let mut make = String::from("all:");
    images().iter().for_each(|(name, _)| make += &format!(" {name}"));
    make += "\n";
    for (name, parent) in images() {
        let context = folder.join("images").join(&name);
        fs::create_dir_all(&context).expect("a folder");
        fs::write(context.join("Dockerfile"), format!("FROM {parent}\nRUN sleep 1 && echo {name} > /{name}\n")).expect("a Dockerfile");
        pipeline += &format!("  {name}: {{ build: images/{name} }}\n");
        let context = format!("images/{name}");
        let linked = if parent == BASE { String::new() } else { format!("  contexts = {{\n    {parent} = \"target:{parent}\"\n  }}\n") };
        bake += &format!("target \"{name}\" {{\n  context = \"{context}\"\n{linked}  tags = [\"bake/{name}\"]\n  output = [\"type=docker\"]\n}}\n");
        let needs = if parent == BASE { String::new() } else { parent };
        make += &format!("{name}: {needs}\n\t@docker build -q -t {name} {context} >/dev/null\n.PHONY: {name}\n");
    }
    let names: Vec<String> = images().iter().map(|(name, _)| format!("\"{name}\"")).collect();
    bake += &format!("group \"default\" {{\n  targets = [{}]\n}}\n", names.join(", "));
    fs::write(folder.join("docker-bake.hcl"), bake).expect("a bake file");
    fs::write(folder.join("pipelines/figures.yaml"), pipeline).expect("a pipeline");
    fs::write(folder.join("Makefile"), make).expect("a makefile");
}

struct Bench<'a> {
    host: &'a LabHost,
    folder: &'a Path,
}

impl Bench<'_> {
    /// A base that no build has seen.
    fn move_base(&self) {
        let id = self.host.import_base("refit-figures/os");
        let moved = tempfile::tempdir().expect("a folder");
        let now = format!("{:?}", Instant::now());
        fs::write(moved.path().join("moved"), now).expect("a file");
        fs::write(moved.path().join("Dockerfile"), "FROM refit-figures/os\nCOPY moved /moved\n").expect("a Dockerfile");
        assert!(!id.is_empty());
        self.host.docker(&["build", "-q", "-t", BASE, &moved.path().display().to_string()]).expect("the base moves");
    }

    fn at_engine(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.folder).env("DOCKER_HOST", &self.host.endpoint).env("DOCKER_BUILDKIT", "1");
        command
    }

    fn one_alone(&self) -> Duration {
        self.move_base();
        timed(self.at_engine("docker").args(["build", "-q", "-t", "figures-root", "images/figures-root"])).0
    }

    fn refit(&self, parallel: usize) -> Duration {
        self.move_base();
        let (took, output) = timed(refit().args(["rollout", "--parallel", &parallel.to_string(), "--offline", "--yes"]).current_dir(self.folder));
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        if std::env::var_os("REFIT_FIGURES_STORY").is_some() {
            println!("{text}\n{}", String::from_utf8_lossy(&timed(refit().args(["show"]).current_dir(self.folder)).1.stdout));
        }
        took
    }

    fn bake(&self) -> Duration {
        self.move_base();
        timed(self.at_engine("docker").args(["buildx", "bake"])).0
    }

    fn make(&self) -> Duration {
        self.move_base();
        timed(self.at_engine("make").args(["-j8"])).0
    }

    fn shell_loop(&self) -> Duration {
        self.move_base();
        let names: Vec<String> = images().into_iter().map(|(name, _)| name).collect();
        let words = format!("for i in {}; do docker build -q -t $i images/$i >/dev/null || exit 1; done", names.join(" "));
        timed(self.at_engine("sh").args(["-c", &words])).0
    }
}
