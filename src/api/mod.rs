//! The daemon's face: HTTP, for people's `refit --server`, for programs, and for the webhooks of registries and forges.
//!
//! Everything that a command can look at or do is a resource under `/v1`, in JSON, with `application/problem+json` for what went wrong. It asks the
//! daemon and the journal, and holds no rule of its own. On its socket in the state folder everybody who may open that is the administrator; over TCP
//! each request carries a token.

mod actions;
mod caller;
mod events;
mod hooks;
mod listen;
mod looks;
mod openapi;
mod outside;
mod packages;
mod peer;
mod plans;
mod problem;
mod reads;
mod refusals;
mod room;
mod schemas;
mod timely;
mod tokens;
mod triggers;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn_with_state, map_response};
use axum::routing::{delete, get, post};

pub use caller::{BY, Caller, Tokens, hash_of, new_token};
pub use events::RunStanding;
pub use listen::{ListenError, Listener, Tls, listen};
pub use openapi::document;
pub use packages::{Gone, NoQuestion, WhoHas, difference_of, of_image, of_problem};
pub use plans::PlanMade;
pub use problem::Problem;
pub use reads::{JournalVerified, Page};
use refusals::Refusals;
pub use tokens::{NewToken, TokenMade};
pub use triggers::Asked;

use crate::serve::Daemon;

/// No request is longer: webhooks are hints, and wishes are short.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// Where the daemon of a state folder listens on this machine.
pub fn socket_of(state: &std::path::Path) -> std::path::PathBuf {
    state.join("serve.sock")
}

/// What every handler gets.
#[derive(Clone)]
pub struct Api {
    /// The daemon.
    pub daemon: Arc<Daemon>,
    /// How many refusals were written down lately.
    refusals: Refusals,
}

/// All resources.
pub fn router(daemon: Arc<Daemon>) -> Router {
    let api = Api { daemon, refusals: Refusals::default() };
    let v1 = Router::new()
        .route("/standing", get(reads::standing))
        .route("/estate", get(reads::estate))
        .route("/graph", get(looks::graph))
        .route("/hosts", get(looks::hosts))
        .route("/services", get(reads::services))
        .route("/status", get(reads::status))
        .route("/ways-back", get(looks::ways_back))
        .route("/prune", get(looks::prune))
        .route("/releases", get(reads::releases))
        .route("/releases/{release}", get(reads::release))
        .route("/releases/{release}/quarantine", delete(reads::unquarantine))
        .route("/runs", get(reads::runs))
        .route("/runs/{run}", get(events::run))
        .route("/runs/{run}/events", get(events::events))
        .route("/runs/{run}/logs", get(reads::logs))
        .route("/runs/{run}/logs/{image}", get(reads::log))
        .route("/runs/{run}/{word}", post(actions::say))
        .route("/triggers", get(triggers::list).post(triggers::hear))
        .route("/triggers/{trigger}", get(triggers::one).delete(triggers::withdraw))
        .route("/rollouts", post(triggers::wish))
        .route("/plans", post(plans::plan))
        .route("/tokens", get(tokens::list).post(tokens::make))
        .route("/tokens/{name}", delete(tokens::revoke))
        .route("/who-has", get(packages::who_has))
        .route("/remedies", post(packages::remedies))
        .route("/stale", get(packages::stale))
        .route("/problems", get(packages::problems))
        .route("/problems/{id}", get(packages::problem))
        .route("/images/{image}/contents", get(packages::contents).post(packages::read_contents))
        .route("/contents", post(packages::read_release))
        .route("/images/{image}/sbom", get(packages::sbom))
        .route("/releases/{release}/difference/{other}", get(packages::difference))
        .route("/schedule", get(reads::schedule))
        .route("/journal", get(reads::journal))
        .route("/audit", get(reads::audit));
    Router::new()
        .nest("/v1", v1)
        .route("/hooks/{name}", post(hooks::hook))
        .route("/hooks/{name}/{secret}", post(hooks::hook_by_path))
        .route("/healthz", get(outside::healthz))
        .route("/readyz", get(outside::readyz))
        .route("/metrics", get(outside::metrics))
        .route("/openapi.json", get(openapi::served))
        .fallback(problem::no_such_resource)
        .method_not_allowed_fallback(problem::no_such_method)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(map_response(problem::in_one_form))
        .layer(from_fn_with_state(api.clone(), refusals::note))
        .with_state(api)
}
