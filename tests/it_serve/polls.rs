//! Registries that are busy, broken, or answer: asked by polls, while there is no engine.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use reqwest::Method;
use tokio::net::TcpListener;

use crate::daemon::{Shop, until};

/// So many bases are watched at each registry. New ones are asked within a minute, so some of them are asked within seconds.
const BASES: usize = 40;

/// A registry that always answers in one way, and counts how often each path was asked for.
#[derive(Clone)]
struct Fake {
    status: StatusCode,
    asked: Arc<Mutex<BTreeMap<String, usize>>>,
    address: String,
}

impl Fake {
    async fn start(status: StatusCode) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let fake = Self { status, asked: Arc::default(), address: listener.local_addr().unwrap().to_string() };
        let router = Router::new().fallback(answer).with_state(fake.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        fake
    }

    /// What the pipeline says of its bases.
    fn bases(&self) -> String {
        (0..BASES).map(|number| format!("  {}/os-{number}:stable: {{ watch: 1m }}\n", self.address)).collect()
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().values().sum()
    }

    fn most_for_one(&self) -> usize {
        self.asked.lock().unwrap().values().copied().max().unwrap_or_default()
    }
}

async fn answer(State(fake): State<Fake>, request: Request) -> (StatusCode, HeaderMap) {
    *fake.asked.lock().unwrap().entry(request.uri().path().to_owned()).or_default() += 1;
    let mut headers = HeaderMap::new();
    match fake.status {
        StatusCode::OK => {
            headers.insert("docker-content-digest", format!("sha256:{}", "ab".repeat(32)).parse().unwrap());
            headers.insert("content-type", "application/vnd.oci.image.manifest.v1+json".parse().unwrap());
        }
        StatusCode::TOO_MANY_REQUESTS => drop(headers.insert("retry-after", "3600".parse().unwrap())),
        _ => {}
    }
    (fake.status, headers)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_that_is_busy_or_broken_is_left_alone_and_counted() {
    let well = Fake::start(StatusCode::OK).await;
    let busy = Fake::start(StatusCode::TOO_MANY_REQUESTS).await;
    let broken = Fake::start(StatusCode::INTERNAL_SERVER_ERROR).await;
    let shop = Shop::with(&format!("bases:\n{}{}{}", well.bases(), busy.bases(), broken.bases()));
    let token = shop.token("ann", "read");
    let mut daemon = shop.serve_with(&["--listen", "127.0.0.1:0", "--debounce", "5m"]).await;

    daemon.says("its registry could not be asked").await;
    let polls = async |result: &str| daemon.metric(&format!("refit_polls_total{{result=\"{result}\"}}")).await;
    until("every registry to have answered", async || {
        let counted = [polls("moved").await + polls("unchanged").await, polls("limited").await, polls("failed").await];
        counted.iter().all(|count| *count >= 1.0)
    })
    .await;
    let (busy_then, broken_then) = (busy.asked(), broken.asked());
    // Bases of the broken one are asked one after another as each one's time comes; by then some of the busy one would have been due, too.
    until("more bases to be due", async || broken.asked() >= broken_then + 4).await;
    assert_eq!(busy.asked(), busy_then, "who said `too many` is left alone, for all of its bases");
    assert_eq!(broken.most_for_one(), 1, "what failed is not asked for again at once");
    assert!(polls("failed").await >= 5.0 && polls("limited").await <= 4.0);
    // Nothing of the estate stands on these bases: that they are there is no reason for a run that fails.
    assert_eq!(daemon.get("/v1/runs", &token).await["items"], serde_json::json!([]));
    assert_eq!(daemon.ask(Method::GET, "/readyz", None, None).await.status, 200);
    let log = daemon.log();
    assert!(log.contains("429") || log.contains("alone"), "{log}");
    tokio::time::timeout(Duration::from_secs(20), daemon.stop()).await.expect("it ends while polls wait");
}
