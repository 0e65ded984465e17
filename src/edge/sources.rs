//! Where the files of an image come from, folder or git, behind one face.
//!
//! In: an image's build as the estate has it. Out: its files, its Dockerfile, and what the plan records of them. Each URL and each work tree
//! is looked at once in a run, so all images of it see the same state.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::stream::{self, StreamExt};

use super::ContextFiles;
use super::context::{ContextError, FolderContext, RealPaths, within_context};
use super::git::{GitError, RepositoryCache, TreeContext, WorkTrees, redact};
use crate::pipeline::{self, BuildSpec};
use crate::plan;

/// Where the files of a build come from.
#[async_trait]
pub trait Source: Send + Sync {
    /// Finds the files of a build: at the commit `at` if one is given, else what is there now.
    async fn find(&self, build: &BuildSpec, at: Option<&str>) -> Result<SourceFound, SourceError>;

    /// Finds what is there now of many builds, in their order.
    async fn find_newest(&self, builds: &[&BuildSpec]) -> Vec<Result<SourceFound, SourceError>> {
        let finds: Vec<_> = builds.iter().map(|build| self.find(build, None)).collect();
        stream::iter(finds).buffered(FINDS_AT_ONCE).collect().await
    }
}

/// So many contexts are looked at side by side.
pub const FINDS_AT_ONCE: usize = 8;
/// Folders that one thread looks at in a row: to hand a single one over takes longer than to read its few files.
const FOLDERS_IN_A_ROW: usize = 32;

/// The sources of one run.
#[derive(Clone)]
pub struct Sources {
    inner: Arc<Inner>,
}

struct Inner {
    /// Goes away with the last user of these sources.
    _passing: Option<tempfile::TempDir>,
    /// Where it is kept which files are unchanged; nowhere if nobody comes back to it.
    cache: Option<PathBuf>,
    repositories: RepositoryCache,
    work_trees: WorkTrees,
    real_paths: RealPaths,
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
        Self::with(cache, None)
    }

    /// Sources that leave nothing behind: for a look at an estate that has no state folder yet.
    pub fn passing() -> std::io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("refit-look-").tempdir()?;
        Ok(Self::with(folder.path().to_owned(), Some(folder)))
    }

    fn with(cache: PathBuf, passing: Option<tempfile::TempDir>) -> Self {
        let repositories = RepositoryCache::new(cache.join("git"));
        let kept = passing.is_none().then(|| cache.join("contexts"));
        let (work_trees, real_paths) = Default::default();
        Self { inner: Arc::new(Inner { _passing: passing, cache: kept, repositories, work_trees, real_paths }) }
    }

    /// Finds the files of a build: at the commit `at` if one is given, else what is there now (a git reference is resolved, a folder read).
    pub async fn find(&self, build: &BuildSpec, at: Option<&str>) -> Result<SourceFound, SourceError> {
        let (inner, build, at) = (self.inner.clone(), build.clone(), at.map(str::to_owned));
        in_the_background(move || inner.find(&build, at.as_deref())).await.unwrap_or_else(Err)
    }

    /// Finds a row of builds on one thread.
    async fn find_row(&self, builds: &[&BuildSpec]) -> Vec<Result<SourceFound, SourceError>> {
        let (inner, owned) = (self.inner.clone(), builds.iter().copied().cloned().collect::<Vec<BuildSpec>>());
        let found = in_the_background(move || owned.iter().map(|build| inner.find(build, None)).collect()).await;
        found.unwrap_or_else(|why| builds.iter().map(|_| Err(why.clone())).collect())
    }
}

/// Does what keeps a thread busy. The error is that the process is coming to its end.
async fn in_the_background<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, SourceError> {
    tokio::task::spawn_blocking(work).await.map_err(|ended| match ended.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => GitError::Broken { place: "reading of sources".into(), why: "it was interrupted".into() }.into(),
    })
}

/// Cuts builds into rows: folders side by side, and each repository by itself, for it may have to be fetched.
fn rows<'b, 'a>(builds: &'b [&'a BuildSpec]) -> impl Iterator<Item = &'b [&'a BuildSpec]> {
    let is_folder = |build: &BuildSpec| matches!(build.context, pipeline::Context::Folder { .. });
    builds.chunk_by(move |one, next| is_folder(one) && is_folder(next)).flat_map(|row| row.chunks(FOLDERS_IN_A_ROW))
}

#[async_trait]
impl Source for Sources {
    async fn find(&self, build: &BuildSpec, at: Option<&str>) -> Result<SourceFound, SourceError> {
        Sources::find(self, build, at).await
    }

    async fn find_newest(&self, builds: &[&BuildSpec]) -> Vec<Result<SourceFound, SourceError>> {
        let finds: Vec<_> = rows(builds).map(|row| self.find_row(row)).collect();
        stream::iter(finds).buffered(FINDS_AT_ONCE).collect::<Vec<_>>().await.into_iter().flatten().collect()
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
                self.of_tree(build, files, &super::shown(path))
            }
            (pipeline::Context::Folder { path }, None) => self.of_folder(build, path),
        }
    }

    fn of_folder(&self, build: &BuildSpec, path: &Path) -> Result<SourceFound, SourceError> {
        let files = FolderContext::open_among(&self.real_paths, path, &build.dockerfile)?;
        let dockerfile = match &build.dockerfile_inline {
            Some(text) => text.clone().into_bytes(),
            None => files.dockerfile()?,
        };
        let hash = files.hash(self.cache.as_deref())?;
        let (real, device) = files.place();
        let state = self.work_trees.commit_of_real(real, device);
        // What git ignores and the build is sent all the same is in no commit.
        let dirty = state.as_ref().is_some_and(|state| state.dirty || state.ignored.iter().any(|path| files.sends(path)));
        let context = plan::Context { hash, commit: state.map(|state| state.commit), dirty, deployed: None };
        Ok(SourceFound { files: Arc::new(files), dockerfile, dockerfile_path: dockerfile_path(build, &super::shown(path)), context })
    }

    fn of_tree(&self, build: &BuildSpec, files: TreeContext, place: &str) -> Result<SourceFound, SourceError> {
        let dockerfile = match &build.dockerfile_inline {
            Some(text) => text.clone().into_bytes(),
            None => files.dockerfile()?,
        };
        let hash = files.hash(self.cache.as_deref())?;
        let context = plan::Context { hash, commit: Some(files.commit()), dirty: false, deployed: None };
        Ok(SourceFound { files: Arc::new(files), dockerfile, dockerfile_path: dockerfile_path(build, place), context })
    }
}

fn dockerfile_path(build: &BuildSpec, place: &str) -> String {
    match &build.dockerfile_inline {
        Some(_) => format!("build.dockerfile_inline ({place})"),
        None if place == "." => build.dockerfile.trim_start_matches("./").to_owned(),
        None => format!("{}/{}", place.trim_end_matches('/'), build.dockerfile.trim_start_matches("./")),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn commit(repository: &git2::Repository) -> String {
        let mut index = repository.index().unwrap();
        index.add_all(["*"], git2::IndexAddOption::DEFAULT, None).unwrap();
        index.write().unwrap();
        let tree = repository.find_tree(index.write_tree().unwrap()).unwrap();
        let who = git2::Signature::now("t", "t@example.com").unwrap();
        let parent = repository.head().ok().map(|head| head.peel_to_commit().unwrap());
        repository.commit(Some("HEAD"), &who, &who, "x", &tree, &parent.iter().collect::<Vec<_>>()).unwrap().to_string()
    }

    #[tokio::test]
    async fn a_folder_in_git_and_its_repository_are_one_source() {
        let (work, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let repository = git2::Repository::init(work.path()).unwrap();
        let web = work.path().join("web");
        fs::create_dir(&web).unwrap();
        fs::write(web.join("Dockerfile"), "FROM a").unwrap();
        let first = commit(&repository);

        let sources = Sources::new(cache.path().into());
        let folder = BuildSpec::of_folder(&web);
        let url = work.path().display().to_string();
        let git = BuildSpec::of(pipeline::Context::Git { url: url.clone(), reference: None, path: "web".into() });
        let [by_folder, by_git] = [sources.find(&folder, None).await.unwrap(), sources.find(&git, None).await.unwrap()];
        assert_eq!(by_folder.context, plan::Context { hash: by_git.context.hash, commit: Some(first.clone()), dirty: false, deployed: None });
        assert_eq!(by_folder.context, by_git.context);
        assert_eq!((by_folder.dockerfile_path, by_git.dockerfile_path), (format!("{}/Dockerfile", web.display()), format!("{url}:web/Dockerfile")));

        fs::write(web.join("Dockerfile"), "FROM b").unwrap();
        let sources = Sources::new(cache.path().into());
        assert!(sources.find(&folder, None).await.unwrap().context.dirty);
        commit(&repository);
        let sources = Sources::new(cache.path().into());
        let old = sources.find(&folder, Some(&first)).await.unwrap();
        assert_eq!((old.dockerfile.as_slice(), &old.context), (b"FROM a".as_slice(), &by_git.context));
        assert_eq!(sources.find(&git, Some(&first)).await.unwrap().context, by_git.context);
        assert_eq!(sources.find(&git, None).await.unwrap().dockerfile, b"FROM b");
    }

    /// What git ignores and `.dockerignore` does not is in the image, and in no commit.
    #[tokio::test]
    async fn ignored_files_that_are_sent_differ_from_the_commit() {
        let (work, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let repository = git2::Repository::init(work.path()).unwrap();
        let write = |path: &str, text: &str| {
            let full = work.path().join(path);
            fs::create_dir_all(full.parent().unwrap()).unwrap();
            fs::write(full, text).unwrap();
        };
        write(".gitignore", "dist/\n*.log\nmade/\n");
        write("web/Dockerfile", "FROM a");
        write("api/Dockerfile", "FROM a");
        write("api/.dockerignore", "dist\n**/*.log\n");
        write("api/src/main.js", "1");
        commit(&repository);
        write("made/Dockerfile", "FROM a");
        let dirty = async |folder: &str| {
            let build = BuildSpec::of_folder(work.path().join(folder));
            Sources::new(cache.path().into()).find(&build, None).await.unwrap().context.dirty
        };
        assert_eq!((dirty("web").await, dirty("api").await, dirty("made").await), (false, false, true));
        write("web/dist/app.js", "1");
        write("api/dist/app.js", "1");
        write("api/src/x.log", "1");
        assert_eq!((dirty("web").await, dirty("api").await), (true, false));
        fs::remove_dir_all(work.path().join("web/dist")).unwrap();
        assert!(!dirty("web").await);
        write("web/x.log", "1");
        assert!(dirty("web").await);
    }

    #[tokio::test]
    async fn many_are_found_in_their_order_and_a_look_that_passes_keeps_nothing() {
        let (work, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let repository = git2::Repository::init(work.path()).unwrap();
        let names: Vec<String> = (0..FOLDERS_IN_A_ROW * 2 + 3).map(|at| format!("i{at:03}")).collect();
        for name in &names {
            fs::create_dir(work.path().join(name)).unwrap();
            fs::write(work.path().join(name).join("Dockerfile"), format!("FROM {name}")).unwrap();
            (0..FOLDERS_IN_A_ROW).for_each(|at| fs::write(work.path().join(name).join(at.to_string()), "").unwrap());
        }
        commit(&repository);
        let url = work.path().display().to_string();
        let build = |(at, name): (usize, &String)| match at % 10 {
            7 => BuildSpec::of(pipeline::Context::Git { url: url.clone(), reference: None, path: name.clone() }),
            8 => BuildSpec::of_folder(work.path().join("missing")),
            _ => BuildSpec::of_folder(work.path().join(name)),
        };
        let builds: Vec<BuildSpec> = names.iter().enumerate().map(build).collect();
        let passing = Sources::passing().unwrap();
        for sources in [&Sources::new(cache.path().into()), &passing] {
            let found = sources.find_newest(&builds.iter().collect::<Vec<_>>()).await;
            for (at, (name, found)) in names.iter().zip(&found).enumerate() {
                match (at % 10, found) {
                    (8, found) => assert!(matches!(found, Err(SourceError::Context(ContextError::NoFolder { .. }))), "{at}"),
                    (_, Ok(found)) => assert_eq!(String::from_utf8_lossy(&found.dockerfile), format!("FROM {name}")),
                    (_, Err(error)) => panic!("{at}: {error}"),
                }
            }
            assert_eq!(found.len(), names.len());
        }
        let kept = passing.inner._passing.as_ref().unwrap().path().to_owned();
        assert!(!kept.join("contexts").exists() && kept.join("git").exists());
    }

    #[tokio::test]
    async fn an_inline_dockerfile_needs_no_file_and_a_missing_one_is_named() {
        let (folder, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(folder.path().join("web.Dockerfile"), "FROM a").unwrap();
        let sources = Sources::new(cache.path().into());
        let mut build = BuildSpec::of_folder(folder.path());
        let missing = sources.find(&build, None).await.err().unwrap();
        assert_eq!(missing.to_string(), format!("there is no Dockerfile {}/Dockerfile", folder.path().display()));
        let help = miette::Diagnostic::help(&missing).unwrap().to_string();
        assert_eq!(help, "its context has web.Dockerfile: set `build.dockerfile`");
        build.dockerfile_inline = Some("FROM b".into());
        let found = sources.find(&build, None).await.unwrap();
        assert_eq!((found.dockerfile.as_slice(), found.context.commit), (b"FROM b".as_slice(), None));
    }
}
