//! `refit init`: a first pipeline for the Dockerfiles that are there.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::scan::{called, scan_folder, usage};
use super::{Exit, Face};
use crate::dockerfile::ReadOptions;
use crate::report;
use crate::scan;

/// Write a first pipeline file from a scan.
///
/// The file is `pipelines/<folder>.yaml`. Every Dockerfile becomes an image called as its folder is, or as the other Dockerfiles call it. Who
/// inherits from whom is not written down: refit reads it from the Dockerfiles. Hosts and services are there as comments, to be filled in. A
/// file that is there is never overwritten.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Example:\n  cd ~/src/shop && refit init && refit check")]
pub struct InitArgs {
    /// The folder with the Dockerfiles; `pipelines/` is made where refit is called.
    #[arg(default_value = ".")]
    pub dir: PathBuf,
}

/// Why no pipeline is written.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(super) enum InitError {
    /// It is there already.
    #[error("{} is there already, and is not overwritten", file.display())]
    #[diagnostic(help("move it away, or edit it: `refit check` says whether it is right"))]
    There {
        /// The file.
        file: PathBuf,
    },
    /// There is nothing to build.
    #[error("there is no Dockerfile below {} that can be read, so nothing was written", dir.display())]
    #[diagnostic(help("`refit scan {}` tells what is there; give the folder that holds the Dockerfiles", dir.display()))]
    Nothing {
        /// The folder.
        dir: PathBuf,
    },
    /// It cannot be written.
    #[error("{} cannot be written", file.display())]
    #[diagnostic(help("check the permissions and the free space of the folder: `ls -ld pipelines`, `df .`"))]
    Unwritable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// Runs the command.
pub(super) fn run(args: &InitArgs, face: &mut Face) -> Result<Exit, miette::Report> {
    run_in(Path::new("."), args, face)
}

/// Runs the command with `pipelines/` in `home`.
fn run_in(home: &Path, args: &InitArgs, face: &mut Face) -> Result<Exit, miette::Report> {
    let name = called(&args.dir);
    let folder = if home == Path::new(".") { PathBuf::from("pipelines") } else { home.join("pipelines") };
    let file = folder.join(format!("{name}.yaml"));
    // Said before the scan, which may take a while.
    if file.symlink_metadata().is_ok() {
        return Ok(usage(face, InitError::There { file }.into()));
    }
    let scan = match scan_folder(&args.dir, &ReadOptions::default(), face) {
        Ok(scan) => scan,
        Err(error) => return Ok(usage(face, error.into())),
    };
    if scan.dockerfiles.iter().all(|file| file.error.is_some()) {
        return Ok(usage(face, InitError::Nothing { dir: args.dir.clone() }.into()));
    }
    let text = scan::first_pipeline(&scan, &name, &from_home(home, &args.dir));
    if let Err(error) = write_new(&file, &text) {
        return Ok(usage(face, error.into()));
    }
    let images = text.lines().filter(|line| line.starts_with("    build: ")).count();
    let left_out = scan.dockerfiles.len() - images;
    if face.json {
        face.printer.json(&serde_json::json!({ "file": file.to_string_lossy(), "images": images, "left_out": left_out }));
    } else {
        let note = if left_out == 0 { String::new() } else { format!("; {left_out} left out, see the comments there") };
        face.printer.out(&format!("wrote {} with {}{note}", file.display(), report::count(images, "image")));
        face.printer.err("next: `refit check` and `refit graph`; then fill in hosts and services there, and see `refit plan`");
    }
    Ok(Exit::Done)
}

/// The scanned folder as a context is written: from the folder that holds `pipelines/`.
fn from_home(home: &Path, dir: &Path) -> String {
    let (Ok(home), Ok(whole)) = (home.canonicalize(), dir.canonicalize()) else { return dir.to_string_lossy().into_owned() };
    match whole.strip_prefix(&home) {
        Ok(rest) if rest.as_os_str().is_empty() => ".".to_owned(),
        Ok(rest) => rest.to_string_lossy().into_owned(),
        Err(_) => whole.to_string_lossy().into_owned(),
    }
}

fn write_new(file: &Path, text: &str) -> Result<(), InitError> {
    let unwritable = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::AlreadyExists => InitError::There { file: file.to_owned() },
        _ => InitError::Unwritable { file: file.to_owned(), source },
    };
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).map_err(unwritable)?;
    }
    let mut out = OpenOptions::new().write(true).create_new(true).open(file).map_err(unwritable)?;
    out.write_all(text.as_bytes()).map_err(unwritable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Printer;

    fn face() -> Face {
        Face::new(Printer::to(Box::new(std::io::sink()), Box::new(std::io::sink())), false)
    }

    #[test]
    fn a_pipeline_is_written_once_and_never_overwritten() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(home.path().join("shop/web")).unwrap();
        std::fs::write(home.path().join("shop/web/Dockerfile"), "FROM debian").unwrap();
        let args = InitArgs { dir: home.path().join("shop") };
        assert_eq!(run_in(home.path(), &args, &mut face()).unwrap(), Exit::Done);
        let file = home.path().join("pipelines/shop.yaml");
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains("  web:\n    build: { context: shop/web }\n"), "{text}");
        std::fs::write(&file, "mine").unwrap();
        assert_eq!(run_in(home.path(), &args, &mut face()).unwrap(), Exit::Usage);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    }

    #[test]
    fn a_folder_that_is_none_writes_nothing() {
        let home = tempfile::tempdir().unwrap();
        let args = InitArgs { dir: home.path().join("nowhere") };
        assert_eq!(run_in(home.path(), &args, &mut face()).unwrap(), Exit::Usage);
        assert!(!home.path().join("pipelines").exists());
    }
}
