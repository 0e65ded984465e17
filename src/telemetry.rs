//! Where log lines go: to stderr, for the operator. What a user is meant to read is `report`'s; the two never mix.

use tracing_subscriber::EnvFilter;

/// The names of span and event fields; nothing else is used as one.
pub const FIELDS: [&str; 12] = ["run", "change", "builder", "image", "release", "service", "slot", "host", "wave", "attempt", "elapsed_ms", "error"];

/// Starts the subscriber. `filter` is in the syntax of `RUST_LOG` (`refit=debug`); without one only warnings are written.
pub fn start(filter: Option<&str>, json: bool) {
    let filter = filter.and_then(|text| EnvFilter::try_new(text).ok()).unwrap_or_else(|| EnvFilter::new("warn"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // A second start (as in tests) leaves the first in force.
    let _ = if json { lines.json().try_init() } else { lines.with_ansi(console::colors_enabled_stderr()).try_init() };
}
