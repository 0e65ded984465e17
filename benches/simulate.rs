//! Thousands of stories, one from each seed: `make simulate SEEDS=10000`, or `make simulate SEED=7` for one of them, event by event.
//! `-- scale` measures one whole rollout over up to 10,000 hosts. Both write what they measured into docs/reliability.md.
//!
//! A benchmark target, and not an example or a test: it is built as users' refit is, it may use what tests use (a clock that can be paused), and
//! `make test`, which tells a few hundred of the same stories, need not build it.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "a benchmark prints its figures, and one that cannot run should stop"
)]

#[path = "simulate/page.rs"]
mod page;
#[path = "simulate/scale.rs"]
mod scale;
#[path = "../tests/it_simulate/simulation/mod.rs"]
mod simulation;

use std::process::ExitCode;
use std::time::Instant;

use refit::journal::Logs;
use simulation::{Story, Tally};

/// So many failing seeds are told; the others are only counted.
const TOLD_MAX: usize = 10;

fn main() -> ExitCode {
    // cargo passes `--bench`, which says nothing here.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["seed", seed] => one(seed.parse().expect("a number")),
        ["seeds", count] => many(1, count.parse().expect("a number")),
        ["seeds", count, "from", first] => many(first.parse().expect("a number"), count.parse().expect("a number")),
        ["scale", hosts] => scale::measure_one(hosts.parse().expect("a number")),
        ["scale"] | [] => scale::measure(),
        _ => {
            eprintln!("seed N | seeds COUNT [from FIRST] | scale [HOSTS]");
            ExitCode::from(2)
        }
    }
}

/// Replays one story and prints all of it.
fn one(seed: u64) -> ExitCode {
    let folder = tempfile::tempdir().expect("a folder");
    let told = simulation::of_seed(seed, &Logs::new(folder.path()));
    print!("{}{}", Story::draw(seed).told(), told.log);
    told.tally.iter().for_each(|(what, count)| println!("{count:>8}  {what}"));
    verdict(seed, told.wrong.as_deref())
}

fn verdict(seed: u64, wrong: Option<&str>) -> ExitCode {
    match wrong {
        None => ExitCode::SUCCESS,
        Some(wrong) => {
            println!("seed {seed}: {wrong}");
            ExitCode::FAILURE
        }
    }
}

/// Tells many stories, on every processor.
fn many(first: u64, count: u64) -> ExitCode {
    // A story that panics is caught, counted and told; where it panicked is for its replay.
    std::panic::set_hook(Box::new(|_| {}));
    let began = Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let tellers: Vec<_> = (0..threads).map(|nth| std::thread::spawn(move || tell_every(first + nth, first + count, threads))).collect();
    let mut tally = Tally::new();
    let mut wrong = Vec::new();
    for teller in tellers {
        let (its_tally, its_wrong) = teller.join().expect("a teller ends");
        its_tally.into_iter().for_each(|(what, number)| *tally.entry(what).or_default() += number);
        wrong.extend(its_wrong);
    }
    wrong.sort();
    let rate = count as f64 / began.elapsed().as_secs_f64();
    println!("{count} seeds from {first} on, {rate:.0} seeds/s on {threads} processors, {} wrong", wrong.len());
    tally.iter().for_each(|(what, number)| println!("{number:>10}  {what}"));
    for (seed, what) in wrong.iter().take(TOLD_MAX) {
        println!("\nseed {seed}: {what}\n{}  `make simulate SEED={seed}` replays it", Story::draw(*seed).told());
    }
    let seeds: Vec<String> = wrong.iter().map(|(seed, _)| seed.to_string()).collect();
    if !seeds.is_empty() {
        println!("\nwrong: {}", seeds.join(" "));
    }
    page::put_stories(first, count, rate, &tally, &seeds);
    if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn tell_every(first: u64, end: u64, step: u64) -> (Tally, Vec<(u64, String)>) {
    let mut tally = Tally::new();
    let mut wrong = Vec::new();
    for seed in (first..end).step_by(step as usize) {
        let folder = tempfile::tempdir().expect("a folder");
        let told = simulation::of_seed(seed, &Logs::new(folder.path()));
        told.tally.into_iter().for_each(|(what, number)| *tally.entry(what).or_default() += number);
        wrong.extend(told.wrong.map(|wrong| (seed, wrong)));
    }
    (tally, wrong)
}
