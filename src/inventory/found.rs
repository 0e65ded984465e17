//! What was found in one layer, whatever lies below it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::files::leads_to_list;
use super::{Distro, Package};

/// What was found in one layer. Paths are from the root of the image, without a leading `/`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerFound {
    /// Files that say something of packages, each with what it says. A file that says nothing any more is there too, because it hides the one below it.
    pub files: BTreeMap<String, FileFound>,
    /// Files and folders of lower layers that are gone: the names behind `.wh.`, and what was replaced by something of another kind.
    pub gone: BTreeSet<String>,
    /// Folders of which nothing from lower layers shows any more (`.wh..wh..opq`).
    pub opaque: BTreeSet<String>,
    /// What could not be read, and why: never a silent gap.
    pub unreadable: Vec<Unreadable>,
}

/// What one file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileFound {
    /// These packages are installed.
    Packages(Vec<Package>),
    /// This is the distribution.
    Distro(Distro),
    /// This is the licence of the packages of this name in the same layer (Debian keeps it in a file beside).
    License {
        /// The package.
        package: String,
        /// Its licence.
        license: String,
    },
}

/// Something that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Unreadable {
    /// Which file; a whole layer has an empty path.
    pub path: String,
    /// Why, as a phrase: `ends in the middle of a record`.
    pub why: String,
}

impl Unreadable {
    /// Whether any of a distribution's packages may be missed for it: a whole layer, a package manager's list, which distribution it is, or a folder in
    /// which one of these is looked for.
    pub fn hides_packages(&self) -> bool {
        self.path.is_empty() || leads_to_list(&self.path)
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A path is what its image calls it; a terminal gets no control characters from it.
        let plain = |text: &str| text.replace(char::is_control, "\u{fffd}");
        match self.path.as_str() {
            "" => write!(f, "a layer could not be read: {}", plain(&self.why)),
            path => write!(f, "/{} could not be read: {}", plain(path), plain(&self.why)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_cannot_command_a_terminal() {
        let unreadable = Unreadable { path: "a\u{1b}[2J\nb".into(), why: "is\u{7}".into() };
        assert_eq!(unreadable.to_string(), "/a\u{fffd}[2J\u{fffd}b could not be read: is\u{fffd}");
    }

    #[test]
    fn what_may_hide_a_distributions_packages_is_told_from_what_cannot() {
        for (path, hides) in [
            ("", true),
            ("var/lib/dpkg/status", true),
            ("var/lib/dpkg/status.d/base", true),
            // A link in the place of a folder, which leads to where nobody looks.
            ("var/lib/dpkg/status.d", true),
            ("var/lib/dpkg", true),
            ("var", true),
            ("etc", true),
            ("usr/lib/os-release", true),
            ("usr/lib/sysimage/rpm/Packages.db", true),
            ("app/package-lock.json", false),
            ("usr/share/doc/libc6/copyright", false),
        ] {
            assert_eq!(Unreadable { path: path.into(), why: String::new() }.hides_packages(), hides, "{path}");
        }
    }
}
