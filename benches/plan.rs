//! How long a plan takes: the root base of 100,000 images moved and all are affected; and nothing moved at all.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![expect(clippy::expect_used, reason = "a benchmark that cannot run should stop")]
#![allow(missing_docs, unreachable_pub, reason = "shared with other benchmarks")]

#[path = "support/graphs.rs"]
mod graphs;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use refit::graph::Graph;
use refit::plan::{Change, Plan, PlanRequest, plan};

const ROUNDS: usize = 7;

fn main() {
    measure("100,000 images, root base moved", 100_000, true, &Change::Base(graphs::root()), 100_000);
    measure("100,000 images, nothing changed", 100_000, false, &Change::Everything, 0);
    measure("1,000 images, nothing changed", 1_000, false, &Change::Everything, 0);
    println!("peak memory of all of this: {}", peak());
}

fn measure(what: &str, images: usize, moved: bool, change: &Change, steps: usize) {
    let big = graphs::big(images, moved);
    let before = resident();
    let began = Instant::now();
    let (graph, findings) = Graph::new(&big.estate, &big.reaches);
    let graph_took = began.elapsed();
    assert!(findings.is_empty());
    let (none, no_services, no_ids, no_volumes) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let request = PlanRequest {
        change,
        estate: &big.estate,
        graph: &graph,
        digests: &big.digests,
        images: &big.facts,
        builds: &none,
        services: &no_services,
        external_ids: &no_ids,
        volumes: &no_volumes,
        release: None,
    };
    let mut took: Vec<Duration> = (0..ROUNDS).map(|_| timed(&request, steps)).collect();
    took.sort();
    println!(
        "{what}: plan {:?} (median of {ROUNDS}; {:?} to {:?}); graph {graph_took:?}; resident before {before}, after {}",
        took[ROUNDS / 2],
        took[0],
        took[ROUNDS - 1],
        resident()
    );
}

fn timed(request: &PlanRequest<'_>, steps: usize) -> Duration {
    let began = Instant::now();
    let plan: Plan = plan(request).expect("a plan");
    let took = began.elapsed();
    assert_eq!(plan.steps.len(), steps);
    took
}

fn status(field: &str) -> String {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    text.lines().find_map(|line| line.strip_prefix(field)).map_or("unknown".to_owned(), |value| value.trim().to_owned())
}

fn resident() -> String {
    status("VmRSS:")
}

fn peak() -> String {
    status("VmHWM:")
}
