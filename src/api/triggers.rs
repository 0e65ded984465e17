//! Triggers: what waits, what came of those that were, and new ones.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::reads::{Page, Paging};
use super::{Api, Caller, Problem};
use crate::journal::{HeardAs, Role, Settled, TriggerKept};
use crate::model::{ImageName, ImageRef, TriggerId};
use crate::plan::Change;
use crate::trigger::{Cause, Heard, Trigger, Wish};

/// That something may have moved: one of the two.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Moved {
    /// A base, as Dockerfiles name it.
    base: Option<ImageRef>,
    /// An image whose sources changed.
    image: Option<ImageName>,
}

/// What a person asks for, with the words that they typed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Asked {
    /// What is asked for.
    #[serde(flatten)]
    pub wish: Wish,
    /// The words.
    #[serde(default)]
    pub words: String,
}

/// Says that a base or the sources of an image may have moved; refit looks for itself, and begins a run if it is so.
#[utoipa::path(post, path = "/v1/triggers", tag = "triggers", request_body = inline(serde_json::Value), responses((status = 202, description = "it is durable, and will be looked at"), (status = 404, description = "the estate has no such image")))]
pub(super) async fn hear(
    caller: Caller,
    State(api): State<Api>,
    body: Result<Json<Moved>, JsonRejection>,
) -> Result<(StatusCode, Json<HeardAs>), Problem> {
    caller.may(Role::Trigger)?;
    let Json(moved) = body.map_err(|error| Problem::bad(error.body_text()))?;
    let cause = match (moved.base, moved.image) {
        (Some(base), None) => Cause::Base { base, digest: None },
        (None, Some(image)) if api.daemon.loaded().estate.images.contains_key(&image) => Cause::Sources { images: BTreeSet::from([image]) },
        (None, Some(image)) => return Err(Problem::missing(format!("the estate has no image {image}"))),
        _ => return Err(Problem::bad("expected either `base` or `image`")),
    };
    let words = cause.to_string();
    accept(&caller, &api, cause, words).await
}

/// Asks for a rollout, as `refit rollout --yes` does; `/v1/triggers/{trigger}` tells which run answers it. `drain` and `undrain` take `admin`.
#[utoipa::path(post, path = "/v1/rollouts", tag = "triggers", request_body = inline(serde_json::Value), responses((status = 202, description = "it is durable, and begins as soon as no other run goes on")))]
pub(super) async fn wish(
    caller: Caller,
    State(api): State<Api>,
    body: Result<Json<Asked>, JsonRejection>,
) -> Result<(StatusCode, Json<HeardAs>), Problem> {
    caller.may(Role::Operate)?;
    let Json(Asked { wish, words }) = body.map_err(|error| Problem::bad(error.body_text()))?;
    check(&wish)?;
    if matches!(wish.change, Change::Drain(_) | Change::Undrain(_)) {
        // What a drain takes down for good is looked at by `refit hosts drain`, at the daemon's socket.
        caller.may(Role::Admin)?;
    }
    let words = if words.is_empty() { "a rollout asked for over HTTP".to_owned() } else { words };
    accept(&caller, &api, Cause::Wish(wish), words).await
}

/// All that is wrong with a wish by itself, at once.
fn check(wish: &Wish) -> Result<(), Problem> {
    let parts = wish.check().err().map(|error| error.to_string());
    let gone = match &wish.change {
        Change::Patch(patch) => patch.gone.parse::<crate::advisory::Asked>().err().map(|error| error.to_string()),
        _ => None,
    };
    let wrong: Vec<String> = parts.into_iter().chain(gone).collect();
    if wrong.is_empty() { Ok(()) } else { Err(Problem::bad(wrong.join("; "))) }
}

async fn accept(caller: &Caller, api: &Api, cause: Cause, words: String) -> Result<(StatusCode, Json<HeardAs>), Problem> {
    let what = words.clone();
    let trigger = Trigger { cause, by: caller.name.clone(), words };
    let heard = api.daemon.hear(vec![Heard { trigger, delivery: None }]).await?;
    let heard = heard.first().copied().ok_or_else(|| Problem::broken("the journal answered with nothing"))?;
    caller.audit(api, what, heard.trigger().to_string()).await?;
    Ok((StatusCode::ACCEPTED, Json(heard)))
}

/// The newest triggers, newest first.
#[utoipa::path(get, path = "/v1/triggers", tag = "triggers", params(Paging), responses((status = 200, description = "a page of triggers")))]
pub(super) async fn list(caller: Caller, State(api): State<Api>, Query(paging): Query<Paging>) -> Result<Json<Page<TriggerKept>>, Problem> {
    caller.may(Role::Read)?;
    let before = paging.cursor::<TriggerId>()?;
    let items = api.daemon.journal.triggers(before, paging.limit())?;
    let next = items.last().filter(|last| items.len() == paging.limit() && last.id.0 > 1).map(|last| last.id.to_string());
    Ok(Json(Page { items, next }))
}

/// One trigger, and the run that answers it.
#[utoipa::path(get, path = "/v1/triggers/{trigger}", tag = "triggers", params(("trigger" = String, Path, description = "`7` or `t7`")), responses((status = 200, description = "the trigger"), (status = 404, description = "there is no such thing")))]
pub(super) async fn one(caller: Caller, State(api): State<Api>, Path(trigger): Path<String>) -> Result<Json<TriggerKept>, Problem> {
    caller.may(Role::Read)?;
    let id: TriggerId = trigger.parse().map_err(Problem::bad)?;
    let kept = api.daemon.journal.trigger(id)?.ok_or_else(|| Problem::missing(format!("there is no trigger {id}, or it was long ago")))?;
    Ok(Json(kept))
}

/// Withdraws a trigger that waits: it leads to no run.
#[utoipa::path(delete, path = "/v1/triggers/{trigger}", tag = "triggers", params(("trigger" = String, Path, description = "`7` or `t7`")), responses((status = 204, description = "it leads to no run"), (status = 404, description = "there is no such thing"), (status = 409, description = "it was answered already")))]
pub(super) async fn withdraw(caller: Caller, State(api): State<Api>, Path(trigger): Path<String>) -> Result<StatusCode, Problem> {
    caller.may(Role::Operate)?;
    let id: TriggerId = trigger.parse().map_err(Problem::bad)?;
    let find = || Problem::missing(format!("there is no trigger {id}, or it was long ago"));
    let answered = |settled: Settled| match settled.run {
        Some(run) => Problem::conflict(format!("{run} answers it")).with_help(format!("`refit pause {run}` and `refit abort {run}` stop it")),
        None => Problem::conflict(settled.why.unwrap_or_else(|| "it was answered".to_owned())),
    };
    if let Some(settled) = api.daemon.journal.trigger(id)?.ok_or_else(find)?.settled {
        return Err(answered(settled));
    }
    let why = format!("withdrawn by {}", caller.name);
    api.daemon.journal.settle(api.daemon.clock.now(), &[id], &why).await?;
    // A run may have begun in between.
    match api.daemon.journal.trigger(id)?.ok_or_else(find)?.settled {
        Some(settled) if settled.run.is_some() => Err(answered(settled)),
        _ => {
            caller.audit(&api, format!("withdraw {id}"), "withdrawn").await?;
            Ok(StatusCode::NO_CONTENT)
        }
    }
}
