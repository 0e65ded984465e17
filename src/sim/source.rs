//! Build contexts in memory, by the folder that a pipeline names. Tests write into them as people do into theirs.

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::edge::context::{ContextError, context_hash};
use crate::edge::{ContextEntry, ContextFiles, EntryKind, Source, SourceError, SourceFound};
use crate::model::Digest;
use crate::pipeline::{BuildSpec, Context};
use crate::plan;

/// The files of one context, by their paths.
type Files = BTreeMap<String, Vec<u8>>;

/// Contexts outside git. Clones are the same folders.
#[derive(Clone, Default)]
pub struct SimSource {
    folders: Arc<Mutex<BTreeMap<PathBuf, Files>>>,
}

impl SimSource {
    /// Writes a file into a context.
    pub fn write(&self, folder: impl AsRef<Path>, file: &str, text: &str) {
        self.folders().entry(folder.as_ref().to_owned()).or_default().insert(file.to_owned(), text.as_bytes().to_vec());
    }

    fn folders(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Files>> {
        self.folders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Source for SimSource {
    async fn find(&self, build: &BuildSpec, _at: Option<&str>) -> Result<SourceFound, SourceError> {
        let place = match &build.context {
            Context::Folder { path } => path.clone(),
            Context::Git { url, .. } => PathBuf::from(url),
        };
        let missing = || ContextError::NoFolder { folder: place.display().to_string(), why: "does not exist".into() };
        let files = self.folders().get(&place).cloned().ok_or_else(missing)?;
        let path = format!("{}/{}", place.display(), build.dockerfile);
        let dockerfile = files.get(&build.dockerfile).cloned();
        let dockerfile = dockerfile.ok_or_else(|| ContextError::NoDockerfile { path: path.clone(), hint: "write one".into() })?;
        let context = SimContext(files);
        let entries = context.entries().unwrap_or_default();
        let hash = context_hash(&entries, |at| Digest::of(context.0.get(&entries[at].path).map_or(&[], Vec::as_slice)));
        Ok(SourceFound {
            files: Arc::new(context),
            dockerfile,
            dockerfile_path: path,
            context: plan::Context { hash, commit: None, dirty: false, deployed: None },
        })
    }
}

/// One context as it was when it was looked at.
struct SimContext(Files);

impl ContextFiles for SimContext {
    fn entries(&self) -> io::Result<Vec<ContextEntry>> {
        let entry =
            |(path, text): (&String, &Vec<u8>)| ContextEntry { path: path.clone(), kind: EntryKind::File, mode: 0o644, size: text.len() as u64 };
        Ok(self.0.iter().map(entry).collect())
    }

    fn open(&self, path: &str) -> io::Result<Box<dyn Read + Send>> {
        match self.0.get(path) {
            Some(text) => Ok(Box::new(Cursor::new(text.clone()))),
            None => Err(io::Error::new(io::ErrorKind::NotFound, path.to_owned())),
        }
    }
}
