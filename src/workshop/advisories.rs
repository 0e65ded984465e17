//! Brings what is known to be wrong with packages up to date: reads a source, keeps what matters here, and forgets what the source says no more.

use std::collections::BTreeSet;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::advisory::Advisory;
use crate::edge::advisories::{self, AdvisorySource, SourceFailed};
use crate::journal::{AdvisoriesRead, AdvisoryRow, Inventories, JournalError, Subject};

/// So much is written together: a wait for the disk for each advisory would make a dump take hours, and the records of a kernel, a megabyte each, would
/// fill the memory by the thousand.
const BATCH_BYTES: usize = 16 << 20;

/// What became of a source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdvisoriesUpdated {
    /// What the source is called: a path, or a URL without what may be secret in it.
    pub source: String,
    /// So many advisories were read.
    pub advisories: usize,
    /// So many of them name a package of some image here, and are kept.
    pub kept: usize,
    /// So many that the source said before, and says no more, were forgotten.
    pub forgotten: usize,
    /// So many could not be read, or are too long to be kept. Where there are any, nothing was forgotten.
    pub unreadable: usize,
    /// What could not be read and why, a line each; of many the first.
    pub warnings: Vec<String>,
}

/// Why a source brought nothing.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum UpdateError {
    /// It could not be had, or is something else.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Source(#[from] SourceFailed),
    /// What was read could not be kept.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Journal(#[from] JournalError),
}

/// Reads a source at a moment, and keeps what is about packages of images here. What it says no more is forgotten, if all of it could be read.
///
/// What was kept before an error stays kept; to read the source again is as good as to have read it once.
pub async fn update_advisories(inventories: &Inventories, source: &AdvisorySource, at: Timestamp) -> Result<AdvisoriesUpdated, UpdateError> {
    match source {
        AdvisorySource::Path(path) => {
            let name = path.canonicalize().unwrap_or_else(|_| path.clone()).display().to_string();
            tokio::task::block_in_place(|| update(inventories, path, name, at))
        }
        AdvisorySource::Url(url) => {
            let file = advisories::fetch(url).await?;
            tokio::task::block_in_place(|| update(inventories, file.path(), advisories::name_of(url), at))
        }
    }
}

fn update(inventories: &Inventories, path: &Path, name: String, at: Timestamp) -> Result<AdvisoriesUpdated, UpdateError> {
    let mut keeper = Keeper::new(inventories, &name, at);
    let heard = advisories::read(path, &name, &mut |advisory| keeper.take(&advisory))?;
    let Keeper { read, subjects, refused, .. } = keeper.ended()?;
    let mut warnings: Vec<String> = heard.unreadable.iter().map(|one| format!("{}: {}", one.path, one.why)).collect();
    warnings.extend((heard.unreadable_more > 0).then(|| format!("and {} more that cannot be read", heard.unreadable_more)));
    warnings.extend(read.too_long.iter().map(|record| format!("{record} is too long to be kept")));
    let unreadable = heard.unreadable.len() + heard.unreadable_more + read.too_long.len() + refused.len();
    warnings.extend(refused);
    // What could not be read, or not be kept, is still what the source says.
    let is_whole = unreadable == 0 && heard.advisories > 0;
    let forgotten = if is_whole { inventories.forget_advisories(&name, &subjects, at)? } else { 0 };
    Ok(AdvisoriesUpdated { source: name, advisories: heard.advisories, kept: read.kept, forgotten, unreadable, warnings })
}

/// Keeps the advisories of a source, so many at a time.
struct Keeper<'a> {
    inventories: &'a Inventories,
    source: &'a str,
    at: Timestamp,
    rows: Vec<AdvisoryRow>,
    bytes: usize,
    read: AdvisoriesRead,
    /// What the source speaks of.
    subjects: BTreeSet<Subject>,
    /// What cannot be written down, and why.
    refused: Vec<String>,
    /// Why nothing more is kept.
    failed: Option<JournalError>,
}

impl<'a> Keeper<'a> {
    fn new(inventories: &'a Inventories, source: &'a str, at: Timestamp) -> Self {
        let (read, subjects) = (AdvisoriesRead::default(), BTreeSet::new());
        Self { inventories, source, at, rows: Vec::new(), bytes: 0, read, subjects, refused: Vec::new(), failed: None }
    }

    fn take(&mut self, advisory: &Advisory) {
        self.subjects.extend(Subject::of(advisory));
        match AdvisoryRow::of(advisory) {
            Ok(row) => {
                self.bytes += row.bytes();
                self.rows.push(row);
            }
            Err(error) => self.refused.push(format!("{}: {error}", advisory.record)),
        }
        if self.bytes >= BATCH_BYTES {
            self.write();
        }
    }

    fn write(&mut self) {
        if self.failed.is_none() {
            match self.inventories.keep_advisories(self.source, &self.rows, self.at) {
                Ok(read) => self.read.add(read),
                Err(error) => self.failed = Some(error),
            }
        }
        self.rows.clear();
        self.bytes = 0;
    }

    fn ended(mut self) -> Result<Self, JournalError> {
        self.write();
        match self.failed.take() {
            Some(error) => Err(error),
            None => Ok(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::journal::samples::{Shop, at};

    const DEBIAN: &str = "Debian:12";
    const UBUNTU: &str = "Ubuntu:22.04";

    fn record(id: &str, ecosystem: &str, versions: &[String]) -> Value {
        json!({
            "id": id, "modified": "2026-01-01T00:00:00Z",
            "affected": [{
                "package": { "ecosystem": ecosystem, "name": "openssl" }, "versions": versions,
                "ranges": [{ "type": "ECOSYSTEM", "events": [{ "introduced": "0" }] }],
            }],
        })
    }

    /// So many bytes of versions that are affected.
    fn versions(bytes: usize) -> Vec<String> {
        vec!["x".repeat(500); bytes / 500]
    }

    /// Reads a folder of these records as if it were the same one each time; says what became of it, and what is kept then.
    fn read(shop: &Shop, second: i64, records: &[Value]) -> (AdvisoriesUpdated, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        for (number, record) in records.iter().enumerate() {
            std::fs::write(folder.path().join(format!("{number}.json")), record.to_string()).unwrap();
        }
        let updated = update(&shop.inventories, folder.path(), "osv".to_owned(), at(second)).unwrap();
        let kept = shop.inventories.advisories().unwrap().into_iter().map(|kept| kept.advisory.record);
        (updated, kept.collect())
    }

    fn shop() -> Shop {
        let mut shop = Shop::new();
        shop.keep("base:debian:12", &["status: libssl3=3.0@openssl"]);
        shop
    }

    #[test]
    fn what_a_source_says_no_more_is_forgotten_within_what_it_speaks_of() {
        let shop = shop();
        let all = [record("DSA-1", DEBIAN, &[]), record("DSA-2", DEBIAN, &[]), record("USN-1", UBUNTU, &[])];
        assert_eq!(read(&shop, 1, &all).1, ["DSA-1", "DSA-2", "USN-1"]);
        // Another part of the same dump: of Ubuntu's packages, of the same kind, it says nothing.
        let (updated, kept) = read(&shop, 2, &[record("DSA-1", DEBIAN, &[])]);
        assert_eq!((updated.forgotten, updated.kept, kept), (1, 1, vec!["DSA-1".to_owned(), "USN-1".to_owned()]));
    }

    #[test]
    fn what_was_not_read_as_a_whole_makes_nothing_be_forgotten() {
        let shop = shop();
        read(&shop, 1, &[record("DSA-1", DEBIAN, &[]), record("DSA-2", DEBIAN, &[])]);
        let long = record("DSA-2", DEBIAN, &versions(5 << 20));
        let (updated, kept) = read(&shop, 2, &[record("DSA-1", DEBIAN, &[]), long]);
        assert_eq!((updated.unreadable, updated.forgotten, kept.len()), (1, 0, 2), "{:?}", updated.warnings);
        assert_eq!(updated.warnings, ["DSA-2 is too long to be kept"]);
        let (updated, kept) = read(&shop, 3, &[record("DSA-1", DEBIAN, &[]), json!({ "id": 7 })]);
        assert_eq!((updated.unreadable, updated.forgotten, kept.len()), (1, 0, 2));
    }

    #[test]
    fn what_is_more_than_a_batch_is_kept_as_a_whole() {
        let shop = shop();
        let long = versions(3 << 20);
        let records: Vec<Value> = (0..7).map(|number| record(&format!("DSA-{number}"), DEBIAN, &long)).collect();
        let (updated, kept) = read(&shop, 1, &records);
        assert_eq!((updated.advisories, updated.kept, kept.len()), (7, 7, 7));
    }
}
