//! `refit graph`.

use std::path::PathBuf;

use super::estate::{self, EstateArgs};
use super::{Exit, Face, workshop};
use crate::driver;
use crate::graph::Graph;
use crate::model::ImageRef;
use crate::report::{self, GraphFormat};

/// Show who inherits from whom, from the bases to the leaves.
///
/// Every edge comes with the file and line of the Dockerfile that makes it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  refit graph --affected-by debian:bookworm-slim\n  refit graph --format dot | dot -Tsvg > graph.svg")]
pub struct GraphArgs {
    /// How it is drawn.
    #[arg(long, value_enum, default_value_t = GraphFormat::Tree, value_name = "FORMAT")]
    format: GraphFormat,
    /// Only what stands on this base or image.
    #[arg(long, value_name = "REF")]
    affected_by: Option<ImageRef>,
    #[command(flatten)]
    estate: EstateArgs,
}

/// Runs `refit graph`.
pub(super) async fn run(args: &GraphArgs, state: Option<PathBuf>, face: &mut Face) -> miette::Result<Exit> {
    let estate = match estate::load(&args.estate, face) {
        Ok(estate) => estate,
        Err(exit) => return Ok(exit),
    };
    let sources = workshop::sources_to_look(&workshop::state_folder(&args.estate.pipelines, state))?;
    let (graph, warnings) = driver::inheritance(&estate, &sources).await?;
    warnings.iter().for_each(|line| face.printer.err(&format!("warning: {line}")));
    let root = match &args.affected_by {
        Some(reference) => Some(graph.find(reference).ok_or_else(|| unknown(reference, &graph))?),
        None => None,
    };
    let format = if face.json { GraphFormat::Json } else { args.format };
    report::graph(&graph, format, root).lines().for_each(|line| face.printer.out(line));
    Ok(Exit::Done)
}

fn unknown(reference: &ImageRef, graph: &Graph) -> miette::Report {
    let names: Vec<String> = graph.bases().chain(graph.images()).map(|id| graph.node(id).label()).collect();
    let help = format!("there are: {}", names.join(", "));
    miette::miette!(help = help, "no image of the estate is or reaches for {}", reference.familiar())
}
