//! What went wrong, as the caller gets it. Source: RFC 9457.

use axum::body::to_bytes;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::refusals::Refused;
use crate::driver::DriverError;
use crate::fault;
use crate::journal::JournalError;
use crate::serve::WishError;

pub(super) const CONTENT_TYPE: &str = "application/problem+json";
/// What is taken over of a refusal in words: one sentence of a framework.
const REFUSAL_BYTES_MAX: usize = 1024;

/// A problem, as `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// What kind of problem it is, in a few words.
    pub title: String,
    /// What happened, where, and what to do next.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// The next move, where it is not part of the detail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// Who was refused and why, for the audit log.
    #[serde(skip)]
    pub(super) refused: Option<Box<Refused>>,
}

impl Problem {
    fn new(status: StatusCode, title: &str, detail: impl Into<String>) -> Self {
        Self { status: status.as_u16(), title: title.to_owned(), detail: detail.into(), help: None, refused: None }
    }

    /// The request makes no sense.
    pub(super) fn bad(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "the request cannot be understood", detail)
    }

    /// With the next move.
    pub(super) fn with_help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// Nobody knows who asks. Says nothing more, but to the audit log.
    pub(super) fn unauthorised(why: impl Into<String>) -> Self {
        let refused = Refused { who: None, why: why.into() };
        Self { refused: Some(Box::new(refused)), ..Self::new(StatusCode::UNAUTHORIZED, "unauthorised", "") }
    }

    /// Who asks may not.
    pub(super) fn forbidden(who: &str, why: impl Into<String>, detail: impl Into<String>) -> Self {
        let refused = Refused { who: Some(who.to_owned()), why: why.into() };
        Self { refused: Some(Box::new(refused)), ..Self::new(StatusCode::FORBIDDEN, "forbidden", detail) }
    }

    /// There is no such thing.
    pub(super) fn missing(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not found", detail)
    }

    /// It is not the time for that.
    pub(super) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "not now", detail)
    }

    /// The request was not there in time.
    pub(super) fn late() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "too late", "the request was not there in time")
    }

    /// What it needs outside of itself is at fault.
    pub(super) fn outside(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, "an engine or a registry is at fault", detail)
    }

    /// The daemon is at fault, or its disk.
    pub(super) fn broken(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the daemon failed", detail)
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words = if self.detail.is_empty() { self.title.clone() } else { format!("{}: {}", self.title, self.detail) };
        f.write_str(&words)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, " ({help})"))
    }
}

impl From<JournalError> for Problem {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::NoSuchRun { run } => Self::missing(format!("there is no {run}")).with_help("`/v1/runs` lists the runs"),
            other => Self::broken(fault::with_help(&other)),
        }
    }
}

impl From<DriverError> for Problem {
    fn from(error: DriverError) -> Self {
        let help = miette::Diagnostic::help(&error).map(|help| help.to_string());
        let detail = fault::causes(&error);
        let problem = if error.is_world() { Self::outside(detail) } else { Self::conflict(detail) };
        Self { help, ..problem }
    }
}

impl From<WishError> for Problem {
    fn from(error: WishError) -> Self {
        let help = miette::Diagnostic::help(&error).map(|help| help.to_string()).unwrap_or_default();
        match error {
            WishError::Driver(error) => error.into(),
            WishError::NoService { .. } | WishError::NoHost { .. } => Self::missing(error.to_string()).with_help(help),
            WishError::Hosts { .. } | WishError::Wrong(_) | WishError::NoPlan => Self::bad(error.to_string()).with_help(help),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if status.is_server_error() {
            tracing::error!(status = self.status, "{self}");
        }
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let challenge = if status == StatusCode::UNAUTHORIZED { Some([(header::WWW_AUTHENTICATE, "Bearer")]) } else { None };
        let refused = self.refused.map(|refused| axum::Extension(*refused));
        (status, challenge.map(axum::response::AppendHeaders), [(header::CONTENT_TYPE, CONTENT_TYPE)], refused, body).into_response()
    }
}

/// Gives to what was refused before any handler saw it, in plain words, the form of all other problems.
pub(super) async fn in_one_form(response: Response) -> Response {
    let status = response.status();
    let is_one = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == CONTENT_TYPE);
    if !status.is_client_error() || is_one {
        return response;
    }
    let words = to_bytes(response.into_body(), REFUSAL_BYTES_MAX).await.unwrap_or_default();
    let title = if status == StatusCode::PAYLOAD_TOO_LARGE { "the request is too long" } else { "the request cannot be understood" };
    Problem::new(status, title, String::from_utf8_lossy(&words)).into_response()
}

/// What is answered where there is nothing.
pub(super) async fn no_such_resource() -> Problem {
    Problem::missing("there is nothing here; `/openapi.json` lists the resources")
}

/// What is answered to a verb that a resource does not know.
pub(super) async fn no_such_method() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "not that way", "`/openapi.json` lists the resources and their methods")
}
