//! What a reader makes of one file. A reader never fails as a whole: what can be read is given, and what cannot is named.

use std::cmp::Ordering;
use std::fmt;

use super::{Package, Unreadable};

/// The longest names known are Go's modules and Java's coordinates with some 200 bytes, the longest versions Go's with 60.
const TEXT_BYTES_MAX: usize = 512;
/// Distributions name the licences of all that a package is made of; glibc's have over one kilobyte.
const LICENSE_BYTES_MAX: usize = 16 << 10;

/// What one file says of packages, and what in it could not be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadFile {
    /// The packages that are installed, in the order of the file.
    pub packages: Vec<Package>,
    /// What could not be read, and why.
    pub unreadable: Vec<Unreadable>,
}

impl ReadFile {
    /// Packages of one file; a whole distribution has some ten thousand, and no image has all of one.
    pub const PACKAGES_MAX: usize = 100_000;
    /// Faults of one file that are named each; nobody reads on after these, and a file of nothing but faults must not fill the memory.
    pub const FAULTS_MAX: usize = 100;

    /// Nothing could be read of this file.
    pub fn unreadable(path: &str, why: impl fmt::Display) -> Self {
        let mut read = Self::default();
        read.refuse(path, why);
        read
    }

    /// Adds a package, if what it is called can be: one without a name, with a text that is none or too long for any is named instead. A licence of that
    /// kind is named and left out.
    ///
    /// False, and the file named, if it has more than [`Self::PACKAGES_MAX`]: reading on is of no use.
    pub fn add(&mut self, path: &str, mut package: Package) -> bool {
        if self.packages.len() >= Self::PACKAGES_MAX {
            self.refuse(path, format_args!("has more than {} packages", Self::PACKAGES_MAX));
            return false;
        }
        if let Err(why) = check(&package) {
            self.refuse(path, why);
            return true;
        }
        if let Some(is) = package.license.as_deref().and_then(|license| fault(license, LICENSE_BYTES_MAX)) {
            self.refuse(path, format_args!("says {is} licence of {}", package.name));
            package.license = None;
        }
        self.packages.push(package);
        true
    }

    /// Names something of this file that cannot be read. After [`Self::FAULTS_MAX`] of them it says once that there are more, and `format_args!` then costs
    /// nothing.
    pub fn refuse(&mut self, path: &str, why: impl fmt::Display) {
        let why = match self.unreadable.len().cmp(&Self::FAULTS_MAX) {
            Ordering::Less => why.to_string(),
            Ordering::Equal => "has more that cannot be read".to_owned(),
            Ordering::Greater => return,
        };
        self.unreadable.push(Unreadable { path: path.to_owned(), why });
    }
}

/// Errors with why a package cannot be called so. What an image says ends up on terminals, so no text may have a control character.
fn check(package: &Package) -> Result<(), String> {
    let Package { name, version, arch, source, .. } = package;
    if let Some(is) = fault(name, TEXT_BYTES_MAX) {
        return Err(format!("says {is} name of a package"));
    }
    let arch = arch.iter().map(|arch| ("architecture", arch));
    let source = source.iter().flat_map(|source| [("source name", &source.name), ("source version", &source.version)]);
    let faults =
        std::iter::once(("version", version)).chain(arch).chain(source).filter_map(|(what, text)| Some((what, fault(text, TEXT_BYTES_MAX)?)));
    faults.map(|(what, is)| Err(format!("says {is} {what} of {name}"))).next().unwrap_or(Ok(()))
}

/// What is wrong with a text, as the words before what it is; none if nothing is.
fn fault(text: &str, bytes_max: usize) -> Option<&'static str> {
    match text {
        "" => Some("no"),
        _ if text.len() > bytes_max => Some("too long a"),
        _ if text.chars().any(char::is_control) => Some("an unprintable"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::os::{apk, dpkg};
    use crate::inventory::{Kind, SourcePackage, samples};

    #[test]
    fn what_one_file_says_is_bounded() {
        let mut read = ReadFile::default();
        for at in 0..ReadFile::FAULTS_MAX + 10 {
            read.refuse("f", at);
        }
        assert_eq!(
            (read.unreadable.len(), read.unreadable[ReadFile::FAULTS_MAX].why.as_str()),
            (ReadFile::FAULTS_MAX + 1, "has more that cannot be read")
        );

        let mut read = ReadFile::default();
        let package = samples::package(Kind::Deb, "a", "1");
        assert!((0..ReadFile::PACKAGES_MAX).all(|_| read.add("f", package.clone())));
        assert!(!read.add("f", package));
        assert_eq!((read.packages.len(), read.unreadable.len()), (ReadFile::PACKAGES_MAX, 1));
    }

    #[test]
    fn a_package_that_cannot_be_called_so_is_named_instead() {
        let long = "x".repeat(TEXT_BYTES_MAX + 1);
        let source = |name: &str, version: &str| Some(SourcePackage { name: name.into(), version: version.into() });
        let plain = samples::package(Kind::Deb, "a", "1");
        for (package, said) in [
            (Package { name: String::new(), ..plain.clone() }, "says no name of a package"),
            (Package { name: long.clone(), ..plain.clone() }, "says too long a name of a package"),
            (Package { name: "a\u{1b}[2J".into(), ..plain.clone() }, "says an unprintable name of a package"),
            (Package { version: String::new(), ..plain.clone() }, "says no version of a"),
            (Package { version: "1\u{7}".into(), ..plain.clone() }, "says an unprintable version of a"),
            (Package { arch: Some("\u{9b}".into()), ..plain.clone() }, "says an unprintable architecture of a"),
            (Package { source: source(&long, "1"), ..plain.clone() }, "says too long a source name of a"),
            (Package { source: source("a", "\u{8}"), ..plain.clone() }, "says an unprintable source version of a"),
        ] {
            let mut read = ReadFile::default();
            assert!(read.add("f", package));
            assert_eq!((read.packages.len(), read.unreadable[0].why.as_str()), (0, said));
        }
        for (license, said) in [("MIT\u{1b}c".to_owned(), "says an unprintable licence of a"), ("x".repeat(1 << 15), "says too long a licence of a")]
        {
            let mut read = ReadFile::default();
            read.add("f", Package { license: Some(license), ..plain.clone() });
            assert_eq!((&read.packages[..], read.unreadable[0].why.as_str()), (&[plain.clone()][..], said));
        }
    }

    #[test]
    fn no_reader_of_a_distribution_passes_on_what_a_terminal_would_obey() {
        let status = b"Package: a\x1b[2J\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n\n";
        let installed = b"P:b\nV:1\x07\nA:x86_64\n\n";
        for read in [dpkg::read("f", status), dpkg::read_one("f", status), apk::read("f", installed)] {
            assert_eq!((read.packages.len(), read.unreadable.len()), (0, 1), "{read:?}");
        }
    }
}
