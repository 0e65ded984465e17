//! Plans over HTTP: what a wish would lead to. Changes nothing.

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use serde::{Deserialize, Serialize};

use super::{Api, Asked, Caller, Problem};
use crate::journal::Role;
use crate::pipeline::select_hosts;
use crate::plan::Plan;

/// A plan that was made for somebody.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PlanMade {
    /// Its hash: who asks for exactly this plan gives it along.
    pub hash: String,
    /// Builds at a time, for the estimate of how long it takes.
    pub parallel: usize,
    /// The plan.
    pub plan: Plan,
}

/// What a rollout would build and roll, and why.
#[utoipa::path(post, path = "/v1/plans", tag = "plans", request_body = Asked, responses((status = 200, description = "the plan, and its hash"), (status = 409, body = Problem), (status = 502, body = Problem)))]
pub(super) async fn plan(caller: Caller, State(api): State<Api>, body: Result<Json<Asked>, JsonRejection>) -> Result<Json<PlanMade>, Problem> {
    caller.may(Role::Read)?;
    let Json(Asked { wish, .. }) = body.map_err(|error| Problem::bad(error.body_text()))?;
    let driver = api.daemon.driver()?;
    let hosts = wish.hosts.as_deref().map(|hosts| select_hosts(hosts, &driver.estate.hosts)).transpose().map_err(Problem::bad)?;
    if let Some(unknown) = wish.services.iter().find(|name| !driver.estate.services.contains_key(*name)) {
        return Err(Problem::missing(format!("there is no service {unknown}")));
    }
    let mut plan = api.daemon.plan(&driver, &wish.change, &wish.services, wish.sick).await?;
    plan.narrow(&wish.services, hosts.as_ref(), &driver.estate);
    Ok(Json(PlanMade { hash: plan.hash().to_string(), parallel: driver.settings.parallel, plan }))
}
