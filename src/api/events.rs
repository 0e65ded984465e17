//! A run as it goes on: where it stands, its events so far, and those that come.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::sse::{KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::Stream;
use futures_util::stream;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::Receiver;
use utoipa::IntoParams;

use super::{Api, Caller, Problem};
use crate::journal::{Journal, Role, RunSummary};
use crate::model::RunId;
use crate::rollout::Person;
use crate::run::Event;
use crate::serve::{Passing, Standing};

/// So often a follower is told that it still goes on.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Somebody else's process may write the journal, so it is looked at so often even if nobody says that something is new.
const LOOKED_AT_EVERY: Duration = Duration::from_secs(2);

/// A run, and what it is at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunStanding {
    /// The run.
    #[serde(flatten)]
    pub summary: RunSummary,
    /// `goes-on`, `paused` or `ended`.
    pub standing: String,
    /// Why it stands still.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What people said about it that nobody has heard yet.
    #[serde(default)]
    pub words_waiting: Vec<Person>,
}

/// From which event on.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct After {
    /// The `seq` of the last event that the caller has (default: 0).
    #[serde(default)]
    after: u64,
}

/// One run, and what it is at.
#[utoipa::path(get, path = "/v1/runs/{run}", tag = "runs", params(("run" = String, Path, description = "`7` or `run-7`")), responses((status = 200, description = "the run"), (status = 404, description = "there is no such thing")))]
pub(super) async fn run(caller: Caller, State(api): State<Api>, Path(run): Path<String>) -> Result<Json<RunStanding>, Problem> {
    caller.may(Role::Read)?;
    let run: RunId = run.parse().map_err(Problem::bad)?;
    let summary = api.daemon.journal.run(run)?.ok_or_else(|| Problem::missing(format!("there is no {run}")))?;
    let words_waiting = api.daemon.journal.words_waiting(run)?;
    let (standing, why) = match api.daemon.standing() {
        _ if summary.ended_at.is_some() => ("ended", None),
        Standing::Paused { run: paused, why } if paused == run && words_waiting.is_empty() => ("paused", Some(why)),
        _ => ("goes-on", None),
    };
    Ok(Json(RunStanding { summary, standing: standing.to_owned(), why, words_waiting }))
}

/// The events of a run: as a list, or, for who accepts `text/event-stream`, one after another until it ends. `Last-Event-ID` counts as `after`.
#[utoipa::path(get, path = "/v1/runs/{run}/events", tag = "runs", params(("run" = String, Path, description = "`7` or `run-7`"), After), responses((status = 200, description = "events in order; as a stream also `waiting`, `build_step` and `standing` (it stands still, or waits for something), which are in no journal"), (status = 404, description = "there is no such thing")))]
pub(super) async fn events(
    caller: Caller,
    State(api): State<Api>,
    Path(run): Path<String>,
    Query(After { after }): Query<After>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    caller.may(Role::Read)?;
    let run: RunId = run.parse().map_err(Problem::bad)?;
    let text = |name: &header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let last_id = headers.get("last-event-id").and_then(|value| value.to_str().ok()).and_then(|id| id.parse().ok());
    let after = last_id.unwrap_or(after);
    let news = api.daemon.news.listen();
    api.daemon.journal.run(run)?.ok_or_else(|| Problem::missing(format!("there is no {run}")))?;
    if text(&header::ACCEPT).is_some_and(|accept| accept.contains("text/event-stream")) {
        let follower = Follower { api, run, after, news, ready: Vec::new(), before: None, told: None, is_over: false };
        return Ok(Sse::new(follow(follower)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response());
    }
    Ok(Json(api.daemon.journal.events_of_after(run, after)?).into_response())
}

/// Somebody who follows a run.
struct Follower {
    api: Api,
    run: RunId,
    after: u64,
    news: Receiver<Passing>,
    /// What is to be sent, the next one last.
    ready: Vec<axum::response::sse::Event>,
    /// What the daemon was at when it was looked at last, and what was told of that.
    before: Option<Standing>,
    told: Option<Standing>,
    is_over: bool,
}

fn follow(follower: Follower) -> impl Stream<Item = Result<axum::response::sse::Event, Infallible>> {
    stream::unfold(follower, |mut follower| async move {
        loop {
            if let Some(event) = follower.ready.pop() {
                return Some((Ok(event), follower));
            }
            if follower.is_over {
                return None;
            }
            follower.look();
            if follower.ready.is_empty() && !follower.is_over {
                follower.wait().await;
            }
        }
    })
}

impl Follower {
    /// Takes from the journal what is new there.
    fn look(&mut self) {
        // First: a run that is seen to stand still has journalled all that led to it.
        let standing = self.standing();
        let Ok(events) = self.api.daemon.journal.events_of_after(self.run, self.after) else {
            self.is_over = true;
            return;
        };
        for recorded in events {
            self.after = recorded.seq;
            self.is_over |= matches!(recorded.event, Event::RunEnded { .. });
            self.ready.extend(sent("recorded", &recorded).map(|event| event.id(recorded.seq.to_string())));
        }
        if !self.is_over && self.told != standing {
            self.ready.extend(standing.as_ref().and_then(|standing| sent("standing", standing)));
            self.told = standing;
        }
        self.ready.reverse();
    }

    /// Whether the run stands still, or something holds it. What is only seen once may be of before the run began.
    fn standing(&mut self) -> Option<Standing> {
        let now = self.api.daemon.standing();
        let is_still_so = self.before.replace(now.clone()).is_some_and(|before| before == now);
        let is_of_run = match &now {
            // Who has said a word that nobody has heard yet is not told that the run waits for one.
            Standing::Paused { run, .. } => *run == self.run && self.api.daemon.journal.words_waiting(self.run).is_ok_and(|words| words.is_empty()),
            Standing::Waiting { .. } => is_still_so,
            Standing::Idle | Standing::Running { .. } => false,
        };
        is_of_run.then_some(now)
    }

    /// Waits until something may be new, and takes what passes.
    async fn wait(&mut self) {
        tokio::select! {
            () = self.api.daemon.stop.cancelled() => self.is_over = true,
            passing = self.news.recv() => match passing {
                Ok(Passing::Journalled) | Err(_) => {}
                Ok(passing @ Passing::Waiting { .. }) => self.ready.extend(sent("waiting", &passing)),
                Ok(passing @ Passing::BuildStep { .. }) => self.ready.extend(sent("build_step", &passing)),
            },
            () = tokio::time::sleep(LOOKED_AT_EVERY) => {}
        }
    }
}

fn sent(kind: &str, data: &impl Serialize) -> Option<axum::response::sse::Event> {
    axum::response::sse::Event::default().event(kind).json_data(data).ok()
}
