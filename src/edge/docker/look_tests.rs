//! Inspections as engines write them, and what is made of them.

use super::*;

fn inspection(state: serde_json::Value) -> ContainerInspectResponse {
    let digest = crate::model::Digest::of(b"x").to_string();
    serde_json::from_value(serde_json::json!({
        "Id": "abc", "Name": "/shop-web-0-12345678", "Created": "2026-01-02T03:04:05.678901234Z", "Image": digest, "RestartCount": 2,
        "State": state,
        "Config": { "Labels": {
            "io.refit.estate": "shop", "io.refit.service": "web", "io.refit.host": "h1", "io.refit.slot": "1",
            "io.refit.release": "7", "io.refit.spec": digest, "io.refit.run": "3",
        } },
        "NetworkSettings": { "Ports": { "80/tcp": [{ "HostIp": "0.0.0.0", "HostPort": "8080" }, { "HostIp": "::", "HostPort": "8081" }], "53/udp": null } },
        "Mounts": [
            { "Type": "volume", "Name": "ab".repeat(32), "Destination": "/data" },
            { "Type": "volume", "Name": "shop_uploads", "Destination": "/uploads" },
            { "Type": "bind", "Source": "/srv", "Destination": "/srv" },
        ],
    }))
    .unwrap()
}

fn here() -> Endpoint {
    Endpoint::Unix { path: "/var/run/docker.sock".into() }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn read_state(state: serde_json::Value) -> (ContainerState, Health) {
    let found = read(&here(), &inspection(state), &mut HealthySince::new()).unwrap();
    (found.state, found.health)
}

fn check(code: i64, end: &str) -> serde_json::Value {
    serde_json::json!({ "Start": end, "End": end, "ExitCode": code, "Output": "connection refused\n" })
}

#[test]
fn labels_and_ports_are_read() {
    let found = read(&here(), &inspection(serde_json::json!({ "Status": "created" })), &mut HealthySince::new()).unwrap();
    assert_eq!((found.name.as_str(), found.slot.to_string().as_str()), ("shop-web-0-12345678", "web@h1/1"));
    assert_eq!((found.version.release, found.run), (ReleaseNumber(7), RunId(3)));
    assert_eq!(found.anonymous, ["/data"], "of all that is mounted, the one volume that nobody named");
    assert_eq!(found.published, BTreeMap::from([(80, ("127.0.0.1".to_owned(), 8080))]));
    assert_eq!(found.created_at, at("2026-01-02T03:04:05.678901234Z"));
}

#[test]
fn states_are_read() {
    let started = "2026-01-01T00:00:00Z";
    for (state, expected) in [
        (serde_json::json!({ "Status": "created", "StartedAt": "0001-01-01T00:00:00Z" }), ContainerState::Created),
        (serde_json::json!({ "Status": "running", "StartedAt": started }), ContainerState::Running { since: at(started), restarts: 2 }),
        (serde_json::json!({ "Status": "restarting", "ExitCode": 3 }), ContainerState::Restarting { restarts: 2, code: 3 }),
        (serde_json::json!({ "Status": "paused" }), ContainerState::Paused),
        (serde_json::json!({ "Status": "exited", "ExitCode": 137, "FinishedAt": started }), ContainerState::Exited { code: 137, at: at(started) }),
        (serde_json::json!({ "Status": "dead" }), ContainerState::Gone),
    ] {
        assert_eq!(read_state(state).0, expected);
    }
}

#[test]
fn health_is_the_engines_word() {
    let started = "2026-01-01T00:00:00Z";
    let with = |health: serde_json::Value| read_state(serde_json::json!({ "Status": "running", "StartedAt": started, "Health": health })).1;
    assert_eq!(with(serde_json::Value::Null), Health::Healthy { since: at(started) });
    assert_eq!(with(serde_json::json!({ "Status": "starting" })), Health::Starting);
    let log = [check(1, "2026-01-01T00:00:01Z"), check(0, "2026-01-01T00:00:02Z"), check(0, "2026-01-01T00:00:03Z")];
    assert_eq!(with(serde_json::json!({ "Status": "healthy", "Log": log })), Health::Healthy { since: at("2026-01-01T00:00:02Z") });
    let log = [check(1, "2026-01-01T00:00:01Z")];
    let unhealthy = Health::Unhealthy { why: "exit code 1: connection refused".to_owned() };
    assert_eq!(with(serde_json::json!({ "Status": "unhealthy", "Log": log })), unhealthy);
}

#[test]
fn the_first_healthy_moment_is_kept_until_it_breaks() {
    let mut since = HealthySince::new();
    let started = "2026-01-01T00:00:00Z";
    let mut look = |status: &str, start: &str, end: &str| {
        let state = serde_json::json!({ "Status": "running", "StartedAt": start, "Health": { "Status": status, "Log": [check(0, end)] } });
        read(&here(), &inspection(state), &mut since).unwrap().health
    };
    let healthy = |text: &str| Health::Healthy { since: at(text) };
    assert_eq!(look("healthy", started, "2026-01-01T00:00:02Z"), healthy("2026-01-01T00:00:02Z"));
    assert_eq!(look("healthy", started, "2026-01-01T00:00:12Z"), healthy("2026-01-01T00:00:02Z"));
    assert!(matches!(look("unhealthy", started, "2026-01-01T00:00:13Z"), Health::Unhealthy { .. }));
    assert_eq!(look("healthy", started, "2026-01-01T00:00:14Z"), healthy("2026-01-01T00:00:14Z"));
    // Started again: what was healthy before says nothing.
    assert_eq!(look("healthy", "2026-01-01T00:01:00Z", "2026-01-01T00:01:02Z"), healthy("2026-01-01T00:01:02Z"));
}
