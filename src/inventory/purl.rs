//! Package URLs: one name for a package wherever it is spoken of, `pkg:deb/debian/libssl3@3.0.15-1~deb12u1?arch=amd64&distro=debian-12`.
//!
//! In: a package and the distribution of its image, or a package URL that somebody wrote. Out: the URL in its canonical form, or its parts. Source: the
//! package-url specification (ECMA-427) and its definitions of types.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::{Distro, Kind, Package};

/// More is no package URL; names and versions together stay far below.
const LENGTH_MAX: usize = 2_048;

/// A package URL of a kind of package that can be in an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Purl {
    /// Its type.
    pub kind: Kind,
    /// The distribution, the scope with its `@`, the group or the vendor; parts between slashes.
    pub namespace: Option<String>,
    /// The name within it.
    pub name: String,
    /// The version, without an epoch where that is a qualifier (rpm).
    pub version: Option<String>,
    /// `arch`, `distro`, `epoch` and others; keys in lower case, values that are not empty.
    pub qualifiers: BTreeMap<String, String>,
    /// A place within the package.
    pub subpath: Option<String>,
}

/// The text is no package URL, or none of a package that can be in an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PurlError {
    /// It has another scheme, or none.
    #[error("a package URL begins with `pkg:`")]
    Scheme,
    /// It is longer than any.
    #[error("a package URL has at most {LENGTH_MAX} characters")]
    TooLong,
    /// It has no type, or one that says nothing of a package in an image.
    #[error("`{0}` is no type of package URL that is known here: expected one of deb, apk, rpm, pypi, npm, golang, cargo, maven, gem, composer")]
    Type(String),
    /// It names no package.
    #[error("it has no name")]
    NoName,
    /// A key of a qualifier has characters that no key has.
    #[error("`{0}` is no name of a qualifier")]
    Qualifier(String),
    /// `%` is not followed by two hexadecimal digits, or what they say is no text.
    #[error("`{0}` is not percent-encoded text")]
    Encoding(String),
}

/// The package URL of a package, in its canonical form.
///
/// A distribution's package is named within it (`pkg:deb/debian/…?distro=debian-12`); without a `distro` it has no namespace.
pub fn purl(package: &Package, distro: Option<&Distro>) -> String {
    let distro = distro.filter(|_| package.kind.is_of_distro());
    let (namespace, name) = split(package.kind, &package.name);
    let namespace = distro.map(|distro| distro.id.to_ascii_lowercase()).or_else(|| namespace.map(str::to_owned));
    let (epoch, version) = epoch(package.kind, &package.version);
    let qualifiers = [
        ("arch", package.arch.clone().filter(|_| package.kind.is_of_distro())),
        ("distro", distro.map(|distro| if distro.release.is_empty() { distro.id.clone() } else { format!("{}-{}", distro.id, distro.release) })),
        ("epoch", epoch.map(str::to_owned)),
    ];
    let qualifiers = qualifiers.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect();
    let version = Some(version.to_owned()).filter(|version| !version.is_empty());
    Purl { kind: package.kind, namespace, name: name.to_owned(), version, qualifiers, subpath: None }.normal().to_string()
}

/// Reads a package URL. Errors with what is wrong in it; see [`PurlError`].
pub fn parse(text: &str) -> Result<Purl, PurlError> {
    if text.len() > LENGTH_MAX {
        return Err(PurlError::TooLong);
    }
    let (rest, subpath) = text.rsplit_once('#').map_or((text, ""), |(rest, subpath)| (rest, subpath));
    let (rest, written) = rest.rsplit_once('?').map_or((rest, ""), |(rest, qualifiers)| (rest, qualifiers));
    let (scheme, rest) = rest.split_once(':').ok_or(PurlError::Scheme)?;
    if !scheme.eq_ignore_ascii_case("pkg") {
        return Err(PurlError::Scheme);
    }
    let rest = rest.trim_start_matches('/');
    let (kind, rest) = rest.split_once('/').unwrap_or((rest, ""));
    let kind = kind.to_ascii_lowercase().parse::<Kind>().map_err(|error| PurlError::Type(error.0))?;
    let (path, version) = version(rest);
    let mut parts = segments(path)?;
    let name = parts.pop().ok_or(PurlError::NoName)?;
    let namespace = Some(parts.join("/")).filter(|namespace| !namespace.is_empty());
    let version = version.map(decoded).transpose()?.filter(|version| !version.is_empty());
    let subpath = Some(segments(subpath)?).map(|parts| parts.into_iter().filter(|part| part != "." && part != "..").collect::<Vec<_>>().join("/"));
    let subpath = subpath.filter(|subpath| !subpath.is_empty());
    Ok(Purl { kind, namespace, name, version, qualifiers: qualifiers(written)?, subpath }.normal())
}

impl FromStr for Purl {
    type Err = PurlError;

    fn from_str(text: &str) -> Result<Self, PurlError> {
        parse(text)
    }
}

impl Purl {
    /// The package's name as its ecosystem spells it: `@babel/core`, `org.slf4j:slf4j-api`, `golang.org/x/net`, `libssl3`.
    pub fn package_name(&self) -> String {
        match &self.namespace {
            Some(namespace) if self.kind == Kind::Maven => format!("{namespace}:{}", self.name),
            Some(namespace) if !self.kind.is_of_distro() => format!("{namespace}/{}", self.name),
            _ => self.name.clone(),
        }
    }

    /// The package's version as its ecosystem spells it, with its epoch.
    pub fn package_version(&self) -> Option<String> {
        let epoch = self.qualifiers.get("epoch").filter(|epoch| self.kind == Kind::Rpm && *epoch != "0");
        self.version.as_ref().map(|version| epoch.map_or_else(|| version.clone(), |epoch| format!("{epoch}:{version}")))
    }

    /// In the one form that the type allows.
    ///
    /// The types of npm and Go ask for lower case too, but `JSONStream` is another package than `jsonstream`, and `github.com/Azure/…` another module than
    /// `github.com/azure/…`. Advisories leave both as they are, and so do we.
    fn normal(mut self) -> Self {
        if matches!(self.kind, Kind::Deb | Kind::Apk) {
            self.name = self.name.to_lowercase();
        }
        if self.kind.is_of_distro() || self.kind == Kind::Composer {
            self.namespace = self.namespace.map(|namespace| namespace.to_lowercase());
        }
        self.name = self.kind.normal_name(&self.name).into_owned();
        self
    }
}

impl fmt::Display for Purl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pkg:{}/", self.kind)?;
        if let Some(namespace) = &self.namespace {
            namespace.split('/').filter(|part| !part.is_empty()).try_for_each(|part| write!(f, "{}/", encoded(part)))?;
        }
        f.write_str(&encoded(&self.name))?;
        if let Some(version) = &self.version {
            write!(f, "@{}", encoded(version))?;
        }
        for (at, (key, value)) in self.qualifiers.iter().enumerate() {
            write!(f, "{}{key}={}", if at == 0 { '?' } else { '&' }, encoded(value))?;
        }
        if let Some(subpath) = &self.subpath {
            write!(f, "#{}", subpath.split('/').map(encoded).collect::<Vec<_>>().join("/"))?;
        }
        Ok(())
    }
}

/// What goes before the name in a package URL, where the ecosystem writes both as one.
fn split(kind: Kind, name: &str) -> (Option<&str>, &str) {
    let parts = match kind {
        Kind::Maven => name.rsplit_once(':'),
        Kind::Npm | Kind::Golang | Kind::Composer => name.rsplit_once('/'),
        _ => None,
    };
    parts.map_or((None, name), |(namespace, name)| (Some(namespace), name))
}

/// An rpm's epoch is a qualifier, a Debian package's a part of its version.
fn epoch(kind: Kind, version: &str) -> (Option<&str>, &str) {
    let parts = version.split_once(':').filter(|_| kind == Kind::Rpm);
    parts.map_or((None, version), |(epoch, version)| (Some(epoch).filter(|epoch| *epoch != "0"), version))
}

/// The version is what follows the last `@`, unless that begins a scope (`pkg:npm/@babel/core`, which some write).
fn version(path: &str) -> (&str, Option<&str>) {
    match path.rsplit_once('@') {
        Some((path, version)) if !(path.is_empty() || path.ends_with('/')) || !version.contains('/') => (path, Some(version)),
        _ => (path, None),
    }
}

fn segments(path: &str) -> Result<Vec<String>, PurlError> {
    path.split('/').filter(|part| !part.is_empty()).map(decoded).collect()
}

fn qualifiers(text: &str) -> Result<BTreeMap<String, String>, PurlError> {
    let mut qualifiers = BTreeMap::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let is_key = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        if !key.starts_with(|letter: char| letter.is_ascii_alphabetic()) || !key.bytes().all(is_key) {
            return Err(PurlError::Qualifier(key.to_owned()));
        }
        let value = decoded(value)?;
        if !value.is_empty() {
            qualifiers.insert(key.to_ascii_lowercase(), value);
        }
    }
    Ok(qualifiers)
}

/// What may stand as it is. Source: the package-url specification, "Character encoding".
const ENCODED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':');

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, &ENCODED).to_string()
}

fn decoded(text: &str) -> Result<String, PurlError> {
    let is_code = |code: &str| code.bytes().take_while(u8::is_ascii_hexdigit).take(2).count() == 2;
    let decoded = text.split('%').skip(1).all(is_code).then(|| percent_decode_str(text).decode_utf8().ok()).flatten();
    decoded.map(Cow::into_owned).ok_or_else(|| PurlError::Encoding(text.to_owned()))
}

#[cfg(test)]
mod tests;
