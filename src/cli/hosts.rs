//! `refit hosts`.

use futures_util::future::join_all;
use serde::Serialize;

use super::estate::{self, EstateArgs};
use super::workshop;
use super::{Exit, Face};
use crate::report;

/// Shows the hosts and the builder: how each is reached, whether it answers, and which engine it runs.
///
/// Ends with 1 if one does not answer.
///
/// Example: refit hosts
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct HostsArgs {
    #[command(flatten)]
    estate: EstateArgs,
}

#[derive(Serialize)]
struct HostLine {
    host: String,
    endpoint: String,
    labels: String,
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
    let builder = estate
        .builders
        .get(&engines.builder.0)
        .map(|builder| (format!("{} (builder)", engines.builder.0), builder.endpoint.to_string(), String::new()));
    let hosts = estate.hosts.iter().map(|(name, host)| {
        let labels: Vec<_> = host.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        (name.to_string(), host.endpoint.to_string(), labels.join(","))
    });
    let named = builder.into_iter().chain(hosts);
    let asked = named.zip(std::iter::once(&engines.builder.1).chain(engines.hosts.values())).map(|((host, endpoint, labels), engine)| async move {
        match engine.info().await {
            Ok(info) => {
                HostLine { host, endpoint, labels, engine: Some(format!("{} (API {}, {})", info.version, info.api, info.storage)), problem: None }
            }
            Err(error) => HostLine { host, endpoint, labels, engine: None, problem: Some(error.to_string()) },
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
        [line.host.clone(), line.endpoint.clone(), line.labels.clone(), engine]
    };
    report::table(["HOST", "ENDPOINT", "LABELS", "ENGINE"], lines.iter().map(row))
}
