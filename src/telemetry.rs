//! Where log lines go: to stderr, for the operator. What a user is meant to read is `report`'s; the two never mix.
//!
//! And where spans go: to a collector by OTLP, if refit was built with the feature `otlp` and the environment names one. A run's span holds those of
//! its builds and rollouts, a rollout's those of what is done in its slots.

#[cfg(feature = "otlp")]
mod otlp;

use tracing::Subscriber;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
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
    let lines = lines(json, std::io::stderr).with_filter(filter);
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

/// Writes a line for each event: for people, or an object of JSON with `timestamp`, `level`, `fields` (the `message` among them), and the fields of the
/// `spans` around it.
fn lines<S, W>(json: bool, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_target(false);
    if json { lines.json().boxed() } else { lines.with_ansi(console::colors_enabled_stderr()).boxed() }
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

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn each_line_for_machines_has_its_time_level_message_and_the_fields_of_its_spans() {
        let kept = Kept::default();
        let writer = kept.clone();
        tracing::subscriber::with_default(registry().with(lines(true, move || writer.clone())), || {
            tracing::info!("outside of any run");
            let _run = tracing::info_span!("run", run = "run-7").entered();
            let _slot = tracing::info_span!("probe_slot", slot = "web@a/0").entered();
            tracing::warn!(error = "two\nlines \"quoted\"", "slot failed its probe");
        });
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let [outside, inside] = lines.as_slice() else { panic!("{text}") };
        for (line, level, message) in [(outside, "INFO", "outside of any run"), (inside, "WARN", "slot failed its probe")] {
            assert!(line["timestamp"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok(), "{line}");
            assert_eq!((&line["level"], &line["fields"]["message"]), (&level.into(), &message.into()), "{line}");
        }
        assert_eq!(inside["fields"]["error"], "two\nlines \"quoted\"");
        let spans = serde_json::json!([{ "name": "run", "run": "run-7" }, { "name": "probe_slot", "slot": "web@a/0" }]);
        assert_eq!(inside["spans"], spans);
    }
}
