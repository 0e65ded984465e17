//! The figures of docs/benchmarks.md, measured against the tools that people use today: `make bench`, or
//! `cargo bench --bench figures -- SECTION…` for some of them. Each section runs in a process of its own, so that one that fails loses
//! no other, and says in the sheet how it measured.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "a benchmark prints its figures, and one that cannot run should stop"
)]

#[path = "figures/contents.rs"]
mod contents;
#[path = "figures/daemon.rs"]
mod daemon;
#[path = "support/dockerfiles.rs"]
mod dockerfiles;
#[path = "figures/fresh.rs"]
mod fresh;
#[path = "support/graphs.rs"]
mod graphs;
#[path = "figures/hooks.rs"]
mod hooks;
#[path = "figures/idle.rs"]
mod idle;
#[path = "figures/inventory.rs"]
mod inventory;
#[path = "../tests/lab/mod.rs"]
mod lab;
#[path = "figures/measure.rs"]
mod measure;
#[path = "figures/patch.rs"]
mod patch;
#[path = "figures/plan.rs"]
mod plan;
#[path = "figures/rebuild.rs"]
mod rebuild;
#[path = "figures/replan.rs"]
mod replan;
#[path = "figures/scan.rs"]
mod scan;
#[path = "figures/service.rs"]
mod service;
#[path = "figures/sheet.rs"]
mod sheet;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use sheet::SECTIONS;

/// Set in the process that measures one section.
const SECTION: &str = "REFIT_FIGURES_SECTION";
/// Sections whose target names a 28.x engine, or whose peer is better on one.
const ON_NEW_ENGINE: [&str; 2] = ["rebuild", "service"];

#[tokio::main]
async fn main() -> ExitCode {
    if let Ok(section) = std::env::var(SECTION) {
        measure_one(&section).await;
        return ExitCode::SUCCESS;
    }
    // cargo passes `--bench`, which says nothing here.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if let Some(unknown) = wanted.iter().find(|word| !SECTIONS.contains(&word.as_str())) {
        eprintln!("no section `{unknown}`; there are: {}", SECTIONS.join(" "));
        return ExitCode::from(2);
    }
    let mut failed = Vec::new();
    for section in SECTIONS.iter().filter(|section| wanted.is_empty() || wanted.iter().any(|word| word == *section)) {
        println!("== {section}");
        if !run_alone(section) {
            failed.push(*section);
        }
    }
    if failed.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("not measured, see above: {}", failed.join(" "));
    ExitCode::FAILURE
}

fn run_alone(section: &str) -> bool {
    let mut command = Command::new(std::env::current_exe().expect("this program has a place"));
    command.env(SECTION, section);
    if ON_NEW_ENGINE.contains(&section) || section == "rebuild-installed" {
        // A client with its plugins, and for some sections the engine itself.
        let Some(folder) = new_engine() else { return false };
        command.env("DOCKER_CONFIG", folder.join("config"));
        if ON_NEW_ENGINE.contains(&section) {
            command.env("REFIT_LAB_BIN", folder.join("bin"));
        }
    }
    command.status().is_ok_and(|ended| ended.success())
}

/// The folder of an unpacked engine 28 with buildx; none, with the reason said, where it cannot be had.
fn new_engine() -> Option<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/support/engine28.sh");
    let output = Command::new(script).stderr(std::process::Stdio::inherit()).output().ok()?;
    output.status.success().then(|| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
}

async fn measure_one(section: &str) {
    match section {
        "scan" => scan::run(),
        "plan" => plan::run(),
        "replan" => replan::run().await,
        "rebuild" => rebuild::run(true).await,
        "rebuild-installed" => rebuild::run(false).await,
        "patch" => patch::run().await,
        "service" => service::run().await,
        "hooks" => hooks::run(),
        "daemon" => idle::run().await,
        "fresh" => fresh::run(),
        "inventory" => inventory::run().await,
        "contents" => contents::run().await,
        other => panic!("no section {other}"),
    }
}
