//! `refit sbom`.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::server::At;
use super::workshop::PipelineFolder;
use super::{Exit, Face, inventories};
use crate::api;
use crate::edge::{Clock, SystemClock};
use crate::inquiry::subject;
use crate::model::ReleaseNumber;
use crate::sbom::Format;

/// Write what is in an image as a software bill of materials.
///
/// CycloneDX 1.6 or SPDX 2.3, as JSON. The same image of the same release gives the same document, byte for byte, as long as nothing more is read of it:
/// refit's version is in the document, and who brought a package in is told by what is known of the images below by then.
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
pub(super) async fn run(args: &SbomArgs, at: At, face: &mut Face) -> miette::Result<Exit> {
    let document = match &at.server {
        Some(daemon) => daemon.text(&api::of_image(&args.image, "sbom", args.release, Some(args.format))).await?.into_bytes(),
        None => {
            let (named, contents) = inventories::open(&args.folder.pipelines, at.state)?.contents(&args.image, args.release)?;
            let created = named.released_at.unwrap_or_else(|| SystemClock.now());
            let subject = subject(named.name, named.reference, named.id, created, &contents);
            let mut document = Vec::new();
            args.format.write(&subject, &mut document).map_err(|error| miette::miette!("the document could not be made: {error}"))?;
            document
        }
    };
    match &args.output {
        None => face.printer.out(String::from_utf8_lossy(&document).trim_end()),
        Some(path) => write(path, &document).map_err(|error| {
            miette::miette!(help = "name another file with `--output`, or make room there", "{} could not be written: {error}", path.display())
        })?,
    }
    Ok(Exit::Done)
}

/// Writes a file as a whole or not at all.
fn write(path: &Path, document: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(document)?;
    file.persist(path)?;
    Ok(())
}
