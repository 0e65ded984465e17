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
    // All that is wrong with a wish is said at once.
    let wish = serde_json::json!({ "change": { "drain": "a" }, "services": ["web"], "hosts": "a", "data": true });
    let problem = daemon.ask(Method::POST, "/v1/rollouts", Some(&token), Some(wish.clone())).await.expect_problem(400);
    let detail = problem["detail"].as_str().unwrap();
    ["`services`", "`hosts`", "`data`"].iter().for_each(|word| assert!(detail.contains(word), "{detail}"));
    assert_eq!(daemon.ask(Method::POST, "/v1/plans", Some(&token), Some(wish)).await.expect_problem(400)["detail"], detail);
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

#[tokio::test]
async fn each_line_of_the_log_is_json_where_that_is_asked_for() {
    let shop = Shop::new();
    let daemon = shop.serve_with(&["--listen", "127.0.0.1:0", "--offline", "--debounce", "5m", "--log-json"]).await;
    daemon.hook("/hooks/fixed", &[], "{}").await.expect_problem(401);
    assert_eq!(daemon.ask(Method::GET, "/v1/standing", None, None).await.status, 401);
    let log = daemon.log();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect();
    for line in &lines {
        let at = line["timestamp"].as_str().unwrap_or_else(|| panic!("{line}"));
        at.parse::<jiff::Timestamp>().unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(["ERROR", "WARN", "INFO", "DEBUG", "TRACE"].contains(&line["level"].as_str().unwrap()), "{line}");
        assert!(!line["fields"]["message"].as_str().unwrap().is_empty(), "{line}");
    }
    let refused = lines.iter().find(|line| line["fields"]["hook"] == "fixed").unwrap_or_else(|| panic!("{log}"));
    assert_eq!(refused["level"], "WARN");
    assert_eq!(daemon.stop().await, Some(0));
}
