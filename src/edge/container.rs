//! The words of a container on a host: the one that was found, the one that is wanted, and what its probe says.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::model::{ContainerSpec, Digest, EstateName, ReleaseNumber, RunId, SlotId};
use crate::rollout::{ContainerState, Health, NetworkSeen, Version};

/// A container of the estate as an engine lists it.
#[derive(Debug, Clone, PartialEq)]
pub struct ContainerFound {
    /// The engine's id of it.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The slot in its labels.
    pub slot: SlotId,
    /// The version in its labels.
    pub version: Version,
    /// The run in its labels.
    pub run: RunId,
    /// The image it was made from.
    pub image: Digest,
    /// Its state.
    pub state: ContainerState,
    /// Health as the engine knows it: `Healthy` from its start on where there is no health check.
    pub health: Health,
    /// When it was created.
    pub created_at: Timestamp,
    /// Addresses at which its published ports are reached from outside: container port → (host address, host port).
    pub published: BTreeMap<u16, (String, u16)>,
    /// Its networks, sorted by name; none if the engine does not tell.
    pub networks: Option<Vec<NetworkSeen>>,
    /// Where anonymous volumes are mounted in it, sorted.
    pub anonymous: Vec<String>,
}

/// So much of a name goes into a container's: three of them, and what follows, stay below the 253 characters that a DNS name may have.
const NAME_PART_MAX: usize = 70;

/// A container to create.
#[derive(Debug, Clone)]
pub struct NewContainer {
    /// The estate.
    pub estate: EstateName,
    /// The slot.
    pub slot: SlotId,
    /// The version.
    pub version: Version,
    /// The run that asks.
    pub run: RunId,
    /// The image, by id.
    pub image: Digest,
    /// What it is to be.
    pub spec: ContainerSpec,
    /// The container whose anonymous volumes move on to this one.
    pub takes_over: Option<String>,
    /// The volumes, by name, that it must be alone in writing: it is not started beside another container that runs and writes one of them.
    pub sole_writer_of: Vec<String>,
}

impl NewContainer {
    /// The name that the container gets on the engine: the same for the same slot and version, so that creating it twice makes one.
    ///
    /// The host's name is in it because one engine may stand for several hosts. Its last part tells apart what the readable ones do not:
    /// versions, and names that have hyphens in them or are cut short here.
    pub fn name(&self) -> String {
        let Self { estate, slot: SlotId { service, host, index }, version, .. } = self;
        let unique = Digest::of(format!("{estate}/{service}/{host}/{index}/{}", version.spec).as_bytes()).hex();
        let [estate, service, host] = [estate.as_str(), service.as_str(), host.as_str()].map(|name| &name[..name.len().min(NAME_PART_MAX)]);
        format!("{estate}-{service}-{host}-{index}-{}", &unique[..8])
    }
}

/// A container that was made, and perhaps started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The engine's id of it.
    pub id: String,
    /// Whether it is up.
    pub is_up: bool,
    /// Whether it ever was: what it is to find when it starts must be there before.
    pub has_run: bool,
}

/// What a probe was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeAnswer {
    /// Well.
    Well,
    /// Unwell: the status, the refused connection, the exit code.
    Unwell(String),
}

/// Number of a release in a label, for [`ContainerFound`].
pub fn release_label(release: ReleaseNumber) -> String {
    release.0.to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn named(estate: &str, service: &str, host: &str, index: u32, spec: &[u8]) -> String {
        let slot = SlotId { service: service.parse().unwrap(), host: host.parse().unwrap(), index };
        let version = Version { release: ReleaseNumber(1), spec: Digest::of(spec) };
        let (image, spec) = (Digest::of(b"image"), ContainerSpec::default());
        NewContainer { estate: estate.parse().unwrap(), slot, version, run: RunId(1), image, spec, takes_over: None, sole_writer_of: Vec::new() }
            .name()
    }

    #[test]
    fn a_containers_name_is_readable_and_its_slots_and_versions_own() {
        let name = named("shop", "web", "host-1", 0, b"a");
        assert!(name.starts_with("shop-web-host-1-0-") && name.len() == "shop-web-host-1-0-".len() + 8, "{name}");
        assert_eq!(named("shop", "web", "host-1", 0, b"a"), name);
        let others = [
            named("shop", "web", "host-2", 0, b"a"),
            named("shop", "web", "host-1", 1, b"a"),
            named("shop", "web", "host-1", 0, b"b"),
            named("shop", "web-host", "1", 0, b"a"),
        ];
        assert_eq!(others.iter().chain([&name]).collect::<BTreeSet<_>>().len(), 5, "{others:?}");
    }

    #[test]
    fn long_names_stay_apart_although_they_are_cut_short() {
        let [a, b] = ["a", "b"].map(|end| named(&"e".repeat(128), &"s".repeat(128), &format!("{}{end}", "h".repeat(127)), u32::MAX, b"a"));
        assert_ne!(a, b);
        assert!(a.len() <= 253, "{}", a.len());
    }
}
