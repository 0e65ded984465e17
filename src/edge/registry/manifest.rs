//! What a tag points to: the manifest of one image, or an index of several platforms.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;

use crate::model::Digest;

/// Every form of manifest that refit understands, as `Accept` has it. Sources: OCI Image Specification, and Docker's "Image Manifest V 2, Schema 2".
pub(super) const ACCEPTED: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

/// More descriptions than these are not remembered; they are asked for again.
const REMEMBERED_MAX: usize = 1_024;
/// An index of more entries than these is not remembered as a whole; the largest known ones have a few dozen.
const ENTRIES_MAX: usize = 1_000;

/// What a manifest's content is, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    /// One image.
    Manifest,
    /// Several, with the platform of each.
    Index(Vec<(Platform, Digest)>),
}

/// A platform in its normal form: `linux/arm64` and `linux/arm64/v8` are one. Source: containerd's `platforms`, "Normalize".
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Platform {
    os: String,
    architecture: String,
    variant: String,
}

impl Platform {
    /// Reads `linux/arm/v7`. Never fails: what is no platform is none that any index has.
    pub(super) fn parse(text: &str) -> Self {
        let mut parts = text.trim().split('/');
        let mut next = || parts.next().unwrap_or_default();
        Self::new(next(), next(), next())
    }

    fn new(os: &str, architecture: &str, variant: &str) -> Self {
        let (os, architecture, variant) = (os.to_ascii_lowercase(), architecture.to_ascii_lowercase(), variant.to_ascii_lowercase());
        let (architecture, variant) = match (architecture.as_str(), variant.as_str()) {
            ("x86_64" | "x86-64" | "amd64", "v1") => ("amd64", ""),
            ("x86_64" | "x86-64", variant) => ("amd64", variant),
            ("aarch64" | "arm64", "8" | "v8" | "") => ("arm64", ""),
            ("aarch64", variant) => ("arm64", variant),
            ("armhf", _) | ("arm", "" | "7") => ("arm", "v7"),
            ("armel", _) => ("arm", "v6"),
            (architecture, variant) => (architecture, variant),
        };
        Self { os, architecture: architecture.to_owned(), variant: variant.to_owned() }
    }

    /// Attestations and the like stand in an index under this name.
    fn is_unknown(&self) -> bool {
        self.os == "unknown" || self.architecture == "unknown"
    }
}

impl std::fmt::Display for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        if self.variant.is_empty() { Ok(()) } else { write!(f, "/{}", self.variant) }
    }
}

/// Whether a content type tells that there is one image, or an index; none if it tells nothing of the kind.
pub(super) fn is_index(content_type: Option<&str>) -> Option<bool> {
    match content_type?.split(';').next()?.trim() {
        "application/vnd.oci.image.index.v1+json" | "application/vnd.docker.distribution.manifest.list.v2+json" => Some(true),
        "application/vnd.oci.image.manifest.v1+json" | "application/vnd.docker.distribution.manifest.v2+json" => Some(false),
        _ => None,
    }
}

#[derive(Deserialize)]
struct Body {
    manifests: Option<Vec<Entry>>,
}

#[derive(Deserialize)]
struct Entry {
    digest: String,
    platform: Option<EntryPlatform>,
}

#[derive(Deserialize)]
struct EntryPlatform {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    variant: String,
}

/// Reads a manifest. Entries of an index that are no platform's, or have no SHA-256 digest, are left out.
pub(super) fn read(body: &[u8]) -> Result<Content, String> {
    let body: Body = serde_json::from_slice(body).map_err(|error| format!("no manifest (line {}, column {})", error.line(), error.column()))?;
    let Some(entries) = body.manifests else { return Ok(Content::Manifest) };
    let platforms = entries.into_iter().take(ENTRIES_MAX).filter_map(|entry| {
        let platform = entry.platform.map(|one| Platform::new(&one.os, &one.architecture, &one.variant))?;
        Some((platform, entry.digest.parse().ok()?)).filter(|(platform, _): &(Platform, Digest)| !platform.is_unknown())
    });
    Ok(Content::Index(platforms.collect()))
}

/// Contents by digest. A digest's content never changes, so nothing in here grows old.
#[derive(Default)]
pub(super) struct Contents {
    by_digest: Mutex<BTreeMap<Digest, Arc<Content>>>,
}

impl Contents {
    pub(super) fn get(&self, digest: Digest) -> Option<Arc<Content>> {
        self.by_digest.lock().unwrap_or_else(PoisonError::into_inner).get(&digest).cloned()
    }

    pub(super) fn keep(&self, digest: Digest, content: Content) -> Arc<Content> {
        let content = Arc::new(content);
        let mut by_digest = self.by_digest.lock().unwrap_or_else(PoisonError::into_inner);
        // Forgetting all of it now and then costs each base one more question, and needs no book about who was asked for last.
        if by_digest.len() >= REMEMBERED_MAX {
            by_digest.clear();
        }
        by_digest.insert(digest, content.clone());
        content
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_have_one_name_each() {
        for (a, b) in [
            ("linux/arm64", "linux/arm64/v8"),
            ("linux/aarch64", "linux/arm64"),
            ("linux/arm", "linux/arm/v7"),
            ("linux/armhf", "linux/arm/v7"),
            ("linux/x86_64", "linux/amd64"),
            ("Linux/AMD64/v1", "linux/amd64"),
        ] {
            assert_eq!(Platform::parse(a), Platform::parse(b), "{a} {b}");
        }
        for (a, b) in [("linux/arm/v6", "linux/arm/v7"), ("linux/amd64", "windows/amd64"), ("linux/amd64/v3", "linux/amd64"), ("", "linux/amd64")] {
            assert_ne!(Platform::parse(a), Platform::parse(b), "{a} {b}");
        }
    }

    #[test]
    fn an_index_is_read_and_what_is_no_platforms_is_left_out() {
        let digest = Digest::of(b"x");
        let entry = |platform: &str, digest: &str| format!(r#"{{ "digest": "{digest}", "platform": {platform}, "size": 3 }}"#);
        let good = entry(r#"{ "os": "linux", "architecture": "arm", "variant": "v7" }"#, &digest.to_string());
        let rest = [
            entry(r#"{ "os": "unknown", "architecture": "unknown" }"#, &digest.to_string()),
            entry("null", &digest.to_string()),
            entry(r#"{ "os": "linux", "architecture": "amd64" }"#, "sha512:00"),
        ];
        let body = format!(r#"{{ "schemaVersion": 2, "manifests": [{good}, {}] }}"#, rest.join(","));
        assert_eq!(read(body.as_bytes()), Ok(Content::Index(vec![(Platform::parse("linux/arm/v7"), digest)])));
        assert_eq!(read(br#"{ "config": {}, "layers": [] }"#), Ok(Content::Manifest));
        assert_eq!(read(br#"{ "manifests": [] }"#), Ok(Content::Index(vec![])));
        let deep = format!("{{ \"x\": {}", "[".repeat(100_000));
        for bad in ["", "[]", "<html>", r#"{ "manifests": {} }"#, r#"{ "manifests": [{}] }"#, &deep] {
            assert!(read(bad.as_bytes()).unwrap_err().starts_with("no manifest (line "), "{bad:.40}");
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let contents = Contents::default();
        for n in 0..3_000_u32 {
            let digest = Digest::of(&n.to_be_bytes());
            contents.keep(digest, Content::Manifest);
            assert!(contents.get(digest).is_some());
        }
        assert!(contents.by_digest.lock().unwrap().len() <= REMEMBERED_MAX);
    }
}
