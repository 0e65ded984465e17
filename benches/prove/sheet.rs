//! The section "Model checking" of docs/reliability.md. Whatever else is in that file stays as it is.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::prove::Explored;

const HEADING: &str = "## Model checking";

/// Puts what was explored in place of what the section said before.
pub fn put(explored: &[(String, Explored)]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reliability.md");
    let old = fs::read_to_string(&path).unwrap_or_else(|_| "# Reliability\n".to_owned());
    if let Err(error) = fs::write(&path, merged(&old, &section(explored))) {
        eprintln!("{}: {error}", path.display());
    }
}

/// The sheet with the section in its old place, or at the end.
fn merged(sheet: &str, section: &str) -> String {
    let Some(from) = sheet.find(&format!("{HEADING}\n")) else { return format!("{}\n\n{section}", sheet.trim_end()) };
    let rest = &sheet[from + HEADING.len()..];
    let after = rest.find("\n## ").map_or("", |end| &rest[end..]);
    format!("{}{section}{after}", &sheet[..from])
}

fn section(explored: &[(String, Explored)]) -> String {
    let row = |(name, one): &(String, Explored)| {
        format!("| {name} | {} | {} | {} | {:.1} s |", thousands(one.states), thousands(one.steps), one.depth, one.took.as_secs_f64())
    };
    let rows: Vec<String> = explored.iter().map(row).collect();
    let states: usize = explored.iter().map(|(_, one)| one.states).sum();
    format!(
        "{HEADING}\n\n{}\n\n| estate, and what may befall it | states | steps | depth | time |\n| --- | --- | --- | --- | --- |\n{}\n\n\
         {} states in all, none of which breaks a promise. Explored on {}, on {} CPUs, load average of the five minutes before: {}.\n",
        include_str!("words.md").trim(),
        rows.join("\n"),
        thousands(states),
        said("date", &["-u", "+%Y-%m-%d at %H:%M UTC"]),
        std::thread::available_parallelism().map_or(1, usize::from),
        fs::read_to_string("/proc/loadavg").unwrap_or_default().split(' ').nth(1).unwrap_or("unknown"),
    )
}

/// A number with a space between its thousands.
fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
    groups.join(" ")
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or_else(|_| "an unknown day".to_owned(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
