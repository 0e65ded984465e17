//! One record of the OSV format → an [`Advisory`].
//!
//! Source: the OSV schema, <https://ossf.github.io/osv-schema/>, up to 1.7.5, and what its databases make of it: distributions name the CVEs of a notice
//! in `upstream`, older ones in `related`; a time of the year 1 means that none is known. Ranges of commits (`GIT`) say nothing of packages.

use std::fmt;
use std::marker::PhantomData;

use jiff::Timestamp;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::ecosystem::{self, Ecosystem};
use super::events::{self, Event};
use super::walk::{self, Any, Fields};
use super::{Advisory, Affected, Label, Severity, Standing};

/// The largest records (kernels of many releases, with every version listed) have some megabytes.
pub const RECORD_BYTES_MAX: usize = 16 << 20;
/// Notices of Red Hat that rebuild all packages of a product name some thousands.
const AFFECTED_MAX: usize = 20_000;
/// A range for each branch that is kept up; a kernel has some dozens.
const RANGES_MAX: usize = 1_000;
/// As many as a line of development can have been broken and mended; their number squared is the work.
const EVENTS_MAX: usize = 500;
/// Events of one record together, for the same reason.
const EVENTS_TOTAL_MAX: usize = 100_000;
/// Packages that release every night list thousands.
const VERSIONS_MAX: usize = 50_000;
/// Notices of kernels put some hundred CVEs together.
const NAMES_MAX: usize = 5_000;
/// One for each version of CVSS, and the distribution's own.
const SEVERITIES_MAX: usize = 20;
/// Names, versions and ecosystems; the longest module paths have some 200.
const LINE_BYTES_MAX: usize = 512;
/// What fits on a line; whoever wants more reads the advisory itself.
const SUMMARY_CHARS_MAX: usize = 300;

/// A record that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{record}: {field}: {why}")]
pub struct RecordError {
    /// Its id; `a record without an id` if that could not be read either.
    pub record: String,
    /// Where in it: `affected[0].ranges[1].events`; `.` for the whole.
    pub field: String,
    /// Why, as a phrase.
    pub why: String,
}

/// Reads one record.
///
/// Errors with the record and the field that is not as the schema says, or larger than refit takes it.
pub fn read(bytes: &[u8]) -> Result<Advisory, RecordError> {
    let refuse = |field: &str, why: String| Err(RecordError { record: id_in(bytes), field: field.to_owned(), why });
    if bytes.len() > RECORD_BYTES_MAX {
        return refuse(".", format!("longer than {RECORD_BYTES_MAX} bytes"));
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let record: Record = match serde_path_to_error::deserialize(&mut json) {
        Ok(record) => record,
        Err(error) => return refuse(&error.path().to_string(), error.inner().to_string()),
    };
    if let Err(error) = json.end() {
        return refuse(".", error.to_string());
    }
    if record.events() > EVENTS_TOTAL_MAX {
        return refuse("affected", format!("more than {EVENTS_TOTAL_MAX} events"));
    }
    Ok(record.into_advisory())
}

/// The id of a record of which the rest may be anything.
fn id_in(bytes: &[u8]) -> String {
    struct Id(Option<String>);
    impl Fields for Id {
        fn field<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
            if key != "id" {
                return walk::skip(map);
            }
            self.0 = walk::text(map)?;
            Ok(())
        }
    }
    let mut id = Id(None);
    let mut json = serde_json::Deserializer::from_slice(&bytes[..bytes.len().min(RECORD_BYTES_MAX)]);
    // What was seen before the JSON broke counts.
    let _ = serde::de::DeserializeSeed::deserialize(Any { fields: &mut id }, &mut json);
    id.0.filter(|id| id.len() <= LINE_BYTES_MAX).unwrap_or_else(|| "a record without an id".to_owned())
}

#[derive(Deserialize)]
struct Record {
    id: Line,
    #[serde(default)]
    modified: Moment,
    #[serde(default)]
    published: Moment,
    #[serde(default)]
    withdrawn: Moment,
    #[serde(default)]
    aliases: Few<Line, NAMES_MAX>,
    #[serde(default)]
    upstream: Few<Line, NAMES_MAX>,
    #[serde(default)]
    related: Few<Line, NAMES_MAX>,
    summary: Option<String>,
    details: Option<String>,
    #[serde(default)]
    severity: Few<Score, SEVERITIES_MAX>,
    #[serde(default)]
    affected: Few<Package, AFFECTED_MAX>,
    #[serde(default)]
    database_specific: Specific,
}

#[derive(Deserialize)]
struct Score {
    r#type: Line,
    score: Line,
}

#[derive(Deserialize)]
struct Package {
    package: Option<Name>,
    #[serde(default)]
    ranges: Few<Events, RANGES_MAX>,
    #[serde(default)]
    versions: Few<Line, VERSIONS_MAX>,
    #[serde(default)]
    severity: Few<Score, SEVERITIES_MAX>,
    #[serde(default)]
    ecosystem_specific: Specific,
    #[serde(default)]
    database_specific: Specific,
}

#[derive(Deserialize)]
struct Name {
    ecosystem: Line,
    name: Line,
}

#[derive(Deserialize)]
struct Events {
    r#type: Line,
    events: Few<Event, EVENTS_MAX>,
}

impl Record {
    fn events(&self) -> usize {
        self.affected.0.iter().flat_map(|package| &package.ranges.0).map(|range| range.events.0.len()).sum()
    }

    fn into_advisory(self) -> Advisory {
        let severity = self.worst();
        let (mut affected, mut beyond) = (Vec::new(), Vec::new());
        for package in self.affected.0 {
            package.into_affected(&mut affected, &mut beyond);
        }
        beyond.sort();
        beyond.dedup();
        let is_of_distro = affected.iter().any(|affected: &Affected| affected.kind.is_of_distro());
        let names = Names::of(self.id.0, lines(self.aliases), lines(self.upstream), if is_of_distro { lines(self.related) } else { Vec::new() });
        Advisory {
            id: names.id,
            record: names.record,
            aliases: names.aliases,
            covers: names.covers,
            summary: one_line(self.summary.as_deref().or(self.details.as_deref()).unwrap_or_default()),
            severity,
            published: self.published.0,
            modified: self.modified.0,
            withdrawn: self.withdrawn.0,
            affected,
            beyond,
        }
    }

    /// What the record says of itself; else the worst that it says of a package.
    fn worst(&self) -> Option<Severity> {
        let of_packages = self.affected.0.iter().filter_map(|package| {
            let words = [&package.database_specific, &package.ecosystem_specific];
            severity(&package.severity.0, &words)
        });
        severity(&self.severity.0, &[&self.database_specific]).or_else(|| of_packages.max_by_key(|severity| (severity.label, severity.score_tenths)))
    }
}

impl Package {
    fn into_affected(self, affected: &mut Vec<Affected>, beyond: &mut Vec<String>) {
        let Some(Name { ecosystem: Line(ecosystem), name: Line(name) }) = self.package else { return };
        let Some(Ecosystem { kind, distro, naming }) = ecosystem::read(&ecosystem) else { return beyond.push(ecosystem) };
        let mut ranges = Vec::new();
        for range in self.ranges.0 {
            match range.r#type.0.as_str() {
                "ECOSYSTEM" | "SEMVER" => ranges.extend(events::ranges(kind, &range.events.0)),
                "GIT" => {}
                other => beyond.push(format!("{ecosystem}: ranges of type {other}")),
            }
        }
        let note = self.ecosystem_specific.urgency.filter(|urgency| urgency == "end-of-life").map(|_| "end of life".to_owned());
        let name = kind.normal_name(&name).into_owned();
        affected.push(Affected { kind, distro, name, naming, ranges, versions: lines(self.versions), standing: Standing::Affected, note });
    }
}

/// How a record is called.
struct Names {
    id: String,
    record: String,
    aliases: Vec<String>,
    covers: Vec<String>,
}

impl Names {
    /// `upstream` names what a distribution's record is about; before there was such a field, distributions said it in `related`.
    fn of(record: String, aliases: Vec<String>, upstream: Vec<String>, related: Vec<String>) -> Self {
        let is_cve = |name: &&String| name.starts_with("CVE-");
        let cves = |names: &[String]| {
            let mut cves: Vec<_> = names.iter().filter(is_cve).cloned().collect();
            cves.sort();
            cves.dedup();
            cves
        };
        let same = cves(&aliases);
        let about = Some(cves(&upstream)).filter(|cves| !cves.is_empty()).unwrap_or_else(|| cves(&related));
        let (id, covers) = match (same.first(), about.as_slice()) {
            _ if is_cve(&&record) => (record.clone(), Vec::new()),
            (Some(cve), _) => (cve.clone(), Vec::new()),
            (None, [cve]) => (cve.clone(), Vec::new()),
            (None, _) => (record.clone(), about),
        };
        let aliases = aliases.into_iter().filter(|alias| *alias != id).collect();
        Self { id, record, aliases, covers }
    }
}

/// The newest CVSS among the scores; the word is the database's own where it has one.
fn severity(scores: &[Score], words: &[&Specific]) -> Option<Severity> {
    let vector = ["CVSS_V4", "CVSS_V3", "CVSS_V2"].iter().find_map(|wanted| {
        let mut vectors = scores.iter().filter(|score| score.r#type.0 == *wanted);
        vectors.find_map(|score| Severity::of_vector(&score.score.0))
    });
    let beside = scores.iter().map(|score| score.score.0.as_str());
    let said = words.iter().flat_map(|words| [words.severity.as_deref(), words.urgency.as_deref()]).flatten();
    let label = beside.chain(said).find_map(|word| word.parse::<Label>().ok());
    match (vector, label) {
        (Some(vector), label) => Some(Severity { label: label.unwrap_or(vector.label), ..vector }),
        (None, label) => label.map(Severity::of_label),
    }
}

/// The first line that says something, cut to what fits on one.
pub(super) fn one_line(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    match line.char_indices().nth(SUMMARY_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

fn lines<const MAX: usize>(few: Few<Line, MAX>) -> Vec<String> {
    few.0.into_iter().map(|line| line.0).collect()
}

/// A text of bounded length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line(pub(super) String);

impl<'de> Deserialize<'de> for Line {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.len() > LINE_BYTES_MAX { Err(D::Error::custom(format!("longer than {LINE_BYTES_MAX} bytes"))) } else { Ok(Self(text)) }
    }
}

/// A list of bounded length; `null`, which some databases write for an empty one, is empty.
struct Few<T, const MAX: usize>(Vec<T>);

impl<T, const MAX: usize> Default for Few<T, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for Few<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FewVisitor(PhantomData))
    }
}

struct FewVisitor<T, const MAX: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for FewVisitor<T, MAX> {
    type Value = Few<T, MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Few::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut few = Few::default();
        while let Some(item) = seq.next_element()? {
            if few.0.len() == MAX {
                return Err(A::Error::custom(format!("more than {MAX} of them")));
            }
            few.0.push(item);
        }
        Ok(few)
    }
}

/// A moment; none where the record has none, or the year 1, which is how an unset one is written.
#[derive(Default)]
struct Moment(Option<Timestamp>);

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Some(Line(text)) = Option::deserialize(deserializer)? else { return Ok(Self(None)) };
        if text.is_empty() || text.starts_with("0001-") {
            return Ok(Self(None));
        }
        text.parse().map(|moment| Self(Some(moment))).map_err(|_| D::Error::custom(format!("{text:?} is no moment")))
    }
}

/// Of the fields whose meaning each database decides for itself, the words for how bad it is.
#[derive(Default)]
struct Specific {
    severity: Option<String>,
    urgency: Option<String>,
}

impl Fields for Specific {
    fn field<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "severity" => self.severity = walk::text(map)?,
            "urgency" => self.urgency = walk::text(map)?,
            _ => walk::skip(map)?,
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Specific {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut specific = Self::default();
        deserializer.deserialize_any(Any { fields: &mut specific })?;
        Ok(specific)
    }
}
