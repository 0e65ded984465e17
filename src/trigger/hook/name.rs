//! What senders call an image → its name in normal form, tag and digest.

use super::heard::Hint;
use crate::model::ImageRef;

/// The parts of a reference as text. Each may be empty or wrong; [`hint`] looks at that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parts<'t> {
    pub(super) name: &'t str,
    pub(super) tag: Option<&'t str>,
    pub(super) digest: Option<&'t str>,
}

/// Takes `host:5000/a/b:tag@sha256:…` apart. What is empty (`ghcr.io/a/b:`) counts as absent.
pub(super) fn split(text: &str) -> Parts<'_> {
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (text, None),
    };
    let last_part = rest.rfind('/').map_or(0, |slash| slash + 1);
    let (name, tag) = match rest[last_part..].find(':') {
        Some(colon) => (&rest[..last_part + colon], Some(&rest[last_part + colon + 1..])),
        None => (rest, None),
    };
    Parts { name, tag: filled(tag), digest: filled(digest) }
}

/// A hint of a name with its registry, and a tag and a digest beside it.
///
/// An empty tag counts as none; a tag that is itself a digest is one. A digest of another kind than SHA-256 is dropped: it is asked from the registry
/// in any case. Errors with the reason if name or tag cannot be one.
pub(super) fn hint(name: &str, tag: Option<&str>, digest: Option<&str>) -> Result<Hint, String> {
    let image: ImageRef = name.parse().map_err(|error: crate::model::ReferenceError| error.to_string())?;
    let (tag, tag_as_digest) = match filled(tag) {
        Some(tag) if tag.contains(':') => (None, Some(tag)),
        tag => (tag, None),
    };
    let digest = [filled(digest), tag_as_digest].into_iter().flatten().find_map(|text| text.parse().ok());
    if let Some(tag) = tag {
        image.with_tag(tag).map_err(|error| error.to_string())?;
    }
    Ok(Hint { repository: image.name().to_owned(), tag: tag.map(str::to_owned), digest })
}

/// Puts a registry before a repository.
///
/// Errors with the reason if that would read as something else: without a dot or a port a host is taken for a part of a name on Docker Hub.
pub(super) fn on(registry: &str, repository: &str) -> Result<String, String> {
    let name = format!("{}/{}", registry.trim_end_matches('/'), repository.trim_matches('/'));
    let image: ImageRef = name.parse().map_err(|error: crate::model::ReferenceError| error.to_string())?;
    let host = registry.split('/').next().unwrap_or_default();
    let host = if host == "index.docker.io" { "docker.io" } else { host };
    if image.registry() != host {
        return Err(format!("`{}` is no registry's host: one has a dot, a port or is `localhost`", host.escape_debug()));
    }
    Ok(name)
}

/// The host, and port if one is written, of a URL.
pub(super) fn host(url: &str) -> Option<&str> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    filled(Some(host))
}

/// Nothing, if it is empty.
pub(super) fn filled(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_taken_apart_whatever_is_missing() {
        //    written                       name                     tag        digest
        for (written, name, tag, digest) in [
            ("debian", "debian", None, None),
            ("ghcr.io/a/b:", "ghcr.io/a/b", None, None),
            ("h:5000/a/b:1", "h:5000/a/b", Some("1"), None),
            ("h:5000/a/b", "h:5000/a/b", None, None),
            ("a/b@sha256:00", "a/b", None, Some("sha256:00")),
            ("a/b:1@sha256:00", "a/b", Some("1"), Some("sha256:00")),
            ("", "", None, None),
        ] {
            assert_eq!(split(written), Parts { name, tag, digest }, "{written}");
        }
    }

    #[test]
    fn a_tag_that_is_a_digest_is_one() {
        let digest = crate::model::Digest::of(b"x");
        let heard = hint("h.example/a", Some(&digest.to_string()), None).unwrap();
        assert_eq!((heard.tag, heard.digest), (None, Some(digest)));
        assert!(hint("h.example/a", Some("no tag"), None).is_err());
        assert!(hint("H/..", None, None).is_err());
        assert_eq!(hint("h.example/a", Some("1"), Some("sha512:00")).unwrap().digest, None);
    }

    #[test]
    fn a_host_that_would_be_read_as_a_name_is_refused() {
        assert_eq!(on("h.example", "/a/b/").unwrap(), "h.example/a/b");
        assert!(on("registry", "a/b").unwrap_err().contains("no registry's host"));
        assert_eq!(host("https://user@h.example:8443/v2/a"), Some("h.example:8443"));
        assert_eq!(host("https:///x"), None);
    }
}
