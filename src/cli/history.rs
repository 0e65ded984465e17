//! `refit history`.

use super::server::At;
use super::workshop::PipelineFolder;
use super::{Exit, Face};
use crate::api::JournalVerified;
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
pub(super) async fn run(args: &HistoryArgs, at: &At, face: &mut Face) -> miette::Result<Exit> {
    let journal = at.journal(&args.folder)?;
    if args.verify {
        let found = match &at.server {
            Some(client) => client.get("/v1/journal").await?,
            None => journal.verify()?.into(),
        };
        return Ok(verified(&found, face));
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

fn verified(verified: &JournalVerified, face: &mut Face) -> Exit {
    if face.json {
        face.printer.json(&serde_json::json!({ "events": verified.events, "hash": verified.hash, "broken": verified.broken }));
    } else {
        face.printer.out(&match &verified.broken {
            None if verified.events == 0 => "the journal is empty".to_owned(),
            None => format!("{} events, unbroken; the last one's hash stands for all: {}", verified.events, verified.hash),
            Some(broken) => format!("the journal was changed after it was written: {broken} (the {} events before it are in order)", verified.events),
        });
    }
    if verified.broken.is_none() { Exit::Done } else { Exit::Failed }
}
