//! Image references in their normal form.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Digest;

/// A reference to an image, normalised as Docker does it: `debian` is `docker.io/library/debian:latest`.
///
/// `Display` prints the normal form, which two names of one image share; [`ImageRef::familiar`] prints the short one that people write.
/// A reference with a digest keeps it, and keeps a tag beside it only if one was written.
/// Source: the reference grammar of the CNCF Distribution project, and its rules of normalisation.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct ImageRef {
    /// The normal form; shared, because references are copied into every edge, pin and reason. It alone decides what is equal.
    text: Arc<str>,
    /// Where the registry ends in it.
    registry_end: u16,
    /// Where the repository ends in it.
    name_end: u16,
    /// Where the tag ends in it; the same as `name_end` if there is none.
    tag_end: u16,
}

/// The text is no image reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no image reference: {reason}")]
pub struct ReferenceError {
    /// What was given.
    pub text: String,
    /// The rule that it breaks.
    pub reason: &'static str,
}

const DEFAULT_REGISTRY: &str = "docker.io";
const OFFICIAL_PREFIX: &str = "library/";
const DEFAULT_TAG: &str = "latest";
/// The grammar's own bound on registry and repository together.
const NAME_CHARS_MAX: usize = 255;

impl ImageRef {
    /// The registry's host, and its port if one was written: `docker.io`, `localhost:5000`.
    pub fn registry(&self) -> &str {
        &self.text[..self.registry_end.into()]
    }

    /// The path within the registry: `library/debian`.
    pub fn repository(&self) -> &str {
        &self.text[usize::from(self.registry_end) + 1..self.name_end.into()]
    }

    /// The tag; `latest` if neither tag nor digest was written.
    pub fn tag(&self) -> Option<&str> {
        self.text[self.name_end.into()..self.tag_end.into()].strip_prefix(':')
    }

    /// The digest, if one was written.
    pub fn digest(&self) -> Option<Digest> {
        self.text[self.tag_end.into()..].strip_prefix('@')?.parse().ok()
    }

    /// The normal form, as `Display` prints it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Registry and repository, without tag and digest: what two tags of one image share.
    pub fn name(&self) -> &str {
        &self.text[..self.name_end.into()]
    }

    /// The same image under another tag, without a digest.
    pub fn with_tag(&self, tag: &str) -> Result<Self, ReferenceError> {
        let refuse = |reason| ReferenceError { text: format!("{}:{tag}", self.name()), reason };
        check_tag(tag).map_err(refuse)?;
        Ok(Self::of(self.registry(), self.repository(), Some(tag), None))
    }

    /// The same repository at exactly this content, without a tag.
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self::of(self.registry(), self.repository(), None, Some(digest))
    }

    /// Puts together what was checked already: the name has 255 characters at most, the tag 128.
    fn of(registry: &str, repository: &str, tag: Option<&str>, digest: Option<Digest>) -> Self {
        let mut text = format!("{registry}/{repository}");
        let name_end = text.len() as u16;
        text.extend(tag.iter().flat_map(|tag| [":", tag]));
        let tag_end = text.len() as u16;
        text.extend(digest.iter().map(|digest| format!("@{digest}")));
        Self { text: text.into(), registry_end: registry.len() as u16, name_end, tag_end }
    }

    /// The short form that people write: `debian`, `shop/web:1.2`.
    pub fn familiar(&self) -> String {
        let is_plain = self.tag() == Some(DEFAULT_TAG) && self.text.len() == usize::from(self.tag_end);
        let text = if is_plain { self.name() } else { &self.text };
        let Some(text) = text.strip_prefix(DEFAULT_REGISTRY).and_then(|text| text.strip_prefix('/')) else { return text.to_owned() };
        text.strip_prefix(OFFICIAL_PREFIX).unwrap_or(text).to_owned()
    }
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b'.' | b'_' | b'-')
}

/// `path-component := alphanumeric+ (separator alphanumeric+)*` with separators `.`, `_`, `__` and any number of `-`.
fn check_component(component: &str) -> Result<(), &'static str> {
    let bytes = component.as_bytes();
    let ends_well = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if bytes.iter().any(u8::is_ascii_uppercase) {
        return Err("the repository must be lower case");
    }
    if !ends_well(bytes.first()) || !ends_well(bytes.last()) {
        return Err("each part of the repository begins and ends with a letter or a digit");
    }
    for run in bytes.chunk_by(|a, b| is_separator(*a) == is_separator(*b)) {
        let allowed = if is_separator(run[0]) {
            matches!(run, b"." | b"_" | b"__") || run.iter().all(|b| *b == b'-')
        } else {
            run.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        };
        if !allowed {
            return Err("the repository has characters that are not allowed there");
        }
    }
    Ok(())
}

fn check_tag(tag: &str) -> Result<(), &'static str> {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    match tag.as_bytes() {
        [] => Err("the tag is empty"),
        bytes if bytes.len() > 128 => Err("the tag is longer than 128 characters"),
        [first, rest @ ..] if word(*first) && rest.iter().all(|b| word(*b) || matches!(b, b'.' | b'-')) => Ok(()),
        _ => Err("the tag has characters that are not allowed there"),
    }
}

fn check_registry(registry: &str) -> Result<(), &'static str> {
    const REASON: &str = "the registry is no host name";
    if let Some(rest) = registry.strip_prefix('[') {
        // An IPv6 address in brackets, with an optional port behind it.
        let (address, port) = rest.split_once(']').ok_or(REASON)?;
        let port_ok = port.is_empty() || port.strip_prefix(':').is_some_and(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()));
        let address_ok = !address.is_empty() && address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':');
        return if port_ok && address_ok { Ok(()) } else { Err(REASON) };
    }
    let (host, port) = match registry.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (registry, None),
    };
    let label_ok = |label: &str| {
        !label.is_empty() && !label.starts_with('-') && !label.ends_with('-') && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let port_ok = port.is_none_or(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()));
    if host.split('.').all(label_ok) && port_ok { Ok(()) } else { Err(REASON) }
}

/// Splits off the registry if the first part can be one: it has a dot, a colon or an upper-case letter, or is `localhost`.
fn split_registry(name: &str) -> (&str, &str) {
    match name.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" || first.chars().any(|c| c.is_ascii_uppercase()) => (first, rest),
        _ => (DEFAULT_REGISTRY, name),
    }
}

fn parse(text: &str) -> Result<ImageRef, &'static str> {
    if text.is_empty() {
        return Err("it is empty");
    }
    if text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
        return Err("64 hexadecimal digits are an image id; write `sha256:` before them");
    }
    let (name, digest) = match text.split_once('@') {
        Some((name, digest)) => (name, Some(digest.parse::<Digest>().map_err(|_| "what stands behind `@` is no sha256 digest")?)),
        None => (text, None),
    };
    // A colon in the last part begins the tag; before that it belongs to the registry's port.
    let last_part = name.rfind('/').map_or(0, |slash| slash + 1);
    let (name, tag) = match name[last_part..].find(':') {
        Some(colon) => (&name[..last_part + colon], Some(&name[last_part + colon + 1..])),
        None => (name, None),
    };
    if let Some(tag) = tag {
        check_tag(tag)?;
    }
    let (registry, repository) = split_registry(name);
    // A first part that is no host (`my_registry.local`) passes as a part of a repository without one, as it does there.
    check_registry(registry).or_else(|reason| check_component(registry).map_err(|_| reason))?;
    for component in repository.split('/') {
        check_component(component)?;
    }
    let registry = if registry == "index.docker.io" { DEFAULT_REGISTRY } else { registry };
    let official = registry == DEFAULT_REGISTRY && !repository.contains('/');
    let repository = if official { format!("{OFFICIAL_PREFIX}{repository}") } else { repository.to_owned() };
    if registry.len() + 1 + repository.len() > NAME_CHARS_MAX {
        return Err("the name is longer than 255 characters");
    }
    let tag = tag.or(digest.is_none().then_some(DEFAULT_TAG));
    Ok(ImageRef::of(registry, &repository, tag, digest))
}

impl FromStr for ImageRef {
    type Err = ReferenceError;
    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        parse(text).map_err(|reason| ReferenceError { text: text.to_owned(), reason })
    }
}

impl TryFrom<String> for ImageRef {
    type Error = ReferenceError;
    fn try_from(text: String) -> Result<Self, ReferenceError> {
        text.parse()
    }
}

impl From<ImageRef> for String {
    fn from(reference: ImageRef) -> String {
        reference.to_string()
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.familiar())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_have_one_normal_form() {
        let hex = "0123456789abcdef".repeat(4);
        //    written                                normal form                                      familiar
        for (written, normal, familiar) in [
            ("debian", "docker.io/library/debian:latest", "debian"),
            ("debian:latest", "docker.io/library/debian:latest", "debian"),
            ("docker.io/debian", "docker.io/library/debian:latest", "debian"),
            ("index.docker.io/library/debian:12", "docker.io/library/debian:12", "debian:12"),
            ("shop/web:1.2", "docker.io/shop/web:1.2", "shop/web:1.2"),
            ("localhost/web", "localhost/web:latest", "localhost/web"),
            ("localhost:5000/a/b/c:x", "localhost:5000/a/b/c:x", "localhost:5000/a/b/c:x"),
            ("ghcr.io/Web", "", ""),
            ("Foo/web", "Foo/web:latest", "Foo/web"),
            ("my_registry.local/web", "my_registry.local/web:latest", "my_registry.local/web"),
            ("a__b/c--d.e", "docker.io/a__b/c--d.e:latest", "a__b/c--d.e"),
            ("[::1]:5000/web", "[::1]:5000/web:latest", "[::1]:5000/web"),
            (&format!("debian@sha256:{hex}"), &format!("docker.io/library/debian@sha256:{hex}"), &format!("debian@sha256:{hex}")),
            (&format!("debian:12@sha256:{hex}"), &format!("docker.io/library/debian:12@sha256:{hex}"), &format!("debian:12@sha256:{hex}")),
        ] {
            match written.parse::<ImageRef>() {
                Ok(reference) => {
                    assert_eq!(reference.to_string(), normal, "{written}");
                    assert_eq!(reference.familiar(), familiar, "{written}");
                    assert_eq!(reference.to_string().parse::<ImageRef>().unwrap(), reference);
                }
                Err(_) => assert_eq!(normal, "", "{written} was refused"),
            }
        }
    }

    #[test]
    fn what_docker_refuses_is_refused() {
        let hex = "0123456789abcdef".repeat(4);
        for bad in ["", "Debian", "a:", "a:b:c", "a b", "-a", "a-", "a..b", "a___b", "a/", "/a", "a//b", "a@sha256:12", "a:-x", &hex, "web:ta/g:x y"]
        {
            assert!(bad.parse::<ImageRef>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_tag_and_a_digest_replace_one_another() {
        let web: ImageRef = "shop/web:1".parse().unwrap();
        assert_eq!(web.with_tag("2").unwrap().to_string(), "docker.io/shop/web:2");
        assert!(web.with_tag("no tag").is_err());
        assert!(web.with_digest(Digest::of(b"x")).tag().is_none());
    }
}
