//! Networks and volumes: their names on the engine, and how they are made where they are not there.

use std::collections::BTreeMap;

use super::at::At;
use super::finding::Findings;
use super::forms::{ListOrMap, Settings};
use super::lower::texts;
use super::raw;
use crate::model::{EstateName, NetworkCreate, VolumeCreate};

/// A network's name on the engine, and how it is made unless it is external.
pub(super) fn network(
    at: &At<'_>,
    key: &str,
    estate: &EstateName,
    network: Option<&raw::Network>,
    findings: &mut Findings,
) -> (String, Option<NetworkCreate>) {
    let none = raw::Network::default();
    let network = network.unwrap_or(&none);
    let external = network.external == Some(true);
    if external && (network.driver.is_some() || network.ipam.is_some() || network.internal == Some(true)) {
        described_in_vain(at, "network", key, findings);
    }
    let pools = network.ipam.as_ref().map(|ipam| ipam.config.as_slice()).unwrap_or_default();
    let subnets_at = at.key("ipam").key("config");
    for (index, pool) in pools.iter().enumerate() {
        if !is_subnet(&pool.subnet) {
            let message = format!("expected a subnet such as `172.28.0.0/16`, found `{}`", pool.subnet);
            findings.error(&subnets_at.index(index).key("subnet"), message, "");
        }
    }
    let create = NetworkCreate {
        driver: network.driver.clone(),
        driver_opts: texts(&network.driver_opts),
        internal: network.internal.unwrap_or(false),
        subnets: pools.iter().map(|pool| (pool.subnet.clone(), pool.gateway.clone())).collect(),
        labels: network.labels.as_ref().map(plain_labels).unwrap_or_default(),
    };
    (engine_name(key, estate, network.name.as_deref(), external), (!external).then_some(create))
}

/// A volume's name on the engine, and how it is made unless it is external.
pub(super) fn volume(
    at: &At<'_>,
    key: &str,
    estate: &EstateName,
    volume: Option<&raw::Volume>,
    findings: &mut Findings,
) -> (String, Option<VolumeCreate>) {
    let none = raw::Volume::default();
    let volume = volume.unwrap_or(&none);
    let external = volume.external == Some(true);
    if external && (volume.driver.is_some() || !volume.driver_opts.0.is_empty()) {
        described_in_vain(at, "volume", key, findings);
    }
    let create = VolumeCreate {
        driver: volume.driver.clone(),
        driver_opts: texts(&volume.driver_opts),
        labels: volume.labels.as_ref().map(plain_labels).unwrap_or_default(),
    };
    (engine_name(key, estate, volume.name.as_deref(), external), (!external).then_some(create))
}

fn described_in_vain(at: &At<'_>, what: &str, key: &str, findings: &mut Findings) {
    let message = format!("the {what} `{key}` is external, so refit does not make it as described");
    findings.error_at_key(at, message, "keep only `external` and `name`");
}

fn plain_labels(labels: &Settings) -> BTreeMap<String, String> {
    match labels {
        ListOrMap::Map(map) => {
            map.iter().map(|(name, value)| (name.clone(), value.as_ref().map(|text| text.0.clone()).unwrap_or_default())).collect()
        }
        ListOrMap::List(list) => list
            .iter()
            .map(|line| line.split_once('=').map_or_else(|| (line.clone(), String::new()), |(name, value)| (name.to_owned(), value.to_owned())))
            .collect(),
    }
}

/// The name on the engine, as Compose makes it.
fn engine_name(key: &str, estate: &EstateName, name: Option<&str>, external: bool) -> String {
    match name {
        Some(name) => name.to_owned(),
        None if external => key.to_owned(),
        None => format!("{estate}_{key}"),
    }
}

fn is_subnet(text: &str) -> bool {
    text.split_once('/').is_some_and(|(address, bits)| match (address.parse::<std::net::IpAddr>(), bits.parse::<u8>()) {
        (Ok(address), Ok(bits)) => bits <= if address.is_ipv4() { 32 } else { 128 },
        _ => false,
    })
}
