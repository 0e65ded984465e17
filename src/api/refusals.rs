//! Writes down who was refused, for the audit log; so many in a minute and no more, so that nobody can fill it, or the disk, by being refused.

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use jiff::{SignedDuration, Timestamp};

use super::Api;
use super::peer::{self, Peer};
use crate::journal::AuditLine;

/// Whoever tries more often than this is no mistake, and what is missing of it is counted.
const LINES_MAX: u32 = 20;
const WITHIN: SignedDuration = SignedDuration::from_secs(60);
/// What somebody asked for is theirs to choose, so it is cut off.
const PATH_CHARS_MAX: usize = 100;

/// Why somebody was refused: goes with the answer, and not to the one who asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    /// Who, as far as it is known.
    pub(super) who: Option<String>,
    /// Why.
    pub(super) why: String,
}

/// How many refusals were written down lately.
#[derive(Debug, Clone, Default)]
pub(super) struct Refusals(Arc<Mutex<Lately>>);

#[derive(Debug, Default)]
struct Lately {
    since: Option<Timestamp>,
    written: u32,
    left_out: u32,
}

impl Lately {
    /// Whether one at this moment of steady time is written down, and how many before it were not.
    fn admits(&mut self, now: Timestamp) -> Option<u32> {
        if self.since.is_none_or(|since| now.duration_since(since) >= WITHIN) {
            (self.since, self.written) = (Some(now), 0);
        }
        if self.written >= LINES_MAX {
            self.left_out = self.left_out.saturating_add(1);
            return None;
        }
        self.written += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

/// Lets a request through, and writes down if it is refused.
pub(super) async fn note(State(api): State<Api>, request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>().copied();
    let from = peer::shown(peer, request.headers());
    let what = asked(request.method().as_str(), request.uri().path());
    let response = next.run(request).await;
    if let Some(Refused { who, why }) = response.extensions().get::<Refused>().cloned() {
        let admitted = api.refusals.0.lock().unwrap_or_else(PoisonError::into_inner).admits(api.daemon.clock.steady());
        if let Some(left_out) = admitted {
            let who = format!("{} from {from}", who.as_deref().unwrap_or("nobody known"));
            let others = if left_out > 0 { format!(" ({left_out} more refusals before it are not listed)") } else { String::new() };
            tracing::warn!(who, "refused {what}: {why}");
            let line = AuditLine { at: api.daemon.clock.now(), who, what, outcome: format!("refused: {why}{others}") };
            // Whoever is refused is refused, whether it can be written down or not.
            if let Err(error) = api.daemon.journal.audit(line).await {
                tracing::error!(%error, "a refusal could not be written down");
            }
        }
    }
    response
}

/// What was asked for, without the secret that some senders' paths hold, and without what could fool a terminal.
fn asked(method: &str, path: &str) -> String {
    let path = match path.strip_prefix("/hooks/") {
        Some(rest) => format!("/hooks/{}", rest.split('/').next().unwrap_or_default()),
        None => path.to_owned(),
    };
    let shown: String = path.chars().take(PATH_CHARS_MAX).collect();
    let rest = if shown.len() < path.len() { "…" } else { "" };
    format!("{method} {}{rest}", shown.escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_in_a_minute_are_written_down_and_the_others_are_counted() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let mut lately = Lately::default();
        let written = (0..100).filter(|_| lately.admits(at(0)).is_some()).count();
        assert_eq!(written, 20);
        assert_eq!(lately.admits(at(59)), None);
        assert_eq!(lately.admits(at(60)), Some(81));
        assert_eq!(lately.admits(at(61)), Some(0));
    }

    #[test]
    fn no_secret_of_a_path_is_written_down() {
        assert_eq!(asked("POST", "/hooks/hub/0123456789"), "POST /hooks/hub");
        assert_eq!(asked("GET", "/v1/runs"), "GET /v1/runs");
        assert_eq!(asked("GET", &format!("/v1/{}", "x".repeat(200))), format!("GET /v1/{}…", "x".repeat(96)));
    }
}
