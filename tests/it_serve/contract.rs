//! What the daemon says of itself at `/openapi.json`, held against what it does.

use std::collections::BTreeSet;

use jsonschema::Validator;
use reqwest::Method;
use serde_json::{Value, json};

use crate::daemon::{Answer, BASE, Daemon, SECRET, Shop, pushed};

/// The document that a daemon serves.
struct Document(Value);

/// A shop that has a past: three runs with their releases, an image that was read, and a problem in it.
fn shop_with_a_past() -> Shop {
    let shop = Shop::new();
    std::fs::create_dir_all(shop.path(".refit")).unwrap();
    std::fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/formats/journal-3.sqlite"), shop.path(".refit/journal.sqlite")).unwrap();
    shop
}

impl Document {
    async fn of(daemon: &Daemon) -> Self {
        Self(serde_json::from_str(&daemon.ask(Method::GET, "/openapi.json", None, None).await.text).unwrap())
    }

    /// What is told of an answer: by the path as the document writes it. Nothing if nothing is.
    fn answer(&self, method: &Method, path: &str, status: u16) -> &Value {
        &self.0["paths"][path][method.as_str().to_lowercase()]["responses"][status.to_string()]
    }

    fn schema(&self, schema: &Value) -> Validator {
        let whole = json!({ "$schema": "https://json-schema.org/draft/2020-12/schema", "components": self.0["components"], "allOf": [schema] });
        jsonschema::options().should_validate_formats(true).build(&whole).unwrap()
    }

    /// How an answer is not as the document says.
    fn wrong(&self, method: &Method, path: &str, answer: &Answer) -> Vec<String> {
        let what = format!("{method} {path}: {} {}", answer.status, answer.text);
        if !self.answer(method, path, answer.status).is_object() {
            return vec![format!("nothing is said of the status: {what}")];
        }
        let kind = answer.kind.split(';').next().unwrap();
        let schema = &self.answer(method, path, answer.status)["content"][kind]["schema"];
        let value = serde_json::from_str::<Value>(&answer.text);
        match (schema.is_object(), value) {
            (false, _) if answer.text.is_empty() => Vec::new(),
            (false, _) => vec![format!("nothing is said of {kind}: {what}")],
            (true, Err(error)) => vec![format!("{error}: {what}")],
            (true, Ok(value)) => self.schema(schema).iter_errors(&value).map(|error| format!("{}: {error}: {what}", error.instance_path())).collect(),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_as_the_document_says() {
    let shop = shop_with_a_past();
    let token = shop.token("ann", "admin");
    let daemon = shop.serve().await;
    assert_eq!(daemon.hook("/hooks/fixed", &[("authorization", SECRET)], pushed("one", BASE)).await.status, 202);
    let document = Document::of(&daemon).await;
    let asked = [
        ("/v1/standing", "/v1/standing", None),
        ("/v1/estate", "/v1/estate", None),
        ("/v1/graph", "/v1/graph", None),
        ("/v1/hosts", "/v1/hosts", None),
        ("/v1/services", "/v1/services", None),
        ("/v1/status", "/v1/status", None),
        ("/v1/ways-back", "/v1/ways-back", None),
        ("/v1/prune", "/v1/prune", None),
        ("/v1/releases", "/v1/releases", None),
        ("/v1/releases/{release}", "/v1/releases/3", None),
        ("/v1/releases/{release}", "/v1/releases/77", None),
        ("/v1/releases/{release}/difference/{other}", "/v1/releases/1/difference/3", None),
        ("/v1/runs", "/v1/runs?limit=2", None),
        ("/v1/runs/{run}", "/v1/runs/2", None),
        ("/v1/runs/{run}", "/v1/runs/seven", None),
        ("/v1/runs/{run}/events", "/v1/runs/1/events", None),
        ("/v1/runs/{run}/events", "/v1/runs/2/events", None),
        ("/v1/runs/{run}/events", "/v1/runs/3/events", None),
        ("/v1/runs/{run}/logs", "/v1/runs/1/logs", None),
        ("/v1/runs/{run}/logs/{image}", "/v1/runs/1/logs/none", None),
        ("/v1/triggers", "/v1/triggers", None),
        ("/v1/triggers/{trigger}", "/v1/triggers/1", None),
        ("/v1/triggers/{trigger}", "/v1/triggers/77", None),
        ("/v1/triggers", "/v1/triggers", Some(json!({ "base": BASE }))),
        ("/v1/triggers", "/v1/triggers", Some(json!({ "image": "nobody" }))),
        ("/v1/rollouts", "/v1/rollouts", Some(json!({ "change": "everything" }))),
        ("/v1/rollouts", "/v1/rollouts", Some(json!({ "change": "nonsense" }))),
        ("/v1/plans", "/v1/plans", Some(json!({ "change": "everything" }))),
        ("/v1/plans", "/v1/plans", Some(json!({ "change": { "prune": { "keep": 3 } } }))),
        ("/v1/tokens", "/v1/tokens", None),
        ("/v1/tokens", "/v1/tokens", Some(json!({ "name": "new", "role": "read" }))),
        ("/v1/tokens", "/v1/tokens", Some(json!({ "name": "new", "role": "read" }))),
        ("/v1/audit", "/v1/audit", None),
        ("/v1/who-has", "/v1/who-has?what=openssl", None),
        ("/v1/who-has", "/v1/who-has?cve=CVE-2024-0727&ever=true", None),
        ("/v1/who-has", "/v1/who-has", None),
        ("/v1/problems", "/v1/problems", None),
        ("/v1/problems/{id}", "/v1/problems/CVE-2024-0727", None),
        ("/v1/problems/{id}", "/v1/problems/CVE-0000-0000", None),
        ("/v1/images/{image}/contents", "/v1/images/debian/contents", None),
        ("/v1/images/{image}/contents", "/v1/images/nobody/contents", None),
        ("/v1/images/{image}/contents", "/v1/images/web/contents", Some(Value::Null)),
        ("/v1/contents", "/v1/contents", Some(Value::Null)),
        ("/v1/remedies", "/v1/remedies", Some(json!({ "gone": "openssl<3.0.15" }))),
        ("/v1/remedies", "/v1/remedies", Some(json!({ "gone": "" }))),
        ("/v1/stale", "/v1/stale", None),
        ("/v1/schedule", "/v1/schedule", None),
        ("/v1/journal", "/v1/journal", None),
    ];
    let (mut succeeded, mut wrong) = (BTreeSet::new(), Vec::new());
    for (path, url, body) in asked {
        let method = if body.is_some() { Method::POST } else { Method::GET };
        let answer = daemon.ask(method.clone(), url, Some(&token), body).await;
        wrong.extend(document.wrong(&method, path, &answer));
        if answer.status < 300 {
            succeeded.insert(path);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // The others need an engine; so do the tests of them.
    let all: BTreeSet<_> = asked_paths(&document);
    let without: Vec<_> = all.iter().filter(|path| !succeeded.contains(path.as_str())).collect();
    let engine = ["/v1/contents", "/v1/plans", "/v1/remedies", "/v1/runs/{run}/logs/{image}", "/v1/runs/{run}/{word}", "/v1/stale"];
    assert!(without.iter().all(|path| engine.contains(&path.as_str())), "never seen to succeed: {without:?}");
    // A schema that takes anything would prove nothing.
    let release = document.schema(&document.answer(&Method::GET, "/v1/releases/{release}", 200)["content"]["application/json"]["schema"]);
    assert!(!release.is_valid(&json!({})) && !release.is_valid(&json!({ "number": "three" })));
}

/// Paths with an answer in JSON of refit's own.
fn asked_paths(document: &Document) -> BTreeSet<String> {
    let paths = document.0["paths"].as_object().unwrap().iter();
    let is_json = |told: &Value| {
        let answers = ["get", "post"].into_iter().filter_map(|method| told.get(method));
        answers
            .flat_map(|told| told["responses"].as_object().unwrap().iter())
            .any(|(status, answer)| status.starts_with('2') && answer["content"]["application/json"].is_object())
    };
    paths.filter(|(_, told)| is_json(told)).map(|(path, _)| path.clone()).collect()
}

#[tokio::test]
async fn what_a_stream_sends_is_as_the_document_says() {
    let shop = shop_with_a_past();
    let token = shop.token("ann", "read");
    let daemon = shop.serve().await;
    let document = Document::of(&daemon).await;
    let stream = &document.answer(&Method::GET, "/v1/runs/{run}/events", 200)["content"]["text/event-stream"];
    let kinds = stream["itemSchema"]["oneOf"].as_array().unwrap();
    let of_kind =
        |kind: &str| kinds.iter().find(|one| one["properties"]["event"]["const"] == kind).unwrap_or_else(|| panic!("nothing is said of {kind}"));
    let request = crate::daemon::client(|builder| builder).get(daemon.url("/v1/runs/2/events")).bearer_auth(&token);
    let answer = Answer::of(request.header("accept", "text/event-stream").send().await.unwrap()).await;
    assert_eq!((answer.status, answer.kind.as_str()), (200, "text/event-stream"));
    let mut seen = 0;
    for event in answer.text.split("\n\n").filter(|event| !event.trim().is_empty()) {
        let line = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{event}"));
        let told = of_kind(line("event: "));
        let data: Value = serde_json::from_str(line("data: ")).unwrap();
        let schema = document.schema(&told["properties"]["data"]["contentSchema"]);
        assert!(schema.is_valid(&data), "{event}: {:?}", schema.iter_errors(&data).map(|error| error.to_string()).collect::<Vec<_>>());
        seen += 1;
    }
    assert!(seen > 2, "{}", answer.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_operation_needs_the_role_that_the_document_names() {
    let shop = Shop::new();
    let roles = ["read", "trigger", "operate", "admin"];
    let tokens = roles.map(|role| shop.token(&format!("of-{role}"), role));
    let daemon = shop.serve().await;
    let document = Document::of(&daemon).await;
    let (mut walked, mut wrong) = (0, Vec::new());
    for (path, told) in document.0["paths"].as_object().unwrap() {
        let url = path.split('/').map(|part| if part.starts_with('{') { if part == "{word}" { "pause" } else { "77" } } else { part });
        let url = url.collect::<Vec<_>>().join("/");
        for method in [Method::GET, Method::POST, Method::DELETE] {
            let Some(told) = told.get(method.as_str().to_lowercase()) else { continue };
            let Some(role) = told["security"][0]["token"][0].as_str() else { continue };
            let needed = roles.iter().position(|one| *one == role).unwrap();
            if let Some(below) = needed.checked_sub(1) {
                let answer = daemon.ask(method.clone(), &url, Some(&tokens[below]), None).await;
                assert_eq!(answer.status, 403, "{method} {path} as {}: {}", roles[below], answer.text);
                wrong.extend(document.wrong(&method, path, &answer));
            }
            let answer = daemon.ask(method.clone(), &url, None, None).await;
            assert_eq!(answer.status, 401, "{method} {path}: {}", answer.text);
            wrong.extend(document.wrong(&method, path, &answer));
            let answer = daemon.ask(method.clone(), &url, Some(&tokens[needed]), None).await;
            assert!(answer.status != 401 && answer.status != 403, "{method} {path} as {role}: {}", answer.text);
            wrong.extend(document.wrong(&method, path, &answer));
            walked += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(walked > 30, "{walked}");
}
