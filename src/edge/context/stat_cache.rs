//! Which content a file had when it last looked exactly like this, so that unchanged files are not read again.
//!
//! A file that was hashed within its clock's own coarseness of being written may be written again without looking different; such a one is
//! never kept (git calls it racily clean). A cache that cannot be read or written costs time, nothing else.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::{self, Metadata};
use std::io::Write as _;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::model::Digest;

/// What tells whether a file changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) size: u64,
    pub(super) modified_ns: i128,
    pub(super) changed_ns: i128,
    pub(super) inode: u64,
}

/// The first line of the file; another one is another format.
const FORMAT: &str = "refit context 1";
const SECOND_NS: i128 = 1_000_000_000;
/// Kernels stamp files with a clock that ticks every 1 to 10 ms; some file systems keep two seconds only.
const TICK_NS: i128 = 50_000_000;
const COARSE_TICK_NS: i128 = 2 * SECOND_NS;

impl Stamp {
    pub(super) fn of(found: &Metadata) -> Self {
        let ns = |seconds: i64, nanos: i64| i128::from(seconds) * SECOND_NS + i128::from(nanos);
        Self {
            size: found.len(),
            modified_ns: ns(found.mtime(), found.mtime_nsec()),
            changed_ns: ns(found.ctime(), found.ctime_nsec()),
            inode: found.ino(),
        }
    }

    /// Whether a file that looked like this at `seen_ns` would look different if it were written now.
    fn is_settled(&self, seen_ns: i128) -> bool {
        let tick = if self.changed_ns % SECOND_NS == 0 { COARSE_TICK_NS } else { TICK_NS };
        self.modified_ns.max(self.changed_ns) + tick < seen_ns
    }
}

/// The contents known of one context.
pub(super) struct StatCache {
    file: Option<PathBuf>,
    known: HashMap<String, (Stamp, Digest)>,
    seen_ns: i128,
}

impl StatCache {
    /// Reads what is known of the context at `root`; nothing without a cache folder. No content that is asked about was read before `seen`.
    pub(super) fn read(folder: Option<&Path>, root: &Path, seen: SystemTime) -> Self {
        let file = folder.map(|folder| folder.join(format!("{}.stat", &Digest::of(root.as_os_str().as_encoded_bytes()).hex()[..32])));
        let known = file.as_ref().and_then(|file| fs::read_to_string(file).ok()).and_then(|text| parse(&text)).unwrap_or_default();
        let seen_ns = seen.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as i128);
        Self { file, known, seen_ns }
    }

    pub(super) fn content(&self, path: &str, stamp: &Stamp) -> Option<Digest> {
        self.known.get(path).filter(|(known, _)| known == stamp).map(|(_, content)| *content)
    }

    /// Keeps the contents that can be trusted later. Nothing is written if nothing is new.
    pub(super) fn write<'a>(&self, files: impl Iterator<Item = (&'a str, &'a Stamp, Digest)>) {
        let Some(file) = &self.file else { return };
        let mut text = format!("{FORMAT}\n");
        let (mut lines, mut news) = (0, false);
        for (path, stamp, content) in files.filter(|(path, stamp, _)| stamp.is_settled(self.seen_ns) && !path.contains('\n')) {
            lines += 1;
            news |= self.content(path, stamp) != Some(content);
            let Stamp { size, modified_ns, changed_ns, inode } = stamp;
            let _ = writeln!(text, "{size} {modified_ns} {changed_ns} {inode} {content} {path}");
        }
        if news || lines != self.known.len() {
            let _ = replace(file, &text);
        }
    }
}

/// Writes beside and renames: another refit reads the old file or the new one.
fn replace(file: &Path, text: &str) -> std::io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    new.write_all(text.as_bytes())?;
    new.persist(file)?;
    Ok(())
}

fn parse(text: &str) -> Option<HashMap<String, (Stamp, Digest)>> {
    let mut lines = text.lines();
    if lines.next()? != FORMAT {
        return None;
    }
    lines.map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<(String, (Stamp, Digest))> {
    let mut words = line.splitn(6, ' ');
    let mut word = || words.next();
    let stamp =
        Stamp { size: word()?.parse().ok()?, modified_ns: word()?.parse().ok()?, changed_ns: word()?.parse().ok()?, inode: word()?.parse().ok()? };
    let content = word()?.parse().ok()?;
    Some((word()?.to_owned(), (stamp, content)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(changed_ns: i128) -> Stamp {
        Stamp { size: 3, modified_ns: changed_ns, changed_ns, inode: 7 }
    }

    #[test]
    fn what_was_written_is_known_again_if_it_looks_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let root = Path::new("/somewhere");
        let read = |root: &Path| StatCache::read(Some(folder.path()), root, SystemTime::now());
        let content = Digest::of(b"x");
        let old = stamp(SECOND_NS + 1);
        let fresh = stamp(i128::MAX / 2);
        read(root).write([("a b", &old, content), ("new", &fresh, content)].into_iter());
        let cache = read(root);
        assert_eq!(cache.content("a b", &old), Some(content));
        assert_eq!(cache.content("a b", &stamp(SECOND_NS + 2)), None, "it changed");
        assert_eq!(cache.content("new", &fresh), None, "racily clean");
        assert_eq!(read(Path::new("/elsewhere")).content("a b", &old), None);
        fs::write(cache.file.as_ref().unwrap(), "rubbish").unwrap();
        assert_eq!(read(root).content("a b", &old), None);
    }

    #[test]
    fn a_file_as_young_as_its_clock_is_coarse_is_not_settled() {
        let now = 1_000 * SECOND_NS + 5;
        assert!(stamp(now - TICK_NS - 1).is_settled(now));
        assert!(!stamp(now - TICK_NS / 2).is_settled(now));
        assert!(!stamp(999 * SECOND_NS).is_settled(now), "whole seconds come from a coarse file system");
        assert!(stamp(990 * SECOND_NS).is_settled(now));
    }
}
