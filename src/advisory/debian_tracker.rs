//! Debian's security tracker: all source packages, each with its CVEs and how every release stands → [`Advisory`]s, one at a time.
//!
//! Source: <https://security-tracker.debian.org/tracker/data/json>, a single object of some 70 MB: `package → CVE → {description, scope, debianbug,
//! releases: codename → {status, repositories, fixed_version, urgency, nodsa, nodsa_reason}}`. It is walked, not held: memory is what one CVE needs.
//! `fixed_version: "0"` means that no version of that release ever had it; `undetermined`, that nobody has looked.

use std::fmt;
use std::io::{BufReader, Read};

use serde::de::{DeserializeSeed, MapAccess};

use super::osv::one_line;
use super::walk::{self, Any, Fields, Found};
use super::{Advisory, Affected, DistroMatch, Label, Naming, Range, Severity, Standing, Terms};
use crate::inventory::{Kind, Unreadable};

/// Seven times what it is today; who sends more sends something else.
pub const BYTES_MAX: u64 = 512 << 20;
/// Today it has eight: the supported ones, testing, sid.
const RELEASES_MAX: usize = 64;
/// Enough to see what is wrong with a file of which every record is.
const UNREADABLE_MAX: usize = 1_000;
/// Names and versions; the longest today have some 60.
const LINE_BYTES_MAX: usize = 512;

/// What was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Source packages.
    pub packages: usize,
    /// Advisories that were handed on.
    pub advisories: usize,
    /// Records that are not as expected, as `package/CVE/release`; at most a thousand.
    pub unreadable: Vec<Unreadable>,
    /// So many more than that were not as expected either.
    pub unreadable_more: usize,
}

/// The file ends in the middle, or is none. What was handed on before stands.
#[derive(Debug, thiserror::Error)]
#[error("the security tracker's data breaks off behind {}", .summary.place())]
pub struct TrackerError {
    /// What was read before.
    pub summary: Summary,
    /// Why.
    #[source]
    pub source: serde_json::Error,
}

impl Summary {
    fn place(&self) -> impl fmt::Display {
        format!("{} advisories in {} packages", self.advisories, self.packages)
    }

    fn note(&mut self, path: String, why: String) {
        if self.unreadable.len() < UNREADABLE_MAX { self.unreadable.push(Unreadable { path, why }) } else { self.unreadable_more += 1 }
    }
}

/// Reads the tracker's data and hands every advisory on: one for each source package and CVE, so that a CVE in several packages comes several times.
///
/// One that no release has, or had, is not handed on. Errors if the JSON is broken; a record that is not as expected is named in the summary.
pub fn read(data: impl Read, each: impl FnMut(Advisory)) -> Result<Summary, TrackerError> {
    let mut tracker = Tracker { summary: Summary::default(), each };
    let mut json = serde_json::Deserializer::from_reader(BufReader::new(data.take(BYTES_MAX)));
    let outcome = Any { fields: &mut tracker }.deserialize(&mut json).and_then(|found| json.end().map(|()| found));
    let mut summary = tracker.summary;
    match outcome {
        Ok(Found::Object) => Ok(summary),
        Ok(_) => {
            summary.note(String::new(), "is no object of packages".into());
            Ok(summary)
        }
        Err(source) => Err(TrackerError { summary, source }),
    }
}

/// package → CVEs.
struct Tracker<E> {
    summary: Summary,
    each: E,
}

impl<E: FnMut(Advisory)> Fields for Tracker<E> {
    fn field<'de, A: MapAccess<'de>>(&mut self, package: &str, map: &mut A) -> Result<(), A::Error> {
        if package.len() > LINE_BYTES_MAX {
            self.summary.note("a package".into(), format!("has a name longer than {LINE_BYTES_MAX} bytes"));
            return walk::skip(map);
        }
        self.summary.packages += 1;
        if walk::object(map, &mut Package { tracker: self, name: package })? != Found::Object {
            self.summary.note(package.to_owned(), "is no object of CVEs".into());
        }
        Ok(())
    }
}

/// CVE → what is known.
struct Package<'a, E> {
    tracker: &'a mut Tracker<E>,
    name: &'a str,
}

impl<E: FnMut(Advisory)> Fields for Package<'_, E> {
    fn field<'de, A: MapAccess<'de>>(&mut self, cve: &str, map: &mut A) -> Result<(), A::Error> {
        let summary = &mut self.tracker.summary;
        if cve.len() > LINE_BYTES_MAX {
            summary.note(self.name.to_owned(), format!("has a CVE whose name is longer than {LINE_BYTES_MAX} bytes"));
            return walk::skip(map);
        }
        let mut record = Record { path: format!("{}/{cve}", self.name), name: self.name, summary, description: None, releases: Vec::new() };
        let found = walk::object(map, &mut record)?;
        if found != Found::Object {
            record.summary.note(record.path, "is no object".into());
        } else if let Some(advisory) = record.advisory(cve) {
            self.tracker.summary.advisories += 1;
            (self.tracker.each)(advisory);
        }
        Ok(())
    }
}

/// What is known of a CVE in a package.
struct Record<'a> {
    path: String,
    name: &'a str,
    summary: &'a mut Summary,
    description: Option<String>,
    releases: Vec<(Affected, Option<Label>)>,
}

impl Fields for Record<'_> {
    fn field<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "description" => self.description = walk::text(map)?.map(|text| one_line(&text)),
            "releases" => {
                let mut releases = Releases { record: self };
                if walk::object(map, &mut releases)? != Found::Object {
                    self.summary.note(self.path.clone(), "has releases that are no object".into());
                }
            }
            _ => walk::skip(map)?,
        }
        Ok(())
    }
}

impl Record<'_> {
    fn advisory(self, cve: &str) -> Option<Advisory> {
        let worst = self.releases.iter().filter_map(|(_, label)| *label).max();
        let affected: Vec<_> = self.releases.into_iter().map(|(affected, _)| affected).collect();
        (!affected.is_empty()).then(|| Advisory {
            id: cve.to_owned(),
            record: format!("debian/{}", self.path),
            aliases: Vec::new(),
            covers: Vec::new(),
            summary: self.description.unwrap_or_default(),
            severity: worst.map(Severity::of_label),
            published: None,
            modified: None,
            withdrawn: None,
            affected,
            beyond: Vec::new(),
        })
    }
}

/// codename → how it stands.
struct Releases<'a, 'r> {
    record: &'a mut Record<'r>,
}

impl Fields for Releases<'_, '_> {
    fn field<'de, A: MapAccess<'de>>(&mut self, codename: &str, map: &mut A) -> Result<(), A::Error> {
        let mut release = Release::default();
        let found = walk::object(map, &mut release)?;
        let read = if self.record.releases.len() == RELEASES_MAX {
            Err(format!("has more than {RELEASES_MAX} releases"))
        } else if found != Found::Object || codename.len() > LINE_BYTES_MAX {
            Err("is no release with a status".to_owned())
        } else {
            release.affected(self.record.name, codename)
        };
        match read {
            Ok(affected) => self.record.releases.extend(affected),
            Err(why) => {
                let codename: String = codename.chars().take(40).collect();
                self.record.summary.note(format!("{}/{codename}", self.record.path), why);
            }
        }
        Ok(())
    }
}

/// How a release stands.
#[derive(Default)]
struct Release {
    status: Option<String>,
    fixed_version: Option<String>,
    urgency: Option<String>,
    nodsa: Option<String>,
    nodsa_reason: Option<String>,
}

impl Fields for Release {
    fn field<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "status" => self.status = walk::text(map)?,
            "fixed_version" => self.fixed_version = walk::text(map)?,
            "urgency" => self.urgency = walk::text(map)?,
            "nodsa" => self.nodsa = walk::text(map)?,
            "nodsa_reason" => self.nodsa_reason = walk::text(map)?,
            _ => walk::skip(map)?,
        }
        Ok(())
    }
}

impl Release {
    /// None if no version of the release ever had it. Errors with what is not as expected.
    fn affected(self, package: &str, codename: &str) -> Result<Option<(Affected, Option<Label>)>, String> {
        let (range, standing) = match (self.status.as_deref(), self.fixed_version.as_deref()) {
            (Some("resolved"), Some("0")) => return Ok(None),
            (Some("resolved"), Some(version)) if version.len() > LINE_BYTES_MAX => return Err("has a fixed version that is none".into()),
            (Some("resolved"), Some(version)) => (Range::before(Some(version.to_owned())), Standing::Affected),
            (Some("resolved"), None) => return Err("is resolved, and no version is said to have it fixed".into()),
            (Some("open"), _) => (Range::before(None), Standing::Affected),
            (Some("undetermined"), _) => (Range::before(None), Standing::Undetermined),
            (Some(status), _) => return Err(format!("has a status that is none: {:?}", status.chars().take(40).collect::<String>())),
            (None, _) => return Err("has no status".into()),
        };
        // A star marks an urgency that was derived, not given.
        let label = self.urgency.as_deref().and_then(|urgency| urgency.trim_end_matches('*').parse().ok());
        let distro = DistroMatch { id: "debian".into(), release: None, codename: Some(codename.to_owned()), terms: Terms::Everybody };
        let affected = Affected {
            kind: Kind::Deb,
            distro: Some(distro),
            name: package.to_owned(),
            naming: Naming::Source,
            ranges: vec![range],
            versions: Vec::new(),
            standing,
            note: self.note(),
        };
        Ok(Some((affected, label)))
    }

    /// What Debian's security team says of it.
    fn note(&self) -> Option<String> {
        if self.urgency.as_deref() == Some("end-of-life") {
            return Some("end of life".to_owned());
        }
        let why = one_line(self.nodsa.as_deref()?);
        Some(match self.nodsa_reason.as_deref() {
            Some("ignored") => format!("ignored: {why}"),
            Some("postponed") => format!("postponed: {why}"),
            _ => format!("no update of its own: {why}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::verdict;
    use super::*;
    use crate::inventory::{Distro, Package, SourcePackage, samples};

    const SAMPLE: &str = include_str!("../../tests/inventory/advisories/debian-tracker.json");

    fn read_all(text: &str) -> (Vec<Advisory>, Result<Summary, TrackerError>) {
        let mut advisories = Vec::new();
        let outcome = read(text.as_bytes(), |advisory| advisories.push(advisory));
        (advisories, outcome)
    }

    fn hit(advisories: &[Advisory], cve: &str, codename: &str, source: &str, version: &str) -> String {
        let distro = Distro { id: "debian".into(), release: "12".into(), codename: Some(codename.into()) };
        let source = Some(SourcePackage { name: source.into(), version: version.into() });
        let package = Package { source, ..samples::package(Kind::Deb, "lib", version) };
        let advisory = advisories.iter().find(|advisory| advisory.id == cve);
        let hit = advisory.and_then(|advisory| verdict(advisory, &package, Some(&distro)));
        hit.map_or("-".into(), |hit| format!("{} {}", hit.fixed.unwrap_or("never".into()), hit.note.unwrap_or_default()))
    }

    #[test]
    fn every_release_has_its_own_standing() {
        let (advisories, outcome) = read_all(SAMPLE);
        assert_eq!(outcome.unwrap(), Summary { packages: 3, advisories: 3, ..Summary::default() });
        //    CVE, release, source, version                                            fixed, what Debian says of it
        for (cve, codename, source, version, expected) in [
            ("CVE-2024-0727", "bookworm", "openssl", "3.0.11-1~deb12u2", "3.0.13-1~deb12u1 "),
            ("CVE-2024-0727", "bookworm", "openssl", "3.0.13-1~deb12u1", "-"),
            ("CVE-2024-0727", "trixie", "openssl", "3.0.13-1~deb12u1", "3.1.5-1 "),
            ("CVE-2024-0727", "stretch", "openssl", "1.0", "-"),
            ("CVE-2024-0727", "bookworm", "openssl1.0", "1.0", "-"),
            ("CVE-2018-1000500", "bookworm", "busybox", "1:1.35.0-4", "never "),
            ("CVE-2018-1000500", "buster", "busybox", "1:1.30.1-4", "never end of life"),
            ("CVE-2014-1424", "bookworm", "apparmor", "3.0.8-3", "-"),
            ("CVE-2016-1585", "bookworm", "apparmor", "3.0.8-3", "never postponed: Minor issue"),
            ("CVE-2016-1585", "trixie", "apparmor", "3.0.12-1", "-"),
            ("CVE-2016-1585", "sid", "apparmor", "3.0.8-3", "3.0.12-1 "),
        ] {
            assert_eq!(hit(&advisories, cve, codename, source, version), expected, "{cve} in {codename}: {source} {version}");
        }
        let labels: Vec<_> = advisories.iter().map(|advisory| advisory.severity.map(|severity| severity.label)).collect();
        assert_eq!(labels, [None, Some(Label::Unimportant), Some(Label::Low)]);
        assert_eq!(advisories[0].record, "debian/openssl/CVE-2024-0727");
    }

    #[test]
    fn one_bad_record_is_named_and_hides_no_other() {
        let good = r#"{"releases": {"sid": {"status": "open"}}}"#;
        let text = format!(
            r#"{{"a": 7, "b": {{"CVE-1": [], "CVE-2": {{"releases": "none"}}, "CVE-3": {good}}}, "c": {{"CVE-4": {{"releases": {{
            "x": {{"status": 7}}, "y": {{"status": "fine"}}, "z": {{"status": "resolved"}}, "sid": {{"status": "open", "fixed_version": [[[]]], "nodsa": {{}}}}, "w": null}}}}}},
            "d": {{"CVE-5": {good}}}}}"#
        );
        let (advisories, outcome) = read_all(&text);
        assert_eq!(advisories.iter().map(|advisory| advisory.id.as_str()).collect::<Vec<_>>(), ["CVE-3", "CVE-4", "CVE-5"]);
        let named: Vec<_> = outcome.unwrap().unreadable.into_iter().map(|unreadable| format!("{} {}", unreadable.path, unreadable.why)).collect();
        let expected = [
            "a is no object of CVEs",
            "b/CVE-1 is no object",
            "b/CVE-2 has releases that are no object",
            "c/CVE-4/x has no status",
            "c/CVE-4/y has a status that is none: \"fine\"",
            "c/CVE-4/z is resolved, and no version is said to have it fixed",
            "c/CVE-4/w is no release with a status",
        ];
        assert_eq!(named, expected);
    }

    #[test]
    fn what_breaks_off_gives_what_came_before() {
        let (advisories, outcome) = read_all(&SAMPLE[..SAMPLE.len() - 40]);
        assert_eq!(advisories.len(), 2);
        let error = outcome.unwrap_err();
        assert_eq!(error.to_string(), "the security tracker's data breaks off behind 2 advisories in 3 packages");
        assert_eq!(read_all("[1, 2]").1.unwrap().unreadable[0].why, "is no object of packages");
        assert!(read_all("").1.is_err());
    }

    #[test]
    fn depth_and_number_have_bounds() {
        let deep = format!(r#"{{"a": {{"CVE-1": {{"scope": {0}, "releases": {0}}}}}}}"#, format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)));
        assert_eq!(read_all(&deep).1.unwrap().unreadable[0].why, "has releases that are no object");
        let releases: Vec<_> = (0..100).map(|n| format!(r#""r{n}": {{"status": "open"}}"#)).collect();
        let (advisories, outcome) = read_all(&format!(r#"{{"a": {{"CVE-1": {{"releases": {{{}}}}}}}}}"#, releases.join(",")));
        assert_eq!((advisories[0].affected.len(), outcome.unwrap().unreadable.len()), (64, 36));
        let bad: Vec<_> = (0..1_500).map(|n| format!(r#""p{n}": 1"#)).collect();
        let summary = read_all(&format!("{{{}}}", bad.join(","))).1.unwrap();
        assert_eq!((summary.unreadable.len(), summary.unreadable_more), (1_000, 500));
    }

    proptest! {
        #[test]
        fn no_data_breaks_anything(at in 0..SAMPLE.len(), byte in any::<u8>(), any in prop::collection::vec(any::<u8>(), 0..100)) {
            let mut data = SAMPLE.as_bytes().to_vec();
            data[at] = byte;
            let _ = read(data.as_slice(), drop);
            let _ = read(any.as_slice(), drop);
        }
    }
}
