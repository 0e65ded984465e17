//! Moments and spans, without overflow: a policy of a thousand years is silly, not a panic.

use std::time::Duration;

use jiff::Timestamp;

/// The moment `span` after `moment`, or the end of time.
pub(super) fn after(moment: Timestamp, span: Duration) -> Timestamp {
    moment.checked_add(span).unwrap_or(Timestamp::MAX)
}

/// How long it is from `earlier` to `later`; nothing if they are the other way round.
pub(super) fn between(earlier: Timestamp, later: Timestamp) -> Duration {
    Duration::try_from(later.duration_since(earlier)).unwrap_or(Duration::ZERO)
}
