//! The pipeline files of a folder, and a look at what they name: contexts, certificates, files of variables.
//!
//! In: a folder, or the paths that a draft wants to know about. Out: texts and facts for `pipeline`, which opens no file itself.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::pipeline::{Fact, Facts, PipelineText, Wanted};

/// Files of variables are lists of settings; a larger one is something else.
const ENV_FILE_BYTES_MAX: u64 = 1024 * 1024;
/// More than any generator writes for a hundred thousand images.
const PIPELINE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Why the pipeline files of a folder cannot be read.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum PipelineFilesError {
    /// The folder is not there.
    #[error("there is no folder {} with pipeline files", folder.display())]
    #[diagnostic(help("go to the folder that holds `pipelines/`, name it by `--pipelines DIR`, or write a first one by `refit init`"))]
    Missing {
        /// Which folder.
        folder: PathBuf,
    },
    /// The folder itself.
    #[error("the folder {} with pipeline files cannot be read", folder.display())]
    #[diagnostic(help("check that it is a folder that you may list: `ls -ld {}`", folder.display()))]
    Folder {
        /// Which folder.
        folder: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// One of its files.
    #[error("the pipeline {} cannot be read", file.display())]
    #[diagnostic(help("a pipeline is a plain UTF-8 text file that you may read, of at most 64 MiB"))]
    File {
        /// Which file.
        file: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Reads every `*.yaml` and `*.yml` of a folder, by name; hidden files and folders within it are left alone.
///
/// Files are named as the user would name them: the folder as it was given, and the name.
pub fn read_folder(folder: &Path) -> Result<Vec<PipelineText>, PipelineFilesError> {
    let refuse = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => PipelineFilesError::Missing { folder: folder.to_owned() },
        _ => PipelineFilesError::Folder { folder: folder.to_owned(), source },
    };
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(folder).map_err(refuse)? {
        let path = entry.map_err(refuse)?.path();
        let is_hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let is_yaml = path.extension().is_some_and(|suffix| suffix == "yaml" || suffix == "yml");
        if is_yaml && !is_hidden && !path.is_dir() {
            paths.push(path);
        }
    }
    paths.sort();
    paths.into_iter().map(read_one).collect()
}

fn read_one(path: PathBuf) -> Result<PipelineText, PipelineFilesError> {
    match text(&path, PIPELINE_BYTES_MAX) {
        Ok(text) => Ok(PipelineText { file: path.display().to_string(), text }),
        Err(source) => Err(PipelineFilesError::File { file: path, source }),
    }
}

/// The text of a regular file. A pipe or a device is refused before it is opened: reading one may never end.
fn text(path: &Path, bytes_max: u64) -> io::Result<String> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
    }
    if metadata.len() > bytes_max {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is too large"));
    }
    fs::read_to_string(path)
}

/// Looks at what a draft wants to know about.
pub fn look(wanted: &BTreeSet<Wanted>) -> Facts {
    wanted.iter().map(|wanted| (wanted.path.clone(), fact(wanted))).collect()
}

fn fact(wanted: &Wanted) -> Fact {
    let metadata = match fs::metadata(&wanted.path) {
        Ok(metadata) => metadata,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Fact::Missing,
        Err(error) => return Fact::Unreadable(error.to_string()),
    };
    if metadata.is_dir() {
        return Fact::Folder;
    }
    if !wanted.text {
        return Fact::File;
    }
    text(&wanted.path, ENV_FILE_BYTES_MAX).map_or_else(|error| Fact::Unreadable(error.to_string()), Fact::Text)
}

/// The folder that holds a folder of pipelines, absolute: where relative paths begin, and whose name is the estate's.
pub fn estate_folder(pipelines: &Path) -> io::Result<PathBuf> {
    // `pipelines/..` must not be taken for a name, and a link's target is not where people wrote the files.
    let absolute = std::path::absolute(pipelines)?;
    let mut folder = PathBuf::new();
    for component in absolute.components() {
        match component {
            std::path::Component::ParentDir => {
                folder.pop();
            }
            other => folder.push(other),
        }
    }
    folder.pop();
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_yaml_files_of_a_folder_are_read_by_name() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("b.yml", "b"), ("a.yaml", "a"), (".c.yaml", "c"), ("d.txt", "d")] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        fs::create_dir(folder.path().join("e.yaml")).unwrap();
        let texts: Vec<String> = read_folder(folder.path()).unwrap().into_iter().map(|file| file.text).collect();
        assert_eq!(texts, ["a", "b"]);
        assert!(matches!(read_folder(&folder.path().join("none")), Err(PipelineFilesError::Missing { .. })));
        assert!(matches!(read_folder(&folder.path().join("a.yaml")), Err(PipelineFilesError::Folder { .. })));
    }

    #[test]
    fn what_is_no_text_is_refused_and_a_pipe_is_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.yaml"), [0xff, 0xfe]).unwrap();
        assert!(matches!(read_folder(folder.path()), Err(PipelineFilesError::File { .. })));
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
        let wanted = |path: &Path, text| BTreeSet::from([Wanted { path: path.to_owned(), text }]);
        assert!(matches!(look(&wanted(&pipe, true))[&pipe], Fact::Unreadable(_)));
        let none = folder.path().join("none");
        assert_eq!(look(&wanted(&none, false))[&none], Fact::Missing);
        assert_eq!(look(&wanted(folder.path(), false))[folder.path()], Fact::Folder);
    }

    #[test]
    fn the_folder_of_an_estate_is_the_one_above() {
        for (pipelines, folder) in [("/a/shop/pipelines", "/a/shop"), ("/a/shop/pipelines/", "/a/shop"), ("/a/x/../shop/./pipelines", "/a/shop")] {
            assert_eq!(estate_folder(Path::new(pipelines)).unwrap(), Path::new(folder), "{pipelines}");
        }
    }
}
