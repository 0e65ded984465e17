//! dpkg's list of packages: `var/lib/dpkg/status`, and `status.d/` of images that have packages but no package manager (distroless).
//!
//! Source: deb-control(5) for the fields, dpkg(1) for the states, Debian Policy 5.6.1 for `Source`.

use super::records::{Record, records, text, whole_lines};
use crate::inventory::{Kind, Package, ReadFile, SourcePackage};

/// Reads `status`: the packages whose files are in place.
///
/// A record without name or version is named with its line, and the others are given.
pub fn read(path: &str, bytes: &[u8]) -> ReadFile {
    let mut read = ReadFile::default();
    let text = text(path, bytes, &mut read);
    let text = whole_lines(path, &text, &mut read);
    for record in records(text, is_wanted) {
        if !take(path, &record, &mut read) {
            break;
        }
    }
    read
}

/// Reads one file of `status.d/`: the control file of a package, which is there because the package is, so that it says nothing of a state.
pub fn read_one(path: &str, bytes: &[u8]) -> ReadFile {
    let mut read = ReadFile::default();
    let text = text(path, bytes, &mut read);
    for record in records(&text, is_wanted) {
        name_strange(path, &record, &mut read);
        if !add(path, &record, &mut read) {
            break;
        }
    }
    read
}

fn is_wanted(field: &str) -> bool {
    ["Package", "Status", "Architecture", "Source", "Version"].iter().any(|wanted| wanted.eq_ignore_ascii_case(field))
}

/// How much of a package is there.
enum State {
    /// Its files are in place.
    There,
    /// Nothing, or settings that stayed behind.
    Gone,
    /// Some of its files: dpkg was interrupted.
    Half,
}

/// Takes in one record of `status`. False if there is no room for more.
fn take(path: &str, record: &Record<'_>, read: &mut ReadFile) -> bool {
    name_strange(path, record, read);
    match record.get("Status").and_then(state) {
        Some(State::There) => add(path, record, read),
        Some(State::Gone) => true,
        Some(State::Half) => {
            read.refuse(path, format_args!("the package of the record in line {} is half installed", record.line));
            true
        }
        None => {
            read.refuse(path, format_args!("the record in line {} has no state that dpkg knows", record.line));
            true
        }
    }
}

/// The third word of `Status`. A package that waits for its settings or for a trigger has its files in place as one that is installed has.
fn state(status: &str) -> Option<State> {
    match status.split_ascii_whitespace().nth(2)? {
        "installed" | "unpacked" | "half-configured" | "triggers-awaited" | "triggers-pending" => Some(State::There),
        "not-installed" | "config-files" => Some(State::Gone),
        "half-installed" => Some(State::Half),
        _ => None,
    }
}

fn name_strange(path: &str, record: &Record<'_>, read: &mut ReadFile) {
    if let Some(line) = record.strange {
        read.refuse(path, format_args!("line {line} is no field"));
    }
}

fn add(path: &str, record: &Record<'_>, read: &mut ReadFile) -> bool {
    let Some(name) = record.get("Package") else {
        read.refuse(path, format_args!("the record in line {} has no name", record.line));
        return true;
    };
    let Some(version) = record.get("Version") else {
        read.refuse(path, format_args!("{name} in line {} has no version", record.line));
        return true;
    };
    let package = Package {
        kind: Kind::Deb,
        name: name.to_owned(),
        version: version.to_owned(),
        arch: record.get("Architecture").map(str::to_owned),
        license: None,
        source: Some(source(record.get("Source").unwrap_or(name), version)),
    };
    read.add(path, package)
}

/// `glibc (2.36-9)`; the version is there only where it is not the package's own.
fn source(text: &str, version: &str) -> SourcePackage {
    let (name, own) = text.split_once('(').map_or((text, None), |(name, rest)| (name, rest.split(')').next()));
    let own = own.map(str::trim).filter(|own| !own.is_empty());
    SourcePackage { name: name.trim().to_owned(), version: own.unwrap_or(version).to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `name version arch source source-version`, one package after the other, and then the faults.
    fn said(read: &ReadFile) -> String {
        let packages = read.packages.iter().map(|package| {
            let source = package.source.as_ref().map(|source| format!(" {} {}", source.name, source.version)).unwrap_or_default();
            format!("{} {} {}{source}", package.name, package.version, package.arch.as_deref().unwrap_or("-"))
        });
        packages.chain(read.unreadable.iter().map(|fault| format!("! {}", fault.why))).collect::<Vec<_>>().join("; ")
    }

    fn record(status: &str) -> String {
        format!("Package: a\nStatus: {status}\nArchitecture: amd64\nVersion: 1:2-3\n\n")
    }

    #[test]
    fn a_package_is_there_when_its_files_are() {
        //   the state                            what is read
        for (status, expected) in [
            ("install ok installed", "a 1:2-3 amd64 a 1:2-3"),
            ("hold ok installed", "a 1:2-3 amd64 a 1:2-3"),
            ("install ok triggers-pending", "a 1:2-3 amd64 a 1:2-3"),
            ("install ok unpacked", "a 1:2-3 amd64 a 1:2-3"),
            ("deinstall ok config-files", ""),
            ("unknown ok not-installed", ""),
            ("install reinstreq half-installed", "! the package of the record in line 1 is half installed"),
            ("installed", "! the record in line 1 has no state that dpkg knows"),
            ("install ok strange", "! the record in line 1 has no state that dpkg knows"),
        ] {
            assert_eq!(said(&read("f", record(status).as_bytes())), expected, "{status}");
        }
    }

    #[test]
    fn a_source_is_named_where_it_is_another() {
        for (field, expected) in [
            ("", "b 1+b1 all b 1+b1"),
            ("Source: s\n", "b 1+b1 all s 1+b1"),
            ("Source: s (1)\n", "b 1+b1 all s 1"),
            ("Source: s (\n", "b 1+b1 all s 1+b1"),
            ("source:\n s\n", "b 1+b1 all b 1+b1"),
        ] {
            let text = format!("Package: b\nStatus: install ok installed\nArchitecture: all\n{field}Version: 1+b1\n\n");
            assert_eq!(said(&read("f", text.as_bytes())), expected, "{field}");
        }
    }

    #[test]
    fn what_can_be_read_is_given_and_the_rest_named_with_its_line() {
        let good = record("install ok installed");
        let text = format!("{good}rubbish\nPackage: b\nStatus: install ok installed\n\nStatus: install ok installed\nVersion: 1\n\n{good}Package: c");
        let expected = "a 1:2-3 amd64 a 1:2-3; a 1:2-3 amd64 a 1:2-3; ! ends in the middle of line 18; ! line 6 is no field; \
            ! b in line 6 has no version; ! the record in line 10 has no name";
        assert_eq!(said(&read("f", text.as_bytes())), expected);
    }

    #[test]
    fn a_version_that_is_cut_off_is_not_taken_for_a_shorter_one() {
        let text = record("install ok installed");
        let cut = text.trim_end().strip_suffix("-3").unwrap();
        assert_eq!(said(&read("f", cut.as_bytes())), "! ends in the middle of line 4; ! a in line 1 has no version");
    }

    #[test]
    fn a_package_of_an_image_without_dpkg_needs_no_state_and_no_last_newline() {
        assert_eq!(
            said(&read_one("f", b"Package: tzdata\nVersion: 2024a-0+deb12u1\nArchitecture: all")),
            "tzdata 2024a-0+deb12u1 all tzdata 2024a-0+deb12u1"
        );
        assert_eq!(said(&read_one("f", b"")), "");
    }
}
