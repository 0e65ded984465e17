//! The words of one build and of an image's tests: what is asked for, what is heard on the way, how it fails.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::SetOnce;

use super::engine::EngineError;
use crate::model::{Digest, EstateName, ImageRef, Secret};

/// One build, with nothing left to choose.
pub struct BuildRequest {
    /// The files.
    pub context: Arc<dyn ContextFiles>,
    /// The pinned Dockerfile's text.
    pub dockerfile: Vec<u8>,
    /// Build arguments.
    pub args: BTreeMap<String, String>,
    /// The stage to build.
    pub target: Option<String>,
    /// Labels, the user's and refit's.
    pub labels: BTreeMap<String, String>,
    /// Secrets by id.
    pub secrets: BTreeMap<String, Secret>,
    /// Platform.
    pub platform: Option<String>,
    /// Without the cache.
    pub no_cache: bool,
    /// Network of RUN steps.
    pub network: Option<String>,
    /// `name:address` lines for RUN steps.
    pub extra_hosts: Vec<String>,
    /// The name that the engine gives the result.
    pub tag: ImageRef,
}

/// The files of a build context: what `.dockerignore` leaves, in the order of their paths.
pub trait ContextFiles: Send + Sync {
    /// Every entry, sorted by path: folders before what they hold.
    fn entries(&self) -> std::io::Result<Vec<ContextEntry>>;
    /// Opens a file by its path within the context.
    fn open(&self, path: &str) -> std::io::Result<Box<dyn std::io::Read + Send>>;
    /// When an entry last changed, in nanoseconds since 1970. The part below a second differs when the content does, so that a builder
    /// which knows an older file of the same size and second is not mistaken.
    fn modified_ns(&self, path: &str) -> i64 {
        let _ = path;
        0
    }
    /// What tells this context from others: a builder that has seen an earlier state of it is sent only what changed. Empty: send all.
    fn key(&self) -> String {
        String::new()
    }
}

/// One entry of a build context.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ContextEntry {
    /// Path within the context, with `/`.
    pub path: String,
    /// File, folder or link.
    pub kind: EntryKind,
    /// Permission bits.
    pub mode: u32,
    /// Size in bytes of a file.
    pub size: u64,
}

/// What an entry of a context is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link and where it points.
    Link(String),
}

/// The moment from which on a build may run its steps. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Turn(Arc<SetOnce<()>>);

impl Turn {
    /// A turn that has come already.
    pub fn now() -> Self {
        let turn = Self::default();
        turn.come();
        turn
    }

    /// Lets it come. Saying so twice is saying so once.
    pub fn come(&self) {
        let _ = self.0.set(());
    }

    /// Whether it has come.
    pub fn has_come(&self) -> bool {
        self.0.initialized()
    }

    /// Waits until it has come.
    pub async fn wait(&self) {
        self.0.wait().await;
    }
}

/// Takes what a build says while it runs, and says from when on it may.
pub trait BuildProgress: Send + Sync {
    /// When the build may run its steps. A builder gets all else ready before it waits for this, so that nothing is left to do then.
    fn turn(&self) -> Turn {
        Turn::now()
    }
    /// A step began, ended, or was taken from the cache.
    fn step(&self, step: BuildStepSeen);
    /// A piece of the build's output; not necessarily whole lines.
    fn output(&self, text: &[u8]);
    /// Every step has ended, and the image is being stored: what is left needs the builder's hands no more. Not every builder says so.
    fn storing(&self) {}
}

/// A step of a build, as the builder reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildStepSeen {
    /// Such as `[2/4] RUN apt-get update`.
    pub name: String,
    /// Whether it has ended.
    pub ended: bool,
    /// Whether it came from the cache.
    pub cached: bool,
    /// What went wrong.
    pub error: Option<String>,
}

/// Why a build gave no image.
#[derive(Debug, Clone, thiserror::Error, miette::Diagnostic)]
pub enum BuildError {
    /// A step of the Dockerfile failed.
    #[error("{why}")]
    Failed {
        /// What BuildKit said.
        why: String,
    },
    /// The context could not be read.
    #[error("the build context could not be read: {why}")]
    Context {
        /// Which file, and why.
        why: String,
    },
    /// The engine itself.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Engine(#[from] EngineError),
}

/// A command to run in a throw-away container.
#[derive(Debug, Clone)]
pub struct TestRun {
    /// The image.
    pub image: Digest,
    /// The command's words.
    pub command: Vec<String>,
    /// For how long it may run.
    pub timeout: Duration,
    /// The estate, for the labels that let a later start clean up.
    pub estate: EstateName,
}

/// How a test ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestEnd {
    /// Its exit code; none if it ran out of time and was killed.
    pub code: Option<i64>,
    /// Its last lines.
    pub last_lines: Vec<String>,
}
