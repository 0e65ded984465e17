//! Reads the environment, starts telemetry, runs the command, exits.

use std::process::ExitCode;

use refit::cli::{self, Arguments, Exit};

/// Where a collector of spans is named. Source: OpenTelemetry's specification, "OTLP Exporter Configuration".
const COLLECTORS: [&str; 2] = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];

fn main() -> ExitCode {
    let arguments = Arguments::read();
    // All TLS clients, bollard's and reqwest's, take the provider of the process; a second installation cannot happen here.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let has_collector = COLLECTORS.iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
    let _telemetry =
        refit::telemetry::start(std::env::var("REFIT_LOG").ok().as_deref().or(arguments.log_filter()), arguments.log_json, has_collector);
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => {
            let exit = runtime.block_on(cli::run(arguments));
            // A blocking call that still hangs, such as a name look-up, must not keep the process.
            runtime.shutdown_background();
            exit.into()
        }
        Err(error) => {
            eprintln_once(&format!("refit: the runtime could not be started: {error}"));
            Exit::Failed.into()
        }
    }
}

fn eprintln_once(line: &str) {
    refit::report::Printer::standard(None).err(line);
}
