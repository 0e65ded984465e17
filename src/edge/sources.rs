//! Where the files of an image come from, folder or git, behind one face.
//!
//! In: an image's build as the estate has it. Out: its files, its Dockerfile, and what the plan records of them. Each URL and each work tree
//! is looked at once in a run, so all images of it see the same state.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::ContextFiles;
use super::context::{ContextError, FolderContext, within_context};
use super::git::{GitError, RepositoryCache, TreeContext, WorkTrees, redact};
use crate::pipeline::{self, BuildSpec};
use crate::plan;

/// The sources of one run.
#[derive(Clone)]
pub struct Sources {
    inner: Arc<Inner>,
}

struct Inner {
    cache: PathBuf,
    repositories: RepositoryCache,
    work_trees: WorkTrees,
}

/// What was found for one image.
#[derive(Clone)]
pub struct SourceFound {
    /// The files that are sent.
    pub files: Arc<dyn ContextFiles>,
    /// The Dockerfile, as written.
    pub dockerfile: Vec<u8>,
    /// Its path as the user would name it.
    pub dockerfile_path: String,
    /// What the plan records.
    pub context: plan::Context,
}

/// Why the sources of an image could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum SourceError {
    /// The files.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Context(#[from] ContextError),
    /// The repository.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Git(#[from] GitError),
}

impl Sources {
    /// Sources that keep what they learn in `cache`: repositories, and which files are unchanged.
    pub fn new(cache: PathBuf) -> Self {
        let repositories = RepositoryCache::new(cache.join("git"));
        Self { inner: Arc::new(Inner { cache: cache.join("contexts"), repositories, work_trees: WorkTrees::default() }) }
    }

    /// Finds the files of a build: at the commit `at` if one is given, else what is there now (a git reference is resolved, a folder read).
    pub async fn find(&self, build: &BuildSpec, at: Option<&str>) -> Result<SourceFound, SourceError> {
        let (inner, build, at) = (self.inner.clone(), build.clone(), at.map(str::to_owned));
        match tokio::task::spawn_blocking(move || inner.find(&build, at.as_deref())).await {
            Ok(found) => found,
            Err(ended) => match ended.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(GitError::Broken { place: "reading of sources".into(), why: "it was interrupted".into() }.into()),
            },
        }
    }
}

impl Inner {
    fn find(&self, build: &BuildSpec, at: Option<&str>) -> Result<SourceFound, SourceError> {
        match (&build.context, at) {
            (pipeline::Context::Git { url, reference, path }, at) => {
                let commit = self.repositories.resolve(url, at.or(reference.as_deref()))?;
                let folder = within_context(path, &redact(url))?;
                let files = self.repositories.files(url, commit, &folder, &build.dockerfile)?;
                let place = if folder.is_empty() { redact(url) } else { format!("{}:{folder}", redact(url)) };
                self.of_tree(build, files, &place)
            }
            (pipeline::Context::Folder { path }, Some(commit)) => {
                let files = self.work_trees.at_commit(path, commit, &build.dockerfile)?;
                self.of_tree(build, files, &path.display().to_string())
            }
            (pipeline::Context::Folder { path }, None) => self.of_folder(build, path),
        }
    }

    fn of_folder(&self, build: &BuildSpec, path: &Path) -> Result<SourceFound, SourceError> {
        let files = FolderContext::open(path, &build.dockerfile)?;
        let dockerfile = match &build.dockerfile_inline {
            Some(text) => text.clone().into_bytes(),
            None => files.dockerfile()?,
        };
        let hash = files.hash(Some(&self.cache))?;
        let state = self.work_trees.commit_of(path);
        let dirty = state.as_ref().is_some_and(|state| state.dirty);
        let context = plan::Context { hash, commit: state.map(|state| state.commit), dirty, deployed: None };
        Ok(SourceFound { files: Arc::new(files), dockerfile, dockerfile_path: dockerfile_path(build, &path.display().to_string()), context })
    }

    fn of_tree(&self, build: &BuildSpec, files: TreeContext, place: &str) -> Result<SourceFound, SourceError> {
        let dockerfile = match &build.dockerfile_inline {
            Some(text) => text.clone().into_bytes(),
            None => files.dockerfile()?,
        };
        let hash = files.hash(Some(&self.cache))?;
        let context = plan::Context { hash, commit: Some(files.commit()), dirty: false, deployed: None };
        Ok(SourceFound { files: Arc::new(files), dockerfile, dockerfile_path: dockerfile_path(build, place), context })
    }
}

fn dockerfile_path(build: &BuildSpec, place: &str) -> String {
    match &build.dockerfile_inline {
        Some(_) => format!("build.dockerfile_inline ({place})"),
        None => format!("{}/{}", place.trim_end_matches('/'), build.dockerfile.trim_start_matches("./")),
    }
}
