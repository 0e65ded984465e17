//! Where a repository is asked for: at its registry's mirrors, and then at the registry itself.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use crate::model::ImageRef;
use crate::pipeline::{Mirror, RegistryAccess};

/// One place that may have a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Road {
    /// The registry's name as people and `docker login` know it.
    pub(super) registry: String,
    /// Scheme, host and port: `https://registry-1.docker.io`.
    pub(super) base: String,
    /// The repository there.
    pub(super) repository: String,
    pub(super) trust: Trust,
}

/// With whom a connection may be made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Trust {
    /// Whether it is plain HTTP.
    pub(super) is_plain: bool,
    /// Whether it is this machine, to which no proxy leads.
    pub(super) is_local: bool,
    /// Authorities besides the machine's own.
    pub(super) ca: Option<PathBuf>,
}

/// The roads to an image's repository, in the order in which they are tried; the last one is the registry itself.
pub(super) fn roads(image: &ImageRef, access: &BTreeMap<String, RegistryAccess>) -> Vec<Road> {
    let mirrors = access.get(image.registry()).map(|access| access.mirrors.as_slice()).unwrap_or_default();
    let mirrored = mirrors.iter().map(|mirror| road(&mirror.host, below(mirror, image.repository()), access));
    mirrored.chain([road(image.registry(), image.repository().to_owned(), access)]).collect()
}

fn below(mirror: &Mirror, repository: &str) -> String {
    if mirror.path.is_empty() { repository.to_owned() } else { format!("{}/{repository}", mirror.path) }
}

fn road(registry: &str, repository: String, access: &BTreeMap<String, RegistryAccess>) -> Road {
    let own = access.get(registry);
    let ca = own.and_then(|access| access.ca.clone());
    let is_local = is_loopback(registry);
    // As engines have it, a registry on loopback needs no certificate; one whose authority is named has one.
    let is_plain = own.is_some_and(|access| access.insecure) || (is_local && ca.is_none());
    let base = format!("{}://{}", if is_plain { "http" } else { "https" }, host(registry));
    Road { registry: registry.to_owned(), base, repository, trust: Trust { is_plain, is_local, ca } }
}

/// Docker Hub answers under another name than the one that references have.
fn host(registry: &str) -> &str {
    if registry == "docker.io" { "registry-1.docker.io" } else { registry }
}

fn is_loopback(registry: &str) -> bool {
    let host = match registry.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => registry.split(':').next().unwrap_or(registry),
    };
    host == "localhost" || host == "::1" || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(image: &str, access: &BTreeMap<String, RegistryAccess>) -> Vec<String> {
        roads(&image.parse().unwrap(), access).iter().map(|road| format!("{}/{}", road.base, road.repository)).collect()
    }

    #[test]
    fn each_registry_is_asked_in_its_own_way() {
        let access = BTreeMap::from([
            ("plain.example.com:5000".to_owned(), RegistryAccess { insecure: true, ..RegistryAccess::default() }),
            ("localhost:5001".to_owned(), RegistryAccess { ca: Some("/ca.pem".into()), ..RegistryAccess::default() }),
        ]);
        for (image, road) in [
            ("debian:12", "https://registry-1.docker.io/library/debian"),
            ("ghcr.io/acme/web", "https://ghcr.io/acme/web"),
            ("r.example.com:5000/web", "https://r.example.com:5000/web"),
            ("plain.example.com:5000/web", "http://plain.example.com:5000/web"),
            ("localhost:5000/web", "http://localhost:5000/web"),
            ("localhost:5001/web", "https://localhost:5001/web"),
            ("127.8.0.1/web", "http://127.8.0.1/web"),
            ("127.example.com/web", "https://127.example.com/web"),
            ("[::1]:5000/web", "http://[::1]:5000/web"),
            ("[::2]:5000/web", "https://[::2]:5000/web"),
        ] {
            assert_eq!(shown(image, &access), [road], "{image}");
        }
    }

    #[test]
    fn mirrors_come_first_and_are_reached_in_their_own_way() {
        let mirror = |text: &str| Mirror::parse(text).unwrap();
        let access = BTreeMap::from([
            (
                "docker.io".to_owned(),
                RegistryAccess { mirrors: vec![mirror("m.example.com/hub"), mirror("p.example.com:5000")], ..RegistryAccess::default() },
            ),
            ("p.example.com:5000".to_owned(), RegistryAccess { insecure: true, ..RegistryAccess::default() }),
        ]);
        let expected =
            ["https://m.example.com/hub/library/debian", "http://p.example.com:5000/library/debian", "https://registry-1.docker.io/library/debian"];
        assert_eq!(shown("debian:12", &access), expected);
        assert_eq!(shown("ghcr.io/acme/web", &access), ["https://ghcr.io/acme/web"]);
    }
}
