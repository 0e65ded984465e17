//! What supervisors, monitors and programs see.

use reqwest::Method;
use serde_json::Value;

use crate::daemon::Shop;

#[tokio::test]
async fn supervisors_and_monitors_need_no_token() {
    let shop = Shop::new();
    let daemon = shop.serve().await;
    let get = |path: &'static str| daemon.ask(Method::GET, path, None, None);
    assert_eq!(get("/healthz").await.text, "ok\n");
    assert_eq!(get("/readyz").await.text, "ready\n");
    let metrics = get("/metrics").await;
    assert!(metrics.kind.starts_with("application/openmetrics-text"), "{}", metrics.kind);
    assert!(metrics.text.ends_with("# EOF\n") && metrics.text.contains("refit_build_info"), "{}", metrics.text);
    let document: Value = serde_json::from_str(&get("/openapi.json").await.text).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3."), "{document}");
    for path in
        ["/v1/standing", "/v1/hosts", "/v1/prune", "/v1/ways-back", "/v1/triggers", "/v1/runs/{run}/events", "/v1/tokens", "/healthz", "/metrics"]
    {
        assert!(document["paths"][path].is_object(), "{path}");
    }
    assert_eq!(daemon.stop().await, Some(0));
}

#[tokio::test]
async fn every_problem_is_told_in_one_form() {
    let shop = Shop::new();
    let token = shop.token("ann", "admin");
    let daemon = shop.serve().await;
    let cases = [
        (Method::GET, "/nowhere", 404),
        (Method::GET, "/v1/nowhere", 404),
        (Method::DELETE, "/v1/standing", 405),
        (Method::PATCH, "/healthz", 405),
        (Method::GET, "/v1/runs/7", 404),
        (Method::GET, "/v1/runs/seven", 400),
        (Method::GET, "/v1/runs/%ff", 400),
        (Method::GET, "/v1/runs?limit=many", 400),
        (Method::GET, "/v1/runs?nonsense=1", 400),
        (Method::GET, "/v1/triggers?cursor=x", 400),
        (Method::GET, "/v1/triggers/7", 404),
        (Method::GET, "/v1/ways-back?service=no/name", 400),
        (Method::GET, "/v1/graph?affected_by=nothing", 404),
        (Method::POST, "/v1/triggers", 400),
        (Method::POST, "/v1/tokens", 400),
        (Method::GET, "/v1/runs/7/events?after=x", 400),
    ];
    for (method, path, status) in cases {
        let answer = daemon.ask(method.clone(), path, Some(&token), None).await;
        assert_eq!((answer.status, answer.kind.as_str()), (status, "application/problem+json"), "{method} {path}: {}", answer.text);
        let problem = answer.expect_problem(status);
        assert!(!problem["title"].as_str().unwrap().is_empty(), "{method} {path}: {problem}");
    }
    for body in ["{", "[]", r#"{"base":7}"#, r#"{"bse":"debian"}"#, r#"{"base":"debian","image":"web"}"#, r#"{"base":"UPPER"}"#] {
        let headers = [("content-type", "application/json"), ("authorization", &*format!("Bearer {token}"))];
        daemon.hook("/v1/triggers", &headers, body.to_owned()).await.expect_problem(400);
    }
}

#[tokio::test]
async fn one_estate_has_one_daemon() {
    let shop = Shop::new();
    let _daemon = shop.serve().await;
    let second = shop.refit(&["serve", "--listen", "127.0.0.1:0", "--offline"]);
    assert_eq!(second.status.code(), Some(1), "{}", String::from_utf8_lossy(&second.stderr));
}
