//! What a reader makes of one file. A reader never fails as a whole: what can be read is given, and what cannot is named.

use std::cmp::Ordering;
use std::fmt;

use super::{Package, Unreadable};

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

    /// Adds a package. False, and the file named, if it has more than [`Self::PACKAGES_MAX`]: reading on is of no use.
    pub fn add(&mut self, path: &str, package: Package) -> bool {
        let has_room = self.packages.len() < Self::PACKAGES_MAX;
        if has_room {
            self.packages.push(package);
        } else {
            self.refuse(path, format_args!("has more than {} packages", Self::PACKAGES_MAX));
        }
        has_room
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

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::*;

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
        let package = Package { kind: Kind::Deb, name: "a".into(), version: "1".into(), arch: None, license: None, source: None };
        assert!((0..ReadFile::PACKAGES_MAX).all(|_| read.add("f", package.clone())));
        assert!(!read.add("f", package));
        assert_eq!((read.packages.len(), read.unreadable.len()), (ReadFile::PACKAGES_MAX, 1));
    }
}
