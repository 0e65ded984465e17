//! Every key of a container's spec reaches the engine.

use std::collections::BTreeMap;
use std::time::Duration;

use refit::edge::Engine;
use refit::model::{ContainerSpec, EngineHealthcheck, Logging, MountSource, MountSpec, NetworkSpec, PortSpec, Ulimit};
use serde_json::json;

use crate::{BASE, engine, hosts, inspect_all, new};

fn map(key: &str, value: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(key.to_owned(), value.to_owned())])
}

fn list(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Every field is written out, none by `..`: a new one fails to compile here until it is looked for below.
fn everything() -> ContainerSpec {
    let port = |host_ip: Option<&str>, published, target, protocol: &str| PortSpec {
        host_ip: host_ip.map(str::to_owned),
        published,
        target,
        protocol: protocol.to_owned(),
    };
    let mount = |source, target: &str, read_only| MountSpec { source, target: target.to_owned(), read_only };
    ContainerSpec {
        command: Some(list(&["exec sleep 1000"])),
        entrypoint: Some(list(&["sh", "-c"])),
        environment: map("WORD", "a b=c"),
        ports: vec![port(None, Some((8080, 8080)), 80, "tcp"), port(Some("127.0.0.1"), Some((9000, 9010)), 90, "udp"), port(None, None, 100, "tcp")],
        network: NetworkSpec::Mode("bridge".to_owned()),
        mounts: vec![
            mount(MountSource::Bind { path: "/tmp".to_owned() }, "/host", true),
            mount(MountSource::Tmpfs { size: Some(1 << 20), mode: Some(0o1770) }, "/memory", false),
        ],
        user: Some("0:0".to_owned()),
        working_dir: Some("/www".to_owned()),
        hostname: Some("chosen".to_owned()),
        labels: [map("team", "shop"), map("io.refit.slot", "99")].into_iter().flatten().collect(),
        restart: Some("on-failure:4".to_owned()),
        stop_grace_period_ms: Some(3500),
        stop_signal: Some("SIGINT".to_owned()),
        read_only: true,
        init: Some(true),
        privileged: false,
        cap_add: list(&["NET_ADMIN"]),
        cap_drop: list(&["MKNOD"]),
        security_opt: list(&["no-new-privileges:true"]),
        sysctls: map("net.ipv4.ip_unprivileged_port_start", "81"),
        extra_hosts: list(&["db:10.1.2.3"]),
        dns: list(&["10.9.9.9"]),
        dns_search: list(&["shop.example"]),
        devices: list(&["/dev/null:/dev/nothing:r"]),
        group_add: list(&["20"]),
        // Below, by itself: with it the engine adds to `security_opt`.
        pid: None,
        ipc: Some("private".to_owned()),
        ulimits: BTreeMap::from([("nofile".to_owned(), Ulimit { soft: 512, hard: 1024 })]),
        logging: Some(Logging { driver: "json-file".to_owned(), options: map("max-size", "1m") }),
        shm_size: Some(32 << 20),
        memory_limit: Some(64 << 20),
        memory_reservation: Some(32 << 20),
        nano_cpus: Some(500_000_000),
        pids_limit: Some(77),
        healthcheck: Some(EngineHealthcheck {
            test: list(&["CMD", "true"]),
            interval: Duration::from_secs(30),
            timeout: Duration::from_millis(1500),
            retries: 5,
            start_period: Duration::from_secs(2),
        }),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_key_reaches_the_engine() {
    let Some(lab) = hosts(1).await else { return };
    let host = lab.host(1);
    let image = host.import_base(BASE);
    let engine = engine(host);
    let mut container = new(&image, "all");
    container.spec = everything();
    let id = engine.start_new(&container).await.unwrap();
    let seen = inspect_all(host, &id);

    let expected = [
        ("/Config/Cmd", json!(["exec sleep 1000"])),
        ("/Config/Entrypoint", json!(["sh", "-c"])),
        ("/Config/User", json!("0:0")),
        ("/Config/WorkingDir", json!("/www")),
        ("/Config/Hostname", json!("chosen")),
        ("/Config/StopSignal", json!("SIGINT")),
        ("/Config/StopTimeout", json!(4)),
        ("/Config/Labels/team", json!("shop")),
        ("/Config/Labels/io.refit.slot", json!("0")),
        ("/Config/Labels/io.refit.run", json!("3")),
        ("/Config/Labels/io.refit.release", json!("7")),
        (
            "/Config/Healthcheck",
            json!({ "Test": ["CMD", "true"], "Interval": 30_000_000_000_u64, "Timeout": 1_500_000_000, "Retries": 5, "StartPeriod": 2_000_000_000 }),
        ),
        ("/HostConfig/NetworkMode", json!("bridge")),
        (
            "/HostConfig/PortBindings",
            json!({
                "80/tcp": [{ "HostIp": "", "HostPort": "8080" }],
                "90/udp": [{ "HostIp": "127.0.0.1", "HostPort": "9000-9010" }],
                "100/tcp": [{ "HostIp": "", "HostPort": "" }],
            }),
        ),
        ("/HostConfig/RestartPolicy", json!({ "Name": "on-failure", "MaximumRetryCount": 4 })),
        ("/HostConfig/ReadonlyRootfs", json!(true)),
        ("/HostConfig/Init", json!(true)),
        ("/HostConfig/Privileged", json!(false)),
        ("/HostConfig/SecurityOpt", json!(["no-new-privileges:true"])),
        ("/HostConfig/Sysctls", json!({ "net.ipv4.ip_unprivileged_port_start": "81" })),
        ("/HostConfig/ExtraHosts", json!(["db:10.1.2.3"])),
        ("/HostConfig/Dns", json!(["10.9.9.9"])),
        ("/HostConfig/DnsSearch", json!(["shop.example"])),
        ("/HostConfig/Devices", json!([{ "PathOnHost": "/dev/null", "PathInContainer": "/dev/nothing", "CgroupPermissions": "r" }])),
        ("/HostConfig/GroupAdd", json!(["20"])),
        ("/HostConfig/IpcMode", json!("private")),
        ("/HostConfig/Ulimits", json!([{ "Name": "nofile", "Soft": 512, "Hard": 1024 }])),
        ("/HostConfig/LogConfig", json!({ "Type": "json-file", "Config": { "max-size": "1m" } })),
        ("/HostConfig/ShmSize", json!(32 << 20)),
        ("/HostConfig/Memory", json!(64 << 20)),
        ("/HostConfig/MemoryReservation", json!(32 << 20)),
        ("/HostConfig/NanoCpus", json!(500_000_000)),
        ("/HostConfig/PidsLimit", json!(77)),
        ("/HostConfig/Mounts/0", json!({ "Type": "bind", "Source": "/tmp", "Target": "/host", "ReadOnly": true })),
        ("/HostConfig/Mounts/1", json!({ "Type": "tmpfs", "Target": "/memory", "TmpfsOptions": { "SizeBytes": 1 << 20, "Mode": 0o1770 } })),
    ];
    let wrong: Vec<_> = expected.iter().filter(|(key, value)| seen.pointer(key) != Some(value)).collect();
    let wrong: Vec<_> = wrong.iter().map(|(key, value)| format!("{key}: {value} was asked for, there is {:?}", seen.pointer(key))).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen["Config"]["Env"].as_array().unwrap().contains(&json!("WORD=a b=c")));
    // Newer engines write the prefix that older ones leave out.
    let capability = |key: &str| seen["HostConfig"][key][0].as_str().unwrap().trim_start_matches("CAP_").to_owned();
    assert_eq!((capability("CapAdd"), capability("CapDrop")), ("NET_ADMIN".to_owned(), "MKNOD".to_owned()));

    // Published ports as they are reached from outside.
    let all = crate::found(&engine).await;
    assert_eq!(all[0].published.get(&80), Some(&(host.address.clone(), 8080)));
    assert!(all[0].published.contains_key(&100), "{:?}", all[0].published);
    engine.stop(&id, Duration::from_secs(1)).await.unwrap();

    // `privileged` is left to the table in the unit tests: not every machine that runs these lets a container have all capabilities.
    let mut other = new(&image, "other");
    other.spec.pid = Some("host".to_owned());
    other.spec.network = NetworkSpec::Mode("none".to_owned());
    let id = engine.start_new(&other).await.unwrap();
    let seen = inspect_all(host, &id);
    for (key, value) in [("PidMode", json!("host")), ("NetworkMode", json!("none"))] {
        assert_eq!(seen["HostConfig"][key], value, "{key}");
    }
    assert_eq!(seen["HostConfig"]["RestartPolicy"]["Name"], "unless-stopped", "Compose's `no` is not refit's default");
}
