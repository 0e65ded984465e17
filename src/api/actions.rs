//! A person's word about a run.

use axum::Json;
use axum::extract::{Path, State};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Api, Caller, Problem};
use crate::journal::{Journal, Role};
use crate::model::RunId;
use crate::rollout::Person;

/// A word that was said.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Said {
    /// About which run.
    run: RunId,
    /// Which word.
    said: Person,
}

/// Says a word about a run that has not ended: `pause`, `resume`, `approve` or `abort`. It counts within a second.
#[utoipa::path(post, path = "/v1/runs/{run}/{word}", tag = "runs",
    params(("run" = String, Path, description = "`7` or `run-7`"), ("word" = String, Path, description = "`pause`, `resume`, `approve` or `abort`")),
    responses((status = 200, description = "it was said"), (status = 404, description = "there is no such run, or no such word"), (status = 409, description = "the run is over")))]
pub(super) async fn say(caller: Caller, State(api): State<Api>, Path((run, word)): Path<(String, String)>) -> Result<Json<Said>, Problem> {
    caller.may(Role::Operate)?;
    let run: RunId = run.parse().map_err(Problem::bad)?;
    let word = match word.as_str() {
        "pause" => Person::Pause,
        "resume" => Person::Resume,
        "approve" => Person::Approve,
        "abort" => Person::Abort,
        other => return Err(Problem::missing(format!("expected pause, resume, approve or abort, found `{other}`"))),
    };
    let journal = &api.daemon.journal;
    let summary = journal.run(run)?.ok_or_else(|| Problem::missing(format!("there is no {run}")))?;
    if summary.ended_at.is_some() {
        return Err(Problem::conflict(format!("{run} is over; `refit show {run}` tells how it ended")));
    }
    journal.say(run, api.daemon.clock.now(), word, &caller.name)?;
    api.daemon.wake();
    caller.audit(&api, format!("{word:?} {run}").to_lowercase(), "said").await?;
    Ok(Json(Said { run, said: word }))
}
