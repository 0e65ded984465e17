//! What can be wrong with a build context.

/// Why a context cannot be used. Each names its file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum ContextError {
    /// The folder is not there, or is none.
    #[error("build context {folder} {why}")]
    #[diagnostic(help("correct `build.context`; paths count from the folder that holds `pipelines/`"))]
    NoFolder {
        /// The folder, as given.
        folder: String,
        /// `does not exist`, `is not a folder` …
        why: String,
    },
    /// There is no such Dockerfile.
    #[error("there is no Dockerfile {path}")]
    #[diagnostic(help("{hint}"))]
    NoDockerfile {
        /// The path, as the user would name it.
        path: String,
        /// What to do, with the files that look like it.
        hint: String,
    },
    /// A path that leaves the context.
    #[error("Dockerfile {path} lies outside of its build context {folder}")]
    #[diagnostic(help("move it into the context, or choose a context that holds it"))]
    Leaves {
        /// The path, as written.
        path: String,
        /// The context.
        folder: String,
    },
    /// The Dockerfile is no ordinary file, or too large to be one.
    #[error("{path} cannot be a Dockerfile: {why}")]
    #[diagnostic(help("correct `build.dockerfile`; what an image is filled with belongs into its context"))]
    OddDockerfile {
        /// Its path.
        path: String,
        /// Why.
        why: String,
    },
    /// Files that are neither file, folder nor link.
    #[error("the build context {folder} holds what cannot be sent: {}", list(.files))]
    #[diagnostic(help("remove it, or name it in {folder}/.dockerignore"))]
    Special {
        /// The context.
        folder: String,
        /// Each with its kind: `run/x.sock (socket)`.
        files: Vec<String>,
    },
    /// Files that could not be read.
    #[error("the build context {folder} holds what cannot be read: {}", list(.files))]
    #[diagnostic(help("make it readable, or name it in {folder}/.dockerignore"))]
    Unreadable {
        /// The context.
        folder: String,
        /// Each with its reason.
        files: Vec<String>,
    },
    /// A pattern that Docker refuses too.
    #[error("{file}:{line}: bad pattern {pattern:?}: {why}")]
    BadIgnore {
        /// The `.dockerignore` file.
        file: String,
        /// Its line, from 1.
        line: usize,
        /// The pattern.
        pattern: String,
        /// Why.
        why: &'static str,
    },
}

/// So many files are named; who has more has one reason for all of them.
const FILES_NAMED_MAX: usize = 10;

fn list(files: &[String]) -> String {
    let mut text = files.iter().take(FILES_NAMED_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
    if files.len() > FILES_NAMED_MAX {
        text.push_str(&format!(" and {} more", files.len() - FILES_NAMED_MAX));
    }
    text
}
