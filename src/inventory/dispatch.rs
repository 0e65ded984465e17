//! Hands a file to its reader, and says what the file then stands for in its layer.
//!
//! A file of which nothing could be read stands for nothing: what a lower layer has in its place stays as it is, because nobody knows that it changed.
//! A file that was read and says nothing hides what was there before.

use super::files::Reader;
use super::language::{java, npm, php, python, ruby};
use super::os::rpm::{bdb, ndb, sqlite};
use super::os::{apk, copyright, dpkg, os_release};
use super::{FileFound, ReadFile, Unreadable};

/// The version of all readers together. Raised whenever one of them reads more or better, so that images are read again.
pub const READERS_VERSION: u32 = 2;

/// What one file says in its layer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileRead {
    /// What it says; none if that could not be read.
    pub found: Option<FileFound>,
    /// What could not be read, and why.
    pub unreadable: Vec<Unreadable>,
}

/// Reads a whole file. Programs are not read by this, because they are scanned as they pass ([`elf::Scan`](super::language::elf::Scan)); of one nothing is said.
pub fn read(reader: Reader, path: &str, bytes: &[u8]) -> FileRead {
    match reader {
        Reader::DpkgStatus => said(dpkg::read(path, bytes)),
        Reader::DpkgStatusD => said(dpkg::read_one(path, bytes)),
        Reader::DpkgCopyright => license(copyright::read(path, bytes)),
        Reader::ApkInstalled => said(apk::read(path, bytes)),
        Reader::RpmSqlite => said(sqlite::read(path, bytes)),
        Reader::RpmSqliteLog => said(sqlite::read_log(path, bytes)),
        Reader::RpmNdb => said(ndb::read(path, bytes)),
        Reader::RpmBdb => said(bdb::read(path, bytes)),
        Reader::OsRelease => distro(os_release::read(path, bytes)),
        Reader::PythonMetadata => said(python::read(path, bytes)),
        Reader::NpmPackage => said(npm::read(path, bytes)),
        Reader::NpmLock => said(npm::read_lock(path, bytes)),
        Reader::Jar => said(java::read(path, bytes)),
        Reader::Gemspec => said(ruby::read(path, bytes)),
        Reader::ComposerInstalled => said(php::read(path, bytes)),
        Reader::Executable => FileRead::default(),
    }
}

/// What a file of packages stands for, as its reader found it.
pub fn said(read: ReadFile) -> FileRead {
    let is_lost = read.packages.is_empty() && !read.unreadable.is_empty();
    FileRead { found: (!is_lost).then_some(FileFound::Packages(read.packages)), unreadable: read.unreadable }
}

fn license(read: Result<Option<FileFound>, Unreadable>) -> FileRead {
    match read {
        Ok(found) => FileRead { found, unreadable: Vec::new() },
        Err(why) => FileRead { found: None, unreadable: vec![why] },
    }
}

fn distro(read: Result<super::Distro, Unreadable>) -> FileRead {
    license(read.map(|distro| Some(FileFound::Distro(distro))))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::inventory::files::reader_of;

    fn read_as_named(path: &str, bytes: &[u8]) -> FileRead {
        let (reader, _) = reader_of(path, bytes.len() as u64, 0o644).unwrap();
        read(reader, path, bytes)
    }

    /// A file for each reader of text, and what it says.
    const SAMPLES: [(&str, &str, &str); 11] = [
        ("var/lib/dpkg/status", "Package: a\nStatus: install ok installed\nArchitecture: amd64\nSource: s (2)\nVersion: 1\n", "deb a 1"),
        ("var/lib/dpkg/status.d/a", "Package: a\nArchitecture: amd64\nVersion: 1\n", "deb a 1"),
        (
            "usr/share/doc/a/copyright",
            "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nLicense: MIT\n",
            "a is MIT",
        ),
        ("lib/apk/db/installed", "P:a\nV:1-r0\nA:x86_64\nL:MIT\no:s\n\n", "apk a 1-r0"),
        ("etc/os-release", "ID=debian\nVERSION_ID=12\nVERSION_CODENAME=bookworm\n", "debian 12"),
        ("p/a-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: a\nVersion: 1\nLicense: MIT\n", "pypi a 1"),
        ("p/node_modules/a/package.json", r#"{"name":"a","version":"1","license":"MIT"}"#, "npm a 1"),
        ("p/package-lock.json", r#"{"lockfileVersion":3,"packages":{"node_modules/a":{"version":"1"}}}"#, "npm a 1"),
        ("p/specifications/a-1.gemspec", "Gem::Specification.new do |s|\n  s.name = \"a\".freeze\n  s.version = \"1\"\nend\n", "gem a 1"),
        ("p/vendor/composer/installed.json", r#"[{"name":"v/a","version":"1"}]"#, "composer v/a 1"),
        ("p/vendor/composer/installed.json", r#"{"packages":[{"name":"v/a","version":"1"}]}"#, "composer v/a 1"),
    ];

    #[test]
    fn every_file_goes_to_the_reader_of_its_name() {
        for (path, text, expected) in SAMPLES {
            let said = match read_as_named(path, text.as_bytes()).found {
                Some(FileFound::Packages(packages)) => {
                    packages.iter().map(|package| format!("{} {} {}", package.kind, package.name, package.version)).collect::<Vec<_>>().join(", ")
                }
                Some(FileFound::Distro(distro)) => distro.to_string(),
                Some(FileFound::License { package, license }) => format!("{package} is {license}"),
                None => "nothing".to_owned(),
            };
            assert_eq!(said, expected, "{path}");
        }
    }

    #[test]
    fn what_could_not_be_read_hides_nothing_and_what_is_empty_does() {
        for path in ["var/lib/rpm/rpmdb.sqlite", "var/lib/rpm/Packages", "usr/lib/sysimage/rpm/Packages.db", "p/a.jar"] {
            let read = read_as_named(path, &[7; 5000]);
            assert_eq!((read.found, read.unreadable.is_empty()), (None, false), "{path}");
        }
        let empty = read_as_named("var/lib/dpkg/status", b"");
        assert_eq!(empty, FileRead { found: Some(FileFound::Packages(Vec::new())), unreadable: Vec::new() });
    }

    /// All texts that a file said, licences last.
    fn texts(found: FileFound) -> (Vec<String>, Vec<String>) {
        match found {
            FileFound::Packages(packages) => {
                let (mut texts, mut licenses) = (Vec::new(), Vec::new());
                for package in packages {
                    texts.extend([package.name, package.version].into_iter().chain(package.arch));
                    texts.extend(package.source.into_iter().flat_map(|source| [source.name, source.version]));
                    licenses.extend(package.license);
                }
                (texts, licenses)
            }
            FileFound::Distro(distro) => ([distro.id, distro.release].into_iter().chain(distro.codename).collect(), Vec::new()),
            FileFound::License { license, .. } => (Vec::new(), vec![license]),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// What an image says ends up on terminals and in documents.
        #[test]
        fn whatever_a_file_says_is_printable_and_short_or_named(
            which in 0..SAMPLES.len(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), "\\PC|[\\x00-\\x1f\\x7f-\\u{9f}]|\\\\u001b|x{600}"), 0..4),
        ) {
            let (path, text, _) = SAMPLES[which];
            let mut text = text.to_owned();
            for (at, put) in changes {
                text.insert_str(text.floor_char_boundary(at.index(text.len())), &put);
            }
            let read = read_as_named(path, text.as_bytes());
            prop_assert!(read.unreadable.len() <= ReadFile::FAULTS_MAX + 1);
            let (texts, licenses) = read.found.map(texts).unwrap_or_default();
            for text in texts.iter().chain(&licenses) {
                prop_assert!(!text.contains(char::is_control), "{text:?}");
            }
            prop_assert!(texts.iter().all(|text| text.len() <= 512));
        }
    }
}
