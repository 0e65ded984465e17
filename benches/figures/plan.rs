//! How long a plan takes: the root base of 100,000 images moved and all are affected; and nothing moved at all.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use refit::graph::Graph;
use refit::plan::{Change, PlanRequest, Quarantined, plan};

use crate::graphs;
use crate::measure::{median, resident_peak, show};
use crate::sheet::{self, Row, met};

const ROUNDS: usize = 7;
const IMAGES: usize = 100_000;
const LIMIT: Duration = Duration::from_millis(200);
const MB_MAX: f64 = 400.0;

pub fn run() {
    let (moved, graph) = measure(true, &Change::Base(graphs::root()), IMAGES);
    // The peak so far is that of one estate; below, another one is made.
    let mb = resident_peak(Path::new("/proc/self/status")) as f64 * 1.024e-3;
    let (unmoved, _) = measure(false, &Change::Everything, 0);
    let row = Row {
        what: format!("plan of a {IMAGES}-image graph, root base moved, all affected"),
        target: "≤ 200 ms, ≤ 400 MB".into(),
        measured: format!("{}, {mb:.0} MB", show(moved)),
        peer: "none".into(),
        ratio: format!("{:.2} of the limit", moved.as_secs_f64() / LIMIT.as_secs_f64()),
        met: met(
            moved <= LIMIT && mb <= MB_MAX,
            "what is left is waiting for memory: each image's name, sources and Dockerfile are met once, and counted as shared; and the hash of its inputs",
        ),
    };
    let notes = format!(
        "The pure planner, from graph, digests and facts to the finished plan of {IMAGES} steps; median of {ROUNDS} in one process. The estate and its facts lie in\n\
         memory by name, as the driver reads them. Memory is the peak of the whole process, the estate, its facts and the graph included.\n\
         Making the graph from what the Dockerfiles reach for takes {} before that, and a plan in which nothing moved {}.",
        show(graph),
        show(unmoved)
    );
    sheet::put("plan", &[row], &notes);
}

/// How long the plan takes, and the graph before it.
fn measure(moved: bool, change: &Change, steps: usize) -> (Duration, Duration) {
    let big = graphs::big(IMAGES, moved);
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
        quarantined: &Quarantined::default(),
    };
    let timed = |_| {
        let began = Instant::now();
        let plan = plan(&request).expect("a plan");
        let took = began.elapsed();
        assert_eq!(plan.steps.len(), steps);
        took
    };
    (median((0..ROUNDS).map(timed).collect()), graph_took)
}
