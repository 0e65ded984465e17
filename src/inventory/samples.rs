//! Packages for tests.

use super::{Kind, Package};

/// A package of which no more is known than this.
pub(crate) fn package(kind: Kind, name: &str, version: &str) -> Package {
    Package { kind, name: name.into(), version: version.into(), arch: None, license: None, source: None }
}
