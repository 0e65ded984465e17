//! Folders that lie in somebody's git work tree: at which commit they are, and whether they differ from it.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use git2::{Oid, Repository, Status, StatusOptions, StatusShow};

use super::error::GitError;
use super::tree::TreeContext;
use crate::edge::sources::SourceError;

/// What git says of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkTreeState {
    /// The commit that is checked out.
    pub commit: String,
    /// Whether anything below the folder differs from it, new files included, ignored ones not.
    pub dirty: bool,
    /// What git ignores below the folder, by its path in it; a folder whose files are all ignored with a slash at its end, and `/` if that is the
    /// folder itself.
    pub ignored: Vec<String>,
}

/// The work trees of a run. Each is looked at once, however many contexts lie in it.
#[derive(Default)]
pub struct WorkTrees {
    seen: Mutex<HashMap<PathBuf, Arc<Looked>>>,
    /// By folder that others lie in, the repository that it lies in, and its file system.
    known: Mutex<HashMap<PathBuf, Known>>,
}

/// The repository that a folder lies in, if it does, and the folder's file system.
type Known = (Option<PathBuf>, u64);

struct Looked {
    root: PathBuf,
    commit: Oid,
    changed: BTreeSet<String>,
    ignored: BTreeSet<String>,
}

impl WorkTrees {
    /// The commit of a folder; none outside git, or before the first commit.
    pub fn commit_of(&self, folder: &Path) -> Option<WorkTreeState> {
        let real = folder.canonicalize().ok()?;
        let device = device(&real)?;
        self.commit_of_real(&real, device)
    }

    /// The same for a folder whose path has no links, and whose file system is known.
    pub(crate) fn commit_of_real(&self, folder: &Path, device: u64) -> Option<WorkTreeState> {
        let (looked, inside) = self.look(folder, device)?;
        let prefix = if inside.is_empty() { String::new() } else { format!("{inside}/") };
        let dirty = below(&looked.changed, &prefix).next().is_some() || lies_in_one_of(&looked.changed, &inside);
        let ignored = match lies_in_one_of(&looked.ignored, &inside) {
            true => vec!["/".to_owned()],
            false => below(&looked.ignored, &prefix).map(|path| path[prefix.len()..].to_owned()).collect(),
        };
        Some(WorkTreeState { commit: looked.commit.to_string(), dirty, ignored })
    }

    /// The files of a folder as they are at another commit of its repository.
    pub fn at_commit(&self, folder: &Path, commit: &str, dockerfile: &str) -> Result<TreeContext, SourceError> {
        let place = crate::edge::shown(folder);
        let broken = |why: String| GitError::Broken { place: place.clone(), why };
        let look = || {
            let real = folder.canonicalize().ok()?;
            self.look(&real, device(&real)?)
        };
        let (looked, inside) = look().ok_or_else(|| broken("it lies in no git work tree any more".into()))?;
        let repository = Repository::open(&looked.root).map_err(|error| broken(error.message().to_owned()))?;
        let found = Oid::from_str(commit).and_then(|id| repository.find_commit(id).map(|commit| commit.id()));
        let id = found.map_err(|_| broken(format!("commit {commit} is not in its repository (any more); fetch it, or use `sources: latest`")))?;
        TreeContext::open(Arc::new(Mutex::new(repository)), &crate::edge::shown(&looked.root), id, &inside, dockerfile)
    }

    /// The work tree of a folder, and the folder's path in it.
    fn look(&self, folder: &Path, device: u64) -> Option<(Arc<Looked>, String)> {
        let git = self.git_of(folder, device).0?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let looked = match seen.get(&git) {
            Some(looked) => looked.clone(),
            None => {
                let looked = Arc::new(Looked::read(&git)?);
                seen.insert(git, looked.clone());
                looked
            }
        };
        let inside = folder.strip_prefix(&looked.root).ok()?.to_str()?.to_owned();
        Some((looked, inside))
    }
}

impl WorkTrees {
    /// The repository that a folder lies in. Thousands of contexts share their parents, so each parent is asked for once: it holds a repository, or lies
    /// where its parent does, as long as both are on one file system (git does not look beyond it either).
    fn git_of(&self, folder: &Path, device: u64) -> Known {
        let is_one = folder.join(".git").symlink_metadata().is_ok() || folder.join("HEAD").symlink_metadata().is_ok();
        let git = match folder.parent() {
            _ if is_one => Repository::discover_path(folder, None::<&Path>).ok(),
            Some(parent) => self.git_of_parent(parent).filter(|(_, other)| *other == device).and_then(|(git, _)| git),
            None => None,
        };
        (git, device)
    }

    fn git_of_parent(&self, folder: &Path) -> Option<Known> {
        if let Some(known) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(folder) {
            return Some(known.clone());
        }
        let known = self.git_of(folder, device(folder)?);
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(folder.to_owned(), known.clone());
        Some(known)
    }
}

fn device(folder: &Path) -> Option<u64> {
    folder.metadata().map(|found| std::os::unix::fs::MetadataExt::dev(&found)).ok()
}

impl Looked {
    fn read(git: &Path) -> Option<Self> {
        let repository = Repository::open(git).ok()?;
        let root = repository.workdir()?.canonicalize().ok()?;
        let commit = repository.head().ok()?.peel_to_commit().ok()?.id();
        let mut options = StatusOptions::new();
        // A folder that is new or ignored comes as one path with a slash at its end: its files make no difference here.
        options.show(StatusShow::IndexAndWorkdir).include_untracked(true).include_ignored(true).exclude_submodules(true);
        let statuses = repository.statuses(Some(&mut options)).ok()?;
        let (mut changed, mut ignored) = (BTreeSet::new(), BTreeSet::new());
        for entry in statuses.iter() {
            let paths = if entry.status().contains(Status::IGNORED) { &mut ignored } else { &mut changed };
            paths.insert(String::from_utf8_lossy(entry.path_bytes()).into_owned());
        }
        Some(Self { root, commit, changed, ignored })
    }
}

/// The paths that begin with `prefix`.
fn below<'a>(paths: &'a BTreeSet<String>, prefix: &'a str) -> impl Iterator<Item = &'a String> {
    paths.range(prefix.to_owned()..).take_while(move |path| path.starts_with(prefix))
}

/// Whether a folder is one of those, or lies in one: they have a slash at their ends.
fn lies_in_one_of(folders: &BTreeSet<String>, inside: &str) -> bool {
    let ends = inside.match_indices('/').map(|(at, _)| at).chain([inside.len()]);
    ends.into_iter().any(|end| end > 0 && folders.contains(&format!("{}/", &inside[..end])))
}
