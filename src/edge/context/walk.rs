//! One walk over a folder, less what `.dockerignore` names.

use std::fs::{self, FileType, Metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use super::ignore::{IgnoreRules, Matched};
use super::stat_cache::Stamp;
use crate::edge::{ContextEntry, EntryKind};

/// What a walk found.
#[derive(Default)]
pub(super) struct Walked {
    /// Entries, folders before what they hold, each with what tells whether it changed.
    pub(super) entries: Vec<(ContextEntry, Stamp)>,
    /// Sockets, FIFOs, devices.
    pub(super) special: Vec<String>,
    /// What could not be looked at.
    pub(super) unreadable: Vec<String>,
}

/// Walks `root`, whose own names are known already.
pub(super) fn walk(root: &Path, names: Vec<String>, rules: &IgnoreRules) -> Walked {
    let mut walked = Walked::default();
    Walk { root, rules, walked: &mut walked }.listed("", names, None);
    walked
}

struct Walk<'a> {
    root: &'a Path,
    rules: &'a IgnoreRules,
    walked: &'a mut Walked,
}

impl Walk<'_> {
    /// Adds what a folder holds; says whether anything was kept.
    fn folder(&mut self, path: &str, matched: Option<&Matched>) -> bool {
        match names(&self.root.join(path)) {
            Ok(names) => self.listed(path, names, matched),
            Err(error) => {
                self.walked.unreadable.push(format!("{path}/ ({error})"));
                false
            }
        }
    }

    fn listed(&mut self, path: &str, mut names: Vec<String>, matched: Option<&Matched>) -> bool {
        names.sort();
        let mut kept = false;
        for name in names {
            let child = if path.is_empty() { name } else { format!("{path}/{name}") };
            kept |= self.entry(child, matched);
        }
        kept
    }

    fn entry(&mut self, path: String, folder: Option<&Matched>) -> bool {
        let (ignored, matched) = self.rules.ignored(&path, folder);
        let full = self.root.join(&path);
        if ignored {
            let is_folder = || fs::symlink_metadata(&full).is_ok_and(|found| found.is_dir());
            return self.rules.may_keep_below(&path) && is_folder() && self.kept_below(path, &full, &matched);
        }
        let looked = fs::symlink_metadata(&full).and_then(|found| Ok((kind(&full, &found)?, found)));
        match looked {
            Ok((Some(kind), found)) => {
                let is_folder = kind == EntryKind::Folder;
                self.walked.entries.push(describe(&path, kind, &found));
                if is_folder {
                    self.folder(&path, Some(&matched));
                }
                return true;
            }
            Ok((None, found)) => self.walked.special.push(format!("{path} ({})", special_word(found.file_type()))),
            Err(error) => self.walked.unreadable.push(format!("{path} ({error})")),
        }
        false
    }

    /// An ignored folder is there all the same if something in it is kept.
    fn kept_below(&mut self, path: String, full: &Path, matched: &Matched) -> bool {
        let place = self.walked.entries.len();
        let kept = self.folder(&path, Some(matched));
        if let (true, Ok(found)) = (kept, fs::symlink_metadata(full)) {
            self.walked.entries.insert(place, describe(&path, EntryKind::Folder, &found));
        }
        kept
    }
}

/// The names in a folder, in no order. Errors if one is not UTF-8.
pub(super) fn names(folder: &Path) -> std::io::Result<Vec<String>> {
    let text = |name: std::ffi::OsString| {
        name.into_string().map_err(|name| std::io::Error::other(format!("the name {:?} is not UTF-8", name.to_string_lossy())))
    };
    fs::read_dir(folder)?.map(|entry| text(entry?.file_name())).collect()
}

fn kind(full: &Path, found: &Metadata) -> std::io::Result<Option<EntryKind>> {
    let kind = found.file_type();
    Ok(if kind.is_symlink() {
        let target = fs::read_link(full)?;
        Some(EntryKind::Link(target.to_str().ok_or_else(|| std::io::Error::other("its target is not UTF-8"))?.to_owned()))
    } else if kind.is_dir() {
        Some(EntryKind::Folder)
    } else {
        kind.is_file().then_some(EntryKind::File)
    })
}

fn describe(path: &str, kind: EntryKind, found: &Metadata) -> (ContextEntry, Stamp) {
    let size = if kind == EntryKind::File { found.len() } else { 0 };
    (ContextEntry { path: path.to_owned(), kind, mode: found.mode() & 0o7777, size }, Stamp::of(found))
}

pub(super) fn special_word(kind: FileType) -> &'static str {
    match () {
        () if kind.is_fifo() => "FIFO",
        () if kind.is_socket() => "socket",
        () if kind.is_block_device() || kind.is_char_device() => "device",
        () if kind.is_dir() => "folder",
        () => "unknown kind of file",
    }
}
