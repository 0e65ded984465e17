//! The test lab, tested: hosts are separate, can be hurt and healed, and leave nothing behind.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

mod lab;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use lab::load::get;
use lab::{Lab, Load};

#[tokio::test(flavor = "multi_thread")]
async fn hosts_are_separate_and_can_be_hurt_and_healed() {
    let Some(lab) = Lab::separate_hosts(2, None).await else { return };
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
    let Some(lab) = Lab::separate_hosts(1, None).await else { return };
    let host = lab.host(1);
    host.import_base("os:stable");
    host.docker(&["run", "-d", "os:stable", "sleep", "1000"]).unwrap();
    let folder = host.socket.parent().unwrap().to_path_buf();
    assert!(mentions("/proc/mounts", &folder) && folder.exists());
    drop(lab);
    assert!(!mentions("/proc/mounts", &folder) && !folder.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_disk_gets_full_and_says_so() {
    let Some(lab) = Lab::separate_hosts(1, Some(40)).await else { return };
    let host = lab.host(1);
    host.import_base("os:stable");
    let full = host.docker(&["run", "--rm", "os:stable", "dd", "if=/dev/zero", "of=/big", "bs=1M", "count=100"]).unwrap_err();
    assert!(full.to_lowercase().contains("no space left on device"), "{full}");
    host.docker(&["run", "--rm", "os:stable", "true"]).unwrap();
}

/// The child starts a lab and is killed; the next lab takes away what it left.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_run_left_behind_is_swept_by_the_next() {
    const CHILD: &str = "REFIT_LAB_CHILD";
    if std::env::var_os(CHILD).is_some() {
        let lab = Lab::hosts(1).await.unwrap();
        lab.host(1).import_base("os:stable");
        lab.host(1).docker(&["run", "-d", "os:stable", "sleep", "1000"]).unwrap();
        println!("\nfolder {}", lab.host(1).socket.parent().unwrap().display());
        std::io::stdin().read_line(&mut String::new()).unwrap();
        return;
    }
    let Some(_lab) = Lab::separate_hosts(0, None).await else { return };
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "what_a_killed_run_left_behind_is_swept_by_the_next", "--nocapture"])
        .env(CHILD, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let folder = lines.map_while(Result::ok).find_map(|line| line.strip_prefix("folder ").map(str::to_owned)).unwrap();
    let engine = std::fs::read_to_string(format!("{folder}/pid")).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    // A process that has ended and was not reaped yet has an empty command line.
    let runs = || std::fs::read_to_string(format!("/proc/{}/cmdline", engine.trim())).is_ok_and(|line| line.contains(&folder));
    assert!(runs(), "the engine outlives the run that was killed");

    drop(Lab::hosts(0).await);
    assert!(!runs());
    assert!(!std::path::Path::new(&folder).exists() && !mentions("/proc/mounts", folder.as_ref()));
}

fn mentions(file: &str, folder: &std::path::Path) -> bool {
    std::fs::read_to_string(file).unwrap().contains(folder.to_str().unwrap())
}
