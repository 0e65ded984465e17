//! The distribution of a stack of layers, out of the files that say it.
//!
//! An image may say it twice, in `etc/os-release` and in `usr/lib/os-release`, and its layers may replace or take away each of them. In most images the
//! first is a link to the second, and a link says nothing itself.

use std::collections::BTreeMap;

use super::Distro;

/// What the files that name the distribution say, each by its path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Distros(BTreeMap<String, Distro>);

impl Distros {
    /// Lays over these what a layer's files say; none for a file that does not show any more.
    pub fn apply(&mut self, change: &BTreeMap<String, Option<Distro>>) {
        for (path, distro) in change {
            match distro {
                Some(distro) => drop(self.0.insert(path.clone(), distro.clone())),
                None => drop(self.0.remove(path)),
            }
        }
    }

    /// The distribution: what `etc/os-release` says, else `usr/lib/os-release`. Source: os-release(5).
    pub fn prevailing(&self) -> Option<&Distro> {
        ["etc/os-release", "usr/lib/os-release"].into_iter().find_map(|path| self.0.get(path))
    }

    /// The files that say it.
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}
