//! A package as a file states it, and whether that can be believed.

use crate::inventory::{Kind, Package, ReadFile};

/// Longer is a licence's text, not its name.
const LICENSE_BYTES_MAX: usize = 512;

/// A package as a file states it, not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stated<'a> {
    pub(super) kind: Kind,
    pub(super) name: &'a str,
    pub(super) version: &'a str,
    pub(super) license: Option<&'a str>,
}

impl Stated<'_> {
    /// Adds the package to what was read of the file, or the reason why it is none.
    pub(super) fn add_to(&self, path: &str, read: &mut ReadFile) {
        let (name, version) = (self.name.trim(), self.version.trim());
        let is_name = |license: &&str| !license.is_empty() && license.len() <= LICENSE_BYTES_MAX && !license.contains(char::is_control);
        let license = self.license.map(str::trim).filter(is_name);
        let package =
            Package { kind: self.kind, name: name.into(), version: version.into(), arch: None, license: license.map(Into::into), source: None };
        let known = read.packages.len();
        // Whether the file is full is said by what was read of it.
        let _ = read.add(path, package);
        let is_replaced = [name, version, license.unwrap_or_default()].iter().any(|text| text.contains(char::REPLACEMENT_CHARACTER));
        if read.packages.len() > known && is_replaced {
            read.refuse(path, format_args!("says {name} in bytes that are no UTF-8, and were replaced"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_has_a_name_and_a_version_of_reasonable_length() {
        let long = "x".repeat(LICENSE_BYTES_MAX + 1);
        for (name, version, license, said) in [
            (" six ", "1.16.0", Some("MIT"), "six 1.16.0 MIT"),
            ("six", "1.16.0", Some(" "), "six 1.16.0 -"),
            ("six", "1.16.0", Some(long.as_str()), "six 1.16.0 -"),
            ("six", "1.16.0", Some("MIT\nand more"), "six 1.16.0 -"),
            ("", "1", None, "says no name of a package"),
            (long.as_str(), "1", None, "says too long a name of a package"),
            ("six", "", None, "says no version of six"),
            ("six", "1\u{7}", None, "says an unprintable version of six"),
            ("s\u{fffd}x", "1", None, "s\u{fffd}x 1 -"),
        ] {
            let mut read = ReadFile::default();
            Stated { kind: Kind::PyPi, name, version, license }.add_to("f", &mut read);
            assert_eq!(name.contains('\u{fffd}'), !read.packages.is_empty() && !read.unreadable.is_empty(), "what was replaced is named");
            let package = read.packages.first().map(|is| format!("{} {} {}", is.name, is.version, is.license.as_deref().unwrap_or("-")));
            assert_eq!(package.or(read.unreadable.first().map(|gap| gap.why.clone())).as_deref(), Some(said));
        }
    }
}
