//! Explores everything that can happen to small estates during a rollout, and writes what that came to into docs/reliability.md: `make prove`, or
//! `cargo bench --bench prove -- 2x1 stop-first failures=2` for another estate, which is printed only.
//!
//! It lies among the benchmarks because it wants what they get: an optimising compiler, and a machine for some minutes. The model is in `tests/prove`.
#![allow(clippy::print_stdout, clippy::print_stderr, missing_docs, unreachable_pub, reason = "a program for people")]

#[path = "../tests/prove/mod.rs"]
mod prove;
#[path = "prove/sheet.rs"]
mod sheet;

use std::process::ExitCode;

use prove::configurations::{Configuration, EXPLORED};
use prove::{Explored, ask, explore};

fn main() -> ExitCode {
    // cargo passes `--bench`, which says nothing here.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let asked = words.join(" ");
    let lines = if words.is_empty() { EXPLORED.to_vec() } else { asked.split(',').collect() };
    let mut explored = Vec::new();
    for line in lines {
        match ask::configuration(line.trim()) {
            Ok(configuration) => explored.push((configuration.name.clone(), run(&configuration))),
            Err(why) => {
                eprintln!("{line}: {why}; tests/prove/ask.rs says which words there are");
                return ExitCode::from(2);
            }
        }
    }
    let is_proven = explored.iter().all(|(_, explored)| explored.found.is_none());
    if words.is_empty() && is_proven {
        sheet::put(&explored);
    }
    if is_proven { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(configuration: &Configuration) -> Explored {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let explored = explore(configuration, refit::rollout::decide, threads);
    println!("{}: {} states, {} steps, depth {}, {:.1?}", configuration.name, explored.states, explored.steps, explored.depth, explored.took);
    if let Some(found) = &explored.found {
        println!("  broken: {}: {}", found.promise, found.why);
        found.way.iter().for_each(|step| println!("    {step:?}"));
    }
    explored
}
