//! Python's packages: `METADATA` of a `.dist-info`, `PKG-INFO` of an `.egg-info`.
//!
//! Source: the core metadata specification (PEP 566, 639) for the fields, PEP 503 for the normal form of names.

use std::borrow::Cow;

use super::Stated;
use crate::inventory::{Kind, ReadFile};

/// A one-line `License` longer than this is a sentence; classifiers say it better.
const LICENSE_LINE_BYTES_MAX: usize = 120;

/// Reads the metadata of one installed package.
pub fn read(path: &str, bytes: &[u8]) -> ReadFile {
    let text = String::from_utf8_lossy(bytes);
    let metadata = Metadata::of(&text);
    let (name, license) = (Kind::PyPi.normal_name(metadata.name), metadata.license());
    let mut read = ReadFile::default();
    Stated { kind: Kind::PyPi, name: &name, version: metadata.version, license: license.as_deref() }.add_to(path, &mut read);
    read
}

/// The fields that matter, as they stand.
#[derive(Default)]
struct Metadata<'a> {
    name: &'a str,
    version: &'a str,
    expression: &'a str,
    license: &'a str,
    /// Whether more lines of the licence follow.
    license_goes_on: bool,
    classifiers: Vec<&'a str>,
}

impl<'a> Metadata<'a> {
    /// Reads the fields up to the empty line before the description. Lines that begin with white space go on with the field above.
    fn of(text: &'a str) -> Self {
        let mut metadata = Self::default();
        let mut field = "";
        for line in text.lines().take_while(|line| !line.is_empty()) {
            match line.split_once(':') {
                _ if line.starts_with([' ', '\t']) => metadata.license_goes_on |= field.eq_ignore_ascii_case("License"),
                Some((key, value)) => {
                    field = key;
                    metadata.take(key, value.trim());
                }
                None => field = "",
            }
        }
        metadata
    }

    fn take(&mut self, key: &str, value: &'a str) {
        // What setuptools of old writes for nothing.
        let value = if value == "UNKNOWN" { "" } else { value };
        let first = |field: &mut &'a str| *field = if field.is_empty() { value } else { field };
        match key.to_ascii_lowercase().as_str() {
            "name" => first(&mut self.name),
            "version" => first(&mut self.version),
            "license-expression" => first(&mut self.expression),
            "license" => first(&mut self.license),
            "classifier" => self.classifiers.extend(value.strip_prefix("License ::").map(str::trim)),
            _ => {}
        }
    }

    /// The expression, else what `License` says if it is a name and no text, else the classifiers, else the first line of that text.
    fn license(&self) -> Option<Cow<'a, str>> {
        let is_name = !self.license.is_empty() && !self.license_goes_on && self.license.len() <= LICENSE_LINE_BYTES_MAX;
        let classified = || self.classified().map(Cow::Owned);
        match (self.expression, is_name) {
            ("", true) => Some(Cow::Borrowed(self.license)),
            ("", false) => classified().or_else(|| Some(Cow::Borrowed(self.license)).filter(|license| !license.is_empty())),
            (expression, _) => Some(Cow::Borrowed(expression)),
        }
    }

    /// The last part of each classifier: `MIT License` of `License :: OSI Approved :: MIT License`.
    ///
    /// Several are listed, since nothing says whether one may be chosen or all hold.
    fn classified(&self) -> Option<String> {
        let names = self.classifiers.iter().filter_map(|classifier| classifier.rsplit("::").next()).map(str::trim);
        let names: Vec<&str> = names.filter(|name| !name.is_empty() && *name != "OSI Approved").collect();
        (!names.is_empty()).then(|| names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn license_of(fields: &str) -> Option<String> {
        read("METADATA", format!("Metadata-Version: 2.1\nName: a\nVersion: 1\n{fields}\n\nLicense: of the description\n").as_bytes()).packages[0]
            .license
            .clone()
    }

    #[test]
    fn a_license_is_found_where_it_is_said_best() {
        for (fields, license) in [
            ("", None),
            ("License: UNKNOWN", None),
            ("License: MIT", Some("MIT")),
            ("License: MIT\nLicense-Expression: MIT OR Apache-2.0", Some("MIT OR Apache-2.0")),
            ("Classifier: License :: OSI Approved :: MIT License\nClassifier: Programming Language :: Python", Some("MIT License")),
            ("Classifier: License :: OSI Approved\nClassifier: License :: OSI Approved :: BSD License", Some("BSD License")),
            ("Classifier: License :: A :: B\nClassifier: License :: C", Some("B, C")),
            (
                "License: MIT License\n        \n        Copyright (c) Somebody\nClassifier: License :: OSI Approved :: MIT License",
                Some("MIT License"),
            ),
            ("License: The X Licence\n        Copyright (c) Somebody", Some("The X Licence")),
        ] {
            assert_eq!(license_of(fields).as_deref(), license, "{fields}");
        }
    }

    #[test]
    fn metadata_without_name_or_version_is_named() {
        for (text, why) in
            [("", "says no name of a package"), ("Name: a", "says no version of a"), ("\nName: a\nVersion: 1", "says no name of a package")]
        {
            assert_eq!(read("METADATA", text.as_bytes()).unreadable[0].why, why);
        }
        assert_eq!(read("METADATA", b"name: A\r\nversion: 1\r\n\r\nx").packages[0].version, "1", "lines may end as on Windows");
    }
}
