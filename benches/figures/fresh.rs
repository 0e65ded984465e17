//! `make demo` where nothing is compiled yet: what a newcomer waits for, and which dependencies cost most of it.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::measure::{show, timed};
use crate::sheet::{self, Row, met};

const LIMIT: Duration = Duration::from_secs(360);
const NAMED: usize = 10;

pub fn run() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir_in("/var/tmp").expect("a folder");
    let target = folder.path().join("target");
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.args(["build", "--quiet", "--bin", "refit", "--example", "load", "--timings"]).env("CARGO_TARGET_DIR", &target).current_dir(top);
    let (built, _) = timed(&mut build);
    // A folder of its own for its hosts, so that a demo that somebody keeps stays.
    let demo = |arguments: &[&str]| {
        let mut command = Command::new(top.join("examples/shop/demo.sh"));
        command.args(arguments).env("REFIT_LABS", folder.path().join("labs"));
        timed(&mut command).0
    };
    let shown = demo(&[&target.join("debug").display().to_string()]);
    demo(&["--clean"]);
    let all = built + shown;
    let row = Row {
        what: "make demo, nothing compiled yet (packages and crates downloaded)".into(),
        target: "≤ 6 min in all".into(),
        measured: format!("{:.0} s: compiling {:.0} s, the demo {:.0} s", all.as_secs_f64(), built.as_secs_f64(), shown.as_secs_f64()),
        peer: "none".into(),
        ratio: format!("{:.2} of the limit", all.as_secs_f64() / LIMIT.as_secs_f64()),
        met: met(all <= LIMIT, "see the notes for what costs most"),
    };
    let cost = costs(&target.join("cargo-timings/cargo-timing.html"));
    let cost = if cost.is_empty() { "unknown".to_owned() } else { cost.join(", ") };
    let notes = format!(
        "What `make demo` does after its set-up: a debug build into an empty target folder, then the demo. The longest compilations, in seconds of one job: {cost}."
    );
    sheet::put("fresh", &[row], &notes);
}

/// The longest jobs of cargo's own report, with what they took.
fn costs(report: &Path) -> Vec<String> {
    let text = fs::read_to_string(report).unwrap_or_default();
    let data = text.split_once("UNIT_DATA = ").and_then(|(_, rest)| rest.split_once("];")).map(|(data, _)| format!("{data}]"));
    let units: Vec<serde_json::Value> = data.and_then(|data| serde_json::from_str(&data).ok()).unwrap_or_default();
    let mut units: Vec<(f64, String)> = units
        .iter()
        .filter_map(|unit| Some((unit["duration"].as_f64()?, format!("{}{}", unit["name"].as_str()?, unit["target"].as_str().unwrap_or_default()))))
        .collect();
    units.sort_by(|a, b| b.0.total_cmp(&a.0));
    units.iter().take(NAMED).map(|(seconds, name)| format!("{name} {}", show(Duration::from_secs_f64(*seconds)))).collect()
}
