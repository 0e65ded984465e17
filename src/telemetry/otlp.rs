//! Spans to a collector by OTLP: protobuf over HTTP.

use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry::{Key, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

/// When refit ends, a collector that does not answer is not waited for any longer.
const LAST_WAIT: Duration = Duration::from_secs(3);

/// The spans on their way to the collector: gathered, and sent from a thread of their own.
#[derive(Debug)]
pub(super) struct Spans {
    provider: SdkTracerProvider,
}

impl Spans {
    /// Opens the way. Without `endpoint` (the whole URL, for tests) it goes where the environment says; connecting comes later.
    pub(super) fn start(endpoint: Option<&str>) -> Result<Self, String> {
        let exporter = SpanExporter::builder().with_http();
        let exporter = match endpoint {
            Some(url) => exporter.with_endpoint(url),
            None => exporter,
        };
        let exporter = exporter.build().map_err(|error| error.to_string())?;
        Ok(Self { provider: SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource()).build() })
    }

    /// What brings refit's own spans there. Those of its libraries stay out: they are many, and the exporter's own would never end.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let own = Targets::new().with_target("refit", LevelFilter::INFO);
        tracing_opentelemetry::layer().with_tracer(self.provider.tracer("refit")).with_filter(own)
    }
}

impl Drop for Spans {
    fn drop(&mut self) {
        if let Err(error) = self.provider.shutdown_with_timeout(LAST_WAIT) {
            tracing::warn!(%error, "last spans were not exported");
        }
    }
}

/// Who speaks: `refit` and its version, unless `OTEL_SERVICE_NAME` says otherwise.
fn resource() -> Resource {
    let found = Resource::builder().build();
    let is_named = found.get(&Key::from_static_str("service.name")).is_some_and(|name| !name.as_str().starts_with("unknown_service"));
    let builder = Resource::builder().with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    if is_named { builder.build() } else { builder.with_service_name("refit").build() }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::{SocketAddr, TcpListener};
    use std::thread::JoinHandle;

    use tracing::Instrument;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    /// Takes one export, and tells its first line and its body.
    fn collector() -> (SocketAddr, JoinHandle<(String, Vec<u8>)>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let heard = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut stream = BufReader::new(stream);
            let (mut first, mut length) = (String::new(), 0);
            stream.read_line(&mut first).unwrap();
            loop {
                let mut line = String::new();
                stream.read_line(&mut line).unwrap();
                if let Some(text) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = text.trim().parse().unwrap();
                }
                if line.trim().is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).unwrap();
            stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
            (first, body)
        });
        (address, heard)
    }

    #[test]
    fn spans_that_ended_are_at_the_collector_when_refit_ends() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (address, heard) = collector();
        let spans = Spans::start(Some(&format!("http://{address}/v1/traces"))).unwrap();
        let subscriber = tracing_subscriber::registry().with(spans.layer());
        tracing::subscriber::with_default(subscriber, || {
            let run = tracing::info_span!(target: "refit::driver", "run", run = "run-7");
            run.in_scope(|| {
                let build = async {}.instrument(tracing::info_span!(target: "refit::driver", "build", image = "shop/web"));
                tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(build);
                tracing::info_span!(target: "reqwest", "not-ours").in_scope(|| {});
            });
        });
        drop(spans);
        let (first, body) = heard.join().unwrap();
        assert!(first.starts_with("POST /v1/traces "), "{first}");
        let has = |text: &str| body.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(has("run-7") && has("build") && has("shop/web") && has("service.name") && has(env!("CARGO_PKG_VERSION")));
        assert!(!has("not-ours"));
    }

    #[test]
    fn a_url_that_is_none_is_said() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        assert!(Spans::start(Some("not a url")).is_err());
    }
}
