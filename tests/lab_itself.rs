//! The test lab, tested: hosts are separate, can be hurt and healed, and leave nothing behind.

#![allow(clippy::unwrap_used, reason = "a test")]

mod lab;

use std::time::Duration;

use lab::load::get;
use lab::{Kind, Lab, Load};

#[tokio::test(flavor = "multi_thread")]
async fn hosts_are_separate_and_can_be_hurt_and_healed() {
    let Some(lab) = Lab::hosts(2).await else { return };
    if lab.kind() == Kind::Shared {
        return;
    }
    let (one, two) = (lab.host(1), lab.host(2));
    for host in lab.all() {
        host.import_base("os:stable");
        host.web_image("os:stable", "web:1", "v1");
        host.docker(&["run", "-d", "--init", "--name", "web", "-p", "80:8080", "--restart", "always", "web:1"]).unwrap();
    }
    let addresses: Vec<_> = lab.all().iter().map(|host| format!("{}:80", host.address)).collect();
    assert_eq!(get(&addresses[0], "/version").await.as_deref(), Some("v1"));

    // A host that goes away under load: its requests are answered by the other one.
    let load = Load::begin(addresses.clone(), "/version", Duration::from_millis(10));
    one.docker(&["rm", "-f", "web"]).unwrap();
    let gone = get(&addresses[0], "/version").await;
    let report = load.stop().await;
    assert_eq!((gone, report.failed), (None, 0), "{report:?}");
    assert_eq!(two.docker(&["ps", "-q"]).unwrap().lines().count(), 1, "the other host's container is its own");

    // A killed engine leaves its containers running; started again, it knows them.
    two.kill();
    assert_eq!(get(&addresses[1], "/version").await.as_deref(), Some("v1"));
    assert!(two.docker(&["ps"]).is_err());
    two.up();
    assert!(two.docker(&["ps", "-aq", "--filter", "name=web"]).unwrap().lines().count() == 1);

    let ping = format!("{}:2375", one.address);
    assert_eq!(get(&ping, "/_ping").await.as_deref(), Some("OK"));
    for (hurt, heal) in [
        (lab::LabHost::cut_off as fn(&lab::LabHost), lab::LabHost::heal as fn(&lab::LabHost)),
        (lab::LabHost::hang, lab::LabHost::unhang),
        (lab::LabHost::drop_calls, lab::LabHost::pass_calls),
    ] {
        hurt(one);
        assert_eq!(get(&ping, "/_ping").await, None);
        heal(one);
        assert_eq!(get(&ping, "/_ping").await.as_deref(), Some("OK"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lab_leaves_nothing_behind() {
    let Some(lab) = Lab::hosts(1).await else { return };
    if lab.kind() == Kind::Shared {
        return;
    }
    let host = lab.host(1);
    host.import_base("os:stable");
    host.docker(&["run", "-d", "os:stable", "sleep", "1000"]).unwrap();
    let folder = host.socket.parent().unwrap().to_path_buf();
    assert!(mentions("/proc/mounts", &folder) && folder.exists());
    drop(lab);
    assert!(!mentions("/proc/mounts", &folder) && !folder.exists());
}

fn mentions(file: &str, folder: &std::path::Path) -> bool {
    std::fs::read_to_string(file).unwrap().contains(folder.to_str().unwrap())
}
