//! What a document is about, as plain data.

use std::borrow::Cow;

use jiff::Timestamp;

use super::text;
use crate::inventory::purl::{Purl, purl};
use crate::inventory::{Distro, Package, Unreadable};
use crate::model::{Digest, ImageRef};

/// An image and what is in it.
#[derive(Debug, Clone)]
pub struct Subject {
    /// What people call the image.
    pub name: String,
    /// Where others find it, with the manifest's digest if that is known; none if it never had a place outside its engine.
    pub reference: Option<ImageRef>,
    /// The image's id.
    pub id: Digest,
    /// When the document is made.
    pub created: Timestamp,
    /// The version of refit that makes it.
    pub refit_version: String,
    /// The distribution in it.
    pub distro: Option<Distro>,
    /// Its packages, in any order.
    pub packages: Vec<Installed>,
    /// What could not be read in it. A document with such gaps says that it is incomplete.
    pub unreadable: Vec<Gap>,
}

/// A package, where it is and who brought it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Installed {
    /// The package.
    pub package: Package,
    /// The file that says that it is installed, without a leading `/`.
    pub path: String,
    /// The layer that brought it.
    pub layer: Digest,
    /// The image that the layer is from, as people call it: a base, or the image itself; none if nobody knows.
    pub brought_in_by: Option<String>,
}

/// Something in a layer that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    /// The layer.
    pub layer: Digest,
    /// What in it, and why.
    pub unreadable: Unreadable,
}

/// Enough of a name to recognise it in an identifier.
const KEY_NAME_CHARS_MAX: usize = 40;
/// Half a SHA-256: no two packages share it by chance or by intent.
const KEY_HASH_CHARS: usize = 32;

impl Subject {
    /// The packages in order, each once for every file that names it, and by which key documents refer to it.
    pub(super) fn entries(&self) -> Vec<Entry<'_>> {
        let mut all: Vec<&Installed> = self.packages.iter().collect();
        all.sort_unstable_by_key(|installed| (installed.package.identity(), &installed.path, *installed));
        all.dedup_by_key(|installed| (installed.package.identity(), &installed.path));
        all.into_iter().map(|installed| Entry { key: installed.key(), purl: installed.purl(self.distro.as_ref()), installed }).collect()
    }

    /// What could not be read, a phrase for each, in order.
    pub(super) fn gaps(&self) -> Vec<String> {
        let mut gaps: Vec<String> = self.unreadable.iter().map(Gap::phrase).collect();
        gaps.sort_unstable();
        gaps.dedup();
        gaps
    }

    /// The moment in UTC and whole seconds, which is all that SPDX allows. Nothing was made before 1970, and a year has four digits.
    pub(super) fn created(&self) -> String {
        self.created.max(Timestamp::UNIX_EPOCH).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }
}

/// A package in a document.
pub(super) struct Entry<'a> {
    /// Letters, digits, `.` and `-`, unlike any other in the document. It says nothing of layers, so that the same package keeps its key when the image
    /// is built again.
    pub(super) key: String,
    /// Its package URL; none for a package without a name, for which neither format can carry anything in its place.
    pub(super) purl: Option<String>,
    pub(super) installed: &'a Installed,
}

impl Installed {
    fn key(&self) -> String {
        let Package { kind, name, version, arch, .. } = &self.package;
        let mut hashed = String::new();
        for part in [kind.as_str(), name, version, arch.as_deref().unwrap_or_default(), &self.path] {
            // Its length first, so that no two lists of parts read the same.
            hashed.push_str(&format!("{}:{part}", part.len()));
        }
        let hash = &Digest::of(hashed.as_bytes()).hex()[..KEY_HASH_CHARS];
        format!("{kind}-{}-{hash}", text::identifier(name, KEY_NAME_CHARS_MAX))
    }

    fn purl(&self, distro: Option<&Distro>) -> Option<String> {
        // Without a name, what goes before it would be read as one.
        let is_one = |written: &String| written.parse::<Purl>().is_ok_and(|read| read.to_string() == *written);
        Some(purl(&self.package, distro)).filter(is_one)
    }

    /// What it was built from, if the distribution says so: `openssl 3.0.11-1`.
    pub(super) fn source(&self) -> Option<String> {
        let source = self.package.source.as_ref()?;
        Some(text::one_line(&format!("{} {}", source.name, source.version)).into_owned())
    }
}

impl Gap {
    fn phrase(&self) -> String {
        let Unreadable { path, why } = &self.unreadable;
        let path: Cow<'_, str> = if path.is_empty() { "the whole layer".into() } else { text::one_line(path) };
        format!("{path} in {}: {}", self.layer, text::one_line(why))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{installed, subject};
    use super::*;

    #[test]
    fn a_package_keeps_its_key_when_the_image_is_built_again() {
        let old = installed("deb", "libssl3", "3.0.11", "var/lib/dpkg/status");
        let again = Installed { layer: Digest::of(b"another"), ..old.clone() };
        assert_eq!(old.key(), again.key());
        assert!(old.key().starts_with("deb-libssl3-"), "{}", old.key());
        assert_ne!(old.key(), Installed { path: "elsewhere".into(), ..old.clone() }.key());
        let (shifted, other) = (installed("deb", "a", "bc", "d"), installed("deb", "ab", "c", "d"));
        assert_ne!(shifted.key()[shifted.key().len() - 32..], other.key()[other.key().len() - 32..]);
    }

    #[test]
    fn the_same_package_in_the_same_file_is_there_once() {
        let one = installed("deb", "a", "1", "status");
        let (twice, elsewhere) = (one.clone(), installed("deb", "a", "1", "opt/status"));
        assert_eq!(subject(vec![one, twice, elsewhere]).entries().len(), 2);
    }

    #[test]
    fn a_package_has_the_url_of_its_distribution_and_one_without_a_name_has_none() {
        let of = |name: &str| {
            let distro = Some(Distro { id: "debian".into(), release: "12".into(), codename: None });
            Subject { distro, ..subject(vec![installed("deb", name, "1", "status")]) }.entries()[0].purl.clone()
        };
        assert_eq!(of("libssl3").as_deref(), Some("pkg:deb/debian/libssl3@1?distro=debian-12"));
        assert_eq!(of(""), None);
    }

    #[test]
    fn a_moment_before_there_were_computers_is_none() {
        let at = |created: &str| Subject { created: created.parse().unwrap(), ..subject(Vec::new()) }.created();
        assert_eq!(at("2026-01-02T03:04:05.678Z"), "2026-01-02T03:04:05Z");
        assert_eq!(at("-000001-01-01T00:00:00Z"), "1970-01-01T00:00:00Z");
    }
}
