//! An advisory, whatever its source.

use std::cmp::Ordering;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Severity;
use crate::inventory::version::compare;
use crate::inventory::{Distro, Kind};

/// What is known to be wrong with some packages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Advisory {
    /// How people call it: the CVE, where the record is about exactly one; otherwise the record's own name (`GHSA-…`, `DSA-…`, `USN-…`).
    pub id: String,
    /// The record's own name in its database, by which a newer one replaces it.
    pub record: String,
    /// Other names of the same problem.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// The CVEs that a distribution's notice puts together; empty where there is only [`Advisory::id`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub covers: Vec<String>,
    /// One line.
    pub summary: String,
    /// How bad it is, if the source says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// Since when everybody can know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<Timestamp>,
    /// When the record changed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<Timestamp>,
    /// Since when it is held to be no problem at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<Timestamp>,
    /// The packages that have it.
    pub affected: Vec<Affected>,
    /// What the record says beyond what refit knows: ecosystems whose packages it does not read (`Hex`), streams that no image has
    /// (`Red Hat:rhel_aus:8.6::appstream`), unknown types of ranges.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beyond: Vec<String>,
}

impl Advisory {
    /// The problems that it is about, each by the name that people call it.
    pub fn problems(&self) -> Vec<&str> {
        if self.covers.is_empty() { vec![&self.id] } else { self.covers.iter().map(String::as_str).collect() }
    }

    /// Whether this is one of its names, or of the problems that it puts together.
    pub fn is_called(&self, name: &str) -> bool {
        self.id == name || self.record == name || self.aliases.iter().chain(&self.covers).any(|own| own == name)
    }
}

/// A package that has it, and in which versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Affected {
    /// The package's ecosystem, by whose rules versions compare.
    pub kind: Kind,
    /// The distribution whose package this is; none for packages of languages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distro: Option<DistroMatch>,
    /// The package, or the source package; Python's in their normal form (PEP 503).
    pub name: String,
    /// What the name is a name of.
    pub naming: Naming,
    /// It is in these versions…
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ranges: Vec<Range>,
    /// …and in these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<String>,
    /// How sure that is.
    #[serde(default)]
    pub standing: Standing,
    /// What the distribution says of it, as a phrase: `end of life`, `postponed: minor issue`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Affected {
    /// Whether this version has it. O(ranges + versions).
    pub fn covers(&self, version: &str) -> bool {
        let is_same = |listed: &String| compare(self.kind, listed, version) == Ordering::Equal;
        self.ranges.iter().any(|range| range.covers(self.kind, version)) || self.versions.iter().any(is_same)
    }
}

/// Of which distributions something is said.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct DistroMatch {
    /// `ID` of its `os-release`: `debian`, `rhel`.
    pub id: String,
    /// Its release, as [`Distro::release`] has it; none for every release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// Its codename, where the source goes by that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codename: Option<String>,
    /// Who gets what is fixed.
    #[serde(default)]
    pub terms: Terms,
}

impl DistroMatch {
    /// Whether this distribution is meant.
    pub fn is(&self, distro: &Distro) -> bool {
        self.id == distro.id
            && self.release.as_ref().is_none_or(|release| *release == distro.release)
            && self.codename.as_ref().is_none_or(|codename| Some(codename) == distro.codename.as_ref())
    }
}

/// Who gets what a distribution has fixed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Terms {
    /// Everybody.
    #[default]
    Everybody,
    /// Who has subscribed (Ubuntu Pro).
    Subscribers,
}

/// What the name of an affected package is a name of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Naming {
    /// The package itself.
    Package,
    /// The source package from which it was built.
    Source,
    /// Either: the package itself if the advisory has its name, its source otherwise.
    Either,
}

/// Whether a distribution knows that its package has it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "AdvisoryStanding")]
pub enum Standing {
    /// It does.
    #[default]
    Affected,
    /// Nobody has looked yet: no hit, but no all-clear either.
    Undetermined,
}

/// Versions from one on, up to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Range {
    /// The first version that has it; none if every older one has it, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub introduced: Option<String>,
    /// Where it ends.
    pub until: Until,
}

/// Where a range ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Until {
    /// This version is the first without it.
    Fixed(String),
    /// This version is the last known with it; the one that fixes it is not known.
    Last(String),
    /// Nothing is said of this version and what comes after it.
    Limit(String),
    /// No version without it is known.
    Open,
}

impl Range {
    /// Everything before the version that fixes it; everything at all if there is none.
    pub fn before(fixed: Option<String>) -> Self {
        Self { introduced: None, until: fixed.map_or(Until::Open, Until::Fixed) }
    }

    /// Whether the version is in it, by the rules of its kind.
    pub fn covers(&self, kind: Kind, version: &str) -> bool {
        let has_begun = self.introduced.as_ref().is_none_or(|introduced| compare(kind, version, introduced) != Ordering::Less);
        has_begun
            && match &self.until {
                Until::Fixed(end) | Until::Limit(end) => compare(kind, version, end) == Ordering::Less,
                Until::Last(last) => compare(kind, version, last) != Ordering::Greater,
                Until::Open => true,
            }
    }

    /// The version that fixes it, if one is known.
    pub fn fixed(&self) -> Option<&str> {
        match &self.until {
            Until::Fixed(fixed) => Some(fixed),
            _ => None,
        }
    }
}
