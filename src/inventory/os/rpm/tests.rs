//! The three forms against what rpm itself lists, and whatever can be wrong with them.

use proptest::prelude::*;

use super::{bdb, ndb, sqlite};
use crate::inventory::{Package, ReadFile};

const LISTING: &str = include_str!("../../../../tests/inventory/os/rpm/packages.txt");
const SQLITE: &[u8] = include_bytes!("../../../../tests/inventory/os/rpm/rpmdb.sqlite");
const NDB: &[u8] = include_bytes!("../../../../tests/inventory/os/rpm/Packages.db");
const BDB: &[u8] = include_bytes!("../../../../tests/inventory/os/rpm/Packages");
const BDB_BIG_ENDIAN: &[u8] = include_bytes!("../../../../tests/inventory/os/rpm/Packages-big-endian");

type Read = fn(&str, &[u8]) -> ReadFile;
const FORMS: [(&str, Read, &[u8]); 4] =
    [("sqlite", sqlite::read, SQLITE), ("ndb", ndb::read, NDB), ("bdb", bdb::read, BDB), ("bdb, big-endian", bdb::read, BDB_BIG_ENDIAN)];

/// A package as a line of `rpm -qa`, its source left out.
fn line(package: &Package) -> String {
    let (epoch, version) = package.version.split_once(':').unwrap_or(("0", &package.version));
    let (version, release) = version.rsplit_once('-').unwrap();
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "(none)".into());
    format!("{}|{epoch}|{version}|{release}|{}|{}", package.name, or_none(&package.arch), or_none(&package.license))
}

/// What rpm lists but its keys; an epoch that is none is as good as 0.
fn listed() -> Vec<String> {
    let lines = LISTING.lines().filter(|line| !line.starts_with("gpg-pubkey|"));
    let mut lines: Vec<String> = lines.map(|line| line.rsplit_once('|').unwrap().0.replacen("|(none)|", "|0|", 1)).collect();
    lines.sort();
    lines
}

fn lines(read: &ReadFile) -> Vec<String> {
    let mut lines: Vec<String> = read.packages.iter().map(line).collect();
    lines.sort();
    lines
}

#[test]
fn every_form_gives_what_rpm_lists() {
    for (form, read, bytes) in FORMS {
        let read = read("f", bytes);
        assert_eq!((lines(&read), read.unreadable), (listed(), Vec::new()), "{form}");
    }
}

#[test]
fn a_package_names_its_source_with_the_epoch_of_its_own() {
    let read = sqlite::read("f", SQLITE);
    let source = |name: &str| {
        let source = read.packages.iter().find(|package| package.name == name).and_then(|package| package.source.clone()).unwrap();
        format!("{} {}", source.name, source.version)
    };
    assert_eq!(source("alpha"), "alpha 1.2.3-4.el9");
    assert_eq!(source("lib-beta-tools"), "beta 2:3.0~rc1^git5-7");
    assert_eq!(source("beta-libs"), "beta 3.0~rc1^git5-7");
}

#[test]
fn a_database_that_is_cut_off_gives_what_is_left_and_says_so() {
    let listed = listed();
    for (form, read, bytes) in FORMS {
        let mut counts = Vec::new();
        for part in 0..20 {
            let read = read("f", &bytes[..bytes.len() * part / 20]);
            assert!(!read.unreadable.is_empty(), "{form}, {part}/20");
            assert!(lines(&read).iter().all(|line| listed.contains(line)), "{form}, {part}/20");
            counts.push(read.packages.len());
        }
        assert!(counts.is_sorted() && counts.iter().any(|count| *count > 0), "{form}: {counts:?}");
    }
}

#[test]
fn what_is_no_database_is_named() {
    for (form, read, _) in FORMS {
        for bytes in [&b""[..], b"SQLite format 3\0", b"RpmP", &[0; 4096], &[0xff; 4096]] {
            let read = read("f", bytes);
            assert_eq!((read.packages.len(), read.unreadable.len()), (0, 1), "{form}");
        }
    }
}

#[test]
fn a_log_beside_a_database_is_named_unless_it_is_empty() {
    assert_eq!(sqlite::read_log("f", b""), ReadFile::default());
    assert_eq!(sqlite::read_log("f", b"x").unreadable.len(), 1);
}

/// A database of SQLite with other things in it.
fn database(statements: &str) -> Vec<u8> {
    let mut database = rusqlite::Connection::open_in_memory().unwrap();
    database.execute_batch(statements).unwrap();
    database.serialize(rusqlite::MAIN_DB).unwrap().to_vec()
}

#[test]
fn a_hostile_schema_is_refused_within_bounds() {
    let endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x, x";
    for (statements, expected) in [
        ("CREATE TABLE other (a)".to_owned(), "no such table: Packages"),
        ("CREATE TABLE Packages (a)".to_owned(), "no such column: blob"),
        (format!("CREATE VIEW Packages (hnum, blob) AS {endless} FROM n"), "cannot be read on"),
        (
            "CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob AS (zeroblob(900000000))); INSERT INTO Packages (hnum) VALUES (1), (2)".to_owned(),
            "too big",
        ),
        ("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob); INSERT INTO Packages VALUES (1, 'x'), (2, 3)".to_owned(), "is cut off"),
    ] {
        let read = sqlite::read("f", &database(&statements));
        let why = &read.unreadable[0].why;
        assert!(why.contains(expected) && read.packages.is_empty(), "{statements}: {why}");
    }
}

#[test]
fn a_table_whose_pages_are_all_the_same_one_ends() {
    let rows = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 20000) INSERT INTO Packages SELECT x, zeroblob(100) FROM n";
    let mut bytes = database(&format!("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob); {rows}"));
    // The root, page 2, is an inner one of a table: all its cells and its last child lead to the first child.
    let root = &mut bytes[4096..8192];
    assert_eq!(root[0], 5);
    let cells = (0..usize::from(u16::from_be_bytes([root[3], root[4]])))
        .map(|cell| usize::from(u16::from_be_bytes([root[12 + 2 * cell], root[13 + 2 * cell]])));
    let cells: Vec<usize> = cells.collect();
    let first: [u8; 4] = root[cells[0]..cells[0] + 4].try_into().unwrap();
    cells.iter().chain(&[8]).for_each(|at| root[*at..at + 4].copy_from_slice(&first));
    let read = sqlite::read("f", &bytes);
    assert!(read.unreadable.len() <= ReadFile::FAULTS_MAX + 1 && read.unreadable.iter().any(|fault| fault.why.contains("has no name")));
}

#[test]
fn records_that_overlap_are_not_read_twice() {
    let mut overlapping = NDB.to_vec();
    let first: [u8; 16] = overlapping[32..48].try_into().unwrap();
    for slot in overlapping[32..4096].chunks_exact_mut(16) {
        slot.copy_from_slice(&first);
    }
    let read = ndb::read("f", &overlapping);
    assert!(read.unreadable.iter().any(|fault| fault.why.contains("overlap")), "{:?}", read.unreadable);

    // A chain of pages that leads back to itself.
    let page = |number: usize| number * 4096..(number + 1) * 4096;
    let mut circle = BDB.to_vec();
    for number in 1..circle.len() / 4096 {
        let page = &mut circle[page(number)];
        if page[25] == 7 {
            page[16..20].copy_from_slice(&(number as u32).to_le_bytes());
        }
    }
    let read = bdb::read("f", &circle);
    assert!(!read.unreadable.is_empty() && read.packages.len() < listed().len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn damage_is_survived_wherever_it_is(at in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20)) {
        for (_, read, bytes) in FORMS {
            let mut damaged = bytes.to_vec();
            for (at, byte) in &at {
                damaged[at.index(bytes.len())] = *byte;
            }
            let read = read("f", &damaged);
            prop_assert!(read.packages.len() <= damaged.len());
        }
    }

    #[test]
    fn damage_near_the_beginning_is_survived(at in prop::collection::vec((0..512usize, any::<u8>()), 1..10)) {
        for (_, read, bytes) in FORMS {
            let mut damaged = bytes.to_vec();
            for (at, byte) in &at {
                damaged[*at] = *byte;
            }
            read("f", &damaged);
        }
    }

    #[test]
    fn a_cut_anywhere_is_survived_and_named(end in any::<prop::sample::Index>()) {
        for (_, read, bytes) in FORMS {
            let read = read("f", &bytes[..end.index(bytes.len())]);
            prop_assert!(!read.unreadable.is_empty());
        }
    }

    #[test]
    fn noise_behind_a_true_beginning_is_survived(noise in prop::collection::vec(any::<u8>(), 0..10_000)) {
        for (_, read, bytes) in FORMS {
            read("f", &noise);
            for kept in [16, 26, 48, 100, 512] {
                read("f", &[&bytes[..kept], &noise[..]].concat());
            }
        }
    }
}
