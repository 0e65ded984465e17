//! By HTTP.

use std::time::Duration;

use super::servers::{Heard, web_server};
use super::*;
use crate::notice::samples::rolled_back;

async fn answered(answers: &[&str], target: impl FnOnce(String) -> WebTarget, secrets: &[(&str, &str)]) -> (Result<(), NotSent>, Vec<Heard>, String) {
    let (address, heard) = web_server(answers.iter().map(|answer| (*answer).to_owned()).collect()).await;
    let target = target(format!("http://{address}/hooks/t0ken"));
    let sent = notifier(secrets).send(&notify(NotifyTo::Web(target)), &rolled_back()).await;
    let heard = std::mem::take(&mut *heard.lock().unwrap());
    (sent, heard, format!("http://{address}"))
}

#[tokio::test]
async fn refits_own_json_arrives_with_its_headers_and_a_signature() {
    let target = |url| WebTarget {
        headers: BTreeMap::from([
            ("X-Team".to_owned(), GivenValue::Plain("ops".into())),
            ("Authorization".to_owned(), GivenValue::Secret(environment("TOKEN"))),
        ]),
        sign: Some(environment("KEY")),
        ..plain(url)
    };
    let (sent, heard, _) = answered(&["204 No Content"], target, &[("TOKEN", "Bearer abc\n"), ("KEY", "Jefe")]).await;
    assert_eq!(sent, Ok(()));
    let request = &heard[0];
    assert_eq!(request.line, "POST /hooks/t0ken HTTP/1.1");
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("user-agent"), Some(concat!("refit/", env!("CARGO_PKG_VERSION"))));
    assert_eq!((request.header("x-team"), request.header("authorization")), (Some("ops"), Some("Bearer abc")));
    let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!((&body["kind"], &body["run"], &body["id"]), (&"rolled-back".into(), &7.into(), &rolled_back().id().into()));
    assert_eq!(request.header("x-refit-notice"), Some(rolled_back().id().as_str()));
    // Whoever has the key comes to the same.
    use hmac::{KeyInit, Mac};
    let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(b"Jefe").unwrap();
    mac.update(&request.body);
    let expected: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(request.header("x-refit-signature"), Some(format!("sha256={expected}").as_str()));
}

#[tokio::test]
async fn slacks_shape_goes_to_a_url_that_is_a_secret() {
    let (address, heard) = web_server(vec!["200 OK".into()]).await;
    let url = format!("http://{address}/services/T/B/x\n");
    let target = WebTarget { format: NoticeFormat::Slack, ..web(GivenValue::Secret(environment("SLACK"))) };
    notifier(&[("SLACK", &url)]).send(&notify(NotifyTo::Web(target)), &rolled_back()).await.unwrap();
    let heard = heard.lock().unwrap();
    assert_eq!(heard[0].line, "POST /services/T/B/x HTTP/1.1");
    let body: serde_json::Value = serde_json::from_slice(&heard[0].body).unwrap();
    assert_eq!(body["text"], "shop run-7 rolled back");
    assert!(body["blocks"].is_array() && heard[0].header("x-refit-signature").is_none());
}

#[tokio::test]
async fn an_answer_says_whether_and_when_to_try_again() {
    for (status, is_final, wait) in [
        ("404 Not Found", true, None),
        ("401 Unauthorized\r\nRetry-After: 5", true, None),
        ("429 Too Many Requests\r\nRetry-After: 120", false, Some(120)),
        ("503 Service Unavailable\r\nRetry-After: soon", false, None),
        ("500 Internal Server Error", false, None),
        ("301 Moved Permanently\r\nLocation: /elsewhere", true, None),
    ] {
        let (sent, _, base) = answered(&[status], plain, &[]).await;
        let error = sent.unwrap_err();
        assert_eq!(error.answer, Answer { is_final, retry_after: wait.map(Duration::from_secs) }, "{status}");
        assert!(error.to_string().starts_with(&format!("{base}: answered {}", &status[..3])), "{error}");
        assert_discreet(&error, &["t0ken", "hooks"]);
    }
}

#[tokio::test]
async fn it_follows_a_server_within_itself_and_nowhere_else() {
    let (sent, heard, _) = answered(&["307 Temporary Redirect\r\nLocation: /moved", "200 OK"], plain, &[]).await;
    assert_eq!(sent, Ok(()));
    assert_eq!(heard[1].line, "POST /moved HTTP/1.1");
    assert!(!heard[1].body.is_empty() && heard[0].body == heard[1].body);
    // Another port is another server, and hears nothing.
    let other = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let away = format!("308 Permanent Redirect\r\nLocation: http://{}/", other.local_addr().unwrap());
    let (sent, _, _) = answered(&[&away], plain, &[]).await;
    assert!(sent.unwrap_err().answer.is_final);
    assert!(tokio::time::timeout(Duration::ZERO, other.accept()).await.is_err());
    let round = "307 Temporary Redirect\r\nLocation: /again";
    let (sent, _, _) = answered(&[round; 4], plain, &[]).await;
    assert!(sent.unwrap_err().why.contains("sends elsewhere"));
}

#[tokio::test]
async fn a_server_that_is_away_is_tried_again() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let target = notify(NotifyTo::Web(plain(format!("http://{free}/hooks/t0ken"))));
    let error = notifier(&[]).send(&target, &rolled_back()).await.unwrap_err();
    assert_eq!(error.answer, Answer::none());
    assert!(error.why.to_lowercase().contains("connect"), "{error}");
    assert_discreet(&error, &["t0ken", "hooks"]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_is_left_after_a_while() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = notify(NotifyTo::Web(plain(format!("http://{}/hooks/t0ken", silent.local_addr().unwrap()))));
    let began = tokio::time::Instant::now();
    let error = notifier(&[]).send(&target, &rolled_back()).await.unwrap_err();
    assert_eq!(error.answer, Answer::none());
    assert!(began.elapsed() <= Duration::from_secs(11), "{:?}", began.elapsed());
    assert_discreet(&error, &["t0ken", "hooks"]);
}

#[tokio::test]
async fn a_header_that_is_none_is_said_without_its_value() {
    let target = |url| WebTarget { headers: BTreeMap::from([("X-Key".to_owned(), GivenValue::Secret(environment("KEY")))]), ..plain(url) };
    let (sent, _, _) = answered(&[], target, &[("KEY", "two\nlin3s")]).await;
    let error = sent.unwrap_err();
    assert_eq!(error.why, "header X-Key: its value is no header's value");
    assert_discreet(&error, &["lin3s"]);
}
