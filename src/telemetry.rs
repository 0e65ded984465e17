//! Where log lines go: to stderr, for the operator. What a user is meant to read is `report`'s; the two never mix.
//!
//! And where spans go: to a collector by OTLP, if refit was built with the feature `otlp` and the environment names one. A run's span holds those of
//! its builds and rollouts, a rollout's those of what is done in its slots.

#[cfg(feature = "otlp")]
mod otlp;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, registry};

/// The names of span and event fields; nothing else is used as one.
pub const FIELDS: [&str; 13] =
    ["run", "change", "builder", "image", "release", "service", "slot", "action", "host", "wave", "attempt", "elapsed_ms", "error"];

/// What is written unless something else is asked for. The verifier of certificates logs what whoever asked it tells better.
const FILTER_DEFAULT: &str = "warn,rustls_platform_verifier=off";

/// Keeps telemetry going. What is still to be sent when it is dropped is sent then, within a few seconds.
#[must_use = "spans are sent until it is dropped"]
#[derive(Debug, Default)]
pub struct Telemetry {
    #[cfg(feature = "otlp")]
    _spans: Option<otlp::Spans>,
}

/// Starts the subscriber. `filter` is in the syntax of `RUST_LOG` (`refit=debug`); without one only warnings are written. `has_collector` says whether
/// the environment names one, by `OTEL_EXPORTER_OTLP_ENDPOINT` or its variant for traces; the exporter reads that and its other variables by itself.
///
/// The TLS provider of the process must be installed before.
pub fn start(filter: Option<&str>, json: bool, has_collector: bool) -> Telemetry {
    let filter = filter.and_then(|text| EnvFilter::try_new(text).ok()).unwrap_or_else(|| EnvFilter::new(FILTER_DEFAULT));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    let lines = if json { lines.json().boxed() } else { lines.with_ansi(console::colors_enabled_stderr()).boxed() };
    let lines = lines.with_filter(filter);
    #[cfg(feature = "otlp")]
    let telemetry = with_spans(lines, has_collector);
    #[cfg(not(feature = "otlp"))]
    let telemetry = {
        // A second start (as in tests) leaves the first in force.
        let _ = registry().with(lines).try_init();
        if has_collector {
            tracing::warn!("spans are not exported: this refit was built without it; `cargo build --features otlp` builds one that does");
        }
        Telemetry::default()
    };
    telemetry
}

#[cfg(feature = "otlp")]
fn with_spans(lines: impl Layer<registry::Registry> + Send + Sync, has_collector: bool) -> Telemetry {
    let (spans, problem) = match has_collector.then(|| otlp::Spans::start(None)).transpose() {
        Ok(spans) => (spans, None),
        Err(problem) => (None, Some(problem)),
    };
    let layer = spans.as_ref().map(otlp::Spans::layer);
    let _ = registry().with(lines).with(layer).try_init();
    if let Some(problem) = problem {
        tracing::warn!(error = problem, "spans are not exported");
    }
    Telemetry { _spans: spans }
}
