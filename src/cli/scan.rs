//! `refit scan`: what inherits from what below a folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Exit, Face};
use crate::dockerfile::ReadOptions;
use crate::edge::dockerfiles::{self, Found, Kind, Wanted};
use crate::report;
use crate::scan::{self, FileKind, FileScan, Scan};

/// Show the inheritance of the Dockerfiles in any folder; needs no configuration.
///
/// Prints a tree from bases to leaves, and what is odd: references that cannot be resolved, mutable tags, cycles.
///
/// Reads every file that is called Dockerfile or Containerfile, alone or followed by `.`, `-` or `_` and more, or `*.Dockerfile` or
/// `*-Dockerfile`, in any case. Each is read as BuildKit reads it, for linux/amd64. `.git` is passed over, `.gitignore` is not honoured,
/// symbolic links are not followed. Templates (`Dockerfile.j2` …) are listed and not read.
///
/// A Dockerfile is taken to build the image that is called as its folder or its suffix is; a pipeline file says it for certain.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Example:\n  refit scan ~/src/shop --build-arg VERSION=12")]
pub struct ScanArgs {
    /// The folder.
    #[arg(default_value = ".")]
    pub dir: PathBuf,
    /// A build argument, for ARGs before the first FROM; may be repeated.
    #[arg(long = "build-arg", value_name = "KEY=VALUE", value_parser = build_arg)]
    pub build_args: Vec<(String, String)>,
}

fn build_arg(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write it as KEY=VALUE".to_owned()),
    }
}

/// Why a folder cannot be scanned.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(super) enum FolderError {
    /// It is not there.
    #[error("there is no folder {}", dir.display())]
    #[diagnostic(help("give the folder that holds the Dockerfiles: `refit scan path/to/repository`"))]
    Missing {
        /// The folder.
        dir: PathBuf,
    },
    /// It is a file, or something else.
    #[error("{} is not a folder", dir.display())]
    #[diagnostic(help("give the folder in which it lies"))]
    NoFolder {
        /// What was given.
        dir: PathBuf,
    },
    /// It cannot be listed.
    #[error("folder {} cannot be read", dir.display())]
    #[diagnostic(help("check its permissions: `ls -ld {}`", dir.display()))]
    Unreadable {
        /// The folder.
        dir: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// Runs the command.
pub(super) fn run(args: &ScanArgs, face: &mut Face) -> Result<Exit, miette::Report> {
    let options = ReadOptions { build_args: args.build_args.iter().cloned().collect::<BTreeMap<_, _>>(), ..ReadOptions::default() };
    let scan = match scan_folder(&args.dir, &options, face) {
        Ok(scan) => scan,
        Err(error) => return Ok(usage(face, error.into())),
    };
    if face.json {
        face.printer.json_line(&scan);
    } else {
        let text = report::scan(&scan, face.printer.colour);
        face.printer.out(&text);
    }
    Ok(Exit::Done)
}

/// Says what is wrong with what was asked for.
pub(super) fn usage(face: &mut Face, error: miette::Report) -> Exit {
    face.fail(&error);
    Exit::Usage
}

/// Reads all Dockerfiles below a folder. Folders below it that cannot be listed are told and passed over.
pub(super) fn scan_folder(dir: &Path, options: &ReadOptions, face: &mut Face) -> Result<Scan, FolderError> {
    let wanted = |name: &str, kind: Kind| match (scan::file_kind(name), kind) {
        // `dockerfile/` or `Dockerfile.d/` are common folders of Dockerfiles; where a build would look for its own, there must be a file.
        (_, Kind::Folder) if !["Dockerfile", "Containerfile"].contains(&name) => Wanted::No,
        (FileKind::Dockerfile, _) => Wanted::Text,
        (FileKind::Template, Kind::File) => Wanted::Name,
        (FileKind::Template | FileKind::Other, _) => Wanted::No,
    };
    let make = |found: Found<'_>| match found {
        Found::Text(path, Ok(text)) => Ok(scan::file(path, text, options)),
        Found::Text(path, Err(why)) => Ok(scan::unreadable(path, why)),
        Found::Name(path) => Err(path),
    };
    let walked = dockerfiles::walk(dir, wanted, make).map_err(|error| folder_error(dir, error))?;
    for (folder, why) in &walked.unlisted {
        face.printer.err(&format!("warning: folder {folder} could not be read: {why}"));
    }
    let mut files: Vec<FileScan> = Vec::with_capacity(walked.files.len());
    let mut templates = Vec::new();
    for found in walked.files {
        match found {
            Ok(file) => files.push(file),
            Err(template) => templates.push(template),
        }
    }
    Ok(scan::scan(files, templates, &called(dir)))
}

fn folder_error(dir: &Path, error: std::io::Error) -> FolderError {
    let dir = dir.to_owned();
    match error.kind() {
        std::io::ErrorKind::NotFound => FolderError::Missing { dir },
        std::io::ErrorKind::NotADirectory => FolderError::NoFolder { dir },
        _ => FolderError::Unreadable { dir, source: error },
    }
}

/// What a folder is called, `.` and links resolved.
pub(super) fn called(dir: &Path) -> String {
    let whole = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    whole.file_name().map_or_else(|| "root".to_owned(), |name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::report::Printer;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);
    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Runs the command; gives its exit, stdout and stderr.
    fn ran(dir: &Path, build_args: &[&str], json: bool) -> (Exit, String, String) {
        let (out, err) = (Sink::default(), Sink::default());
        let mut face = Face::new(Printer::to(Box::new(out.clone()), Box::new(err.clone())), json);
        let build_args = build_args.iter().map(|arg| build_arg(arg).unwrap()).collect();
        let exit = run(&ScanArgs { dir: dir.to_owned(), build_args }, &mut face).unwrap();
        drop(face);
        let text = |sink: Sink| String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        (exit, text(out), text(err))
    }

    #[test]
    fn json_is_one_document_with_all_that_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("Dockerfile"), "ARG V\nFROM a:$V\nLABEL x=\"caf\u{E9}\"").unwrap();
        std::fs::write(folder.path().join("Dockerfile.raw"), b"FROM a\nLABEL x=\xE9\xFF\n\xFF").unwrap();
        std::fs::write(folder.path().join("Dockerfile.j2"), "{{").unwrap();
        let (exit, out, err) = ran(folder.path(), &["V=1", "W=2=3"], true);
        assert_eq!((exit, err.as_str()), (Exit::Done, ""));
        let json: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(json["dockerfiles"]["Dockerfile"]["images"][0], "docker.io/library/a:1");
        assert!(json["dockerfiles"]["Dockerfile.raw"]["error"].is_string(), "{out}");
        assert_eq!(json["templates"][0], "Dockerfile.j2");
    }

    #[test]
    fn what_is_no_folder_is_said_with_what_to_do() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (path, words) in [(file.path(), "is not a folder"), (Path::new("/no/such/folder"), "there is no folder")] {
            let (exit, out, err) = ran(path, &[], false);
            assert_eq!((exit, out.as_str()), (Exit::Usage, ""));
            assert!(err.contains(words), "{err}");
        }
        assert!(build_arg("novalue").is_err() && build_arg("=x").is_err());
    }

    #[test]
    fn the_arguments_have_a_manual() {
        use clap::{Args, Command};
        ScanArgs::augment_args(Command::new("scan")).debug_assert();
        let help = ScanArgs::augment_args(Command::new("scan")).render_long_help().to_string();
        assert!(help.contains("--build-arg <KEY=VALUE>") && help.contains("Example:"), "{help}");
    }
}
