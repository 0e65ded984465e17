//! `refit pause` and `refit abort`: a person's word about a run that another process carries out.

use super::server::At;
use super::workshop::{self, PipelineFolder};
use super::{Exit, Face};
use crate::edge::{Clock, SystemClock};
use crate::model::RunId;
use crate::rollout::Person;

/// Say a word about a run that is under way.
#[derive(Debug, clap::Args)]
pub struct PersonArgs {
    /// Which run [default: the one that is under way].
    run: Option<RunId>,
    #[command(flatten)]
    folder: PipelineFolder,
}

/// Runs `refit pause` or `refit abort`.
pub(super) fn run(args: &PersonArgs, word: Person, at: &At, face: &mut Face) -> miette::Result<Exit> {
    let journal = at.journal(&args.folder)?;
    let run = workshop::unfinished(journal.as_ref(), args.run)?;
    journal.say(run, SystemClock.now(), word, &workshop::whoami())?;
    if face.json {
        face.printer.json(&serde_json::json!({ "run": run, "said": word }));
    }
    face.printer.err(&match word {
        Person::Pause => format!("{run} begins nothing more, and stands still when what is in flight is through; `refit resume {run}` goes on, `refit abort {run}` takes it back"),
        Person::Abort => {
            format!("{run} ends, and every service that it rolled goes back; if nobody carries it out any more, `refit resume {run}` does")
        }
        Person::Resume | Person::Approve => format!("{run} goes on"),
    });
    Ok(Exit::Done)
}
