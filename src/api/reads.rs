//! What can be looked at: the estate, what runs where, runs, releases, logs.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::IntoParams;

use super::{Api, Caller, Problem};
use crate::journal::{AuditLine, Journal, ReleaseKept, Role, RunSummary, Standing};
use crate::model::{ImageName, ReleaseNumber, RunId};
use crate::release::Release;
use crate::report::{self, GraphFormat};
use crate::rollout::SlotStatus;

/// So many entries come in a page, unless another number is asked for.
pub(super) const LIMIT_DEFAULT: usize = 50;
const LIMIT_MAX: usize = 1000;

/// Which page.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Paging {
    /// How many entries, at most 1000 (default: 50).
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

impl Paging {
    pub(super) fn limit(&self) -> usize {
        self.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX)
    }

    pub(super) fn cursor<T: std::str::FromStr<Err = String>>(&self) -> Result<Option<T>, Problem> {
        self.cursor.as_deref().map(str::parse).transpose().map_err(Problem::bad)
    }
}

/// A page of a list, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The entries.
    pub items: Vec<T>,
    /// The `cursor` of the next page; none if this is the last one.
    pub next: Option<String>,
}

/// What the daemon is at, and how many triggers wait.
#[utoipa::path(get, path = "/v1/standing", tag = "daemon", responses((status = 200, description = "what the daemon is at")))]
pub(super) async fn standing(caller: Caller, State(api): State<Api>) -> Result<Json<Value>, Problem> {
    caller.may(Role::Read)?;
    let waiting = api.daemon.journal.triggers_waiting()?;
    Ok(Json(json!({ "standing": api.daemon.standing(), "waiting": waiting })))
}

/// The estate that is in force.
#[utoipa::path(get, path = "/v1/estate", tag = "daemon", responses((status = 200, description = "what people wrote, checked and resolved")))]
pub(super) async fn estate(caller: Caller, State(api): State<Api>) -> Result<Json<Value>, Problem> {
    caller.may(Role::Read)?;
    let loaded = api.daemon.loaded();
    Ok(Json(json!({ "read_at": loaded.at, "bases": loaded.bases, "estate": loaded.estate })))
}

/// Who inherits from whom.
#[utoipa::path(get, path = "/v1/graph", tag = "daemon", responses((status = 200, description = "nodes and edges, as `refit graph --format json` prints them")))]
pub(super) async fn graph(caller: Caller, State(api): State<Api>) -> Result<Response, Problem> {
    caller.may(Role::Read)?;
    let text = report::graph(&api.daemon.loaded().graph, GraphFormat::Json, None);
    Ok(([(header::CONTENT_TYPE, "application/json")], text).into_response())
}

/// Where every service stands, and what is in quarantine.
#[utoipa::path(get, path = "/v1/services", tag = "services", responses((status = 200, description = "services and releases in quarantine")))]
pub(super) async fn services(caller: Caller, State(api): State<Api>) -> Result<Json<Standing>, Problem> {
    caller.may(Role::Read)?;
    Ok(Json(api.daemon.journal.standing()?))
}

/// What runs where, slot by slot: every host is asked.
#[utoipa::path(get, path = "/v1/status", tag = "services", responses((status = 200, description = "a status for each slot, as `refit status --json` prints it")))]
pub(super) async fn status(caller: Caller, State(api): State<Api>) -> Result<Json<Vec<SlotStatus>>, Problem> {
    caller.may(Role::Read)?;
    let driver = api.daemon.driver()?;
    let seen = driver.see_hosts().await;
    Ok(Json(driver.status(&seen, &driver.expected()?)))
}

/// The newest releases.
#[utoipa::path(get, path = "/v1/releases", tag = "releases", params(Paging), responses((status = 200, description = "a page of releases")))]
pub(super) async fn releases(caller: Caller, State(api): State<Api>, Query(paging): Query<Paging>) -> Result<Json<Page<ReleaseKept>>, Problem> {
    caller.may(Role::Read)?;
    let before = paging.cursor::<ReleaseNumber>()?;
    let all = api.daemon.journal.releases(usize::MAX)?.into_iter();
    Ok(Json(page(all.filter(|kept| before.is_none_or(|before| kept.number < before)), paging.limit(), |kept| kept.number.to_string())))
}

/// One release with its images and services.
#[utoipa::path(get, path = "/v1/releases/{release}", tag = "releases", params(("release" = String, Path, description = "`7` or `r7`")), responses((status = 200, description = "the release"), (status = 404, body = Problem)))]
pub(super) async fn release(caller: Caller, State(api): State<Api>, Path(release): Path<String>) -> Result<Json<Release>, Problem> {
    caller.may(Role::Read)?;
    let number: ReleaseNumber = release.parse().map_err(Problem::bad)?;
    Ok(Json(api.daemon.journal.release(number)?.ok_or_else(|| Problem::missing(format!("there is no release {number}")))?))
}

/// The newest runs.
#[utoipa::path(get, path = "/v1/runs", tag = "runs", params(Paging), responses((status = 200, description = "a page of runs")))]
pub(super) async fn runs(caller: Caller, State(api): State<Api>, Query(paging): Query<Paging>) -> Result<Json<Page<RunSummary>>, Problem> {
    caller.may(Role::Read)?;
    let before = paging.cursor::<RunId>()?;
    let all = api.daemon.journal.runs(usize::MAX)?.into_iter();
    Ok(Json(page(all.filter(|run| before.is_none_or(|before| run.run < before)), paging.limit(), |run| run.run.to_string())))
}

fn page<T>(all: impl Iterator<Item = T>, limit: usize, cursor: impl Fn(&T) -> String) -> Page<T> {
    let mut items: Vec<T> = all.take(limit + 1).collect();
    let more = items.len() > limit;
    items.truncate(limit);
    Page { next: items.last().filter(|_| more).map(cursor), items }
}

/// The images whose builds of a run have a log.
#[utoipa::path(get, path = "/v1/runs/{run}/logs", tag = "runs", params(("run" = String, Path, description = "`7` or `run-7`")), responses((status = 200, description = "names of images")))]
pub(super) async fn logs(caller: Caller, State(api): State<Api>, Path(run): Path<String>) -> Result<Json<Vec<ImageName>>, Problem> {
    caller.may(Role::Read)?;
    let run: RunId = run.parse().map_err(Problem::bad)?;
    api.daemon.journal.run(run)?.ok_or_else(|| Problem::missing(format!("there is no {run}")))?;
    Ok(Json(api.daemon.logs.images(run).map_err(|error| Problem::broken(error.to_string()))?))
}

/// The log of a build.
#[utoipa::path(get, path = "/v1/runs/{run}/logs/{image}", tag = "runs", params(("run" = String, Path, description = "`7` or `run-7`"), ("image" = String, Path, description = "the image")), responses((status = 200, content_type = "text/plain", body = String), (status = 404, body = Problem)))]
pub(super) async fn log(caller: Caller, State(api): State<Api>, Path((run, image)): Path<(String, String)>) -> Result<Response, Problem> {
    caller.may(Role::Read)?;
    let run: RunId = run.parse().map_err(Problem::bad)?;
    let image: ImageName = image.parse().map_err(|error| Problem::bad(format!("{error}")))?;
    let text = api.daemon.logs.read(run, &image).map_err(|error| Problem::broken(error.to_string()))?;
    let text = text.ok_or_else(|| Problem::missing(format!("{run} has no log of {image}")))?;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
}

/// Who asked for what.
#[utoipa::path(get, path = "/v1/audit", tag = "daemon", params(Paging), responses((status = 200, description = "the newest lines, newest first")))]
pub(super) async fn audit(caller: Caller, State(api): State<Api>, Query(paging): Query<Paging>) -> Result<Json<Vec<AuditLine>>, Problem> {
    caller.may(Role::Admin)?;
    Ok(Json(api.daemon.journal.audit_lines(paging.limit())?))
}
