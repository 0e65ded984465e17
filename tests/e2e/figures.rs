//! What was seen on real engines, as rows of docs/reliability.md: written when `make hurt` asks for it, and by the test that saw it.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

const HEADING: &str = "## Real engines\n";
const HEAD: &str = "Engines of their own in network namespaces, broken in the middle of a rollout by `tests/e2e_break.rs` and `tests/e2e_kill9.rs`. After each: one \
    container\nin each slot, with the new content, none left over, none missing, asked of the engines. Every row is written by the test that saw it (`make hurt`).\n\n\
    | what was broken | what came of it | seen |\n| --- | --- | --- |\n";

/// Notes what came of something that was broken, in place of what came of it the last time.
pub fn note(what: &str, came: &str) {
    eprintln!("{what}: {came}");
    if std::env::var_os("REFIT_FIGURES").is_none() {
        return;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reliability.md");
    let lock = File::open(&path).expect("the page");
    lock.lock().expect("nobody else writes it for long");
    let page = fs::read_to_string(&path).expect("the page");
    fs::write(&path, with_row(&page, what, &format!("| {what} | {came} | {} |", today()))).expect("the page can be written");
}

/// The page with this row, at the end of the table if it is new.
fn with_row(page: &str, what: &str, row: &str) -> String {
    let (before, section) = page.split_once(HEADING).unwrap_or((page, ""));
    let (own, after) = section.find("\n## ").map_or((section, ""), |at| section.split_at(at + 1));
    let mut rows: Vec<&str> = own.lines().filter(|line| line.starts_with("| ")).skip(2).collect();
    match rows.iter_mut().find(|old| old.starts_with(&format!("| {what} |"))) {
        Some(old) => *old = row,
        None => rows.push(row),
    }
    let after = if after.is_empty() { String::new() } else { format!("\n{after}") };
    format!("{}\n\n{HEADING}\n{HEAD}{}\n{after}", before.trim_end(), rows.join("\n"))
}

fn today() -> String {
    let out = Command::new("date").args(["-u", "+%Y-%m-%d"]).output().expect("date runs");
    String::from_utf8_lossy(&out.stdout).trim().to_owned()
}
