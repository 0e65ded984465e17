//! What is wrong only when things stand side by side: ports of two containers on one host, orders that cannot be kept, probes that cannot arrive.

use std::collections::BTreeMap;

use super::at::At;
use super::estate::{Endpoint, Host};
use super::finding::Findings;
use super::service::{Service, Snapshot};
use super::update::Order;
use crate::model::{HostName, MountSource, NetworkSpec, PortSpec, ProbeKind, ServiceName};

/// Checks one service against itself and the hosts it is on.
pub(super) fn check_service(at: &At<'_>, service: &Service, hosts: &BTreeMap<HostName, Host>, findings: &mut Findings) {
    let fixed = service.container.ports.iter().find(|port| port.is_exclusive());
    if let Some(port) = fixed.filter(|_| service.replicas > 1) {
        let message = format!("{} containers on each host cannot share {}", service.replicas, shown(port));
        let help = "publish a range at least as long as `replicas`, such as `8080-8089:80`, or let the engine choose: `\"80\"`";
        findings.error(&at.key("ports"), message, help);
    }
    check_static_address(at, service, findings);
    check_writers(at, service, hosts, findings);
    check_snapshot(at, service, findings);
    check_order(at, service, fixed, findings);
    check_probe(at, service, hosts, findings);
}

fn check_static_address(at: &At<'_>, service: &Service, findings: &mut Findings) {
    if service.replicas > 1 && has_static_address(service) {
        let message = format!("{} containers on each host cannot share one static address", service.replicas);
        findings.error(&at.key("networks"), message, "remove the address, or write `deploy.replicas: 1`");
    }
}

/// A copy that is made while somebody writes is of no moment that ever was.
fn check_snapshot(at: &At<'_>, service: &Service, findings: &mut Findings) {
    if service.data.snapshot != Snapshot::Before {
        return;
    }
    let snapshot = at.key("data").key("snapshot");
    if written_volumes(service).next().is_none() {
        findings.warning(&snapshot, "there is nothing to copy: the service writes no named volume", "give what is to be kept a named volume");
    } else if service.concurrent {
        let help = "remove `concurrent`, or `snapshot`: several containers write, and not all of them stop at once";
        findings.error(&snapshot, "volumes that several containers write at once cannot be copied", help);
    }
}

/// Replicas on one host are running containers that all write one volume.
fn check_writers(at: &At<'_>, service: &Service, hosts: &BTreeMap<HostName, Host>, findings: &mut Findings) {
    let Some(volume) = written_volumes(service).next().filter(|_| !service.concurrent) else { return };
    let mut pairs = service.hosts.iter().enumerate().flat_map(|(at, a)| service.hosts[at + 1..].iter().map(move |b| (a, b)));
    let message = if service.replicas > 1 {
        Some(format!("{} containers on each host would write the volume {volume}", service.replicas))
    } else {
        pairs
            .find(|(a, b)| are_one_engine(hosts, a, b))
            .map(|(a, b)| format!("hosts {a} and {b} are one engine, where two containers would write the volume {volume}"))
    };
    if let Some(message) = message {
        let help = "mount it read-only (`:ro`), write `deploy.replicas: 1`, or say that they may: `concurrent: true`";
        findings.error(&at.key("volumes"), message, help);
    }
}

/// The named volumes that a service writes, by their names on the engine.
fn written_volumes(service: &Service) -> impl Iterator<Item = &str> {
    service.container.mounts.iter().filter(|mount| !mount.read_only).filter_map(|mount| match &mount.source {
        MountSource::Volume { name, .. } => Some(name.as_str()),
        _ => None,
    })
}

fn has_static_address(service: &Service) -> bool {
    match &service.container.network {
        NetworkSpec::Mode(_) => false,
        NetworkSpec::Attached(all) => all.iter().any(|one| one.ipv4_address.is_some() || one.ipv6_address.is_some() || one.mac_address.is_some()),
    }
}

/// Start-first that was asked for where two containers cannot stand side by side.
fn check_order(at: &At<'_>, service: &Service, fixed: Option<&PortSpec>, findings: &mut Findings) {
    let order_at = at.key("deploy").key("update_config").key("order");
    let is_blue_green = service.strategy.is_blue_green;
    if service.update.order != Order::StartFirst || !(order_at.is_written() || is_blue_green) {
        return;
    }
    let written_volume = service
        .container
        .mounts
        .iter()
        .find(|mount| !mount.read_only && matches!(mount.source, MountSource::Volume { .. } | MountSource::Bind { .. }));
    let (reason, help) = if let Some(port) = fixed {
        (format!("two containers cannot share {}", shown(port)), "publish a range, such as `8080-8081:80`, behind something that knows both")
    } else if has_static_address(service) {
        ("two containers cannot share one static address".to_owned(), "remove the address: containers find each other by name")
    } else if service.container.network == NetworkSpec::Mode("host".to_owned()) {
        ("two containers cannot share the host's network".to_owned(), "name networks under `networks`")
    } else if let Some(mount) = written_volume.filter(|_| !service.concurrent) {
        (format!("two containers would write to `{}`", mount.target), "mount it read-only (`:ro`), or say that they may: `concurrent: true`")
    } else if let Some(why) = service.why_data_stops_first() {
        (why, "write `order: stop-first`")
    } else {
        return;
    };
    if is_blue_green {
        findings.error(&at.key("deploy").key("strategy"), format!("blue-green needs old and new side by side: {reason}"), help);
    } else {
        findings.warning(&order_at, format!("this service will go stop-first: {reason}"), help);
    }
}

/// refit reaches a container on another machine by its published ports only, unless it can go through ssh.
fn check_probe(at: &At<'_>, service: &Service, hosts: &BTreeMap<HostName, Host>, findings: &mut Findings) {
    let (key, port) = match service.probe.as_ref().map(|probe| &probe.kind) {
        Some(ProbeKind::Http { port, .. }) => ("http", *port),
        Some(ProbeKind::Tcp { port }) => ("tcp", *port),
        _ => return,
    };
    let published = service.container.ports.iter().any(|spec| spec.target == port && spec.protocol == "tcp");
    if published || service.container.network == NetworkSpec::Mode("host".to_owned()) {
        return;
    }
    let far = service.hosts.iter().find(|name| hosts.get(*name).is_some_and(|host| matches!(host.endpoint, Endpoint::Tcp { .. })));
    if let Some(host) = far {
        let message = format!("the probe asks port {port}, which is not published, so refit cannot reach it on host {host}");
        let help = format!("publish it (`ports: [\"{port}\"]` lets the engine choose a port), or ask from inside: `command:` or `test:`");
        findings.error(&at.key("healthcheck").key(key), message, help);
    }
}

/// Checks that no two services want one port of one host.
pub(super) fn check_ports<'a>(services: impl Iterator<Item = (&'a Service, At<'a>)>, findings: &mut Findings) {
    // Per host, port and protocol: who listens there, and on which address.
    type Listener = (Option<String>, ServiceName);
    let mut taken: BTreeMap<(HostName, u16, String), Vec<Listener>> = BTreeMap::new();
    for (service, at) in services {
        let mut said: Vec<(u16, ServiceName)> = Vec::new();
        for port in service.container.ports.iter().filter(|port| port.is_exclusive()) {
            let Some((number, _)) = port.published else { continue };
            for host in &service.hosts {
                let others = taken.entry((host.clone(), number, port.protocol.clone())).or_default();
                // Without an address a port is taken on all of them.
                let clash = others.iter().find(|(address, _)| address.is_none() || port.host_ip.is_none() || *address == port.host_ip);
                if let Some((_, other)) = clash
                    && !said.contains(&(number, other.clone()))
                {
                    let whose = if *other == service.name { "this service itself".to_owned() } else { format!("service `{other}`") };
                    let message = format!("{} on host {host} is taken by {whose}", shown(port));
                    findings.error(&at.key("ports"), message, "publish another port, another address, or choose other hosts");
                    said.push((number, other.clone()));
                }
                others.push((port.host_ip.clone(), service.name.clone()));
            }
        }
    }
}

/// A copy that is made, or put back, while another service writes is of no moment that ever was, also where both may write by `volumes_from`.
pub(super) fn check_copies(services: &[(At<'_>, Service)], hosts: &BTreeMap<HostName, Host>, findings: &mut Findings) {
    // What several containers of the service itself write is told by `check_snapshot`.
    for (at, service) in services.iter().filter(|(_, service)| service.data.snapshot == Snapshot::Before && !service.concurrent) {
        let meant = written_volumes(service).filter(|volume| !service.is_sole_writer_of(volume));
        for volume in meant {
            if let Some(other) = another_writer(service, volume, services.iter().map(|(_, other)| other), hosts) {
                let message =
                    format!("the volume {volume} cannot be copied: service `{}` goes on writing it meanwhile, on the same host", other.name);
                let help = format!("let `{}` mount it read-only (`volumes_from: [\"{}:ro\"]`), or remove `snapshot`", other.name, service.name);
                findings.error(&at.key("data").key("snapshot"), message, help);
            }
        }
    }
}

/// Another of these services that writes a volume of this one, on a host that both are on.
pub fn another_writer<'s>(
    service: &Service,
    volume: &str,
    mut services: impl Iterator<Item = &'s Service>,
    hosts: &BTreeMap<HostName, Host>,
) -> Option<&'s Service> {
    services.find(|other| {
        let meet = || other.hosts.iter().any(|theirs| service.hosts.iter().any(|ours| are_one_engine(hosts, theirs, ours)));
        other.name != service.name && written_volumes(other).any(|theirs| theirs == volume) && meet()
    })
}

/// Refuses, at both, two services that write one volume of one host. It may be meant so, which both then say with `concurrent: true`.
pub(super) fn check_shared_volumes(services: &[(At<'_>, Service)], hosts: &BTreeMap<HostName, Host>, findings: &mut Findings) {
    for (at, service) in services {
        for volume in written_volumes(service) {
            let is_meant = |other: &&Service| !service.is_sole_writer_of(volume) && !other.is_sole_writer_of(volume);
            let strangers = services.iter().map(|(_, other)| other).filter(|other| !is_meant(other));
            if let Some(other) = another_writer(service, volume, strangers, hosts) {
                let message = format!("the volume {volume} is written by service `{}` too, on the same host", other.name);
                let help = "mount it read-only (`:ro`) in one of them, or say in both that they may: `concurrent: true`";
                findings.error(&at.key("volumes"), message, help);
            }
        }
    }
}

/// Whether two hosts are one machine, whose volumes are the same.
fn are_one_engine(hosts: &BTreeMap<HostName, Host>, a: &HostName, b: &HostName) -> bool {
    let endpoint = |name: &HostName| hosts.get(name).map(|host| &host.endpoint);
    a == b || endpoint(a).is_some_and(|of_a| endpoint(b) == Some(of_a))
}

fn shown(port: &PortSpec) -> String {
    let number = port.published.map_or(0, |(first, _)| first);
    let address = port.host_ip.as_ref().map_or(String::new(), |ip| format!(" of {ip}"));
    let protocol = if port.protocol == "tcp" { String::new() } else { format!("/{}", port.protocol) };
    format!("the published port {number}{protocol}{address}")
}
