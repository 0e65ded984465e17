//! Webhooks of registries and forges: verified, durable, answered; everything else comes later.

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};

use super::peer::{self, Peer};
use super::{Api, Problem};
use crate::serve::HookAnswer;

/// `POST /hooks/{name}`.
pub(super) async fn hook(
    State(api): State<Api>,
    Path(name): Path<String>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    take(&api, &name, None, peer, &headers, &body).await
}

/// `POST /hooks/{name}/{secret}`, for senders that can do no better.
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
