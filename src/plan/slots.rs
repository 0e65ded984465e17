//! Who goes first in a slot: stop-first wherever two containers cannot stand side by side.

use std::collections::BTreeSet;

use crate::model::{ContainerSpec, MountSource, NetworkSpec};
use crate::pipeline::{Order, Service};

/// What the new container of a slot would share with the one whose place it takes.
#[derive(Debug, Clone, Copy)]
pub struct Newcomer<'a> {
    /// What it is to be.
    pub container: &'a ContainerSpec,
    /// The mount points that its image itself declares as volumes.
    pub image_volumes: &'a [String],
    /// Where the old container has anonymous volumes, from whichever release: they move on, even if nothing of the new one speaks of them.
    pub inherited: &'a BTreeSet<String>,
}

/// The order in which the slots of a service are really rolled, and why that is not the order asked for.
///
/// The reasons are empty when the wish can be granted.
pub fn effective_order(service: &Service, wanted: Order, new: Newcomer<'_>) -> (Order, Vec<String>) {
    if wanted == Order::StopFirst {
        return (wanted, Vec::new());
    }
    let mut reasons = alone_by_network(new.container);
    if !service.concurrent {
        reasons.extend(written_volumes(new));
    }
    reasons.extend(service.why_data_stops_first());
    (if reasons.is_empty() { Order::StartFirst } else { Order::StopFirst }, reasons)
}

/// Ports and addresses that only one container can have.
fn alone_by_network(container: &ContainerSpec) -> Vec<String> {
    let mut reasons = Vec::new();
    for port in container.ports.iter().filter(|port| port.is_exclusive()) {
        let published = port.published.map_or(0, |(first, _)| first);
        reasons.push(format!("port {published}/{} of the host can be published by one container only", port.protocol));
    }
    match &container.network {
        NetworkSpec::Mode(mode) if mode == "host" => reasons.push("on the host's own network two containers would want the same ports".to_owned()),
        NetworkSpec::Mode(mode) if mode.starts_with("container:") => {
            reasons.push(format!("in the network of {mode} two containers would want the same ports"));
        }
        NetworkSpec::Mode(_) => {}
        NetworkSpec::Attached(attachments) => {
            for on in attachments {
                for address in [&on.ipv4_address, &on.ipv6_address, &on.mac_address].into_iter().flatten() {
                    reasons.push(format!("address {address} on network {} can be held by one container only", on.network));
                }
            }
        }
    }
    reasons
}

/// Where containers of this spec mount anonymous volumes.
pub fn anonymous_places(container: &ContainerSpec) -> impl Iterator<Item = &str> {
    container.mounts.iter().filter(|mount| mount.source == MountSource::Anonymous).map(|mount| mount.target.as_str())
}

/// Volumes that old and new would write at once.
fn written_volumes(new: Newcomer<'_>) -> Vec<String> {
    let Newcomer { container, image_volumes, inherited } = new;
    let why = |what: String| format!("{what} is written, and `concurrent` does not say that two may");
    let mut reasons = Vec::new();
    for mount in container.mounts.iter().filter(|mount| !mount.read_only) {
        match &mount.source {
            MountSource::Volume { name, .. } => reasons.push(why(format!("volume {name}"))),
            MountSource::Bind { path } => reasons.push(why(format!("folder {path} of the host"))),
            MountSource::Anonymous => reasons.push(why(format!("the anonymous volume at {}", mount.target))),
            MountSource::Tmpfs { .. } => {}
        }
    }
    let covered = |target: &String| container.mounts.iter().any(|mount| is_same_place(&mount.target, target));
    reasons.extend(image_volumes.iter().filter(|target| !covered(target)).map(|target| why(format!("the image's volume at {target}"))));
    let declared = |target: &String| image_volumes.iter().any(|volume| is_same_place(volume, target));
    let moves_on = inherited.iter().filter(|target| !covered(target) && !declared(target));
    reasons.extend(moves_on.map(|target| why(format!("the old container's anonymous volume at {target}, which moves on,"))));
    reasons
}

fn is_same_place(a: &str, b: &str) -> bool {
    a.trim_end_matches('/') == b.trim_end_matches('/')
}
