//! A package, whatever ecosystem it is from.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a package comes from: how its versions compare, and how it is called elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Debian and what is made of it: `dpkg`.
    Deb,
    /// Alpine and what is made of it: `apk`.
    Apk,
    /// Red Hat, SUSE and what is made of them: `rpm`.
    Rpm,
    /// Python.
    PyPi,
    /// Node.
    Npm,
    /// A Go module, or Go's own library (`stdlib`) in a program.
    Golang,
    /// A Rust crate in a program that says what it was made of.
    Cargo,
    /// Java: `group:artifact`.
    Maven,
    /// Ruby.
    Gem,
    /// PHP: `vendor/name`.
    Composer,
}

impl Kind {
    /// All kinds, in order.
    pub const ALL: [Self; 10] =
        [Self::Deb, Self::Apk, Self::Rpm, Self::PyPi, Self::Npm, Self::Golang, Self::Cargo, Self::Maven, Self::Gem, Self::Composer];

    /// Its name, which is also the type in a package URL. Source: the purl specification's list of types.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deb => "deb",
            Self::Apk => "apk",
            Self::Rpm => "rpm",
            Self::PyPi => "pypi",
            Self::Npm => "npm",
            Self::Golang => "golang",
            Self::Cargo => "cargo",
            Self::Maven => "maven",
            Self::Gem => "gem",
            Self::Composer => "composer",
        }
    }

    /// A name in the form that all spellings of the same package share: Python's by PEP 503 (lower case, and one `-` for each run of `-`, `_` and `.`),
    /// PHP's in lower case as Packagist has them. All others are what they are: npm's `JSONStream` is another package than `jsonstream`.
    pub fn normal_name(self, name: &str) -> Cow<'_, str> {
        match self {
            Self::PyPi => Cow::Owned(pep_503(name)),
            Self::Composer => Cow::Owned(name.to_lowercase()),
            _ => Cow::Borrowed(name),
        }
    }

    /// Whether the distribution brings it, so that the distribution says what is fixed in it.
    pub fn is_of_distro(self) -> bool {
        matches!(self, Self::Deb | Self::Apk | Self::Rpm)
    }
}

fn pep_503(name: &str) -> String {
    let mut normal = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '-' | '_' | '.' if normal.ends_with('-') => {}
            '-' | '_' | '.' => normal.push('-'),
            c => normal.extend(c.to_lowercase()),
        }
    }
    normal
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no kind of package.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no kind of package: expected one of deb, apk, rpm, pypi, npm, golang, cargo, maven, gem, composer")]
pub struct KindError(pub String);

impl FromStr for Kind {
    type Err = KindError;

    fn from_str(text: &str) -> Result<Self, KindError> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| KindError(text.to_owned()))
    }
}

/// One package as it is installed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Package {
    /// Its ecosystem.
    pub kind: Kind,
    /// As the ecosystem spells it: `libssl3`, `@babel/core`, `org.slf4j:slf4j-api`, `golang.org/x/net`. Python's names in their normal form (PEP 503).
    pub name: String,
    /// As the ecosystem spells it, epoch included where it is not zero: `1:2.3-4+deb12u1`.
    pub version: String,
    /// Such as `amd64`; none where packages have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arch: Option<String>,
    /// What the package says of its own licence, as it says it; an SPDX expression where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// The source package that it was built from, which is what distributions' advisories name; none if there is no such thing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourcePackage>,
}

impl Package {
    /// What makes two packages the same one.
    pub fn identity(&self) -> Identity<'_> {
        Identity { kind: self.kind, name: &self.name, version: &self.version, arch: self.arch.as_deref() }
    }
}

/// What makes two packages the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity<'a> {
    /// Its ecosystem.
    pub kind: Kind,
    /// Its name.
    pub name: &'a str,
    /// Its version.
    pub version: &'a str,
    /// Its architecture.
    pub arch: Option<&'a str>,
}

/// What a distribution's package was built from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct SourcePackage {
    /// Such as `openssl` for `libssl3`.
    pub name: String,
    /// Its own version; mostly that of the package.
    pub version: String,
}

/// The distribution in an image, by its `os-release`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Distro {
    /// `ID`: `debian`, `ubuntu`, `alpine`, `rocky`.
    pub id: String,
    /// What advisories are kept by: `12`, `22.04`, Alpine's first two numbers (`3.19`), the first number for Red Hat's family. Empty where it rolls (`sid`).
    pub release: String,
    /// `VERSION_CODENAME`, by which Debian's tracker goes: `bookworm`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codename: Option<String>,
}

impl fmt::Display for Distro {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.release.is_empty() { f.write_str(&self.id) } else { write!(f, "{} {}", self.id, self.release) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_in_the_normal_form_of_their_ecosystem() {
        for (kind, name, normal) in [
            (Kind::PyPi, "Flask-SQLAlchemy", "flask-sqlalchemy"),
            (Kind::PyPi, "zope.interface__x", "zope-interface-x"),
            (Kind::PyPi, "a_-._b", "a-b"),
            (Kind::PyPi, "", ""),
            (Kind::Composer, "Symfony/HttpKernel", "symfony/httpkernel"),
            (Kind::Npm, "JSONStream", "JSONStream"),
            (Kind::Rpm, "ImageMagick", "ImageMagick"),
        ] {
            assert_eq!(kind.normal_name(name), normal);
        }
    }
}
