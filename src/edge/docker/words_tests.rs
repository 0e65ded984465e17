//! Every key of a spec, held against the JSON that the engine gets for it.

use super::*;
use crate::model::{Digest, ReleaseNumber, RunId, SlotId, Ulimit};
use crate::rollout::Version;

fn new(spec: ContainerSpec) -> NewContainer {
    NewContainer {
        estate: "shop".parse().unwrap(),
        slot: SlotId { service: "web".parse().unwrap(), host: "h1".parse().unwrap(), index: 0 },
        version: Version { release: ReleaseNumber(7), spec: Digest::of(b"spec") },
        run: RunId(3),
        image: Digest::of(b"image"),
        spec,
        takes_over: None,
        sole_writer_of: Vec::new(),
    }
}

fn strings<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

fn map<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// The body as the engine reads it: without the keys that say nothing.
fn body(spec: ContainerSpec, inherited: &Inherited) -> serde_json::Value {
    let mut value = serde_json::to_value(create_body(&new(spec), inherited)).unwrap();
    drop_nulls(&mut value);
    value
}

fn drop_nulls(value: &mut serde_json::Value) {
    if let serde_json::Value::Object(map) = value {
        map.retain(|_, value| !value.is_null());
        map.values_mut().for_each(drop_nulls);
    } else if let serde_json::Value::Array(list) = value {
        list.iter_mut().for_each(drop_nulls);
    }
}

fn everything() -> ContainerSpec {
    let attachment = |network: &str| Attachment {
        network: network.to_owned(),
        aliases: strings(["web"]),
        ipv4_address: Some("10.5.0.9".to_owned()),
        ipv6_address: None,
        mac_address: Some("02:42:ac:11:00:02".to_owned()),
        create: None,
    };
    let port = |host_ip: Option<&str>, published, target, protocol: &str| PortSpec {
        host_ip: host_ip.map(str::to_owned),
        published,
        target,
        protocol: protocol.to_owned(),
    };
    ContainerSpec {
        command: Some(strings(["serve", "--all"])),
        entrypoint: Some(strings(["/bin/web"])),
        environment: map([("A", "1"), ("B", "x=y")]),
        ports: vec![port(None, Some((80, 80)), 8080, "tcp"), port(Some("127.0.0.1"), Some((9000, 9009)), 8080, "tcp"), port(None, None, 53, "udp")],
        network: NetworkSpec::Attached(vec![attachment("shop_front"), attachment("shop_back")]),
        mounts: vec![
            MountSpec { source: MountSource::Volume { name: "shop_data".to_owned(), create: None }, target: "/data".to_owned(), read_only: false },
            MountSpec { source: MountSource::Bind { path: "/etc/web".to_owned() }, target: "/etc/web".to_owned(), read_only: true },
            MountSpec { source: MountSource::Tmpfs { size: Some(65536), mode: Some(0o1777) }, target: "/tmp".to_owned(), read_only: false },
            MountSpec { source: MountSource::Anonymous, target: "/cache".to_owned(), read_only: false },
        ],
        user: Some("1000:1000".to_owned()),
        working_dir: Some("/srv".to_owned()),
        hostname: Some("web0".to_owned()),
        labels: map([("team", "shop"), ("io.refit.slot", "9")]),
        restart: Some("on-failure:5".to_owned()),
        stop_grace_period_ms: Some(1500),
        stop_signal: Some("SIGQUIT".to_owned()),
        read_only: true,
        init: Some(true),
        privileged: true,
        cap_add: strings(["NET_ADMIN"]),
        cap_drop: strings(["ALL"]),
        security_opt: strings(["no-new-privileges:true"]),
        sysctls: map([("net.core.somaxconn", "1024")]),
        extra_hosts: strings(["db:10.0.0.5"]),
        dns: strings(["10.0.0.2"]),
        dns_search: strings(["shop.test"]),
        devices: strings(["/dev/fuse", "/dev/null:/dev/nil:r", "/dev/zero:rw"]),
        group_add: strings(["video"]),
        pid: Some("host".to_owned()),
        ipc: Some("private".to_owned()),
        ulimits: BTreeMap::from([("nofile".to_owned(), Ulimit { soft: 1024, hard: 4096 })]),
        logging: Some(Logging { driver: "json-file".to_owned(), options: map([("max-size", "10m")]) }),
        shm_size: Some(1 << 26),
        memory_limit: Some(1 << 28),
        memory_reservation: Some(1 << 27),
        nano_cpus: Some(500_000_000),
        pids_limit: Some(100),
        healthcheck: Some(EngineHealthcheck {
            test: strings(["CMD", "true"]),
            interval: Duration::from_secs(2),
            timeout: Duration::from_secs(1),
            retries: 3,
            start_period: Duration::from_millis(500),
        }),
    }
}

#[test]
fn every_key_of_a_spec_reaches_the_engine() {
    insta::assert_json_snapshot!(body(everything(), &Inherited::new()));
}

#[test]
fn an_empty_spec_leaves_everything_to_the_image() {
    let body = body(ContainerSpec::default(), &Inherited::new());
    assert_eq!(body["HostConfig"], serde_json::json!({ "RestartPolicy": { "Name": "unless-stopped" } }));
    let keys: Vec<_> = body.as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["HostConfig", "Image", "Labels"]);
}

#[test]
fn written_mounts_win_over_inherited_ones() {
    let at = |target: &str, source| MountSpec { source, target: target.to_owned(), read_only: false };
    let spec = ContainerSpec {
        mounts: vec![at("/data/", MountSource::Volume { name: "named".to_owned(), create: None }), at("/cache", MountSource::Anonymous)],
        ..ContainerSpec::default()
    };
    let inherited = Inherited::from([
        ("/data".to_owned(), "old-data".to_owned()),
        ("/cache".to_owned(), "old-cache".to_owned()),
        ("/image".to_owned(), "old-image".to_owned()),
    ]);
    let body = body(spec, &inherited);
    let mounts = body["HostConfig"]["Mounts"].as_array().unwrap().iter();
    let seen: Vec<_> = mounts.map(|mount| format!("{}={}", mount["Target"].as_str().unwrap(), mount["Source"].as_str().unwrap())).collect();
    assert_eq!(seen, ["/data/=named", "/cache=old-cache", "/image=old-image"]);
}

#[test]
fn restart_policies() {
    for (written, name, count) in
        [(None, "unless-stopped", None), (Some("no"), "no", None), (Some("always"), "always", None), (Some("on-failure:3"), "on-failure", Some(3))]
    {
        let policy = restart(written);
        assert_eq!((policy.name.unwrap().to_string().as_str(), policy.maximum_retry_count), (name, count));
    }
}

#[test]
fn a_part_of_a_second_of_grace_is_a_whole_one() {
    assert_eq!(whole_seconds(Duration::from_millis(1)), 1);
    assert_eq!(whole_seconds(Duration::from_secs(2)), 2);
    assert_eq!(whole_seconds(Duration::ZERO), 0);
}

#[test]
fn interfaces_are_named_and_the_first_one_has_the_way_out() {
    let plain =
        Attachment { network: "front".to_owned(), aliases: Vec::new(), ipv4_address: None, ipv6_address: None, mac_address: None, create: None };
    let said = |place| {
        let mut value = serde_json::to_value(placed(place, endpoint(&plain))).unwrap();
        drop_nulls(&mut value);
        value
    };
    let named =
        |name: &str, priority: i64| serde_json::json!({ "DriverOpts": { "com.docker.network.endpoint.ifname": name }, "GwPriority": priority });
    assert_eq!((said(0), said(2)), (named("eth0", 0), named("eth2", -2)));
}
