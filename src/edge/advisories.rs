//! Advisories from where they are kept: OSV's dumps (a zip, a folder, single records) and Debian's security tracker, from a file or a URL.
//!
//! Records are handed on one by one, so that a dump of a gigabyte costs no more than its largest record. One that cannot be read is named and hides
//! none of the others.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use futures_util::StreamExt;
use reqwest::Url;
use tempfile::NamedTempFile;

use crate::advisory::{Advisory, debian_tracker, osv};
use crate::fault::causes;
use crate::inventory::Unreadable;
use crate::model::Digest;

/// The largest dump, of everything that OSV has, is two gigabytes.
const BYTES_MAX: u64 = 8 << 30;
/// A server that says nothing for so long says nothing more.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// Enough of a file to see what it is.
const HEAD_BYTES: usize = 4096;
/// So many faults are named; the rest is counted.
const NAMED_MAX: usize = 100;

/// Where advisories are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdvisorySource {
    /// A file or folder.
    Path(PathBuf),
    /// On a server.
    Url(Url),
}

impl FromStr for AdvisorySource {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(Self::Url(url)),
            Ok(url) if text.contains("://") => {
                Err(format!("{}:// is no way to fetch advisories: expected https://, http://, a file or a folder", url.scheme()))
            }
            _ => Ok(Self::Path(text.into())),
        }
    }
}

/// What was read of a source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heard {
    /// So many advisories were handed on.
    pub advisories: usize,
    /// What could not be read, and why; the first hundred.
    pub unreadable: Vec<Unreadable>,
    /// So many more could not be read.
    pub unreadable_more: usize,
}

impl Heard {
    fn refuse(&mut self, path: String, why: String) {
        if self.unreadable.len() < NAMED_MAX { self.unreadable.push(Unreadable { path, why }) } else { self.unreadable_more += 1 }
    }
}

/// Why a source gave nothing.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum SourceFailed {
    /// It is not there, or cannot be opened.
    #[error("{path} cannot be read")]
    #[diagnostic(help("name a folder of OSV records, OSV's zip of an ecosystem, or Debian's security tracker as JSON"))]
    Unreadable {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is something else.
    #[error("{path} holds no advisories: {why}")]
    #[diagnostic(help(
        "expected are OSV's records (`https://osv-vulnerabilities.storage.googleapis.com/Debian/all.zip`) or Debian's security tracker"
    ))]
    SomethingElse {
        /// Which.
        path: String,
        /// What it is, as a phrase.
        why: String,
    },
    /// A server did not give it.
    #[error("{url} could not be fetched: {why}")]
    #[diagnostic(help("without a way there, fetch the file elsewhere and name it: `refit advisories update FILE`"))]
    NotFetched {
        /// Which.
        url: String,
        /// Why.
        why: String,
    },
}

/// Fetches a file from a server into a temporary one.
pub async fn fetch(url: &Url) -> Result<NamedTempFile, SourceFailed> {
    let failed = |why: String| SourceFailed::NotFetched { url: shown(url), why };
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client =
        reqwest::Client::builder().user_agent(concat!("refit/", env!("CARGO_PKG_VERSION"))).read_timeout(SILENCE_MAX).connect_timeout(SILENCE_MAX);
    let client = client.build().map_err(|error| failed(causes(&error)))?;
    let response = client.get(url.clone()).send().await.map_err(|error| failed(causes(&error.without_url())))?;
    if !response.status().is_success() {
        return Err(failed(format!("the server answered {}", response.status())));
    }
    let mut file = NamedTempFile::new().map_err(|error| failed(error.to_string()))?;
    let (mut body, mut bytes) = (response.bytes_stream(), 0_u64);
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|error| failed(causes(&error.without_url())))?;
        bytes += piece.len() as u64;
        if bytes > BYTES_MAX {
            return Err(failed(format!("it is longer than {} GiB", BYTES_MAX >> 30)));
        }
        file.write_all(&piece).map_err(|error| failed(error.to_string()))?;
    }
    Ok(file)
}

/// A URL without what may be secret in it.
pub fn shown(url: &Url) -> String {
    let mut shown = url.clone();
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.set_query(None);
    shown.to_string()
}

/// What a URL is called as a source: as it is shown, and by what is asked of it there, which makes other sources of one address. A question may hold a
/// secret, so that only a few digits of its SHA-256 stand for it.
pub fn name_of(url: &Url) -> String {
    let asked = url.query().map(|query| format!("?{}", Digest::of(query.as_bytes()).short()));
    format!("{}{}", shown(url), asked.unwrap_or_default())
}

/// Reads a file or folder, and hands every advisory on. `name` is what it is called in errors.
pub fn read(path: &Path, name: &str, each: &mut dyn FnMut(Advisory)) -> Result<Heard, SourceFailed> {
    let unreadable = |source| SourceFailed::Unreadable { path: name.to_owned(), source };
    if path.metadata().map_err(unreadable)?.is_dir() {
        return read_folder(path, name, each);
    }
    let mut file = File::open(path).map_err(unreadable)?;
    let mut head = Vec::with_capacity(HEAD_BYTES);
    Read::by_ref(&mut file).take(HEAD_BYTES as u64).read_to_end(&mut head).map_err(unreadable)?;
    file.seek(SeekFrom::Start(0)).map_err(unreadable)?;
    let something_else = |why: &str| SourceFailed::SomethingElse { path: name.to_owned(), why: why.to_owned() };
    match kind_of(&head) {
        Head::Zip => read_zip(file, name, each),
        Head::Tracker => {
            let mut heard = Heard::default();
            let summary = debian_tracker::read(BufReader::new(file), &mut *each).unwrap_or_else(|error| {
                heard.refuse(name.to_owned(), causes(&error));
                error.summary
            });
            heard.advisories = summary.advisories;
            summary.unreadable.into_iter().for_each(|one| heard.refuse(one.path, one.why));
            heard.unreadable_more += summary.unreadable_more;
            Ok(heard)
        }
        Head::Record => {
            let mut heard = Heard::default();
            let mut bytes = Vec::new();
            file.take(osv::RECORD_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
            read_record(name, &bytes, &mut heard, each);
            Ok(heard)
        }
        Head::SomethingElse => Err(something_else("it is neither JSON nor a zip")),
    }
}

/// What a file is, by its beginning.
#[derive(Debug, PartialEq, Eq)]
enum Head {
    Zip,
    Tracker,
    Record,
    SomethingElse,
}

/// A record's first values are texts or lists; the tracker's are objects of problems: `{"openssl": {"CVE-2024-5535": …`.
fn kind_of(head: &[u8]) -> Head {
    if head.starts_with(b"PK\x03\x04") {
        return Head::Zip;
    }
    let text = String::from_utf8_lossy(head);
    let compact: String = text.chars().filter(|c| !c.is_whitespace() && *c != '\u{feff}').take(600).collect();
    let Some(rest) = compact.strip_prefix("{\"") else { return if compact == "{}" { Head::Tracker } else { Head::SomethingElse } };
    let inner = rest.split_once("\":{\"").filter(|(key, _)| !key.contains('"')).map(|(_, inner)| inner);
    match inner {
        Some(inner) if ["CVE-", "TEMP-"].iter().any(|problem| inner.starts_with(problem)) => Head::Tracker,
        _ => Head::Record,
    }
}

fn read_record(path: &str, bytes: &[u8], heard: &mut Heard, each: &mut dyn FnMut(Advisory)) {
    match osv::read(bytes) {
        Ok(advisory) => {
            heard.advisories += 1;
            each(advisory);
        }
        Err(error) => heard.refuse(path.to_owned(), error.to_string()),
    }
}

fn read_zip(file: File, name: &str, each: &mut dyn FnMut(Advisory)) -> Result<Heard, SourceFailed> {
    let broken = |error: zip::result::ZipError| SourceFailed::SomethingElse { path: name.to_owned(), why: format!("its zip is broken: {error}") };
    let mut archive = zip::ZipArchive::new(BufReader::new(file)).map_err(broken)?;
    let mut heard = Heard::default();
    let mut bytes = Vec::new();
    for index in 0..archive.len() {
        let mut entry = match archive.by_index(index) {
            Ok(entry) => entry,
            Err(error) => {
                heard.refuse(format!("{name}: entry {index}"), error.to_string());
                continue;
            }
        };
        let own_name = entry.name().map(|own| own.into_owned()).unwrap_or_else(|_| format!("entry {index}"));
        if !own_name.ends_with(".json") {
            continue;
        }
        let path = format!("{name}: {own_name}");
        bytes.clear();
        // A record that unpacks to more than any record has is refused by its reader.
        match entry.by_ref().take(osv::RECORD_BYTES_MAX as u64 + 1).read_to_end(&mut bytes) {
            Ok(_) => read_record(&path, &bytes, &mut heard, each),
            Err(error) => heard.refuse(path, error.to_string()),
        }
    }
    Ok(heard)
}

fn read_folder(folder: &Path, name: &str, each: &mut dyn FnMut(Advisory)) -> Result<Heard, SourceFailed> {
    let mut heard = Heard::default();
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in ignore::WalkBuilder::new(folder).standard_filters(false).follow_links(false).build() {
        match entry {
            Ok(entry) if entry.file_type().is_some_and(|kind| kind.is_file()) => files.push(entry.into_path()),
            Ok(_) => {}
            Err(error) => heard.refuse(name.to_owned(), error.to_string()),
        }
    }
    files.retain(|path| path.extension().is_some_and(|ending| ending == "json" || ending == "zip"));
    files.sort_unstable();
    if files.is_empty() {
        return Err(SourceFailed::SomethingElse { path: name.to_owned(), why: "no `.json` and no `.zip` is in it".to_owned() });
    }
    for path in files {
        match read(&path, &path.display().to_string(), each) {
            Ok(of_file) => {
                heard.advisories += of_file.advisories;
                of_file.unreadable.into_iter().for_each(|one| heard.refuse(one.path, one.why));
                heard.unreadable_more += of_file.unreadable_more;
            }
            Err(error) => heard.refuse(path.display().to_string(), causes(&error)),
        }
    }
    Ok(heard)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = r#"{"id": "CVE-2026-1", "modified": "2026-01-01T00:00:00Z", "affected": []}"#;

    #[test]
    fn what_a_file_is_shows_at_its_beginning() {
        for (head, expected) in [
            ("PK\x03\x04…", Head::Zip),
            ("{\"openssl\": {\"CVE-2024-1\": {", Head::Tracker),
            ("{\n \"openssl\": {\n  \"TEMP-1\": {", Head::Tracker),
            (RECORD, Head::Record),
            ("{\"database_specific\": {\"a\": 1}, \"id\"", Head::Record),
            ("<html>", Head::SomethingElse),
            ("", Head::SomethingElse),
        ] {
            assert_eq!(kind_of(head.as_bytes()), expected, "{head}");
        }
    }

    #[test]
    fn what_is_asked_of_an_address_makes_another_source_and_shows_no_secret() {
        let name = |text: &str| name_of(&Url::parse(text).unwrap());
        assert_eq!(name("https://me:pw@example.com/all.json"), "https://example.com/all.json");
        let [debian, npm] = ["debian", "npm"].map(|of| name(&format!("https://example.com/all.json?of={of}&token=hunter2")));
        assert_ne!(debian, npm);
        assert!(debian.starts_with("https://example.com/all.json?") && !debian.contains("hunter2"), "{debian}");
    }

    #[test]
    fn a_folder_is_read_file_by_file_and_what_is_broken_hides_nothing() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.json"), RECORD).unwrap();
        std::fs::write(folder.path().join("b.json"), "{\"id\": 7}").unwrap();
        std::fs::write(folder.path().join("c.txt"), "no").unwrap();
        let mut zip = zip::ZipWriter::new(File::create(folder.path().join("d.zip")).unwrap());
        zip.start_file("CVE-2026-2.json", zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(RECORD.replace("-1\"", "-2\"").as_bytes()).unwrap();
        zip.finish().unwrap();
        let mut ids = Vec::new();
        let heard = read(folder.path(), "folder", &mut |advisory| ids.push(advisory.id)).unwrap();
        assert_eq!((ids, heard.advisories, heard.unreadable.len()), (vec!["CVE-2026-1".to_owned(), "CVE-2026-2".to_owned()], 2, 1));
        assert!(heard.unreadable[0].path.ends_with("b.json"), "{heard:?}");
        assert!(read(&folder.path().join("c.txt"), "c.txt", &mut |_| {}).unwrap_err().to_string().contains("neither JSON nor a zip"));
        assert!(read(&folder.path().join("none"), "none", &mut |_| {}).is_err());
    }
}
