//! The sheet of figures, docs/benchmarks.md: read, one section's part replaced, written again. Sections that were not run keep what they had.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The sections, in the order of the sheet. Each is a word of the command line, the first cell of its rows and the heading of its notes.
pub const SECTIONS: [&str; 12] =
    ["scan", "plan", "replan", "rebuild", "rebuild-installed", "patch", "service", "hooks", "daemon", "fresh", "inventory", "contents"];

const HEAD: &str = "| section | what | target | measured | peer | ratio | met |";
const RULE: &str = "| --- | --- | --- | --- | --- | --- | --- |";

/// One line of the table.
#[derive(Debug, Clone, Default)]
pub struct Row {
    /// What was measured.
    pub what: String,
    /// What it should be.
    pub target: String,
    /// What it is.
    pub measured: String,
    /// What the peer needed, and which peer it is.
    pub peer: String,
    /// Measured against the peer or against the target's yardstick.
    pub ratio: String,
    /// Whether the target is met; if not, why.
    pub met: String,
}

impl Row {
    fn line(&self, section: &str) -> String {
        let cells = [section, &self.what, &self.target, &self.measured, &self.peer, &self.ratio, &self.met];
        format!("| {} |", cells.map(|cell| cell.replace('|', "/")).join(" | "))
    }
}

/// Whether a target is met, in words: `yes`, or `no:` and why.
pub fn met(is_met: bool, why_not: &str) -> String {
    if is_met { "yes".to_owned() } else { format!("no: {why_not}") }
}

/// Puts one section's rows and notes in place of those that it had.
pub fn put(section: &str, rows: &[Row], notes: &str) {
    let path = path();
    let old = fs::read_to_string(&path).unwrap_or_default();
    let mut table = Vec::new();
    let mut texts = Vec::new();
    for name in SECTIONS {
        if name == section {
            table.extend(rows.iter().map(|row| row.line(name)));
            texts.push(format!("## {name}\n\n{}\n\nMeasured {}.\n", notes.trim(), now()));
        } else {
            table.extend(old.lines().filter(|line| line.starts_with(&format!("| {name} |"))).map(str::to_owned));
            texts.extend(kept_notes(&old, name));
        }
    }
    let sheet = format!("{}\n{HEAD}\n{RULE}\n{}\n\n{}", head(), table.join("\n"), texts.join("\n"));
    fs::write(&path, sheet).expect("the sheet can be written");
    for row in rows {
        println!("{}", row.line(section));
    }
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/benchmarks.md")
}

/// A section's notes as they stand in the sheet, heading included.
fn kept_notes(sheet: &str, section: &str) -> Option<String> {
    let heading = format!("## {section}\n");
    let from = sheet.find(&heading)?;
    let text = &sheet[from + heading.len()..];
    let to = text.find("\n## ").map_or(text.len(), |end| end + 1);
    Some(format!("{heading}{}\n", text[..to].trim_end()))
}

fn head() -> String {
    format!(
        "# Figures\n\nWritten by `make bench`; `cargo bench --bench figures -- SECTION…` measures some sections again and keeps the other rows. Every\n\
         peer runs in the same run on the same machine and engines. Times are medians unless a note says otherwise; below the table each\n\
         section says how it was measured, and when.\n\nMachine of the last run: {}.\n",
        machine()
    )
}

/// The machine in a few words.
fn machine() -> String {
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib: u64 = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB")?.trim().parse().ok()).unwrap_or(0);
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = said("uname", &["-sr"]);
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let system = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap_or("unknown").trim_matches('"').to_owned();
    format!(
        "{cpus} CPUs, {:.1} GiB of memory, {system}, kernel {kernel}; installed engine: {}",
        kib as f64 / 1024.0 / 1024.0,
        said("dockerd", &["--version"])
    )
}

/// What a program prints, on one line.
pub fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or_else(|_| "none".to_owned(), |output| String::from_utf8_lossy(&output.stdout).trim().replace('\n', " "))
}

/// When, and how busy the machine was with this and everything else.
fn now() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').nth(1).unwrap_or("unknown").to_owned();
    let is_debug = crate::measure::refit().get_program().to_string_lossy().contains("/debug/");
    let build = if is_debug { "a debug build" } else { "a release build" };
    format!("on {}, with {build} of refit; load average of the five minutes before: {load}", said("date", &["-u", "+%Y-%m-%d at %H:%M UTC"]))
}
