//! `refit history`.

use std::path::PathBuf;

use super::workshop::{self, PipelineFolder};
use super::{Exit, Face};
use crate::journal::{Journal, Verified};
use crate::report::history;

/// List the runs, newest first, and which release each service is on.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  refit history --limit 5")]
pub struct HistoryArgs {
    #[command(flatten)]
    folder: PipelineFolder,
    /// How many runs are listed.
    #[arg(long, default_value_t = 20, value_name = "N")]
    limit: usize,
    /// Go through the whole journal and say whether anything in it was changed afterwards.
    #[arg(long)]
    verify: bool,
}

/// Runs `refit history`.
pub(super) fn run(args: &HistoryArgs, state: Option<PathBuf>, face: &mut Face) -> miette::Result<Exit> {
    let journal = workshop::read_journal(&args.folder, state)?;
    if args.verify {
        return Ok(verified(&journal.verify()?, face));
    }
    let runs = journal.runs(args.limit)?;
    let states = journal.service_states()?;
    if face.json {
        face.printer.json(&history::as_json(&runs, &states));
    } else {
        history::as_text(&runs, &states).iter().for_each(|line| face.printer.out(line));
    }
    Ok(Exit::Done)
}

fn verified(verified: &Verified, face: &mut Face) -> Exit {
    let broken = verified.broken.as_ref().map(ToString::to_string);
    if face.json {
        face.printer.json(&serde_json::json!({ "events": verified.events, "hash": verified.hash, "broken": broken }));
    } else {
        face.printer.out(&match &broken {
            None if verified.events == 0 => "the journal is empty".to_owned(),
            None => format!("{} events, unbroken; the last one's hash stands for all: {}", verified.events, verified.hash),
            Some(broken) => format!("the journal was changed after it was written: {broken} (the {} events before it are in order)", verified.events),
        });
    }
    if broken.is_none() { Exit::Done } else { Exit::Failed }
}
