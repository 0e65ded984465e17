//! apk's list of packages: `lib/apk/db/installed`.
//!
//! Source: the Alpine wiki's "Apk spec" and apk-tools: one letter, a colon, the value; `P` is the name, `V` the version, `A` the architecture, `L` the
//! licence and `o` the package it was built with. Letters have a case: `p` is what a package provides. Files follow in lines of `F`, `R`, `a` and `Z`.

use super::records::{Record, records, text, whole_lines};
use crate::inventory::{Kind, Package, ReadFile, SourcePackage};

/// Reads the packages, `.virtual` ones included, which are names for a set of others.
///
/// A record without name or version is named with its line, and the others are given.
pub fn read(path: &str, bytes: &[u8]) -> ReadFile {
    let mut read = ReadFile::default();
    let text = text(path, bytes, &mut read);
    let text = whole_lines(path, &text, &mut read);
    for record in records(text, |name| ["P", "V", "A", "L", "o"].contains(&name)) {
        if !take(path, &record, &mut read) {
            break;
        }
    }
    read
}

/// Takes in one record. False if there is no room for more.
fn take(path: &str, record: &Record<'_>, read: &mut ReadFile) -> bool {
    if let Some(line) = record.strange {
        read.refuse(path, format_args!("line {line} is no field"));
    }
    let (Some(name), Some(version)) = (record.get_exact("P"), record.get_exact("V")) else {
        read.refuse(path, format_args!("the record in line {} has no name or no version", record.line));
        return true;
    };
    let package = Package {
        kind: Kind::Apk,
        name: name.to_owned(),
        version: version.to_owned(),
        arch: record.get_exact("A").map(str::to_owned),
        license: record.get_exact("L").map(str::to_owned),
        source: record.get_exact("o").map(|origin| SourcePackage { name: origin.to_owned(), version: version.to_owned() }),
    };
    read.add(path, package)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `name version arch license origin`, one package after the other, and then the faults.
    fn said(bytes: &[u8]) -> String {
        let read = read("f", bytes);
        let packages = read.packages.iter().map(|package| {
            let or_none = |text: &Option<String>| text.clone().unwrap_or("-".into());
            let origin = package.source.as_ref().map_or("-", |source| &source.name);
            format!("{} {} {} {} {origin}", package.name, package.version, or_none(&package.arch), or_none(&package.license))
        });
        packages.chain(read.unreadable.iter().map(|fault| format!("! {}", fault.why))).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn letters_have_a_case_and_what_is_not_said_is_none() {
        for (text, expected) in [
            ("P:a\nV:1-r0\nA:x86_64\nL:MIT\no:s\n\n", "a 1-r0 x86_64 MIT s"),
            ("P:a\nV:1-r0\np:so:x=1\nl:no\nL:\nF:etc\nR:b\na:0:0:755\n\n", "a 1-r0 - - -"),
            ("P:.deps\nV:20240101.1\n\nP:b\nV:2\n", ".deps 20240101.1 - - -; b 2 - - -"),
            ("P:a\nA:x\n\nP:b\nV:2\n\n", "b 2 - - -; ! the record in line 1 has no name or no version"),
            ("P:a\nV:1\nrubbish\n\n", "a 1 - - -; ! line 3 is no field"),
            ("P:a\nV:1.2", "! ends in the middle of line 2; ! the record in line 1 has no name or no version"),
            ("", ""),
        ] {
            assert_eq!(said(text.as_bytes()), expected, "{text:?}");
        }
    }
}
