//! Hooks: who is let in, what is understood, and what becomes of it.

use reqwest::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::daemon::{BASE, Daemon, SECRET, Shop, pushed, signature};

/// What a hook has no business telling anybody who is not its sender.
const NOTHING_MORE: &str = r#"{"status":401,"title":"unauthorised"}"#;

#[tokio::test]
async fn who_cannot_prove_who_they_are_get_401_and_nothing_else() {
    let shop = Shop::new();
    let daemon = shop.serve().await;
    let body = pushed("one", BASE);
    let other = signature("another body");
    let (wrong, right) = (SECRET.replace('f', "0"), SECRET);
    let signed = signature(&body);
    let cases: [(&str, &[(&str, &str)]); 12] = [
        ("/hooks/signed", &[]),
        ("/hooks/signed", &[("x-hub-signature-256", &other)]),
        ("/hooks/signed", &[("x-hub-signature-256", "sha256=")]),
        ("/hooks/signed", &[("x-hub-signature-256", "sha256=zz")]),
        ("/hooks/signed", &[("x-hub-signature-256", &signed), ("x-hub-signature-256", &signed)]),
        ("/hooks/signed", &[("authorization", right)]),
        ("/hooks/fixed", &[("authorization", &wrong)]),
        ("/hooks/fixed", &[("authorization", "")]),
        ("/hooks/hidden", &[("authorization", right)]),
        ("/hooks/hidden/not-the-secret-of-it", &[]),
        ("/hooks/nobody", &[("authorization", right)]),
        ("/hooks/UPPER%00", &[("authorization", right)]),
    ];
    for (path, headers) in cases {
        let answer = daemon.hook(path, headers, body.clone()).await;
        assert_eq!(answer.text, NOTHING_MORE, "{path} {headers:?}");
        answer.expect_problem(401);
    }
    assert!(!daemon.log().contains(SECRET), "no secret is in the log");
    assert!(daemon.triggers(&shop.token("ann", "read")).await.is_empty());
    assert_eq!(daemon.metric(r#"refit_hooks_received_total{hook="signed",result="refused"}"#).await, 6.0);
    let proven = daemon.hook(&format!("/hooks/hidden/{SECRET}"), &[], r#"{"push_data":{"tag":"1"},"repository":{"repo_name":"a/b"}}"#).await;
    assert_eq!(proven.status, 200, "{}", proven.text);
    assert_eq!(daemon.signed("delivery-1", r#"{"action":"deleted"}"#).await.status, 200);
}

async fn fixed(daemon: &Daemon, body: impl Into<reqwest::Body>, kind: &str) -> crate::daemon::Answer {
    daemon.hook("/hooks/fixed", &[("authorization", SECRET), ("content-type", kind)], body).await
}

const EVENTS: &str = "application/vnd.docker.distribution.events.v2+json";

#[tokio::test]
async fn what_cannot_be_read_is_a_bad_request_that_says_why() {
    let shop = Shop::new();
    let daemon = shop.serve().await;
    let body = pushed("one", BASE);
    let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    let deep_objects = format!("{}1{}", "{\"a\":".repeat(100), "}".repeat(100));
    let cases = [
        (body[..body.len() / 2].to_owned(), EVENTS, "EOF"),
        (body.clone() + "}", EVENTS, "trailing"),
        (deep, EVENTS, "nested more than 64 deep"),
        (deep_objects, "application/json", "nested more than 64 deep"),
        (String::new(), EVENTS, "it is empty"),
        (format!("payload={body}"), "application/x-www-form-urlencoded", "it is a form"),
        ("<event/>".to_owned(), "text/xml", "expected value"),
        ("\u{feff}{}".to_owned(), EVENTS, "expected value"),
        (r#"{"events":7}"#.to_owned(), EVENTS, "events"),
    ];
    for (body, kind, says) in cases {
        let problem = fixed(&daemon, body.clone(), kind).await.expect_problem(400);
        assert!(problem["detail"].as_str().unwrap().contains(says), "{body}: {problem}");
    }
    let nul = fixed(&daemon, vec![0xff, 0xfe, 0x00], EVENTS).await;
    nul.expect_problem(400);
    assert_eq!(daemon.metric(r#"refit_hooks_received_total{hook="fixed",result="malformed"}"#).await, 10.0);
    assert!(daemon.log().contains("cannot be read"), "{}", daemon.log());
    assert!(daemon.triggers(&shop.token("ann", "read")).await.is_empty());
}

#[tokio::test]
async fn more_than_a_mebibyte_is_too_much_whoever_sends_it() {
    let shop = Shop::new();
    let daemon = shop.serve().await;
    // A byte too many, with its length said before and not.
    let head = format!("POST /hooks/fixed HTTP/1.1\r\nhost: x\r\nauthorization: {SECRET}\r\n");
    let piece = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    for request in [
        format!("{head}content-length: 1048577\r\n\r\n{}", " ".repeat(1_048_577)),
        format!("{head}transfer-encoding: chunked\r\n\r\n{}1\r\n \r\n", piece.repeat(16)),
    ] {
        let mut stream = TcpStream::connect(&daemon.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("application/problem+json"), "{answer}");
    }
    let largest = pushed("one", BASE);
    let largest = format!("{}{largest}", " ".repeat(1024 * 1024 - largest.len()));
    assert_eq!(fixed(&daemon, largest, EVENTS).await.status, 202);
}

#[tokio::test]
async fn what_means_nothing_here_is_answered_with_success_and_queues_nothing() {
    let shop = Shop::new();
    let daemon = shop.serve().await;
    let strangers = ["registry.example.com:5000/other:stable", "registry.example.com:5000/os:testing", "docker.io/library/os:stable"];
    for image in strangers {
        assert_eq!(fixed(&daemon, pushed("one", image), EVENTS).await.status, 200, "{image}");
    }
    assert_eq!(fixed(&daemon, r#"{"events":[]}"#, EVENTS).await.status, 200);
    let ping = daemon.hook("/hooks/any", &[("authorization", SECRET), ("x-github-event", "ping")], r#"{"zen":"Practicality beats purity."}"#);
    assert_eq!(ping.await.status, 200);
    assert!(daemon.log().contains("means nothing here"), "{}", daemon.log());
    assert!(daemon.triggers(&shop.token("ann", "read")).await.is_empty());
    assert_eq!(daemon.metric(r#"refit_hooks_received_total{hook="fixed",result="ignored"}"#).await, 4.0);
}

#[tokio::test]
async fn a_delivery_that_is_replayed_is_one_trigger() {
    let shop = Shop::new();
    let token = shop.token("ann", "read");
    let daemon = shop.serve().await;
    for _ in 0..3 {
        assert_eq!(fixed(&daemon, pushed("delivery-1", BASE), EVENTS).await.status, 202);
    }
    let triggers = daemon.triggers(&token).await;
    assert_eq!(triggers.len(), 1, "{triggers:#?}");
    assert_eq!(triggers[0]["times"], 1, "a delivery counts once");
    // Another one about the same base joins what waits.
    assert_eq!(fixed(&daemon, pushed("delivery-2", BASE), EVENTS).await.status, 202);
    // And so it is after a restart.
    daemon.kill();
    let daemon = shop.serve().await;
    for id in ["delivery-1", "delivery-2"] {
        assert_eq!(fixed(&daemon, pushed(id, BASE), EVENTS).await.status, 202);
    }
    let triggers = daemon.triggers(&token).await;
    assert_eq!((triggers.len(), &triggers[0]["times"]), (1, &2.into()), "{triggers:#?}");
    assert_eq!(triggers[0]["by"], "hook fixed", "{triggers:#?}");
    assert_eq!(daemon.metric(r#"refit_queue_waiting{kind="base"}"#).await, 1.0);
}

#[tokio::test]
async fn a_secret_is_replaced_without_a_gap() {
    let shop = Shop::new();
    let pipeline = std::fs::read_to_string(shop.path("pipelines/shop.yaml")).unwrap();
    let two = "secrets: { hook: { environment: HOOK_SECRET }, next: { file: next } }";
    let pipeline = pipeline.replace("secrets: { hook: { environment: HOOK_SECRET } }", two);
    let newer = "another secret of some length";
    shop.write("next", newer);
    let mut daemon = shop.serve().await;
    let accepts = async |daemon: &Daemon, secret: &str| daemon.hook("/hooks/fixed", &[("authorization", secret)], pushed("x", BASE)).await.status;
    assert_eq!([accepts(&daemon, SECRET).await, accepts(&daemon, newer).await], [202, 401]);
    for (secrets, expected) in [("[hook, next]", [202, 202]), ("[next]", [401, 202])] {
        shop.write("pipelines/shop.yaml", &pipeline.replace("distribution, secrets: [hook]", &format!("distribution, secrets: {secrets}")));
        let reloads = daemon.log().matches("the new estate is in force").count();
        crate::daemon::until("the new estate", async || daemon.log().matches("the new estate is in force").count() > reloads).await;
        assert_eq!([accepts(&daemon, SECRET).await, accepts(&daemon, newer).await], expected, "{secrets}");
    }
    daemon.says("the new estate is in force").await;
}

#[test]
fn a_hook_without_a_secret_is_refused_at_start_up() {
    let none = Shop::with("");
    let pipeline = std::fs::read_to_string(none.path("pipelines/shop.yaml")).unwrap();
    none.write("pipelines/shop.yaml", &pipeline.replace("signed: { format: github, secrets: [hook] }", "signed: { format: github }"));
    none.expect_refused(&["serve", "--listen", "127.0.0.1:0"], 2, &["a hook without authentication is refused", "pipelines/shop.yaml:9"]);

    let unset = Shop::new();
    let ended = unset.command(&["serve", "--listen", "127.0.0.1:0"]).env_remove("HOOK_SECRET").output().unwrap();
    let err = String::from_utf8(ended.stderr).unwrap();
    assert!(!ended.status.success());
    for text in ["pipelines/shop.yaml:9", "the secret of hook signed cannot be used: the variable HOOK_SECRET is not set"] {
        assert!(err.contains(text), "{err}");
    }
    let short = unset.command(&["serve", "--listen", "127.0.0.1:0"]).env("HOOK_SECRET", "short").output().unwrap();
    let err = String::from_utf8(short.stderr).unwrap();
    assert!(err.contains("the secret has 5 bytes; a hook needs 16 at least"), "{err}");
}

#[tokio::test]
async fn only_post_is_taken() {
    let shop = Shop::new();
    let daemon = shop.serve().await;
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        daemon.ask(method, "/hooks/fixed", None, None).await.expect_problem(405);
    }
}
