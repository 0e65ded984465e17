//! Who the builder and the hosts are, and whether they answer.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Engines;
use crate::edge::{Engine, EngineError};
use crate::model::HostName;
use crate::pipeline::Estate;

/// One host, or the builder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HostStanding {
    /// Its name.
    pub host: String,
    /// How it is reached.
    pub endpoint: String,
    /// Whether images are built there.
    pub builder: bool,
    /// Whether nothing is to run there.
    pub drained: bool,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What engine it has; none if it does not answer.
    pub engine: Option<String>,
    /// Why it does not answer.
    pub problem: Option<String>,
    /// What to do about it.
    pub help: Option<String>,
}

/// Asks the builder and every host, side by side, who they are: the builder first, then the hosts by name.
pub async fn ask_hosts(estate: &Estate, engines: &Engines, drained: &BTreeSet<HostName>) -> Vec<HostStanding> {
    let (name, engine) = &engines.builder;
    let builder = estate.builders.get(name).map(|builder| {
        let silent = silent(name.to_string(), builder.endpoint.to_string());
        (HostStanding { builder: true, ..silent }, engine)
    });
    let hosts = estate.hosts.iter().filter_map(|(name, host)| {
        let silent = silent(name.to_string(), host.endpoint.to_string());
        Some((HostStanding { drained: drained.contains(name), labels: host.labels.clone(), ..silent }, engines.hosts.get(name)?))
    });
    join_all(builder.into_iter().chain(hosts).map(|(standing, engine)| ask(standing, engine.as_ref()))).await
}

fn silent(host: String, endpoint: String) -> HostStanding {
    HostStanding { host, endpoint, builder: false, drained: false, labels: BTreeMap::new(), engine: None, problem: None, help: None }
}

async fn ask(standing: HostStanding, engine: &dyn Engine) -> HostStanding {
    match engine.info().await {
        Ok(info) => HostStanding { engine: Some(format!("{} (API {}, {})", info.version, info.api, info.storage)), ..standing },
        Err(error) => {
            let help = miette::Diagnostic::help(&error).map(|help| help.to_string());
            HostStanding { problem: Some(problem(&error)), help, ..standing }
        }
    }
}

/// The endpoint is told beside it.
fn problem(error: &EngineError) -> String {
    match error {
        EngineError::Silent { why, .. } => format!("does not answer: {why}"),
        EngineError::Refused { what, why, .. } => format!("refuses to {what}: {why}"),
        other => other.to_string(),
    }
}
