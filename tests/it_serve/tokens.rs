//! Who may do what over TCP.

use reqwest::Method;
use serde_json::json;

use crate::daemon::{BASE, SECRET, Shop, pushed};

#[tokio::test]
async fn each_role_may_do_what_those_before_it_may_and_no_more() {
    let shop = Shop::new();
    let roles = ["read", "trigger", "operate", "admin"];
    let tokens = roles.map(|role| shop.token(&format!("of-{role}"), role));
    let daemon = shop.serve().await;
    let wish = json!({ "change": "everything", "words": "a test" });
    // What is asked, and the first of the roles that may.
    let asked = [
        (Method::GET, "/v1/standing", None, 0, 200),
        (Method::GET, "/v1/runs", None, 0, 200),
        (Method::GET, "/v1/estate", None, 0, 200),
        (Method::GET, "/v1/hosts", None, 0, 200),
        (Method::GET, "/v1/graph?format=tree", None, 0, 200),
        (Method::GET, "/v1/ways-back", None, 0, 200),
        (Method::GET, "/v1/prune?keep=3", None, 0, 200),
        (Method::POST, "/v1/triggers", Some(json!({ "base": BASE })), 1, 202),
        (Method::POST, "/v1/rollouts", Some(wish), 2, 202),
        (Method::POST, "/v1/rollouts", Some(json!({ "change": { "prune": { "keep": 3 } }, "words": "a test" })), 2, 202),
        (Method::POST, "/v1/rollouts", Some(json!({ "change": { "drain": "a" }, "words": "a test" })), 3, 202),
        (Method::POST, "/v1/runs/7777/pause", None, 2, 404),
        (Method::GET, "/v1/tokens", None, 3, 200),
        (Method::POST, "/v1/tokens", Some(json!({ "name": "new", "role": "read" })), 3, 201),
        (Method::DELETE, "/v1/tokens/new", None, 3, 204),
    ];
    for (method, path, body, first, status) in asked {
        for (index, token) in tokens.iter().enumerate() {
            let answer = daemon.ask(method.clone(), path, Some(token), body.clone()).await;
            if index < first {
                let problem = answer.expect_problem(403);
                assert!(problem["detail"].as_str().unwrap().contains(&format!("of-{} may {}", roles[index], roles[index])), "{problem}");
            } else {
                assert_eq!(answer.status, status, "{} {method} {path}: {}", roles[index], answer.text);
            }
        }
        daemon.ask(method, path, None, body).await.expect_problem(401);
    }
    let audit = daemon.get("/v1/audit", &tokens[3]).await.to_string();
    assert!(audit.contains("of-operate") && audit.contains("a test") && audit.contains("of-trigger"), "{audit}");
    let log = daemon.log();
    tokens.iter().for_each(|token| assert!(!log.contains(token.as_str()) && !audit.contains(token.as_str())));
}

#[tokio::test]
async fn what_is_no_token_is_refused_in_one_way() {
    let shop = Shop::new();
    let token = shop.token("ann", "admin");
    let daemon = shop.serve().await;
    let flipped = token.replace(&token[token.len() - 1..], "x");
    let basic = format!("Basic {token}");
    let given = [String::new(), "Bearer ".into(), format!("Bearer {flipped}"), format!("Bearer {}", &token[..token.len() - 1]), basic, token];
    for given in given {
        let request = crate::daemon::client(|builder| builder).get(daemon.url("/v1/standing")).header("authorization", &given);
        let answer = crate::daemon::Answer::of(request.send().await.unwrap()).await;
        assert_eq!(answer.text, r#"{"status":401,"title":"unauthorised"}"#, "{given}");
        answer.expect_problem(401);
    }
}

#[tokio::test]
async fn a_token_that_is_revoked_is_refused_from_the_next_request_on() {
    let shop = Shop::new();
    let token = shop.token("ann", "read");
    let daemon = shop.serve().await;
    daemon.get("/v1/standing", &token).await;
    assert!(shop.refit(&["token", "revoke", "ann"]).status.success(), "through the daemon's socket");
    daemon.ask(Method::GET, "/v1/standing", Some(&token), None).await.expect_problem(401);
    // The name is free again, and the old token is not.
    let newer = shop.token("ann", "read");
    daemon.get("/v1/standing", &newer).await;
    daemon.ask(Method::GET, "/v1/standing", Some(&token), None).await.expect_problem(401);
    daemon.kill();
    let daemon = shop.serve().await;
    daemon.get("/v1/standing", &newer).await;
    daemon.ask(Method::GET, "/v1/standing", Some(&token), None).await.expect_problem(401);
}

#[tokio::test]
async fn nobody_is_listened_to_from_other_machines_without_a_token() {
    let shop = Shop::new();
    let everywhere = ["serve", "--listen", "0.0.0.0:0", "--offline"];
    let says = ["0.0.0.0:0 can be reached from other machines, and there is no token yet", "refit token add"];
    shop.expect_refused(&everywhere, 2, &says);
    shop.token("ann", "read");
    assert!(shop.refit(&["token", "revoke", "ann"]).status.success());
    shop.expect_refused(&everywhere, 2, &says);
    shop.token("bob", "read");
    let daemon = shop.serve_with(&everywhere[1..]).await;
    assert_eq!(daemon.ask(Method::GET, "/healthz", None, None).await.status, 200);
}

#[tokio::test]
async fn the_audit_log_tells_of_hooks_and_refusals_page_by_page() {
    let shop = Shop::new();
    let (admin, reader, gone) = (shop.token("ann", "admin"), shop.token("bob", "read"), shop.token("eve", "admin"));
    let daemon = shop.serve().await;
    assert!(shop.refit(&["token", "revoke", "eve"]).status.success());
    for id in ["one", "two", "one"] {
        assert_eq!(daemon.hook("/hooks/fixed", &[("authorization", SECRET)], pushed(id, BASE)).await.status, 202);
    }
    daemon.hook("/hooks/hidden/not-the-secret-of-it", &[], "{}").await.expect_problem(401);
    daemon.ask(Method::GET, "/v1/audit", Some(&reader), None).await.expect_problem(403);
    daemon.ask(Method::POST, "/v1/rollouts", Some(&gone), Some(json!({}))).await.expect_problem(401);
    daemon.ask(Method::GET, "/v1/runs", Some("refit_0123"), None).await.expect_problem(401);
    daemon.ask(Method::GET, "/v1/runs", None, None).await.expect_problem(401);

    let (mut lines, mut path) = (Vec::new(), "/v1/audit?limit=3".to_owned());
    loop {
        let page = daemon.get(&path, &admin).await;
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 3, "{page:#}");
        let line = |item: &serde_json::Value| ["who", "what", "outcome"].map(|key| item[key].as_str().unwrap().to_owned()).join(" | ");
        lines.extend(items.iter().map(line));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/audit?limit=3&cursor={next}");
    }
    let heard = "registry.example.com:5000/os:stable may have moved to sha256:9f9f9f9f9f9f";
    let expected = [
        "nobody known from 127.0.0.1 | GET /v1/runs | refused: no token".to_owned(),
        "nobody known from 127.0.0.1 | GET /v1/runs | refused: a token that nobody has".to_owned(),
        "nobody known from 127.0.0.1 | POST /v1/rollouts | refused: the token eve, which was revoked".to_owned(),
        "bob from 127.0.0.1 | GET /v1/audit | refused: it may read, and this takes admin".to_owned(),
        "nobody known from 127.0.0.1 | POST /hooks/hidden | refused: no such hook, or not of its sender; the log says which".to_owned(),
        format!("hook fixed from 127.0.0.1 | {heard} | heard before as t1"),
        format!("hook fixed from 127.0.0.1 | {heard} | joined t1"),
        format!("hook fixed from 127.0.0.1 | {heard} | t1"),
    ];
    assert_eq!(lines[..expected.len()], expected, "{lines:#?}");
    daemon.ask(Method::GET, "/v1/audit?cursor=x", Some(&admin), None).await.expect_problem(400);
}

#[tokio::test]
async fn nobody_fills_the_audit_log_by_being_refused() {
    let shop = Shop::new();
    let admin = shop.token("ann", "admin");
    let daemon = shop.serve().await;
    for _ in 0..200 {
        daemon.ask(Method::GET, "/v1/runs", None, None).await.expect_problem(401);
    }
    let page = daemon.get("/v1/audit?limit=1000", &admin).await;
    let refused = page["items"].as_array().unwrap().iter().filter(|line| line["outcome"].as_str().unwrap().starts_with("refused")).count();
    assert!((20..=60).contains(&refused), "{refused}");
}
