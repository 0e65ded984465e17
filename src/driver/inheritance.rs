//! Reads the sources of all images and tells who inherits from whom in them, and what is wrong there. Needs no engine.

use futures_util::stream::{self, StreamExt};

use super::DriverError;
use super::platform::read_options;
use crate::dockerfile;
use crate::edge::{FINDS_AT_ONCE, Source, SourceError, SourceFound};
use crate::graph::{Graph, GraphFinding, ImageReaches};
use crate::model::ImageName;
use crate::pipeline::{Estate, Finding, Image, Severity, Sources};
use crate::release::{Release, ReleasedImage};

/// What is read of one image.
pub(super) struct ImageRead {
    pub name: ImageName,
    pub newest: SourceFound,
    pub deployed: Option<SourceFound>,
}

impl ImageRead {
    /// The sources that are built from.
    pub(super) fn wanted(&self, wanted: Sources) -> &SourceFound {
        match (wanted, &self.deployed) {
            (Sources::Deployed, Some(deployed)) => deployed,
            _ => &self.newest,
        }
    }
}

/// Who inherits from whom in the newest sources, and what people should know of it: all that can be said without an engine.
pub async fn inheritance(estate: &Estate, sources: &dyn Source) -> Result<(Graph, Vec<String>), DriverError> {
    let (graph, findings) = examine(estate, sources).await;
    Ok((graph, only_warnings(findings)?))
}

/// The graph as far as it can be told, and everything that is wrong or doubtful in the newest sources, Dockerfile by Dockerfile.
pub async fn examine(estate: &Estate, sources: &dyn Source) -> (Graph, Vec<Finding>) {
    let (read, mut findings) = read_images(estate, sources, None, |_| Sources::Latest).await;
    let (graph, more) = graph_of(estate, &read, |_| Sources::Latest);
    findings.extend(more);
    (graph, findings)
}

/// Warnings as lines; the whole of it as an error if one finding is.
pub(super) fn only_warnings(findings: Vec<Finding>) -> Result<Vec<String>, DriverError> {
    match findings.iter().any(Finding::is_error) {
        true => Err(DriverError::Wrong { findings }),
        false => Ok(findings.into_iter().map(|finding| format!("{}:{}: {}", finding.file, finding.line, finding.message)).collect()),
    }
}

/// Every image that can be read, and why the others cannot.
pub(super) async fn read_images(
    estate: &Estate,
    sources: &dyn Source,
    latest: Option<&Release>,
    wanted: impl Fn(&ImageName) -> Sources,
) -> (Vec<ImageRead>, Vec<Finding>) {
    let newest = sources.find_newest(&estate.images.values().map(|image| &image.build).collect::<Vec<_>>()).await;
    let each = estate.images.values().zip(newest);
    let reads: Vec<_> = each.map(|(image, newest)| read_image(sources, image, newest, latest, wanted(&image.name))).collect();
    let (mut read, mut failed) = (Vec::new(), Vec::new());
    for one in stream::iter(reads).buffered(FINDS_AT_ONCE).collect::<Vec<_>>().await {
        match one {
            Ok(image) => read.push(image),
            Err(finding) => failed.push(finding),
        }
    }
    (read, failed)
}

async fn read_image(
    sources: &dyn Source,
    image: &Image,
    newest: Result<SourceFound, SourceError>,
    latest: Option<&Release>,
    wanted: Sources,
) -> Result<ImageRead, Finding> {
    let unreadable = |error: SourceError| {
        let help = miette::Diagnostic::help(&error).map(|help| help.to_string());
        finding(Severity::Error, &image.at.file, image.at.line, format!("the files of image {} cannot be used: {error}", image.name), help)
    };
    let newest = newest.map_err(unreadable)?;
    let deployed = match latest.and_then(|release| release.images.get(&image.name)) {
        Some(released) if wanted == Sources::Deployed => deployed(sources, image, &newest, released).await,
        _ => None,
    };
    Ok(ImageRead { name: image.name.clone(), newest, deployed })
}

/// The sources that an image was released from, as far as they can be had again. A commit that is gone cannot be built again, nor can files that no commit
/// holds (ignored ones, what a filter like LFS puts into the work tree, empty folders); what is there is built then.
async fn deployed(sources: &dyn Source, image: &Image, newest: &SourceFound, released: &ReleasedImage) -> Option<SourceFound> {
    let commit = released.commit.as_ref()?;
    // Journals of older versions do not say which files they were.
    let are_the_same = |found: &SourceFound| released.context.is_none_or(|context| context == found.context.hash);
    if newest.context.commit.as_ref() == Some(commit) && !newest.context.dirty && are_the_same(newest) {
        return Some(newest.clone());
    }
    sources.find(&image.build, Some(commit)).await.ok().filter(are_the_same)
}

/// The graph of what was read, and what is wrong or doubtful in it.
pub(super) fn graph_of(estate: &Estate, read: &[ImageRead], wanted: impl Fn(&ImageName) -> Sources) -> (Graph, Vec<Finding>) {
    let mut reaches = Vec::with_capacity(read.len());
    let mut findings = Vec::new();
    for image in read {
        match reaches_of(&estate.images[&image.name], image.wanted(wanted(&image.name))) {
            Ok(reach) => reaches.push(reach),
            Err(finding) => findings.push(finding),
        }
    }
    let (graph, found) = Graph::new(estate, &reaches);
    findings.extend(found.iter().map(graph_finding));
    (graph, findings)
}

fn reaches_of(image: &Image, found: &SourceFound) -> Result<ImageReaches, Finding> {
    let build = &image.build;
    let file = &found.dockerfile_path;
    let read = dockerfile::read(&found.dockerfile, &read_options(build)).map_err(|error| refused(file, &error))?;
    for reference in &read.references {
        if let dockerfile::RefTarget::Unresolved(why) = &reference.target {
            let help = format!("give the ARG a default, or set it by `args:` of image {} ({})", image.name, image.at);
            return Err(finding(Severity::Error, file, reference.line, why.clone(), Some(help)));
        }
    }
    let reached = read.reached(build.target.as_deref()).map_err(|error| {
        let help = format!("correct `target:` of image {} ({})", image.name, image.at);
        finding(Severity::Error, file, 1, error.to_string(), Some(help))
    })?;
    Ok(ImageReaches::of(image.name.clone(), file, &reached))
}

fn refused(file: &str, error: &dockerfile::DockerfileError) -> Finding {
    let help = miette::Diagnostic::help(error).map(|help| help.to_string());
    match error {
        dockerfile::DockerfileError::Refused { line, why } => finding(Severity::Error, file, *line, why.clone(), help),
        other => finding(Severity::Error, file, 1, other.to_string(), help),
    }
}

fn graph_finding(found: &GraphFinding) -> Finding {
    match found {
        GraphFinding::Cycle(ring) => {
            let (file, line) = ring.edges.first().map_or(("", 1), |edge| (&*edge.at.file, edge.at.line));
            let help = "none of them can be built first: let one of these lines reach for something else";
            finding(Severity::Error, file, line, found.to_string(), Some(help.into()))
        }
        GraphFinding::OtherTag { image, reference, meant, at } => {
            let reference = reference.familiar();
            let message = format!(
                "{image} reaches for {reference}, which is another tag of the estate's image {meant}: it is taken for a base, and {image} is not rebuilt when {meant} is"
            );
            let help = format!("if {meant} is meant, call it `{reference}:` under `images:`, or write {meant} in the Dockerfile");
            finding(Severity::Warning, &at.file, at.line, message, Some(help))
        }
    }
}

pub(super) fn finding(severity: Severity, file: &str, line: u32, message: String, help: Option<String>) -> Finding {
    Finding { severity, file: file.to_owned(), line, column: 1, key: String::new(), message, help, span: 0..0 }
}
