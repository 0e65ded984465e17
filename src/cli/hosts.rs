//! `refit hosts`.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use serde::Serialize;

use super::estate::{self, EstateArgs};
use super::workshop;
use super::{Exit, Face};
use crate::edge::EngineError;
use crate::report;

/// Show the hosts and the builder, and whether they answer.
///
/// Ends with 1 if one does not answer.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  refit hosts")]
pub struct HostsArgs {
    #[command(flatten)]
    estate: EstateArgs,
}

#[derive(Serialize)]
struct HostLine {
    host: String,
    endpoint: String,
    /// Whether images are built there.
    builder: bool,
    labels: BTreeMap<String, String>,
    engine: Option<String>,
    problem: Option<String>,
}

/// Runs `refit hosts`.
pub(super) async fn run(args: &HostsArgs, face: &mut Face) -> miette::Result<Exit> {
    let estate = match estate::load(&args.estate, face) {
        Ok(estate) => estate,
        Err(exit) => return Ok(exit),
    };
    let engines = workshop::engines_of(&estate)?;
    let builder =
        estate.builders.get(&engines.builder.0).map(|builder| (engines.builder.0.to_string(), builder.endpoint.to_string(), true, BTreeMap::new()));
    let hosts = estate.hosts.iter().map(|(name, host)| (name.to_string(), host.endpoint.to_string(), false, host.labels.clone()));
    let named = builder.into_iter().chain(hosts);
    let asked =
        named.zip(std::iter::once(&engines.builder.1).chain(engines.hosts.values())).map(|((host, endpoint, builder, labels), engine)| async move {
            match engine.info().await {
                Ok(info) => {
                    let engine = format!("{} (API {}, {})", info.version, info.api, info.storage);
                    HostLine { host, endpoint, builder, labels, engine: Some(engine), problem: None }
                }
                // The endpoint stands in its own column.
                Err(EngineError::Silent { why, .. }) => {
                    HostLine { host, endpoint, builder, labels, engine: None, problem: Some(format!("does not answer: {why}")) }
                }
                Err(error) => HostLine { host, endpoint, builder, labels, engine: None, problem: Some(error.to_string()) },
            }
        });
    let lines = join_all(asked).await;
    if face.json {
        face.printer.json(&lines);
    } else {
        table(&lines).iter().for_each(|line| face.printer.out(line));
    }
    Ok(if lines.iter().all(|line| line.problem.is_none()) { Exit::Done } else { Exit::Failed })
}

fn table(lines: &[HostLine]) -> Vec<String> {
    let row = |line: &HostLine| {
        let engine = line.engine.clone().or_else(|| line.problem.clone()).unwrap_or_default();
        let host = if line.builder { format!("{} (builder)", line.host) } else { line.host.clone() };
        let labels: Vec<_> = line.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        [host, line.endpoint.clone(), labels.join(","), engine]
    };
    report::table(["HOST", "ENDPOINT", "LABELS", "ENGINE"], lines.iter().map(row))
}
