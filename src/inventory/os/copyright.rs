//! Debian's licence of a package, from `usr/share/doc/<package>/copyright`.
//!
//! Source: "Machine-readable debian/copyright file" 1.0 (DEP-5): a header, paragraphs of `Files` each with its `License`, and the texts of licences in
//! paragraphs of their own. A file of prose, as older packages have, says no licence that could be told without guessing.

use std::collections::BTreeSet;

use super::debian_license::{expression, join};
use super::records::{Record, records};
use crate::inventory::{FileFound, Unreadable};

/// Licences of one package; those of Debian 12 with the most have some dozens.
const LICENSES_MAX: usize = 500;
/// A longer name of a licence is a text in the wrong place.
const LICENSE_CHARS_MAX: usize = 500;

/// Reads the licence: those of all files together, each once, in order. None for a file of prose.
///
/// Errors if a name of a licence is no text or too long, or if there are too many.
pub fn read(path: &str, bytes: &[u8]) -> Result<Option<FileFound>, Unreadable> {
    let text = String::from_utf8_lossy(bytes);
    let mut records =
        records(&text, |name| ["Format", "Format-Specification", "Files", "License"].iter().any(|wanted| wanted.eq_ignore_ascii_case(name)));
    let Some(header) = records.next().filter(is_machine_readable) else { return Ok(None) };
    let of_files = records.filter(|record| record.has("Files"));
    let mut licenses = BTreeSet::new();
    for synopsis in std::iter::once(header).chain(of_files).filter_map(|record| record.get("License")) {
        let license = license(synopsis).map_err(|why| Unreadable { path: path.to_owned(), why: why.to_owned() })?;
        licenses.extend(parts(&license).map(str::to_owned));
        if licenses.len() > LICENSES_MAX {
            return Err(Unreadable { path: path.to_owned(), why: format!("has more than {LICENSES_MAX} licences") });
        }
    }
    licenses.remove("");
    let package = path.rsplit('/').nth(1).filter(|_| !licenses.is_empty());
    Ok(package.map(|package| FileFound::License { package: package.to_owned(), license: join(licenses.into_iter().collect(), " AND ") }))
}

/// What an expression asks for all at once, so that each is named once; a choice stays whole.
fn parts(license: &str) -> impl Iterator<Item = &str> {
    let between = if license.contains(" OR ") { "\n" } else { " AND " };
    license.split(between)
}

/// One licence as an expression. Errors with what is wrong with it.
fn license(synopsis: &str) -> Result<String, &'static str> {
    if synopsis.contains(char::REPLACEMENT_CHARACTER) {
        return Err("has a licence whose name is no UTF-8");
    }
    if synopsis.chars().nth(LICENSE_CHARS_MAX).is_some() {
        return Err("has a licence whose name is too long");
    }
    // Blanks of any kind part words.
    if synopsis.contains(|c: char| c.is_control() && c != '\t') {
        return Err("has a licence whose name is unprintable");
    }
    Ok(expression(synopsis))
}

/// Whether the first paragraph says the format, under its present address or one that it had as a draft.
fn is_machine_readable(header: &Record<'_>) -> bool {
    let format = header.get("Format").or_else(|| header.get("Format-Specification"));
    format.is_some_and(|format| ["copyright-format", "dep5", "DEP5", "dep.debian.net"].iter().any(|name| format.contains(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT: &str = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/";

    fn said(text: &[u8]) -> String {
        match read("usr/share/doc/a/copyright", text) {
            Ok(Some(FileFound::License { package, license })) => format!("{package}: {license}"),
            Ok(other) => format!("{other:?}"),
            Err(fault) => fault.why,
        }
    }

    #[test]
    fn a_package_has_the_licences_of_all_its_files() {
        for (text, expected) in [
            (format!("{FORMAT}\n\nFiles: *\nCopyright: b\nLicense: Expat\n text\n"), "a: MIT"),
            (
                format!("{FORMAT}\nLicense: ISC\n\nFiles: *\nLicense: GPL-2+ or Artistic\n\nFiles: b\nLicense: Expat\n"),
                "a: (GPL-2.0-or-later OR Artistic-1.0) AND ISC AND MIT",
            ),
            (format!("{FORMAT}\n\nFiles: *\nLicense: Expat\n\nLicense: GPL-3\n a text that stands alone\n"), "a: MIT"),
            (format!("{FORMAT}\n\nFiles:\n *\nLicense: ISC and Expat\n\nFiles: b\nLicense: Expat\n"), "a: ISC AND MIT"),
            (format!("{FORMAT}\n\nFiles: *\nLicense:\n only a text\n"), "None"),
            ("Format-Specification: http://svn.debian.org/wsvn/dep/web/deps/dep5.mdwn\n\nFiles: *\nLicense: X\n".into(), "a: X"),
            ("This package was debianized by b.\n\nFiles: *\nLicense: MIT\n".into(), "None"),
            (String::new(), "None"),
        ] {
            assert_eq!(said(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn a_licence_that_is_no_text_is_named_and_a_holder_that_is_none_does_not_matter() {
        let text = |holder: &[u8], license: &[u8]| [FORMAT.as_bytes(), b"\n\nFiles: *\nCopyright: ", holder, b"\nLicense: ", license, b"\n"].concat();
        assert_eq!(said(&text(b"J\xf6rg", b"ISC")), "a: ISC");
        assert_eq!(said(&text(b"J", b"\xf6")), "has a licence whose name is no UTF-8");
        assert_eq!(said(&text(b"J", b"MIT\x1b[2J")), "has a licence whose name is unprintable");
        assert_eq!(said(&text(b"J", &[b'x'; 501])), "has a licence whose name is too long");
    }
}
