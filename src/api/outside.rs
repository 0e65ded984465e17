//! What supervisors and monitors ask for. Needs no token: it tells names and numbers, and nothing that anybody could do something with.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::{Api, Problem};
use crate::report::metrics::CONTENT_TYPE;

/// Whether the daemon lives.
#[utoipa::path(get, path = "/healthz", tag = "outside", security(()), responses((status = 200, description = "it lives")))]
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether the daemon can take triggers: its journal can be read, and it is not on its way out.
#[utoipa::path(get, path = "/readyz", tag = "outside", security(()), responses((status = 200, description = "it takes triggers"), (status = 503, description = "it does not")))]
pub(super) async fn readyz(State(api): State<Api>) -> (StatusCode, &'static str) {
    if api.daemon.stop.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "it is stopping\n");
    }
    match api.daemon.journal.last_position() {
        Ok(_) => (StatusCode::OK, "ready\n"),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the journal cannot be read\n"),
    }
}

/// Metrics for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "outside", security(()), responses((status = 200, description = "metrics, in OpenMetrics' text format")))]
pub(super) async fn metrics(State(api): State<Api>) -> Result<Response, Problem> {
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], api.daemon.metrics()?).into_response())
}
