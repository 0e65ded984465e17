//! Networks and volumes: made once, kept through a replacement, never removed.

use std::collections::BTreeMap;
use std::time::Duration;

use refit::edge::docker::DockerEngine;
use refit::edge::{Engine, EngineError, NewContainer};
use refit::model::{Attachment, MountSource, MountSpec, NetworkCreate, NetworkSpec, VolumeCreate};

use crate::lab::LabHost;
use crate::{BASE, engine, found, hosts, inspect, inspect_all, new};

const GRACE: Duration = Duration::from_secs(2);

fn attachment(network: &str, subnet: &str, address: Option<&str>) -> Attachment {
    let team = BTreeMap::from([("team".to_owned(), "shop".to_owned())]);
    Attachment {
        network: network.to_owned(),
        aliases: vec!["web".to_owned(), format!("web-{network}")],
        ipv4_address: address.map(str::to_owned),
        ipv6_address: None,
        mac_address: None,
        create: Some(NetworkCreate { subnets: vec![(subnet.to_owned(), None)], labels: team, ..NetworkCreate::default() }),
    }
}

/// What the container sees: its interfaces in order, and its way out. Engines before API 1.48 choose the order themselves, each time anew.
async fn interfaces(host: &LabHost, engine: &DockerEngine, id: &str) -> String {
    let command = "for i in 0 1; do ip -o -4 addr show eth$i | awk '{print $4}'; done; ip route | awk '/^default/ {print $3}'";
    let seen = host.docker(&["exec", id, "sh", "-c", command]).unwrap();
    let version: u32 = engine.info().await.unwrap().api.strip_prefix("1.").unwrap().parse().unwrap();
    if version >= 48 {
        return seen;
    }
    let (addresses, way_out) = seen.rsplit_once('\n').unwrap();
    assert!(["172.28.1.1", "172.28.2.1"].contains(&way_out), "{seen}");
    let mut addresses: Vec<_> = addresses.lines().collect();
    addresses.sort_unstable();
    format!("{}\n172.28.1.1", addresses.join("\n"))
}

const AS_WRITTEN: &str = "172.28.1.50/24\n172.28.2.60/24\n172.28.1.1";

fn with_networks(image: &str, version: &str, index: u32, networks: Vec<Attachment>) -> NewContainer {
    let mut container = new(image, version);
    container.slot.index = index;
    container.spec.network = NetworkSpec::Attached(networks);
    container
}

#[tokio::test(flavor = "multi_thread")]
async fn two_networks_survive_a_replacement() {
    let Some(lab) = hosts(1).await else { return };
    let host = lab.host(1);
    let image = host.import_base(BASE);
    let engine = engine(host);
    // In an order that is not the alphabet's.
    let mut front = attachment("front", "172.28.1.0/24", Some("172.28.1.50"));
    front.mac_address = Some("02:42:ac:1c:01:50".to_owned());
    let both = vec![front, attachment("back", "172.28.2.0/24", Some("172.28.2.60"))];

    // Many at once find the networks missing: each is made once, with the labels.
    // Through connections of their own, as hosts that share an engine have. Without subnets nothing but the name can collide.
    let plain = |index| {
        let mut all = both.clone();
        all.push(attachment("plain", "", None));
        all[2].create.as_mut().unwrap().subnets.clear();
        for one in &mut all {
            (one.ipv4_address, one.mac_address) = (None, None);
        }
        (with_networks(&image, "racing", index, all), crate::engine(host))
    };
    let racing = [plain(1), plain(2), plain(3)];
    let made = futures_util::future::join_all(racing.iter().map(|(new, engine)| engine.start_new(new))).await;
    made.into_iter().collect::<Result<Vec<_>, _>>().unwrap();
    let networks = host.docker(&["network", "ls", "--filter", "label=io.refit.estate=shop", "--format", "{{.Name}}"]).unwrap();
    let mut networks: Vec<_> = networks.lines().collect();
    networks.sort_unstable();
    assert_eq!(networks, ["back", "front", "plain"], "each once");
    assert_eq!(inspect(host, "front", "{{json .Labels}}"), r#"{"io.refit.estate":"shop","team":"shop"}"#);

    let mut last: Option<String> = None;
    for version in ["old", "newer"] {
        if let Some(old) = &last {
            engine.stop(old, GRACE).await.unwrap();
            engine.remove(old).await.unwrap();
        }
        let wanted = with_networks(&image, version, 0, both.clone());
        let id = engine.start_new(&wanted).await.unwrap();
        assert_eq!(interfaces(host, &engine, &id).await, AS_WRITTEN, "{version}");
        let seen = inspect_all(host, &id);
        let networks = &seen["NetworkSettings"]["Networks"];
        assert_eq!(networks["front"]["MacAddress"], "02:42:ac:1c:01:50");
        for name in ["front", "back"] {
            let aliases: Vec<_> = networks[name]["Aliases"].as_array().unwrap().iter().filter_map(|alias| alias.as_str()).collect();
            assert!(aliases.contains(&"web") && aliases.contains(&format!("web-{name}").as_str()), "{version} {name}: {aliases:?}");
        }
        last = Some(id);
    }

    // One network of two: as after a crash between the calls.
    let id = last.unwrap();
    engine.stop(&id, GRACE).await.unwrap();
    host.docker(&["network", "disconnect", "back", &id]).unwrap();
    assert_eq!(engine.start_new(&with_networks(&image, "newer", 0, both.clone())).await.unwrap(), id);
    assert_eq!(interfaces(host, &engine, &id).await, AS_WRITTEN);

    // The last container's end is not the network's.
    for one in found(&engine).await {
        engine.stop(&one.id, GRACE).await.unwrap();
        engine.remove(&one.id).await.unwrap();
    }
    assert_eq!(host.docker(&["network", "ls", "-q", "--filter", "label=io.refit.estate=shop"]).unwrap().lines().count(), 3);

    // An external network is never made.
    let mut external = attachment("elsewhere", "172.28.3.0/24", None);
    external.create = None;
    let refused = engine.start_new(&with_networks(&image, "external", 0, vec![external])).await.unwrap_err();
    assert_eq!(refused.to_string(), format!("engine tcp://{}:2375 has no network elsewhere", host.address));
    assert_eq!(found(&engine).await, [], "what could not be started is taken away");
}

fn mount(source: MountSource, target: &str) -> MountSpec {
    MountSpec { source, target: target.to_owned(), read_only: false }
}

fn in_container(host: &LabHost, id: &str, command: &str) -> String {
    host.docker(&["exec", id, "sh", "-c", command]).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn volumes_move_on_and_are_never_removed() {
    let Some(lab) = hosts(1).await else { return };
    let host = lab.host(1);
    host.import_base(BASE);
    let context = tempfile::tempdir().unwrap();
    std::fs::write(context.path().join("Dockerfile"), format!("FROM {BASE}\nRUN mkdir /own && echo image > /own/seed\nVOLUME /own\n")).unwrap();
    let image = host.docker(&["build", "-q", context.path().to_str().unwrap()]).unwrap();
    let engine = engine(host);

    let named = || {
        let labels = BTreeMap::from([("team".to_owned(), "shop".to_owned())]);
        MountSource::Volume { name: "shop_data".to_owned(), create: Some(VolumeCreate { labels, ..VolumeCreate::default() }) }
    };
    let with_volumes = |version: &str, index| {
        let mut container = new(&image, version);
        container.slot.index = index;
        container.spec.mounts = vec![mount(MountSource::Anonymous, "/anonymous"), mount(named(), "/data")];
        container
    };
    // A race for one named volume.
    let (first, second) = (with_volumes("one", 0), with_volumes("one", 1));
    let (a, b) = tokio::join!(engine.start_new(&first), engine.start_new(&second));
    let (mut last, neighbour) = (a.unwrap(), b.unwrap());
    assert_eq!(inspect(host, "shop_data", "{{json .Labels}}"), r#"{"io.refit.estate":"shop","team":"shop"}"#);
    in_container(host, &last, "for d in own anonymous data; do echo of-slot-0 > /$d/word; done");

    let volumes = |id: &str| inspect(host, id, r#"{{range .Mounts}}{{.Destination}}={{.Name}} {{end}}"#);
    let sorted = |id: &str| {
        let mut all: Vec<_> = volumes(id).split_whitespace().map(str::to_owned).collect();
        all.sort();
        all
    };
    let before = sorted(&last);
    assert_eq!(before.len(), 3, "{before:?}");
    // Twice, so that what was inherited is inherited once more.
    for version in ["two", "three"] {
        let mut next = with_volumes(version, 0);
        next.takes_over = Some(last.clone());
        engine.stop(&last, GRACE).await.unwrap();
        let id = engine.start_new(&next).await.unwrap();
        engine.remove(&last).await.unwrap();
        assert_eq!(sorted(&id), before, "{version}");
        assert_eq!(in_container(host, &id, "cat /own/word /own/seed /anonymous/word /data/word"), "of-slot-0\nimage\nof-slot-0\nof-slot-0");
        last = id;
    }
    assert_ne!(sorted(&neighbour), before, "the neighbour has anonymous volumes of its own");

    // Nothing that was in a volume goes with its container.
    for id in [&last, &neighbour] {
        engine.stop(id, GRACE).await.unwrap();
        engine.remove(id).await.unwrap();
    }
    let left = host.docker(&["volume", "ls", "-q"]).unwrap();
    assert_eq!(left.lines().count(), 5, "two slots with two anonymous ones each, and the named one: {left}");

    // Taking over from a container that is gone would begin with empty volumes: said, not done.
    let mut orphan = with_volumes("four", 0);
    orphan.takes_over = Some(last.clone());
    let missing = engine.start_new(&orphan).await.unwrap_err();
    assert!(matches!(&missing, EngineError::Missing { what, .. } if what.contains(&last)), "{missing}");

    // So would an external volume that is not there.
    let mut external = new(&image, "external");
    external.spec.mounts = vec![mount(MountSource::Volume { name: "elsewhere".to_owned(), create: None }, "/data")];
    let missing = engine.start_new(&external).await.unwrap_err();
    assert!(matches!(&missing, EngineError::Missing { what, .. } if what == "external volume elsewhere"), "{missing}");
    assert!(!host.docker(&["volume", "ls", "-q"]).unwrap().contains("elsewhere"));
}
