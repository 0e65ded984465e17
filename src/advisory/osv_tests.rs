//! Records as the databases write them, and records as nobody should.

use proptest::prelude::*;

use super::{Advisory, Label, osv, verdict};
use crate::inventory::{Distro, Kind, Package, SourcePackage, samples};

fn read(text: &str) -> Advisory {
    osv::read(text.as_bytes()).unwrap()
}

#[test]
fn an_advisory_is_called_by_its_cve() {
    //    record                                                                                                  called, covers
    for (fields, id, covers) in [
        (r#""id": "CVE-2024-1", "aliases": ["GHSA-x"]"#, "CVE-2024-1", ""),
        (r#""id": "GHSA-x", "aliases": ["CVE-2024-2", "CVE-2024-1"]"#, "CVE-2024-1", ""),
        (r#""id": "DEBIAN-CVE-2024-1", "upstream": ["CVE-2024-1"]"#, "CVE-2024-1", ""),
        (r#""id": "DLA-1-1", "upstream": ["CVE-2024-1", "DEBIAN-CVE-2024-1"]"#, "CVE-2024-1", ""),
        (r#""id": "USN-1-1", "upstream": ["CVE-2024-2", "CVE-2024-1"]"#, "USN-1-1", "CVE-2024-1 CVE-2024-2"),
        (r#""id": "ALSA-1", "related": ["CVE-2024-2", "CVE-2024-1"]"#, "ALSA-1", "CVE-2024-1 CVE-2024-2"),
        (r#""id": "MAL-1""#, "MAL-1", ""),
    ] {
        let affected = r#""affected": [{"package": {"ecosystem": "Debian:12", "name": "p"}}]"#;
        let advisory = read(&format!("{{{fields}, {affected}}}"));
        assert_eq!((advisory.id.as_str(), advisory.covers.join(" ").as_str()), (id, covers), "{fields}");
        assert!(advisory.is_called(&advisory.record) && advisory.is_called(advisory.problems()[0]));
    }
    let language = read(r#"{"id": "GHSA-x", "related": ["CVE-2024-1"], "affected": [{"package": {"ecosystem": "npm", "name": "p"}}]}"#);
    assert_eq!(language.id, "GHSA-x", "for a language, what is related is another problem");
}

#[test]
fn how_bad_it_is_is_the_newest_score_and_the_databases_own_word() {
    let v3 = r#"{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}"#;
    let v4 = r#"{"type": "CVSS_V4", "score": "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"}"#;
    for (fields, label, tenths) in [
        (format!(r#""severity": [{v3}]"#), Label::Critical, Some(98)),
        (format!(r#""severity": [{v3}, {v4}]"#), Label::Critical, Some(93)),
        (format!(r#""severity": [{v3}, {{"type": "Ubuntu", "score": "medium"}}]"#), Label::Medium, Some(98)),
        (r#""severity": [], "database_specific": {"severity": "MODERATE", "cwe_ids": []}"#.into(), Label::Medium, None),
        (r#""affected": [{"package": {"ecosystem": "Debian:12", "name": "p"}, "ecosystem_specific": {"urgency": "low"}}]"#.into(), Label::Low, None),
    ] {
        let severity = read(&format!(r#"{{"id": "X-1", {fields}}}"#)).severity.unwrap();
        assert_eq!((severity.label, severity.score_tenths), (label, tenths), "{fields}");
    }
    let unknown = read(r#"{"id": "X-1", "severity": [{"type": "CVSS_V3", "score": "nonsense"}], "database_specific": ["severity"]}"#);
    assert_eq!(unknown.severity, None);
}

#[test]
fn what_refit_does_not_know_is_named() {
    let advisory = read(
        r#"{"id": "X-1", "affected": [{"package": {"ecosystem": "Hex", "name": "p"}}, {"package": {"ecosystem": "Hex", "name": "q"}},
        {"package": {"ecosystem": "npm", "name": "p"}, "ranges": [{"type": "CALENDAR", "events": []}, {"type": "GIT", "events": [{"introduced": "0"}]}]}]}"#,
    );
    assert_eq!(advisory.beyond, ["Hex", "npm: ranges of type CALENDAR"]);
    assert_eq!(advisory.affected.len(), 1);
}

#[test]
fn a_record_that_cannot_be_read_says_which_and_where() {
    let many = |item: &str, count: usize| vec![item; count].join(",");
    let package = r#""package": {"ecosystem": "npm", "name": "p"}"#;
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    let events = many(r#"{"introduced": "1"}"#, 501);
    //    record                                                                                    what it says begins with
    for (record, expected) in [
        ("".to_owned(), "a record without an id: .: EOF"),
        ("[]".to_owned(), "a record without an id: .: invalid length"),
        (r#"{"id": 7}"#.to_owned(), "a record without an id: id: invalid type: integer"),
        (r#"{"id": "X-1", "published": "yesterday"}"#.to_owned(), "X-1: published: \"yesterday\" is no moment"),
        (r#"{"id": "X-1", "aliases": "CVE-1"}"#.to_owned(), "X-1: aliases: invalid type: string"),
        (r#"{"published": 7, "id": "X-1"}"#.to_owned(), "X-1: published: invalid type: integer"),
        (
            format!(r#"{{"id": "X-1", "affected": [{{{package}}}, {{"package": {{"name": "p"}}}}]}}"#),
            "X-1: affected[1].package: missing field `ecosystem`",
        ),
        (format!(r#"{{"id": "X-1", "affected": [{{{package}, "versions": [1]}}]}}"#), "X-1: affected[0].versions[0]: invalid type"),
        (
            format!(r#"{{"id": "X-1", "affected": [{{{package}, "ranges": [{{"type": "SEMVER", "events": [{events}]}}]}}]}}"#),
            "X-1: affected[0].ranges[0].events: more than 500 of them",
        ),
        (format!(r#"{{"id": "X-1", "affected": {deep}}}"#), "X-1: affected[0][0][0]: invalid type"),
        (format!(r#"{{"id": "{}"}}"#, "x".repeat(600)), "a record without an id: id: longer than 512 bytes"),
        (r#"{"id": "X-1"} {"#.to_owned(), "X-1: .: trailing characters"),
        (r#"{"id": "X-1", "affected": ["#.to_owned(), "X-1: affected: EOF"),
        (format!("{{\"id\": \"X-1\", \"details\": \"{}\"}}", "x".repeat(16 << 20)), "X-1: .: longer than 16777216 bytes"),
    ] {
        let error = osv::read(record.as_bytes()).unwrap_err().to_string();
        let shown: String = record.chars().take(200).collect();
        assert!(error.starts_with(expected), "{shown}\n{error}");
    }
    let skipped = format!(r#"{{"id": "X-1", "database_specific": {0}, "credits": {0}}}"#, format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)));
    assert!(osv::read(skipped.as_bytes()).is_ok(), "what nobody reads may be as deep as it likes");
}

fn package(kind: Kind, name: &str, version: &str, source: Option<(&str, &str)>) -> Package {
    let source = source.map(|(name, version)| SourcePackage { name: name.into(), version: version.into() });
    Package { source, ..samples::package(kind, name, version) }
}

macro_rules! sample {
    ($name:literal) => {
        include_str!(concat!("../../tests/inventory/advisories/", $name, ".json"))
    };
}

/// Each of `package version → fixed in`, where `-` is not hit; the source, where there is one, has the package's version without an epoch.
fn check(record: &str, id: &str, kind: Kind, distro: &str, source: Option<&str>, expected: &[&str]) {
    let advisory = read(record);
    assert_eq!(advisory.id, id);
    let distro = distro.split_once(' ').map(|(id, release)| Distro { id: id.into(), release: release.into(), codename: None });
    for line in expected {
        let (installed, fixed) = line.split_once(" → ").unwrap();
        let (name, version) = installed.split_once(' ').unwrap();
        let package = package(kind, name, version, source.map(|source| (source, version.split_once(':').map_or(version, |(_, version)| version))));
        let hit = verdict(&advisory, &package, distro.as_ref());
        assert_eq!(hit.map_or("-".into(), |hit| hit.fixed.unwrap_or("never".into())), fixed, "{line} in {distro:?} by {id}");
    }
}

#[test]
fn sample_records_hit_what_their_databases_say() {
    let openssl = ["libssl3 3.0.11-1~deb12u2 → 3.0.13-1~deb12u1", "libssl3 3.0.13-1~deb12u1 → -", "libssl3 3.0.13-1 → -"];
    check(sample!("DEBIAN-CVE-2024-0727"), "CVE-2024-0727", Kind::Deb, "debian 12", Some("openssl"), &openssl);
    check(sample!("DEBIAN-CVE-2024-0727"), "CVE-2024-0727", Kind::Deb, "debian 13", Some("openssl"), &["libssl3 3.0.11-1 → 3.1.5-1"]);
    check(sample!("DEBIAN-CVE-2024-0727"), "CVE-2024-0727", Kind::Deb, "debian 10", Some("openssl"), &["libssl1.1 1.1.1n-0+deb10u3 → -"]);
    check(sample!("DEBIAN-CVE-2024-0727"), "CVE-2024-0727", Kind::Deb, "ubuntu 12", Some("openssl"), &["libssl3 3.0.2 → -"]);
    check(sample!("DEBIAN-CVE-2024-0727"), "CVE-2024-0727", Kind::Deb, "", Some("openssl"), &["libssl3 3.0.2 → -"]);
    check(sample!("DEBIAN-CVE-2024-0727"), "CVE-2024-0727", Kind::Deb, "debian 12", Some("openssl-legacy"), &["openssl 3.0.2 → -"]);
    let libc = ["libc6 2.35-0ubuntu3.13 → 2.35-0ubuntu3.14", "libc6 2.35-0ubuntu3.14 → -", "libc6 2.35-0ubuntu3.9 → 2.35-0ubuntu3.14"];
    check(sample!("USN-8611-1"), "USN-8611-1", Kind::Deb, "ubuntu 22.04", Some("glibc"), &libc);
    let musl = ["musl-utils 1.2.4_git20230717-r4 → 1.2.4_git20230717-r5", "musl 1.2.4_git20230717-r5 → -", "musl 0.9.12-r0 → -"];
    check(sample!("ALPINE-CVE-2025-26519"), "CVE-2025-26519", Kind::Apk, "alpine 3.19", Some("musl"), &musl);
    let el9 = ["openssl-libs 1:3.0.7-25.el9_3 → 1:3.0.7-27.el9", "openssl-libs 1:3.0.7-27.el9 → -", "openssl 1:3.0.7-6.el9 → 1:3.0.7-27.el9"];
    check(sample!("RLSA-2024_2447"), "RLSA-2024:2447", Kind::Rpm, "rocky 9", Some("openssl"), &el9);
    let stdlib = ["stdlib go1.18 → 1.18.2", "stdlib go1.18rc1 → 1.18.2", "stdlib go1.17.10 → -", "stdlib go1.17.9 → 1.17.10", "stdlib go1.18.2 → -"];
    check(sample!("GO-2022-0493"), "CVE-2022-29526", Kind::Golang, "", None, &stdlib);
    let sys = ["golang.org/x/sys v0.0.0-20220319134239-a9b59b0215f8 → 0.0.0-20220412211240-33da011f77ad", "golang.org/x/sys v0.1.0 → -"];
    check(sample!("GO-2022-0493"), "CVE-2022-29526", Kind::Golang, "", None, &sys);
    let requests = ["Requests 2.28.1 → 2.31.0", "requests 2.31.0 → -", "requests 2.2.1 → -", "requests-toolbelt 0.9 → -"];
    check(sample!("PYSEC-2023-74"), "CVE-2023-32681", Kind::PyPi, "", None, &requests);
    let log4j = ["2.14.1 → 2.15.0", "2.3.1 → -", "2.0 → 2.3.1", "2.5 → 2.12.2", "2.17.0 → -"]
        .map(|line| format!("org.apache.logging.log4j:log4j-core {line}"));
    check(sample!("GHSA-jfh8-c2jp-5v3q"), "CVE-2021-44228", Kind::Maven, "", None, &log4j.each_ref().map(String::as_str));
}

#[test]
fn streams_that_no_image_has_are_named_and_hit_nothing() {
    let advisory = read(sample!("RHSA-2024_4546"));
    assert_eq!((advisory.record.as_str(), advisory.affected.len()), ("RHSA-2024:4546", 0));
    assert_eq!(advisory.beyond, ["aus", "e4s", "tus"].map(|stream| format!("Red Hat:rhel_{stream}:8.6::appstream")));
}

proptest! {
    #[test]
    fn no_record_breaks_anything(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0..4000_usize, flip in any::<(usize, u8)>()) {
        let _ = osv::read(&bytes);
        let mut record = include_bytes!("../../tests/inventory/advisories/USN-8611-1.json").to_vec();
        let at = flip.0 % record.len();
        record[at] = flip.1;
        let _ = osv::read(&record);
        record.truncate(cut);
        let _ = osv::read(&record);
    }
}
