//! A folder of a commit as a build context, read from the object database.

use std::collections::HashMap;
use std::io::{self, Cursor, Read};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use git2::{ObjectType, Oid, Repository, Tree};

use super::error::{GitError, nearest};
use crate::edge::context::{ContextError, IgnoreRules, content_moment, context_hash, ignore_files, nearest_dockerfiles, within_context};
use crate::edge::sources::SourceError;
use crate::edge::{ContextEntry, ContextFiles, EntryKind};
use crate::model::Digest;

/// The files of one folder of one commit.
pub struct TreeContext {
    repository: Arc<Mutex<Repository>>,
    /// For messages: the URL or folder of the repository.
    place: String,
    folder: String,
    commit: Oid,
    seconds: i64,
    tree: Oid,
    dockerfile: String,
    entries: Vec<(ContextEntry, Oid)>,
    index: HashMap<String, usize>,
}

impl TreeContext {
    /// Reads the tree of `folder` at `commit`, less what `.dockerignore` names. `place` is how messages call the repository.
    pub(super) fn open(shared: Arc<Mutex<Repository>>, place: &str, commit: Oid, folder: &str, dockerfile: &str) -> Result<Self, SourceError> {
        let broken = |error: git2::Error| GitError::Broken { place: place.to_owned(), why: error.message().to_owned() };
        let dockerfile = within_context(dockerfile, &shown(place, folder))?;
        let (tree, seconds, entries) = {
            let repository = &*shared.lock().unwrap_or_else(PoisonError::into_inner);
            let found = repository.find_commit(commit).map_err(broken)?;
            let tree = folder_tree(repository, &found.tree().map_err(broken)?, place, commit, folder)?;
            let rules = read_rules(repository, &tree, &shown(place, folder), &dockerfile)?;
            let mut walk = Walk { repository, rules: &rules, entries: Vec::new(), submodules: Vec::new() };
            walk.folder(&tree, "", None).map_err(broken)?;
            if !walk.submodules.is_empty() {
                return Err(GitError::Submodules { url: place.to_owned(), commit: commit.to_string(), paths: walk.submodules }.into());
            }
            (tree.id(), found.time().seconds(), walk.entries)
        };
        let index = entries.iter().enumerate().map(|(at, (entry, _))| (entry.path.clone(), at)).collect();
        let (place, folder) = (place.to_owned(), folder.to_owned());
        Ok(Self { repository: shared, place, folder, commit, seconds, tree, dockerfile, entries, index })
    }

    /// The commit.
    pub fn commit(&self) -> String {
        self.commit.to_string()
    }

    /// The Dockerfile's text, links within the context followed.
    pub fn dockerfile(&self) -> Result<Vec<u8>, SourceError> {
        const LINKS_MAX: usize = 16;
        let repository = self.repository.lock().unwrap_or_else(PoisonError::into_inner);
        let shown = shown(&self.place, &self.folder);
        let mut path = self.dockerfile.clone();
        for _ in 0..LINKS_MAX {
            let found = repository.find_tree(self.tree).and_then(|tree| tree.get_path(Path::new(&path)));
            let blob = found
                .ok()
                .filter(|entry| entry.kind() == Some(ObjectType::Blob))
                .and_then(|entry| Some((entry.filemode(), repository.find_blob(entry.id()).ok()?)));
            let Some((mode, blob)) = blob else {
                let hint = nearest_dockerfiles(self.entries.iter().map(|(entry, _)| entry.path.as_str()));
                return Err(ContextError::NoDockerfile { path: format!("{shown}/{}", self.dockerfile), hint }.into());
            };
            if mode != MODE_LINK {
                return Ok(blob.content().to_vec());
            }
            let target = String::from_utf8_lossy(blob.content()).into_owned();
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            let joined = if target.starts_with('/') { target } else { format!("{folder}/{target}").trim_start_matches('/').to_owned() };
            path = within_context(&joined, &shown).map_err(|_| ContextError::Leaves { path: self.dockerfile.clone(), folder: shown.clone() })?;
        }
        Err(ContextError::OddDockerfile { path: format!("{shown}/{}", self.dockerfile), why: "it is a link that leads to itself".into() }.into())
    }

    /// The hash over all that is sent: the same as a folder's with the same files. A `cache` folder remembers it by the tree's own id.
    pub fn hash(&self, cache: Option<&Path>) -> Result<Digest, SourceError> {
        // A tree's id covers its files and their ignore rules; which rules count depends on the Dockerfile's name.
        let memory = cache.map(|cache| cache.join(format!("{}-{}.tree", self.tree, Digest::of(self.dockerfile.as_bytes()).short())));
        let known = memory.as_ref().and_then(|file| std::fs::read_to_string(file).ok()).and_then(|text| text.trim().parse().ok());
        if let Some(known) = known {
            return Ok(known);
        }
        let hash = self.read_hash()?;
        if let Some(file) = memory {
            // Without it the next run reads the files again, that is all.
            let _ = file.parent().map(std::fs::create_dir_all);
            let _ = std::fs::write(file, hash.to_string());
        }
        Ok(hash)
    }

    fn read_hash(&self) -> Result<Digest, SourceError> {
        let repository = self.repository.lock().unwrap_or_else(PoisonError::into_inner);
        let entries: Vec<ContextEntry> = self.entries.iter().map(|(entry, _)| entry.clone()).collect();
        let mut failed = None;
        let hash = context_hash(&entries, |at| match repository.find_blob(self.entries[at].1) {
            Ok(blob) => Digest::of(blob.content()),
            Err(error) => {
                failed.get_or_insert(error);
                Digest::of(b"")
            }
        });
        match failed {
            None => Ok(hash),
            Some(error) => Err(GitError::Broken { place: self.place.clone(), why: error.message().to_owned() }.into()),
        }
    }
}

impl ContextFiles for TreeContext {
    fn entries(&self) -> io::Result<Vec<ContextEntry>> {
        Ok(self.entries.iter().map(|(entry, _)| entry.clone()).collect())
    }

    fn open(&self, path: &str) -> io::Result<Box<dyn Read + Send>> {
        let &at = self.index.get(path).ok_or(io::ErrorKind::NotFound)?;
        let repository = self.repository.lock().unwrap_or_else(PoisonError::into_inner);
        let blob = repository.find_blob(self.entries[at].1).map_err(io::Error::other)?;
        Ok(Box::new(Cursor::new(blob.content().to_vec())))
    }

    /// The commit's moment for every file, as `git archive` has it.
    fn modified_ns(&self, path: &str) -> i64 {
        let content = self.index.get(path).map(|&at| Digest::of(self.entries[at].1.as_bytes()));
        content_moment(self.seconds, content.as_ref())
    }

    fn key(&self) -> String {
        Digest::of(format!("{}\n{}", self.place, self.folder).as_bytes()).hex()
    }
}

/// A folder of a repository as messages call it.
fn shown(place: &str, folder: &str) -> String {
    if folder.is_empty() { place.to_owned() } else { format!("{place}:{folder}") }
}

fn folder_tree<'r>(repository: &'r Repository, root: &Tree<'r>, place: &str, commit: Oid, folder: &str) -> Result<Tree<'r>, SourceError> {
    let folder = within_context(folder, place)?;
    if folder.is_empty() {
        return Ok(root.clone());
    }
    let found = root.get_path(Path::new(&folder)).ok().and_then(|entry| repository.find_tree(entry.id()).ok());
    found.ok_or_else(|| {
        let folders: Vec<String> = folders(repository, root);
        GitError::NoFolder { url: place.to_owned(), commit: commit.to_string(), hint: nearest(&folder, &folders), path: folder }.into()
    })
}

/// Folders of the first two levels, for a hint.
fn folders(repository: &Repository, root: &Tree<'_>) -> Vec<String> {
    let below = |tree: &Tree<'_>, prefix: &str| -> Vec<(String, Oid)> {
        let trees = tree.iter().filter(|entry| entry.kind() == Some(ObjectType::Tree));
        trees.map(|entry| (format!("{prefix}{}", String::from_utf8_lossy(entry.name_bytes())), entry.id())).collect()
    };
    let mut all = Vec::new();
    for (name, id) in below(root, "") {
        if let Ok(tree) = repository.find_tree(id) {
            all.extend(below(&tree, &format!("{name}/")).into_iter().map(|(name, _)| name));
        }
        all.push(name);
    }
    all
}

fn read_rules(repository: &Repository, tree: &Tree<'_>, shown: &str, dockerfile: &str) -> Result<IgnoreRules, ContextError> {
    for name in ignore_files(dockerfile) {
        let Some(blob) = tree.get_path(Path::new(&name)).ok().and_then(|entry| repository.find_blob(entry.id()).ok()) else { continue };
        let rules = IgnoreRules::parse(&String::from_utf8_lossy(blob.content()));
        let file = format!("{shown}/{name}");
        return rules.map_err(|bad| ContextError::BadIgnore { file, line: bad.line, pattern: bad.pattern, why: bad.why });
    }
    Ok(IgnoreRules::default())
}

const MODE_LINK: i32 = 0o120000;
const MODE_PROGRAM: i32 = 0o100755;

struct Walk<'a> {
    repository: &'a Repository,
    rules: &'a IgnoreRules,
    entries: Vec<(ContextEntry, Oid)>,
    submodules: Vec<String>,
}

impl Walk<'_> {
    /// Adds what a tree holds; says whether anything was kept.
    fn folder(&mut self, tree: &Tree<'_>, path: &str, matched: Option<&crate::edge::context::Matched>) -> Result<bool, git2::Error> {
        let before = self.entries.len();
        for entry in tree.iter() {
            let name = std::str::from_utf8(entry.name_bytes()).map_err(|_| git2::Error::from_str("a file's name is not UTF-8"))?;
            let child = if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
            let (ignored, matched) = self.rules.ignored(&child, matched);
            match entry.kind() {
                Some(ObjectType::Tree) if !ignored || self.rules.may_keep_below(&child) => {
                    let place = self.entries.len();
                    self.entries.push(described(&child, EntryKind::Folder, 0o755, 0, entry.id()));
                    let below = self.repository.find_tree(entry.id())?;
                    if !self.folder(&below, &child, Some(&matched))? && ignored {
                        self.entries.truncate(place);
                    }
                }
                _ if ignored => {}
                Some(ObjectType::Blob) => self.blob(&child, &entry)?,
                _ => self.submodules.push(child),
            }
        }
        Ok(self.entries.len() > before)
    }

    fn blob(&mut self, path: &str, entry: &git2::TreeEntry<'_>) -> Result<(), git2::Error> {
        let (kind, mode) = match entry.filemode() {
            MODE_LINK => {
                let target = self.repository.find_blob(entry.id())?;
                (EntryKind::Link(String::from_utf8_lossy(target.content()).into_owned()), 0o777)
            }
            MODE_PROGRAM => (EntryKind::File, 0o755),
            _ => (EntryKind::File, 0o644),
        };
        let size = if kind == EntryKind::File { self.repository.odb()?.read_header(entry.id())?.0 as u64 } else { 0 };
        self.entries.push(described(path, kind, mode, size, entry.id()));
        Ok(())
    }
}

fn described(path: &str, kind: EntryKind, mode: u32, size: u64, id: Oid) -> (ContextEntry, Oid) {
    (ContextEntry { path: path.to_owned(), kind, mode, size }, id)
}
