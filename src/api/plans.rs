//! Plans over HTTP: what a wish would lead to. Changes nothing.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Api, Asked, Caller, Problem};
use crate::journal::Role;
use crate::model::HostName;
use crate::plan::Plan;
use crate::serve::Foreseen;
use crate::workshop::{PackagesOfBases, packages_of_bases};

/// A plan that was made for somebody.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct PlanMade {
    /// Its hash: who asks for exactly this plan gives it along.
    pub hash: String,
    /// Builds at a time, for the estimate of how long it takes.
    pub parallel: usize,
    /// What people should know of the looks at sources, bases and hosts.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// Hosts that the plan rolls to and that do not answer, and why: it cannot be carried out.
    #[serde(default)]
    pub silent: BTreeMap<HostName, String>,
    /// Hosts that were asked for and do not answer, so that the plan leaves them out, and why.
    #[serde(default)]
    pub left_out: BTreeMap<HostName, String>,
    /// What the bases change that it takes anew, by their names, as far as it is known.
    #[serde(default)]
    pub packages: PackagesOfBases,
    /// The plan.
    pub plan: Plan,
}

/// What a rollout would build and roll, and why.
#[utoipa::path(post, path = "/v1/plans", tag = "plans", request_body = inline(serde_json::Value), responses((status = 200, description = "the plan, and its hash"), (status = 409, description = "not now"), (status = 404, description = "the estate has no such service or host"), (status = 502, description = "an engine or a registry is at fault")))]
pub(super) async fn plan(caller: Caller, State(api): State<Api>, body: Result<Json<Asked>, JsonRejection>) -> Result<Json<PlanMade>, Problem> {
    caller.may(Role::Read)?;
    let Json(Asked { wish, .. }) = body.map_err(|error| Problem::bad(error.body_text()))?;
    let mut driver = api.daemon.driver()?;
    let Foreseen { plan, warnings, silent, left_out } = api.daemon.foresee(&mut driver, &wish).await?;
    let packages = packages_of_bases(&driver, &plan).await;
    Ok(Json(PlanMade { packages, hash: plan.hash().to_string(), parallel: driver.settings.parallel, warnings, silent, left_out, plan }))
}
