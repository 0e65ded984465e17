//! Readers against what the languages' own tools say, and against whatever bytes.

use proptest::prelude::*;

use super::{elf, java, npm, php, python, ruby};
use crate::inventory::ReadFile;

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("../../../tests/inventory/language/", $name)).as_slice()
    };
}
pub(super) const GO_TINY: &[u8] = fixture!("go/tiny");
pub(super) const GO_TINY_SAID: &[u8] = fixture!("go/tiny.txt");
pub(super) const GO_TOOL: &[u8] = fixture!("go/tool");
pub(super) const GO_TOOL_SAID: &[u8] = fixture!("go/tool.txt");
pub(super) const RUST_TINY: &[u8] = fixture!("rust/tiny");
pub(super) const JAR: &[u8] = fixture!("java/jul-to-slf4j-1.7.32.jar");
pub(super) const WAR: &[u8] = fixture!("java/app.war");
pub(super) const WAR_WITH_LAUNCHER: &[u8] = fixture!("java/app-with-launcher.war");

/// Each package as `name version`, sorted; nothing may be unreadable.
pub(super) fn said(read: &ReadFile) -> Vec<String> {
    assert_eq!(read.unreadable, []);
    let mut all: Vec<String> = read.packages.iter().map(|package| format!("{} {}", package.name, package.version)).collect();
    all.sort();
    all
}

fn program(bytes: &[u8], piece_bytes: usize) -> ReadFile {
    let mut scan = elf::Scan::new("usr/bin/x");
    bytes.chunks(piece_bytes).for_each(|piece| scan.push(piece));
    scan.finish()
}

#[test]
fn python_packages_are_those_that_pip_lists() {
    let listed: Vec<serde_json::Value> = serde_json::from_slice(fixture!("python/pip-list.json")).unwrap();
    let mut listed: Vec<String> = listed
        .iter()
        .map(|each| [&each["name"], &each["version"]].map(|text| text.as_str().unwrap().to_lowercase().replace('_', "-")).join(" "))
        .map(|each| each.replace("zope.", "zope-").replace("ruamel.", "ruamel-"))
        .collect();
    listed.sort();
    let files = [
        (fixture!("python/attrs-26.1.0.dist-info/METADATA"), "MIT"),
        (fixture!("python/flask_sqlalchemy-3.1.1.dist-info/METADATA"), "BSD License"),
        (fixture!("python/ruamel_yaml-0.19.1.dist-info/METADATA"), "MIT"),
        (fixture!("python/setuptools-65.5.0.dist-info/METADATA"), "MIT License"),
        (fixture!("python/typing_extensions-4.16.0.dist-info/METADATA"), "PSF-2.0"),
        (fixture!("python/zope_interface-8.7.dist-info/METADATA"), "ZPL-2.1"),
    ];
    let read = files.map(|(bytes, license)| (python::read("METADATA", bytes), license));
    for (read, license) in &read {
        assert_eq!(read.packages[0].license.as_deref(), Some(*license), "{read:?}");
    }
    let mut found: Vec<String> = read.iter().flat_map(|(read, _)| said(read)).collect();
    found.sort();
    assert_eq!(found, listed);
}

#[test]
fn installed_node_packages_are_those_that_npm_lists() {
    fn listed(tree: &serde_json::Value, all: &mut Vec<String>) {
        for (name, package) in tree["dependencies"].as_object().into_iter().flatten() {
            // `other` is an alias of `plain`; what was left out has no version.
            let name = if name == "other" { "plain" } else { name };
            all.extend(package["version"].as_str().map(|version| format!("{name} {version}")));
            listed(package, all);
        }
    }
    let mut all = Vec::new();
    listed(&serde_json::from_slice(fixture!("npm/npm-ls.json")).unwrap(), &mut all);
    all.sort();
    let read = npm::read_lock("app/node_modules/.package-lock.json", fixture!("npm/v3/node_modules/.package-lock.json"));
    assert_eq!(said(&read), all);
    let license = |name: &str| read.packages.iter().find(|package| package.name == name).and_then(|package| package.license.as_deref());
    assert_eq!((license("@scope/needs"), license("watcher")), (Some("(MIT OR Apache-2.0)"), Some("MIT")));
}

#[test]
fn a_lock_of_any_version_is_taken_for_what_is_installed_everywhere() {
    let everywhere = ["@scope/needs 2.0.0", "plain 0.9.0", "plain 0.9.0", "plain 1.2.0", "watcher 4.0.0"];
    assert_eq!(said(&npm::read_lock("package-lock.json", fixture!("npm/v1/package-lock.json"))), everywhere);
    let with_optional = [&["@scope/needs 2.0.0", "anywhere 1.1.1"], &everywhere[1..]].concat();
    assert_eq!(said(&npm::read_lock("package-lock.json", fixture!("npm/v2/package-lock.json"))), with_optional);
    assert_eq!(said(&npm::read_lock("package-lock.json", fixture!("npm/v3/package-lock.json"))), with_optional);
}

#[test]
fn a_package_json_is_a_package_if_it_has_name_and_version() {
    for (text, package) in [
        (r#"{"name": "@a/b", "version": "1.0.0", "license": "MIT", "main": {"x": [1]}}"#, Some("@a/b 1.0.0 MIT")),
        (r#"{"name": "b", "version": "1.0.0", "licenses": [{"type": "MIT"}, {"type": "ISC"}]}"#, Some("b 1.0.0 MIT OR ISC")),
        (r#"{"name": "b", "version": "0.0.0", "version": "1.0.0", "license": {"type": "MIT"}}"#, Some("b 1.0.0 MIT")),
        (r#"{"name": "b", "version": 1}"#, None),
        (r#"{"type": "module"}"#, None),
    ] {
        let read = npm::read("node_modules/b/package.json", text.as_bytes());
        let said = read.packages.first().map(|is| format!("{} {} {}", is.name, is.version, is.license.as_deref().unwrap_or("-")));
        assert_eq!((said.as_deref(), read.unreadable.len()), (package, 0), "{text}");
    }
    assert_eq!(npm::read("package.json", b"{{ name }}").unreadable.len(), 1);
}

#[test]
fn gems_are_those_that_rubygems_loads() {
    let files = [
        ("specifications/default/json-2.6.1.gemspec", fixture!("ruby/specifications/default/json-2.6.1.gemspec")),
        ("specifications/net-ftp-0.1.3.gemspec", fixture!("ruby/specifications/net-ftp-0.1.3.gemspec")),
        ("specifications/rake-13.0.6.gemspec", fixture!("ruby/specifications/rake-13.0.6.gemspec")),
    ];
    let read = files.map(|(path, bytes)| ruby::read(path, bytes));
    let lines: Vec<String> = read
        .iter()
        .flat_map(|read| &read.packages)
        .map(|package| format!("{}\t{}\t{}\n", package.name, package.version, package.license.as_deref().unwrap_or_default()))
        .collect();
    assert_eq!(lines.concat().as_bytes(), fixture!("ruby/gems.txt"));
}

#[test]
fn php_packages_are_those_that_composer_shows() {
    let read = php::read("vendor/composer/installed.json", fixture!("php/vendor/composer/installed.json"));
    assert_eq!(said(&read), ["acme/lib-a 1.4.0", "acme/lib-b 2.0.1-beta1"]);
    assert_eq!(read.packages[0].license.as_deref(), Some("MIT OR Apache-2.0"));
}

/// Everything that a reader may be given.
const REAL: [&[u8]; 14] = [
    fixture!("python/setuptools-65.5.0.dist-info/METADATA"),
    fixture!("npm/v1/package-lock.json"),
    fixture!("npm/v2/package-lock.json"),
    fixture!("npm/v3/node_modules/.package-lock.json"),
    GO_TINY,
    GO_TOOL,
    RUST_TINY,
    WAR,
    WAR_WITH_LAUNCHER,
    JAR,
    fixture!("ruby/specifications/default/json-2.6.1.gemspec"),
    fixture!("ruby/gems.txt"),
    fixture!("php/vendor/composer/installed.json"),
    fixture!("python/pip-list.json"),
];

/// Whatever the bytes, each reader ends, and each package that it gives has a name and a version.
fn any_reader_ends(path: &str, bytes: &[u8]) {
    let all = [
        python::read(path, bytes),
        npm::read(path, bytes),
        npm::read_lock(path, bytes),
        java::read(path, bytes),
        ruby::read(path, bytes),
        php::read(path, bytes),
        program(bytes, 1000),
    ];
    for package in all.iter().flat_map(|read| &read.packages) {
        assert!(!package.name.is_empty() && !package.version.is_empty(), "{package:?}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_to_an_end(path in ".{0,40}", bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        any_reader_ends(&path, &bytes);
    }

    #[test]
    fn real_files_that_are_cut_and_changed_are_read_to_an_end(
        which in 0..REAL.len(), cut in any::<prop::sample::Index>(), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8)
    ) {
        let mut bytes = REAL[which][..=cut.index(REAL[which].len())].to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        any_reader_ends("a/b-1.jar", &bytes);
    }

    #[test]
    fn numbers_of_any_size_in_real_files_are_not_believed(which in 0..REAL.len(), at in any::<prop::sample::Index>(), number in prop::sample::select(vec![0, u32::MAX, 1 << 31, 0x7fff_ffff])) {
        let mut bytes = REAL[which].to_vec();
        let at = at.index(bytes.len() - 4);
        bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
        any_reader_ends("a/b-1.jar", &bytes);
    }

    #[test]
    fn a_program_says_the_same_in_pieces_of_any_size(which in 4..7usize, piece_bytes in 1..6_000usize) {
        prop_assert_eq!(program(REAL[which], piece_bytes), program(REAL[which], usize::MAX));
    }
}
