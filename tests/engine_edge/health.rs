//! Health, as the engine says it and as refit asks for it.

use std::time::Duration;

use refit::edge::{Engine, EngineError, ProbeAnswer};
use refit::model::{EngineHealthcheck, PortSpec, ProbeKind, ProbeSpec};
use refit::rollout::{ContainerState, Health};

use crate::{BASE, engine, found, hosts, new};

/// Waits for an event and looks, until what is seen is as it should be.
async fn until(engine: &dyn Engine, what: &str, is_so: impl Fn(&Health) -> bool) -> Health {
    let mut seen = Vec::new();
    for _ in 0..40 {
        let health = found(engine).await.remove(0).health;
        if is_so(&health) {
            return health;
        }
        seen.push(health);
        engine.wait_for_event(&"shop".parse().unwrap(), Duration::from_millis(500)).await.unwrap();
    }
    panic!("never {what}: {seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_engines_own_health_check_is_seen_in_all_its_states() {
    let Some(lab) = hosts(1).await else { return };
    let host = lab.host(1);
    let image = host.import_base(BASE);
    let engine = engine(host);
    let mut web = new(&image, "one");
    web.spec.healthcheck = Some(EngineHealthcheck {
        test: ["CMD-SHELL", "test -f /well || { echo no file; exit 1; }"].map(str::to_owned).to_vec(),
        interval: Duration::from_millis(300),
        timeout: Duration::from_secs(5),
        retries: 2,
        start_period: Duration::from_secs(600),
    });
    let id = engine.start_new(&web).await.unwrap();
    assert_eq!(found(&engine).await[0].health, Health::Starting);
    host.docker(&["exec", &id, "touch", "/well"]).unwrap();
    let healthy = until(&engine, "healthy", |health| matches!(health, Health::Healthy { .. })).await;
    // The engine keeps five checks only; since when it is well must not move with them.
    for _ in 0..7 {
        engine.wait_for_event(&"shop".parse().unwrap(), Duration::from_millis(400)).await.unwrap();
        assert_eq!(found(&engine).await[0].health, healthy);
    }
    host.docker(&["exec", &id, "rm", "/well"]).unwrap();
    let unwell = until(&engine, "unhealthy", |health| matches!(health, Health::Unhealthy { .. })).await;
    assert_eq!(unwell, Health::Unhealthy { why: "exit code 1: no file".to_owned() });
    host.docker(&["exec", &id, "touch", "/well"]).unwrap();
    let again = until(&engine, "healthy again", |health| matches!(health, Health::Healthy { .. })).await;
    let (Health::Healthy { since: first }, Health::Healthy { since: second }) = (healthy, again) else { panic!("both were healthy") };
    assert!(second > first, "what was broken begins anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_ends_says_how() {
    let Some(lab) = hosts(1).await else { return };
    let host = lab.host(1);
    let image = host.import_base(BASE);
    let engine = engine(host);
    let mut ends = new(&image, "ends");
    ends.spec.command = Some(["sh", "-c", "echo first; echo last words; exit 3"].map(str::to_owned).to_vec());
    ends.spec.restart = Some("no".to_owned());
    let id = engine.start_new(&ends).await.unwrap();
    for _ in 0..40 {
        if !matches!(found(&engine).await[0].state, ContainerState::Running { .. }) {
            break;
        }
        engine.wait_for_event(&"shop".parse().unwrap(), Duration::from_millis(500)).await.unwrap();
    }
    let state = found(&engine).await.remove(0).state;
    assert!(matches!(state, ContainerState::Exited { code: 3, .. }), "{state:?}");
    assert_eq!(engine.last_lines(&id, 1).await.unwrap(), ["last words"]);
    let unwell = engine.probe(&id, &probe(ProbeKind::Command { command: vec!["true".to_owned()] })).await.unwrap();
    assert!(matches!(&unwell, ProbeAnswer::Unwell(why) if why.contains("is not running")), "{unwell:?}");
}

fn probe(kind: ProbeKind) -> ProbeSpec {
    let timeout = Duration::from_millis(1500);
    ProbeSpec { kind, interval: Duration::from_secs(1), timeout, retries: 1, start_period: Duration::ZERO }
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_ask_by_http_by_tcp_and_by_command() {
    let Some(lab) = hosts(1).await else { return };
    let host = lab.host(1);
    let image = host.import_base(BASE);
    let engine = engine(host);
    let mut web = new(&image, "web");
    // A web server, a port that accepts and never answers, and one on which nobody listens.
    let script = "echo v1 > /www/version; nc -ll -p 82 -e sleep 1000 & exec httpd -f -p 80 -h /www";
    web.spec.command = Some(["sh", "-c", script].map(str::to_owned).to_vec());
    let ports = [80, 82, 83].map(|port| PortSpec { host_ip: None, published: Some((port, port)), target: port, protocol: "tcp".to_owned() });
    web.spec.ports = ports.to_vec();
    let id = engine.start_new(&web).await.unwrap();
    // The server listens a moment after it was started.
    let ready = || async { engine.probe(&id, &probe(ProbeKind::Tcp { port: 80 })).await.unwrap() == ProbeAnswer::Well };
    for _ in 0..1000 {
        if host.docker(&["exec", &id, "wget", "-q", "-O", "-", "http://127.0.0.1/version"]).is_ok() && ready().await {
            break;
        }
    }

    let http = |method: &str, port, path: &str| ProbeKind::Http { method: method.to_owned(), port, path: path.to_owned() };
    let command = |text: &str| ProbeKind::Command { command: ["sh", "-c", text].map(str::to_owned).to_vec() };
    let cases = [
        (http("GET", 80, "/version"), ""),
        (http("HEAD", 80, "/version"), ""),
        (http("GET", 80, "/nothing"), "GET /nothing answered 404 Not Found"),
        (http("GET", 82, "/"), "port 82: no answer within 1500 ms"),
        (http("GET", 83, "/"), "port 83: "),
        (http("GET", 84, "/"), "port 84 cannot be reached from here: publish it"),
        (ProbeKind::Tcp { port: 80 }, ""),
        (ProbeKind::Tcp { port: 84 }, "port 84 cannot be reached from here: publish it"),
        (command("test -f /www/version"), ""),
        (command("echo too bad; exit 5"), "`sh -c echo too bad; exit 5` ended with code 5: too bad"),
        (command("sleep 1000"), "`sh -c sleep 1000` did not end within 1500 ms"),
    ];
    let probes: Vec<_> = cases.iter().map(|(kind, _)| probe(kind.clone())).collect();
    let answers = futures_util::future::join_all(probes.iter().map(|probe| engine.probe(&id, probe))).await;
    for ((kind, expected), answer) in cases.iter().zip(answers) {
        match answer.unwrap() {
            ProbeAnswer::Well => assert!(expected.is_empty(), "{kind:?} is well"),
            ProbeAnswer::Unwell(why) => assert!(!expected.is_empty() && why.starts_with(expected), "{kind:?}: {why}"),
        }
    }
    let gone = engine.probe("no-such-container", &probe(ProbeKind::Tcp { port: 80 })).await.unwrap_err();
    assert!(matches!(gone, EngineError::Missing { .. }), "{gone}");
}
