//! Repositories by URL in a cache: bare, one folder each, fetched once a run at most.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use git2::{AutotagOption, Direction, FetchOptions, FetchPrune, Oid, Remote, Repository};

use super::address::{normal, redact};
use super::error::{GitError, nearest};
use super::transport;
use super::tree::TreeContext;
use crate::edge::sources::SourceError;
use crate::model::Digest;

/// Where the remote's HEAD is kept.
const REMOTE_HEAD: &str = "refs/refit/HEAD";

/// All repositories that a run reads.
pub struct RepositoryCache {
    folder: PathBuf,
    /// Which URLs were fetched in this run, and whether that went well. Each has a lock of its own, so that others need not wait.
    fetched: Mutex<BTreeMap<String, Turn>>,
    /// What was resolved in this run, by URL and reference: a thousand images of one repository ask once.
    resolved: Mutex<BTreeMap<(String, Option<String>), Oid>>,
    /// Repositories that are open.
    open: Mutex<BTreeMap<String, Arc<Mutex<Repository>>>>,
}

/// How a URL's one fetch ended; whoever needs it meanwhile waits here.
type Turn = Arc<Mutex<Option<Result<(), GitError>>>>;

impl RepositoryCache {
    /// Repositories below `folder`.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, fetched: Mutex::default(), resolved: Mutex::default(), open: Mutex::default() }
    }

    /// The commit that `reference` (branch, tag or commit; the remote's HEAD if none) names now. Asks the remote once a run, and not at all
    /// for a commit that is here.
    pub fn resolve(&self, url: &str, reference: Option<&str>) -> Result<Oid, GitError> {
        let key = (url.to_owned(), reference.map(str::to_owned));
        if let Some(&known) = self.resolved.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(known);
        }
        let found = self.resolve_now(url, reference)?;
        // Whoever was first decides, should two have asked at once.
        Ok(*self.resolved.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_insert(found))
    }

    fn resolve_now(&self, url: &str, reference: Option<&str>) -> Result<Oid, GitError> {
        let repository = self.open(url)?;
        let full = reference.and_then(full_id);
        if let Some(id) = full.filter(|&id| repository.find_commit(id).is_ok()) {
            return Ok(id);
        }
        self.fetch_once(url)?;
        if let Some(id) = full.filter(|&id| repository.find_commit(id).is_err()) {
            // A commit that no branch holds; many servers give it to who knows its name.
            let _ = self.locked(url, || fetch(&repository, url, &[format!("+{id}:refs/refit/{id}")]));
        }
        find(&repository, reference).ok_or_else(|| GitError::UnknownReference {
            url: redact(url),
            reference: reference.unwrap_or("HEAD").to_owned(),
            hint: nearest(reference.unwrap_or("HEAD"), &names(&repository)),
        })
    }

    /// The files of `folder` at `commit`.
    pub fn files(&self, url: &str, commit: Oid, folder: &str, dockerfile: &str) -> Result<TreeContext, SourceError> {
        TreeContext::open(self.shared(url)?, &redact(url), commit, folder, dockerfile)
    }

    /// One handle for all that read the repository; it is a file of configuration and a list of packs each time else.
    fn shared(&self, url: &str) -> Result<Arc<Mutex<Repository>>, GitError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(repository) = open.get(url) {
            return Ok(repository.clone());
        }
        let repository = Arc::new(Mutex::new(self.open(url)?));
        open.insert(url.to_owned(), repository.clone());
        Ok(repository)
    }

    fn path(&self, url: &str) -> PathBuf {
        self.folder.join(format!("{}.git", &Digest::of(url.as_bytes()).hex()[..32]))
    }

    fn open(&self, url: &str) -> Result<Repository, GitError> {
        let path = self.path(url);
        if let Ok(repository) = Repository::open_bare(&path) {
            return Ok(repository);
        }
        self.locked(url, || Repository::init_bare(&path).map_err(|error| broken(&path, &error)))
    }

    fn fetch_once(&self, url: &str) -> Result<(), GitError> {
        let turn = self.fetched.lock().unwrap_or_else(PoisonError::into_inner).entry(url.to_owned()).or_default().clone();
        let mut ended = turn.lock().unwrap_or_else(PoisonError::into_inner);
        ended.get_or_insert_with(|| self.open(url).and_then(|repository| self.locked(url, || fetch_all(&repository, url)))).clone()
    }

    /// Does `work` while no other process writes to the repository.
    fn locked<T>(&self, url: &str, work: impl FnOnce() -> Result<T, GitError>) -> Result<T, GitError> {
        let path = self.path(url).with_extension("lock");
        let trouble = |error: &dyn std::fmt::Display| GitError::Broken { place: path.display().to_string(), why: error.to_string() };
        fs::create_dir_all(&self.folder).map_err(|error| trouble(&error))?;
        let file = File::create(&path).map_err(|error| trouble(&error))?;
        file.lock().map_err(|error| trouble(&error))?;
        // The lock goes with the file's handle, also when the process is killed.
        work()
    }
}

fn broken(path: &Path, error: &git2::Error) -> GitError {
    GitError::Broken { place: path.display().to_string(), why: error.message().to_owned() }
}

fn full_id(reference: &str) -> Option<Oid> {
    (reference.len() == 40).then(|| Oid::from_str(reference).ok()).flatten()
}

fn fetch_all(repository: &Repository, url: &str) -> Result<(), GitError> {
    fetch(repository, url, &["+refs/heads/*:refs/heads/*".to_owned(), "+refs/tags/*:refs/tags/*".to_owned()])
}

fn fetch(repository: &Repository, url: &str, what: &[String]) -> Result<(), GitError> {
    let failed = |error: git2::Error| fetch_error(url, &error);
    transport::install().map_err(failed)?;
    let mut remote = repository.remote_anonymous(&normal(url)).map_err(failed)?;
    remote.connect(Direction::Fetch).map_err(failed)?;
    let head = remote_head(&remote);
    let mut options = FetchOptions::new();
    options.prune(FetchPrune::On).download_tags(AutotagOption::None);
    remote.fetch(what, Some(&mut options), None).map_err(failed)?;
    // An empty repository has none; asking for it then says so.
    if let Some(head) = head.filter(|&head| repository.find_commit(head).is_ok()) {
        repository.reference(REMOTE_HEAD, head, true, "the remote's HEAD").map_err(failed)?;
    }
    Ok(())
}

fn remote_head(remote: &Remote<'_>) -> Option<Oid> {
    remote.list().ok()?.iter().find(|head| head.name() == "HEAD").map(|head| head.oid())
}

fn fetch_error(url: &str, error: &git2::Error) -> GitError {
    let url = redact(url);
    if let Some((_, why)) = error.message().split_once(transport::DENIED) {
        return GitError::Denied { url, why: why.to_owned() };
    }
    if let Some((_, told)) = error.message().split_once(transport::UNKNOWN_HOST) {
        let (why, hint) = told.split_once('\n').unwrap_or((told, ""));
        return GitError::UnknownHost { url, why: why.to_owned(), hint: hint.to_owned() };
    }
    GitError::Unreachable { url, why: error.message().to_owned() }
}

/// Branches come before tags, and names before the beginnings of commits.
fn find(repository: &Repository, reference: Option<&str>) -> Option<Oid> {
    let Some(name) = reference else { return peel(repository, REMOTE_HEAD) };
    let full = format!("refs/heads/{name}");
    let tag = format!("refs/tags/{name}");
    let named =
        peel(repository, &full).or_else(|| peel(repository, &tag)).or_else(|| name.starts_with("refs/").then(|| peel(repository, name)).flatten());
    named.or_else(|| {
        let is_short_id = (7..=40).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_hexdigit());
        is_short_id.then(|| repository.revparse_single(name).ok()?.peel_to_commit().ok().map(|commit| commit.id())).flatten()
    })
}

fn peel(repository: &Repository, reference: &str) -> Option<Oid> {
    repository.find_reference(reference).ok()?.peel_to_commit().ok().map(|commit| commit.id())
}

fn names(repository: &Repository) -> Vec<String> {
    let Ok(references) = repository.references() else { return Vec::new() };
    let names = references.flatten().filter_map(|reference| reference.shorthand().ok().map(str::to_owned));
    names.filter(|name| !name.starts_with("refit/")).collect()
}
