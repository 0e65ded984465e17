//! `refit plan` of 1,000 images of which nothing changed: what a person waits for before saying yes.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::lab::{Lab, LabHost};
use crate::measure::{median, refit, show, timed, timed_with_memory};
use crate::sheet::{self, Row, met};

const IMAGES: usize = 1_000;
const MIDDLE: usize = 30;
const ROUNDS: usize = 7;
const LIMIT: Duration = Duration::from_secs(1);

pub async fn run() {
    let Some(lab) = Lab::hosts(1).await else { return };
    let host = lab.host(1);
    host.import_base("refit-figures/base:1");
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), host);
    let git = |words: &[&str]| {
        let name = ["-c", "user.name=figures", "-c", "user.email=figures@localhost"];
        timed(std::process::Command::new("git").args(name).args(words).current_dir(folder.path()));
    };
    git(&["init", "-q"]);
    git(&["add", "-A"]);
    git(&["commit", "-qm", "the estate"]);
    let (built, _) = timed(refit().args(["rollout", "--yes", "--offline", "--parallel", "8"]).current_dir(folder.path()));
    let plan = || timed_with_memory(refit().args(["plan", "--offline"]).current_dir(folder.path()));
    let (first, _) = plan();
    let rounds: Vec<(Duration, u64)> = (0..ROUNDS).map(|_| plan()).collect();
    let kib = rounds.iter().map(|(_, kib)| *kib).max().unwrap_or(0);
    let second = median(rounds.into_iter().map(|(took, _)| took).collect());
    let row = Row {
        what: format!("refit plan on {IMAGES} images, nothing changed, second time"),
        target: "≤ 1 s".into(),
        measured: format!("{} ({:.0} MB)", show(second), kib as f64 * 1.024e-3),
        peer: "none".into(),
        ratio: format!("{:.2} of the limit", second.as_secs_f64() / LIMIT.as_secs_f64()),
        met: met(second <= LIMIT, "the cause is not profiled yet"),
    };
    let notes = format!(
        "{IMAGES} images in one git work tree, three levels deep, each a folder with a Dockerfile and a file, all really built by `refit rollout` on the engine before (in {}). Then the\n\
         whole command, from reading the pipeline to the last line: sources hashed, git asked, the engine asked which images it has. The first time took {}; median of {ROUNDS} after it.",
        show(built),
        show(first)
    );
    sheet::put("replan", &[row], &notes);
}

fn write(folder: &Path, host: &LabHost) {
    fs::create_dir_all(folder.join("pipelines")).expect("a folder");
    let mut pipeline =
        format!("name: figures\nbases:\n  refit-figures/base:1: {{}}\nbuilders:\n  build: {{ endpoint: \"{}\" }}\nimages:\n", host.endpoint);
    for at in 0..IMAGES {
        let parent = match at {
            0 => "refit-figures/base:1".to_owned(),
            at if at <= MIDDLE => "shop/service-0000".to_owned(),
            at => format!("shop/service-{:04}", 1 + at % MIDDLE),
        };
        let name = format!("shop/service-{at:04}");
        let context = folder.join("images").join(&name);
        fs::create_dir_all(&context).expect("a folder");
        fs::write(context.join("Dockerfile"), format!("FROM {parent}\nCOPY file /files/{at}\n")).expect("a Dockerfile");
        fs::write(context.join("file"), format!("the file of {name}\n")).expect("a file");
        pipeline += &format!("  {name}: {{ build: images/{name} }}\n");
    }
    fs::write(folder.join("pipelines/figures.yaml"), pipeline).expect("a pipeline");
}
