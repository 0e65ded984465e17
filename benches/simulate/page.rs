//! The section "Simulation" of docs/reliability.md: its two parts are written by the commands that measured them, everything else stays.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::simulation::Tally;

const SECTION: &str = "## Simulation\n";
const STORIES: &str = "### Stories from seeds\n";
const SCALE: &str = "### A large estate\n";
const HEAD: &str = "The real driver, journal and `decide` run over simulated engines in virtual time. What is checked is looked up in the simulated machines, not in\n\
    refit's own records. Written by `make simulate` and `make scale`.\n";

/// Writes what many stories came to.
pub fn put_stories(first: u64, count: u64, rate: f64, tally: &Tally, wrong: &[String]) {
    let mut text = format!(
        "{count} seeds (from {first} on), {rate:.0} seeds/s; wrong: {}.\n\n",
        if wrong.is_empty() { "none".to_owned() } else { wrong.join(" ") }
    );
    text.push_str("| stories and faults | times |\n| --- | ---: |\n");
    tally.iter().for_each(|(what, times)| writeln!(text, "| {what} | {times} |").unwrap());
    put(STORIES, &text);
}

/// Writes what a large estate cost.
pub fn put_scale(text: &str) {
    put(SCALE, text);
}

/// Puts one part of the section in place of the one that was there.
fn put(part: &str, text: &str) {
    let path = path();
    let old = fs::read_to_string(&path).unwrap_or_else(|_| "# Reliability\n".to_owned());
    let (before, section, after) = cut(&old, SECTION, "\n## ");
    let parts = [STORIES, SCALE].map(|name| {
        let text =
            if name == part { format!("{}\n\nMeasured {}.", text.trim_end(), now()) } else { cut(section, name, "\n### ").1.trim().to_owned() };
        if text.is_empty() { String::new() } else { format!("\n{name}\n{text}\n") }
    });
    let after = if after.is_empty() { String::new() } else { format!("\n{}", after.trim_start_matches('\n')) };
    let page = format!("{}\n\n{SECTION}\n{HEAD}{}{after}", before.trim_end(), parts.concat());
    fs::write(&path, page).expect("the page can be written");
}

/// What is before a heading, below it, and from the next heading of its kind on.
fn cut<'t>(text: &'t str, heading: &str, next: &str) -> (&'t str, &'t str, &'t str) {
    let Some(from) = text.find(heading) else { return (text, "", "") };
    let below = &text[from + heading.len()..];
    let end = below.find(next).map_or(below.len(), |end| end + 1);
    (&text[..from], &below[..end], &below[end..])
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reliability.md")
}

fn now() -> String {
    let said = |program: &str, arguments: &[&str]| {
        Command::new(program)
            .args(arguments)
            .output()
            .map_or_else(|_| "unknown".to_owned(), |out| String::from_utf8_lossy(&out.stdout).trim().to_owned())
    };
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let build = if cfg!(debug_assertions) { "a debug build" } else { "a release build" };
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    format!(
        "on {}, with {build}, on {cpus} processors, kernel {}; load average of the minute before: {}",
        said("date", &["-u", "+%Y-%m-%d at %H:%M UTC"]),
        said("uname", &["-r"]),
        load.split(' ').next().unwrap_or("unknown")
    )
}
