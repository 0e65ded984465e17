//! Lists of packages against what the package managers themselves list, and whatever can be wrong with them.

use std::process::Command;

use proptest::prelude::*;

use super::{apk, copyright, dpkg, os_release};
use crate::inventory::{FileFound, Kind, Package, ReadFile};

const FORMAT: &str = "${db:Status-Status}|${Package}|${Version}|${Architecture}|${source:Package}|${source:Version}\n";
const STATUS: &[u8] = include_bytes!("../../../tests/inventory/os/dpkg/status");
const LISTING: &str = include_str!("../../../tests/inventory/os/dpkg/packages.txt");
const INSTALLED: &[u8] = include_bytes!("../../../tests/inventory/os/apk/installed");

/// What dpkg lists, without what has no files in place.
fn listed(listing: &str) -> Vec<String> {
    let there = listing.lines().filter_map(|line| line.split_once('|')).filter(|(state, _)| !["config-files", "half-installed"].contains(state));
    let mut lines: Vec<String> = there.map(|(_, line)| line.to_owned()).collect();
    lines.sort();
    lines
}

fn lines(read: &ReadFile) -> Vec<String> {
    let line = |package: &Package| {
        let source = package.source.as_ref().unwrap();
        format!("{}|{}|{}|{}|{}", package.name, package.version, package.arch.as_deref().unwrap_or_default(), source.name, source.version)
    };
    let mut lines: Vec<String> = read.packages.iter().map(line).collect();
    lines.sort();
    lines
}

#[test]
fn a_list_of_dpkg_gives_what_dpkg_lists() {
    let read = dpkg::read("var/lib/dpkg/status", STATUS);
    assert_eq!((lines(&read), read.unreadable), (listed(LISTING), Vec::new()));
    assert!(LISTING.contains("config-files|login|"), "what is only settings is listed by dpkg and is not there");
}

/// Only where dpkg is, and while nobody installs anything.
#[test]
fn the_list_of_this_machine_gives_what_dpkg_lists() {
    let path = "/var/lib/dpkg/status";
    let (Ok(status), Ok(output)) = (std::fs::read(path), Command::new("dpkg-query").args(["-W", "-f", FORMAT]).output()) else { return };
    if std::fs::read(path).ok().as_ref() != Some(&status) {
        return;
    }
    let read = dpkg::read(path, &status);
    assert_eq!(lines(&read), listed(&String::from_utf8_lossy(&output.stdout)));
}

#[test]
fn every_licence_of_this_machine_is_read_or_said_to_be_prose() {
    let Ok(folders) = std::fs::read_dir("/usr/share/doc") else { return };
    for path in folders.flatten().map(|folder| folder.path().join("copyright")) {
        let Ok(bytes) = std::fs::read(&path) else { continue };
        match copyright::read(&path.to_string_lossy(), &bytes) {
            Ok(Some(FileFound::License { license, .. })) => assert!(!license.trim().is_empty() && !license.contains('\n'), "{path:?}"),
            Ok(None) => {}
            other => panic!("{path:?}: {other:?}"),
        }
    }
}

#[test]
fn a_list_of_apk_gives_what_apk_lists() {
    let read = apk::read("lib/apk/db/installed", INSTALLED);
    let lines: Vec<String> = read.packages.iter().map(|package| format!("{}-{}", package.name, package.version)).collect();
    assert_eq!(lines.join("\n"), include_str!("../../../tests/inventory/os/apk/packages.txt").trim_end());
    assert!(read.unreadable.is_empty());
    let sources: Vec<&str> = read.packages.iter().filter_map(|package| Some(package.source.as_ref()?.name.as_str())).collect();
    assert_eq!(sources, ["musl", "ca-certificates", "busybox"], "a virtual package has no source");
}

#[test]
fn a_file_of_nothing_but_faults_is_named_within_bounds() {
    let read = dpkg::read("f", "x\n\n".repeat(10_000).as_bytes());
    assert_eq!((read.packages.len(), read.unreadable.len()), (0, ReadFile::FAULTS_MAX + 1));
}

proptest! {
    #[test]
    fn noise_is_survived(noise in prop::collection::vec(any::<u8>(), 0..2000)) {
        for read in [dpkg::read, dpkg::read_one, apk::read] {
            read("f", &noise);
        }
        let _ = (copyright::read("usr/share/doc/a/copyright", &noise), os_release::read("f", &noise));
    }

    #[test]
    fn text_in_the_form_of_a_list_is_survived(text in "((Package|Status|Version|Source|License|Files|Format|ID|VERSION_ID|P|V|o|[a-z]{0,3})[:=]? ?[^\\n]{0,12}\\n{0,2}){0,20}") {
        for read in [dpkg::read, dpkg::read_one, apk::read] {
            read("f", text.as_bytes());
        }
        let licensed = format!("Format: copyright-format\n\n{text}");
        let _ = (copyright::read("usr/share/doc/a/copyright", licensed.as_bytes()), os_release::read("f", text.as_bytes()));
    }

    /// What is cut off has nothing that the whole has not.
    #[test]
    fn a_list_that_is_cut_off_gives_no_other_packages(end in any::<prop::sample::Index>()) {
        for (read, bytes, kind) in [(dpkg::read as fn(&str, &[u8]) -> ReadFile, STATUS, Kind::Deb), (apk::read, INSTALLED, Kind::Apk)] {
            let identities = |bytes: &[u8]| {
                read("f", bytes).packages.iter().map(|package| (package.name.clone(), package.version.clone(), package.kind)).collect::<Vec<_>>()
            };
            let (whole, cut) = (identities(bytes), identities(&bytes[..end.index(bytes.len())]));
            prop_assert!(cut.iter().all(|package| whole.contains(package) && package.2 == kind));
        }
    }
}
