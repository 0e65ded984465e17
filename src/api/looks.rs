//! What can be looked at of hosts and images: who inherits from whom, who answers, where services can go back to, what a prune would take.

use std::num::NonZeroU32;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{Api, Caller, Problem};
use crate::driver::{HostStanding, Survey, WayBack, ask_hosts};
use crate::journal::{Journal, Role};
use crate::model::{ImageRef, ServiceName};
use crate::report::{self, GraphFormat};
use crate::workshop::unknown_service;

/// How a graph is drawn.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Drawn {
    /// `json`, `tree`, `dot` or `mermaid` (default: `json`).
    #[param(value_type = Option<String>)]
    format: Option<GraphFormat>,
    /// Only what stands on this base or image (default: all).
    #[param(value_type = Option<String>)]
    affected_by: Option<ImageRef>,
}

/// Of which service.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct OfService {
    /// The service (default: every one).
    #[param(value_type = Option<String>)]
    service: Option<ServiceName>,
}

/// How much is kept.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Kept {
    /// So many releases, and so many versions of each service (default: `prune: { keep }` of the pipelines).
    #[param(value_type = Option<u32>, minimum = 1)]
    keep: Option<NonZeroU32>,
}

/// Who inherits from whom.
#[utoipa::path(get, path = "/v1/graph", tag = "daemon", params(Drawn), responses((status = 200, description = "nodes and edges, as `refit graph --format json` prints them; in another format, text"), (status = 404, description = "nothing of the estate is or reaches for `affected_by`")))]
pub(super) async fn graph(caller: Caller, State(api): State<Api>, Query(drawn): Query<Drawn>) -> Result<Response, Problem> {
    caller.may(Role::Read)?;
    let loaded = api.daemon.loaded();
    let unknown = |reference: &ImageRef| {
        let missing = Problem::missing(format!("no image of the estate is or reaches for {}", reference.familiar()));
        missing.with_help(format!("there are: {}", report::graph_names(&loaded.graph)))
    };
    let root = match &drawn.affected_by {
        Some(reference) => Some(loaded.graph.find(reference).ok_or_else(|| unknown(reference))?),
        None => None,
    };
    let format = drawn.format.unwrap_or(GraphFormat::Json);
    let kind = if format == GraphFormat::Json { "application/json" } else { "text/plain; charset=utf-8" };
    Ok(([(header::CONTENT_TYPE, kind)], report::graph(&loaded.graph, format, root)).into_response())
}

/// The builder and the hosts, and whether they answer: each is asked.
#[utoipa::path(get, path = "/v1/hosts", tag = "services", responses((status = 200, description = "the builder and every host, as `refit hosts --json` prints them")))]
pub(super) async fn hosts(caller: Caller, State(api): State<Api>) -> Result<Json<Vec<HostStanding>>, Problem> {
    caller.may(Role::Read)?;
    let drained = api.daemon.journal.drained()?;
    let loaded = api.daemon.loaded();
    Ok(Json(ask_hosts(&loaded.estate, &loaded.engines, &drained).await))
}

/// Where services can go back to.
#[utoipa::path(get, path = "/v1/ways-back", tag = "services", params(OfService), responses((status = 200, description = "as `refit rollback --list --json` prints them; none if nothing was rolled out"), (status = 409, description = "it cannot be told as things are; `detail` says why"), (status = 502, description = "an engine or a registry is at fault"), (status = 404, description = "there is no such thing")))]
pub(super) async fn ways_back(caller: Caller, State(api): State<Api>, Query(of): Query<OfService>) -> Result<Json<Vec<WayBack>>, Problem> {
    caller.may(Role::Read)?;
    let driver = api.daemon.driver()?;
    if let Some((service, help)) = unknown_service(of.service.as_slice(), &driver.estate) {
        return Err(Problem::missing(format!("there is no service {service}")).with_help(help));
    }
    Ok(Json(driver.ways_back(of.service.as_ref())?))
}

/// What a prune would remove, and why, and what stays; `POST /v1/rollouts` with `{"change": {"prune": {"keep": 5}}}` does it. Changes nothing.
#[utoipa::path(get, path = "/v1/prune", tag = "services", params(Kept), responses((status = 200, description = "engine by engine, as `refit prune --dry-run --json` prints it"), (status = 409, description = "it cannot be told as things are; `detail` says why"), (status = 502, description = "an engine or a registry is at fault")))]
pub(super) async fn prune(caller: Caller, State(api): State<Api>, Query(kept): Query<Kept>) -> Result<Json<Survey>, Problem> {
    caller.may(Role::Read)?;
    let driver = api.daemon.driver()?;
    Ok(Json(driver.survey(kept.keep.unwrap_or(driver.estate.keep)).await?))
}
