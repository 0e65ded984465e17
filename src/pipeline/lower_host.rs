//! Hosts and builders: the engines that are written down, and how each is reached.

use std::collections::BTreeMap;
use std::path::Path;

use super::at::At;
use super::endpoint::{self, DEFAULT_SOCKET};
use super::estate::{Builder, Endpoint, Host};
use super::finding::{Findings, Severity};
use super::join::Joined;
use super::lower::{Want, WantKind, texts};
use crate::model::{BuilderName, HostName};

/// The hosts that have no mistake in them.
pub(super) fn hosts(joined: &Joined<'_>, folder: &Path, findings: &mut Findings, wants: &mut Vec<Want>) -> BTreeMap<HostName, Host> {
    let mut hosts = BTreeMap::new();
    for (key, (at, raw)) in &joined.hosts {
        let endpoint = endpoint_of(at, &raw.endpoint, raw.tls.as_deref(), folder, findings, wants);
        if let Some((label_at, _)) = raw.labels.0.iter().find(|(label, _)| label == "name").map(|(label, value)| (at.key("labels").key(label), value))
        {
            findings.error_at_key(&label_at, "the label `name` is the host's own name already", "choose another label");
        }
        match key.parse::<HostName>() {
            Ok(name) => hosts.extend(endpoint.map(|endpoint| (name, Host { at: at.place(), endpoint, labels: texts(&raw.labels) }))),
            Err(error) => findings.error_at_key(at, error.to_string(), ""),
        }
    }
    hosts
}

/// The builders that have no mistake in them; the local engine if none was written.
pub(super) fn builders(joined: &Joined<'_>, folder: &Path, findings: &mut Findings, wants: &mut Vec<Want>) -> BTreeMap<BuilderName, Builder> {
    let mut builders = BTreeMap::new();
    for (key, (at, raw)) in &joined.builders {
        let endpoint = endpoint_of(at, &raw.endpoint, raw.tls.as_deref(), folder, findings, wants);
        let parallel = raw.parallel.map(std::num::NonZeroU32::get);
        match key.parse::<BuilderName>() {
            Ok(name) => builders.extend(endpoint.map(|endpoint| (name, Builder { at: Some(at.place()), endpoint, parallel }))),
            Err(error) => findings.error_at_key(at, error.to_string(), ""),
        }
    }
    if let Some(first) = joined.builders.keys().next() {
        for (key, (at, _)) in joined.builders.iter().skip(1) {
            findings.warning(
                at,
                format!("the builder `{key}` is not used: every image is built on `{first}`"),
                "write one builder; hosts get their images from it",
            );
        }
    }
    if builders.is_empty()
        && let Ok(name) = "local".parse::<BuilderName>()
    {
        builders.insert(name, Builder { at: None, endpoint: Endpoint::Unix { path: DEFAULT_SOCKET.into() }, parallel: None });
    }
    builders
}

fn endpoint_of(at: &At<'_>, text: &str, tls: Option<&str>, folder: &Path, findings: &mut Findings, wants: &mut Vec<Want>) -> Option<Endpoint> {
    let tls = tls.map(|tls| super::lower::normal(&folder.join(tls)));
    let endpoint = endpoint::endpoint(text, tls.as_deref()).map_err(|message| findings.error(&at.key("endpoint"), message, "")).ok()?;
    if let Some(folder) = tls {
        for file in ["ca.pem", "cert.pem", "key.pem"] {
            let place = at.key("tls");
            let message = format!("the folder of certificates has no {file}: {}", folder.display());
            let help = "it holds ca.pem, cert.pem and key.pem; paths are relative to the folder that holds `pipelines/`";
            let finding = place.finding(Severity::Error, place.spot(), message, help.to_owned());
            wants.push(Want { path: folder.join(file), kind: WantKind::File, finding });
        }
    }
    Some(endpoint)
}
