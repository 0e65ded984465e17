//! Webhooks of registries and forges: verified, durable, answered; everything else comes later.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};

use super::{Api, Problem};

/// `POST /hooks/{name}`.
pub(super) async fn hook(State(api): State<Api>, Path(name): Path<String>, headers: HeaderMap, body: Bytes) -> Result<StatusCode, Problem> {
    take(&api, &name, None, &headers, &body).await
}

/// `POST /hooks/{name}/{secret}`, for senders that can do no better.
pub(super) async fn hook_by_path(
    State(api): State<Api>,
    Path((name, secret)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    take(&api, &name, Some(&secret), &headers, &body).await
}

async fn take(_api: &Api, _name: &str, _secret: Option<&str>, _headers: &HeaderMap, _body: &Bytes) -> Result<StatusCode, Problem> {
    Err(Problem::unauthorised())
}
