//! Webhooks of registries and forges: verified, durable, answered; everything else comes later.

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};

use super::peer::{self, Peer};
use super::{Api, Problem};
use crate::serve::HookAnswer;

/// Takes what a registry or a forge sends, in its own format, proven as the hook's `auth` says.
#[utoipa::path(post, path = "/hooks/{name}", tag = "outside", request_body(content = inline(serde_json::Value), description = "in the sender's own format"), security(()), params(("name" = String, Path, description = "the hook, as the estate names it")),
    responses((status = 202, description = "something of this estate may have moved; it is durable"), (status = 200, description = "understood, and nothing here is concerned"), (status = 401, description = "no such hook, or not of its sender"), (status = 408, description = "the body was not there in time"), (status = 413, description = "the body is longer than 1 MiB")))]
pub(super) async fn hook(
    State(api): State<Api>,
    Path(name): Path<String>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    take(&api, &name, None, peer, &headers, &body).await
}

/// The same, for senders that can do no better than a secret in the path.
#[utoipa::path(post, path = "/hooks/{name}/{secret}", tag = "outside", request_body(content = inline(serde_json::Value), description = "in the sender's own format"), security(()), params(("name" = String, Path, description = "the hook, as the estate names it"), ("secret" = String, Path, description = "one of the hook's secrets")),
    responses((status = 202, description = "something of this estate may have moved; it is durable"), (status = 200, description = "understood, and nothing here is concerned"), (status = 401, description = "no such hook, or not of its sender"), (status = 408, description = "the body was not there in time"), (status = 413, description = "the body is longer than 1 MiB")))]
pub(super) async fn hook_by_path(
    State(api): State<Api>,
    Path((name, secret)): Path<(String, String)>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    take(&api, &name, Some(&secret), peer, &headers, &body).await
}

async fn take(
    api: &Api,
    name: &str,
    secret: Option<&str>,
    peer: Option<Extension<Peer>>,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<StatusCode, Problem> {
    let from = peer::shown(peer.map(|Extension(peer)| peer), headers);
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers: Vec<(String, String)> = headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
    match api.daemon.take_hook(name, secret, &from, &headers, body).await {
        HookAnswer::Accepted(_) => Ok(StatusCode::ACCEPTED),
        // An error would make the sender send it again, or stop sending.
        HookAnswer::Ignored(_) => Ok(StatusCode::OK),
        HookAnswer::Refused => Err(Problem::unauthorised("no such hook, or not of its sender; the log says which")),
        HookAnswer::Malformed(why) => Err(Problem::bad(why)),
        HookAnswer::Failed(error) => Err(error.into()),
    }
}
