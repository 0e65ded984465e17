//! What monitoring is shown, as OpenMetrics text: what was counted since refit began, and what is so at the moment of asking.
//!
//! [`Meters`] counts while things happen, from any thread and without waiting; a [`Snapshot`] is made when somebody asks. Every label is a word of
//! refit's own or a name of the estate, so the number of series has a bound that its owner knows.
//! Source: OpenMetrics 1.0.0, which Prometheus reads.

mod labels;
mod meters;
mod snapshot;

#[cfg(test)]
mod tests;

pub use labels::{HookResult, NoticeResult, PollResult};
pub use meters::Meters;
pub use snapshot::Snapshot;

/// The `Content-Type` of what [`Meters::encode`] gives.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
