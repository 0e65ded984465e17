//! What people are told, as far as it goes without an engine.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use refit::journal::{Journal, Lock, SqliteJournal};
use refit::plan::Change;
use refit::run::Event;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::daemon::{Shop, signature, until};

/// What came, with its signature.
type Heard = Arc<Mutex<Vec<(Value, String)>>>;

/// Takes notices, but not the first one at the first time.
async fn ops(State(heard): State<Heard>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let text = String::from_utf8(body.to_vec()).unwrap();
    let signed = headers["x-refit-signature"].to_str().unwrap();
    assert_eq!(signed, signature(&text), "it is signed with the secret that was named");
    let mut heard = heard.lock().unwrap();
    heard.push((serde_json::from_str(&text).unwrap(), signed.to_owned()));
    if heard.len() == 1 { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::NO_CONTENT }
}

/// A run that was begun and has no plan yet, as one that was killed at once leaves it.
async fn begin_a_run(shop: &Shop) {
    let at = jiff::Timestamp::now();
    let lock = Lock::take(&shop.path(".refit"), at, "test").unwrap();
    let journal = SqliteJournal::open_to_write(&shop.path(".refit"), lock).unwrap();
    let began = Event::RunBegan { change: Change::Everything, by: "ann".into(), words: "refit rollout".into() };
    journal.begin_run(at, &began).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_is_told_again_until_it_is_taken_and_what_was_before_is_not() {
    let heard = Heard::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let router = Router::new().fallback(ops).with_state(heard.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let shop = Shop::with(&format!("notify: {{ ops: {{ url: \"{url}\", sign: hook, on: [began, failed] }} }}\n"));
    let token = shop.token("ann", "read");

    begin_a_run(&shop).await;
    let daemon = shop.serve().await;
    let told_up_to = || SqliteJournal::open(&shop.path(".refit")).unwrap().mark("notify ops").unwrap();
    until("the addressee to be known", async || told_up_to().is_some()).await;
    until("the first run to be over", async || !daemon.get("/v1/runs/1", &token).await["ended_at"].is_null()).await;
    assert_eq!(daemon.stop().await, Some(0));
    let before = heard.lock().unwrap().len();

    begin_a_run(&shop).await;
    let daemon = shop.serve().await;
    let is_told = |notice: &Value| notice["run"] == 2 && notice["kind"] == "failed";
    until("the news of the second run", async || heard.lock().unwrap().iter().any(|(notice, _)| is_told(notice))).await;
    let all = heard.lock().unwrap().clone();
    assert!(all[..before].iter().all(|(notice, _)| notice["kind"] != "began"), "it had begun before there was anybody to tell: {all:#?}");
    let second: Vec<_> = all.iter().map(|(notice, _)| notice).filter(|notice| notice["run"] == 2).collect();
    let kinds: Vec<_> = second.iter().map(|notice| notice["kind"].as_str().unwrap()).collect();
    assert!(kinds.ends_with(&["began", "failed"]), "{all:#?}");
    assert_eq!(second.last().unwrap()["reason"], "it was interrupted before it had a plan");
    assert!(all.windows(2).any(|pair| pair[0].0["id"] == pair[1].0["id"]), "what was not taken came again: {all:#?}");
    until("both to be counted", async || daemon.metric(r#"refit_notices_total{addressee="ops",result="sent"}"#).await >= 2.0).await;
}
