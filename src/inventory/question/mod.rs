//! The language of `refit who-has`: which packages somebody asks for, `openssl<3.0.15`, and whether a package is one of them.
//!
//! In: what a person wrote (a name with bounds of versions, a package URL, a licence). Out: a question that says of any package whether it is meant, and
//! which names a store can look up instead of asking every package. Touches nothing.

mod error;
mod glob;
mod license;
mod parse;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;

pub use error::QuestionError;
use glob::Glob;
use license::License;

use super::{Kind, Package, version};

/// Which packages somebody asks for. Its [`Display`](fmt::Display) is what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    text: String,
    kind: Option<Kind>,
    name: Name,
    bounds: Vec<Bound>,
    license: Option<License>,
    arch: Option<String>,
    distro: Option<String>,
}

/// Names that are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    Any,
    /// As it was written.
    Exact(String),
    Glob(Glob),
}

/// A bound of versions: all of a question's bounds are to be met.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Bound {
    operator: Operator,
    version: String,
}

/// How a version is to stand to that of a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Less,
    AtMost,
    Equal,
    Not,
    AtLeast,
    More,
}

/// Which names can be the answer, for a store that has an index of them. A package is met by its own name and by its source package's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Names<'a> {
    /// One of these, letter by letter.
    Exact(BTreeSet<Cow<'a, str>>),
    /// Any; a pattern has no place in an index.
    Any,
}

impl Question {
    /// Reads a package URL with a version (`pkg:npm/lodash@4.17.20`), with a range after it (`pkg:npm/lodash<4.17.21`), or with none.
    ///
    /// Its `arch` counts, except `source`; its distribution is for the asker, because a package does not know it: see [`distro`](Self::distro).
    pub fn of_purl(text: &str) -> Result<Self, QuestionError> {
        parse::purl(text)
    }

    /// Reads a licence: an SPDX identifier (`MIT`), the beginning of one or of words of a licence (`GPL` is `GPL-2.0-only` and `GPLv3`, and not
    /// `LGPL-2.1`), or a pattern for identifiers (`GPL-3.0*`, `*GPL*`). Capitals do not count.
    pub fn of_license(text: &str) -> Result<Self, QuestionError> {
        parse::license(text)
    }

    /// Whether a licence is asked for and this package states none, so that nobody can say whether it is meant.
    pub fn lacks_license(&self, package: &Package) -> bool {
        self.license.is_some() && package.license.is_none()
    }

    /// Whether a package is asked for: by its own name and version, or by those of the source package that it was built from.
    pub fn matches(&self, package: &Package) -> bool {
        let is_kind = self.kind.is_none_or(|kind| kind == package.kind);
        let is_arch = self.arch.as_ref().is_none_or(|arch| package.arch.as_ref() == Some(arch));
        let is_license = self.license.as_ref().is_none_or(|asked| package.license.as_ref().is_some_and(|license| asked.matches(license)));
        let is_one = |name: &str, version: &str| self.is_name(package.kind, name) && self.is_within(package.kind, version);
        let is_source = || package.source.as_ref().is_some_and(|source| is_one(&source.name, &source.version));
        is_kind && is_arch && is_license && (is_one(&package.name, &package.version) || is_source())
    }

    /// Which names the packages have that are asked for, or their source packages.
    pub fn names(&self) -> Names<'_> {
        match &self.name {
            Name::Any | Name::Glob(_) => Names::Any,
            // `PyYAML` is kept as `pyyaml` if it is Python's.
            Name::Exact(written) => {
                let kinds = Kind::ALL.into_iter().filter(|kind| self.kind.is_none_or(|asked| asked == *kind));
                Names::Exact(kinds.map(|kind| kind.normal_name(written)).chain([Cow::Borrowed(written.as_str())]).collect())
            }
        }
    }

    /// The one kind of package that is asked for, if it is one.
    pub fn kind(&self) -> Option<Kind> {
        self.kind
    }

    /// The `ID` of the one distribution whose packages are asked for, if the package URL says one.
    pub fn distro(&self) -> Option<&str> {
        self.distro.as_deref()
    }

    fn is_name(&self, kind: Kind, name: &str) -> bool {
        match &self.name {
            Name::Any => true,
            Name::Exact(written) => name == written || name == kind.normal_name(written),
            Name::Glob(glob) => glob.matches(name),
        }
    }

    fn is_within(&self, kind: Kind, version: &str) -> bool {
        self.bounds.iter().all(|bound| bound.operator.is_met(version::compare_to_bound(kind, version, &bound.version)))
    }
}

impl Operator {
    fn is_met(self, order: Ordering) -> bool {
        match self {
            Self::Less => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::Equal => order.is_eq(),
            Self::Not => order.is_ne(),
            Self::AtLeast => order.is_ge(),
            Self::More => order.is_gt(),
        }
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
