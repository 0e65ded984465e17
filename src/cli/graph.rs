//! `refit graph`.

use super::estate::{self, EstateArgs};
use super::server::At;
use super::{Exit, Face, workshop};
use crate::client::Client;
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
pub(super) async fn run(args: &GraphArgs, at: At, face: &mut Face) -> miette::Result<Exit> {
    let format = if face.json { GraphFormat::Json } else { args.format };
    if let Some(daemon) = &at.server {
        return of_daemon(daemon, args, format, face).await;
    }
    let estate = match estate::load(&args.estate, face) {
        Ok(estate) => estate,
        Err(exit) => return Ok(exit),
    };
    let sources = workshop::sources_to_look(&workshop::state_folder(&args.estate.pipelines, at.state))?;
    let (graph, warnings) = driver::inheritance(&estate, &sources).await?;
    warnings.iter().for_each(|line| face.printer.err(&format!("warning: {line}")));
    let root = match &args.affected_by {
        Some(reference) => Some(graph.find(reference).ok_or_else(|| unknown(reference, &graph))?),
        None => None,
    };
    report::graph(&graph, format, root).lines().for_each(|line| face.printer.out(line));
    Ok(Exit::Done)
}

/// The graph of the estate that a daemon has in force; its warnings are in its log.
async fn of_daemon(daemon: &Client, args: &GraphArgs, format: GraphFormat, face: &mut Face) -> miette::Result<Exit> {
    args.estate.refuse_for(daemon)?;
    // A reference is made of what stands for itself in a URL.
    let only = args.affected_by.as_ref().map(|reference| format!("&affected_by={reference}")).unwrap_or_default();
    let text = daemon.text(&format!("/v1/graph?format={format}{only}")).await?;
    text.lines().for_each(|line| face.printer.out(line));
    Ok(Exit::Done)
}

fn unknown(reference: &ImageRef, graph: &Graph) -> miette::Report {
    let help = format!("there are: {}", report::graph_names(graph));
    miette::miette!(help = help, "no image of the estate is or reaches for {}", reference.familiar())
}
