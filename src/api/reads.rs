//! What can be looked at: the estate, what runs where, runs, releases, logs.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use super::{Api, Caller, Problem};
use crate::journal::{AuditKept, Journal, ReleaseKept, Role, RunSummary, Standing, TriggerKept, Verified};
use crate::model::{Digest, ImageName, ImageRef, ReleaseNumber, RunId};
use crate::pipeline::Estate;
use crate::release::Release;
use crate::report;
use crate::rollout::SlotStatus;
use crate::run::Event;
use crate::trigger::schedule::outlook;

/// So many entries come in a page, unless another number is asked for.
pub(super) const LIMIT_DEFAULT: usize = 50;
const LIMIT_MAX: usize = 1000;
/// So many days are looked ahead, unless another number is asked for; as `refit schedule` does.
const DAYS_DEFAULT: u16 = 14;
/// A year and a day: whatever comes yearly is seen.
const DAYS_MAX: u16 = 366;

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

/// Which runs.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Runs {
    /// How many entries, at most 1000 (default: 50).
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Only those that have not ended (default: all).
    #[serde(default)]
    unfinished: bool,
}

/// How far ahead.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Ahead {
    /// How many days, from 1 to 366 (default: 14).
    days: Option<u16>,
}

/// What going through the journal's chain of hashes found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JournalVerified {
    /// How many events are in order, from the first one on.
    pub events: u64,
    /// The hash of the last one of them; it stands for all.
    pub hash: Digest,
    /// Where the chain is broken, and how.
    pub broken: Option<String>,
}

impl From<Verified> for JournalVerified {
    fn from(Verified { events, hash, broken }: Verified) -> Self {
        Self { events, hash, broken: broken.map(|broken| broken.to_string()) }
    }
}

/// What the daemon is at.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct StandingNow {
    /// What it does or waits for.
    standing: crate::serve::Standing,
    /// The triggers that wait, the oldest first.
    waiting: Vec<TriggerKept>,
}

/// The estate in force.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct EstateInForce {
    /// When it was read.
    read_at: Timestamp,
    /// The bases of its images and services, by the names that count for hooks and polls.
    bases: BTreeSet<ImageRef>,
    /// What people wrote, checked and resolved.
    estate: Estate,
}

/// A page of a list, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "PageOf{T}")]
pub struct Page<T> {
    /// The entries.
    pub items: Vec<T>,
    /// The `cursor` of the next page; none if this is the last one.
    pub next: Option<String>,
}

/// What the daemon is at, and how many triggers wait.
#[utoipa::path(get, path = "/v1/standing", tag = "daemon", responses((status = 200, description = "what the daemon is at")))]
pub(super) async fn standing(caller: Caller, State(api): State<Api>) -> Result<Json<StandingNow>, Problem> {
    caller.may(Role::Read)?;
    let waiting = api.daemon.journal.triggers_waiting()?;
    Ok(Json(StandingNow { standing: api.daemon.standing(), waiting }))
}

/// The estate that is in force.
#[utoipa::path(get, path = "/v1/estate", tag = "daemon", responses((status = 200, description = "what people wrote, checked and resolved")))]
pub(super) async fn estate(caller: Caller, State(api): State<Api>) -> Result<Json<EstateInForce>, Problem> {
    caller.may(Role::Read)?;
    let loaded = api.daemon.loaded();
    Ok(Json(EstateInForce { read_at: loaded.at, bases: loaded.bases.clone(), estate: loaded.estate.clone() }))
}

/// Where every service stands, and what is in quarantine.
#[utoipa::path(get, path = "/v1/services", tag = "services", responses((status = 200, description = "services and releases in quarantine")))]
pub(super) async fn services(caller: Caller, State(api): State<Api>) -> Result<Json<Standing>, Problem> {
    caller.may(Role::Read)?;
    Ok(Json(api.daemon.journal.standing()?))
}

/// What runs where, slot by slot: every host is asked, and every container that refit itself probes.
#[utoipa::path(get, path = "/v1/status", tag = "services", responses((status = 200, description = "a status for each slot, as `refit status --json` prints it"), (status = 409, description = "it cannot be told as things are; `detail` says why"), (status = 502, description = "an engine or a registry is at fault")))]
pub(super) async fn status(caller: Caller, State(api): State<Api>) -> Result<Json<Vec<SlotStatus>>, Problem> {
    caller.may(Role::Read)?;
    let driver = api.daemon.driver()?;
    let seen = driver.see_health().await?;
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
#[utoipa::path(get, path = "/v1/releases/{release}", tag = "releases", params(("release" = String, Path, description = "`7` or `r7`")), responses((status = 200, description = "the release"), (status = 404, description = "there is no such thing")))]
pub(super) async fn release(caller: Caller, State(api): State<Api>, Path(release): Path<String>) -> Result<Json<Release>, Problem> {
    caller.may(Role::Read)?;
    let number: ReleaseNumber = release.parse().map_err(Problem::bad)?;
    Ok(Json(api.daemon.journal.release(number)?.ok_or_else(|| Problem::missing(format!("there is no release {number}")))?))
}

/// The newest runs.
#[utoipa::path(get, path = "/v1/runs", tag = "runs", params(Runs), responses((status = 200, description = "a page of runs")))]
pub(super) async fn runs(caller: Caller, State(api): State<Api>, Query(asked): Query<Runs>) -> Result<Json<Page<RunSummary>>, Problem> {
    caller.may(Role::Read)?;
    let Runs { limit, cursor, unfinished } = asked;
    let paging = Paging { limit, cursor };
    let before = paging.cursor::<RunId>()?;
    let all = api.daemon.journal.runs(usize::MAX)?.into_iter().filter(|run| !unfinished || run.ended_at.is_none());
    Ok(Json(page(all.filter(|run| before.is_none_or(|before| run.run < before)), paging.limit(), |run| run.run.to_string())))
}

/// What will begin by itself and when, and what holds it back.
#[utoipa::path(get, path = "/v1/schedule", tag = "daemon", params(Ahead), responses((status = 200, description = "as `refit schedule --json` prints it; for who accepts `text/plain`, as `refit schedule` does")))]
pub(super) async fn schedule(caller: Caller, State(api): State<Api>, Query(ahead): Query<Ahead>, headers: HeaderMap) -> Result<Response, Problem> {
    caller.may(Role::Read)?;
    let days = ahead.days.unwrap_or(DAYS_DEFAULT);
    if !(1..=DAYS_MAX).contains(&days) {
        return Err(Problem::bad(format!("`days` is from 1 to {DAYS_MAX}")));
    }
    let now = api.daemon.clock.now();
    let until = now.checked_add(SignedDuration::from_hours(24 * i64::from(days))).unwrap_or(Timestamp::MAX);
    let outlook = outlook(&api.daemon.loaded().estate, now, until);
    let is_text = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).is_some_and(|accept| accept.starts_with("text/plain"));
    if is_text {
        let text = report::schedule::as_text(&outlook).join("\n") + "\n";
        return Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response());
    }
    Ok(Json(report::schedule::as_json(&outlook)).into_response())
}

/// Whether anything in the journal was changed after it was written. Goes through all of it.
#[utoipa::path(get, path = "/v1/journal", tag = "daemon", responses((status = 200, description = "as `refit history --verify --json` prints it")))]
pub(super) async fn journal(caller: Caller, State(api): State<Api>) -> Result<Json<JournalVerified>, Problem> {
    caller.may(Role::Read)?;
    let journal = api.daemon.journal.clone();
    let verified = tokio::task::spawn_blocking(move || journal.verify()).await.map_err(|error| Problem::broken(error.to_string()))??;
    Ok(Json(verified.into()))
}

/// Takes a release, and the bases that came with it, out of quarantine.
#[utoipa::path(delete, path = "/v1/releases/{release}/quarantine", tag = "releases", params(("release" = String, Path, description = "`7` or `r7`")), responses((status = 204, description = "the next rollout may apply it again"), (status = 404, description = "there is no such thing")))]
pub(super) async fn unquarantine(caller: Caller, State(api): State<Api>, Path(release): Path<String>) -> Result<StatusCode, Problem> {
    caller.may(Role::Operate)?;
    let number: ReleaseNumber = release.parse().map_err(Problem::bad)?;
    let missing = || Problem::missing(format!("release {number} is not in quarantine"));
    let run = api.daemon.journal.standing()?.put_by(number).ok_or_else(missing)?;
    let event = Event::Unquarantined { release: number, by: caller.name.clone() };
    api.daemon.journal.append(run, api.daemon.clock.now(), &event).await?;
    caller.audit(&api, format!("unquarantine {number}"), "lifted").await?;
    Ok(StatusCode::NO_CONTENT)
}

fn page<T>(all: impl Iterator<Item = T>, limit: usize, cursor: impl Fn(&T) -> String) -> Page<T> {
    let mut items: Vec<T> = all.take(limit + 1).collect();
    let more = items.len() > limit;
    items.truncate(limit);
    Page { next: items.last().filter(|_| more).map(cursor), items }
}

/// The images whose builds of a run have a log.
#[utoipa::path(get, path = "/v1/runs/{run}/logs", tag = "runs", params(("run" = String, Path, description = "`7` or `run-7`")), responses((status = 200, description = "names of images"), (status = 404, description = "there is no such run")))]
pub(super) async fn logs(caller: Caller, State(api): State<Api>, Path(run): Path<String>) -> Result<Json<Vec<ImageName>>, Problem> {
    caller.may(Role::Read)?;
    let run: RunId = run.parse().map_err(Problem::bad)?;
    api.daemon.journal.run(run)?.ok_or_else(|| Problem::missing(format!("there is no {run}")))?;
    Ok(Json(api.daemon.logs.images(run).map_err(|error| Problem::broken(error.to_string()))?))
}

/// The log of a build.
#[utoipa::path(get, path = "/v1/runs/{run}/logs/{image}", tag = "runs", params(("run" = String, Path, description = "`7` or `run-7`"), ("image" = String, Path, description = "the image")), responses((status = 200, description = "the log"), (status = 404, description = "there is no such thing")))]
pub(super) async fn log(caller: Caller, State(api): State<Api>, Path((run, image)): Path<(String, String)>) -> Result<Response, Problem> {
    caller.may(Role::Read)?;
    let run: RunId = run.parse().map_err(Problem::bad)?;
    let image: ImageName = image.parse().map_err(|error| Problem::bad(format!("{error}")))?;
    let text = api.daemon.logs.read(run, &image).map_err(|error| Problem::broken(error.to_string()))?;
    let text = text.ok_or_else(|| Problem::missing(format!("{run} has no log of {image}")))?;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
}

/// Who asked for what, the newest first: what was asked for with a token or over the socket, hooks that were let in, and who was refused.
#[utoipa::path(get, path = "/v1/audit", tag = "daemon", params(Paging), responses((status = 200, description = "a page of lines")))]
pub(super) async fn audit(caller: Caller, State(api): State<Api>, Query(paging): Query<Paging>) -> Result<Json<Page<AuditKept>>, Problem> {
    caller.may(Role::Admin)?;
    let number = |text: &str| text.parse::<u64>().map_err(|_| Problem::bad(format!("`cursor` is `next` of the page before, and not `{text}`")));
    let before = paging.cursor.as_deref().map(number).transpose()?;
    let lines = api.daemon.journal.audit_lines(before, paging.limit() + 1)?.into_iter();
    Ok(Json(page(lines, paging.limit(), |kept| kept.id.to_string())))
}
