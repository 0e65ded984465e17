//! `refit sbom`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::workshop::PipelineFolder;
use super::{Exit, Face, inventories};
use crate::edge::{Clock, SystemClock};
use crate::inquiry::subject;
use crate::model::ReleaseNumber;
use crate::sbom::Format;

/// Write what is in an image as a software bill of materials.
///
/// CycloneDX 1.6 or SPDX 2.3, as JSON. The same image of the same release gives the same document, byte for byte, whenever it is asked for.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  refit sbom web --format spdx -o web.spdx.json\n  refit sbom debian:bookworm-slim")]
pub struct SbomArgs {
    /// By its name in the estate, by id, or by the reference of a base.
    image: String,
    /// As this release has it [default: the newest].
    #[arg(long, value_name = "N")]
    release: Option<ReleaseNumber>,
    /// `cyclonedx` or `spdx`.
    #[arg(long, default_value = "cyclonedx", value_name = "FORMAT")]
    format: Format,
    /// Write it into this file [default: stdout].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    folder: PipelineFolder,
}

/// Runs `refit sbom`.
pub(super) fn run(args: &SbomArgs, state: Option<PathBuf>, face: &mut Face) -> miette::Result<Exit> {
    let kept = inventories::open(&args.folder.pipelines, state)?;
    let (named, contents) = kept.contents(&args.image, args.release)?;
    let created = named.released_at.unwrap_or_else(|| SystemClock.now());
    let subject = subject(named.name, named.reference, named.id, created, &contents);
    match &args.output {
        None => {
            let mut document = Vec::new();
            // A document in memory is only refused by its own form.
            args.format.write(&subject, &mut document).map_err(|error| miette::miette!("the document could not be made: {error}"))?;
            face.printer.out(String::from_utf8_lossy(&document).trim_end());
        }
        Some(path) => write(path, |file| args.format.write(&subject, file)).map_err(|error| {
            miette::miette!(help = "name another file with `--output`, or make room there", "{} could not be written: {error}", path.display())
        })?,
    }
    Ok(Exit::Done)
}

/// Writes a file as a whole or not at all.
fn write(path: &Path, document: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let file = tempfile::NamedTempFile::new_in(folder)?;
    let mut out = BufWriter::new(file.reopen()?);
    document(&mut out)?;
    out.flush()?;
    file.persist(path)?;
    Ok(())
}
