//! Waits for something to happen to the estate's containers on an engine. Only a hint to look: what is, a look tells.

use std::collections::HashMap;
use std::time::Duration;

use bollard::query_parameters::EventsOptions;
use futures_util::StreamExt;

use super::connect::Connection;
use super::error::{silent, understand};
use crate::edge::{EngineError, labels};
use crate::model::EstateName;

/// What changes an answer of a look.
const ACTIONS: [&str; 8] = ["start", "die", "health_status", "oom", "destroy", "pause", "unpause", "stop"];
/// The engine answers with its headers at once; the events come when they come.
const HEADERS_MAX: Duration = Duration::from_secs(10);

/// Where the last wait ended, by the engine's own clock, so that the next one misses nothing in between.
pub(super) type Seen = std::sync::Mutex<Option<i64>>;

/// Returns at the first event, or when `at_most` is over.
pub(super) async fn wait(connection: &Connection, estate: &EstateName, at_most: Duration, seen: &Seen) -> Result<(), EngineError> {
    let since = *seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let wait = async {
        let docker = connection.docker(HEADERS_MAX).await?;
        let mut events = docker.events(Some(options(estate, since)));
        match events.next().await {
            Some(Ok(event)) => {
                if let Some(at) = event.time_nano {
                    *seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(at);
                }
                Ok(())
            }
            Some(Err(error)) => Err(understand(connection.name(), "report events", error)),
            None => Err(silent(connection.name(), "the stream of events ended")),
        }
    };
    tokio::time::timeout(at_most, wait).await.unwrap_or(Ok(()))
}

fn options(estate: &EstateName, since: Option<i64>) -> EventsOptions {
    let filters = HashMap::from([
        ("type".to_owned(), vec!["container".to_owned()]),
        ("label".to_owned(), vec![format!("{}={estate}", labels::ESTATE)]),
        ("event".to_owned(), ACTIONS.map(str::to_owned).to_vec()),
    ]);
    EventsOptions { since: since.map(just_after), until: None, filters: Some(filters) }
}

/// The next nanosecond, in the engine's `seconds.nanoseconds`.
fn just_after(nanos: i64) -> String {
    let next = nanos.saturating_add(1);
    format!("{}.{:09}", next / 1_000_000_000, next % 1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_wait_begins_after_the_last_event() {
        assert_eq!(just_after(1_700_000_000_000_000_041), "1700000000.000000042");
        assert_eq!(just_after(1_999_999_999), "2.000000000");
    }
}
