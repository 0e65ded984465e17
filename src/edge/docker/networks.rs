//! Networks that a container needs: made where the pipeline says how, left alone where they are, never removed.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use bollard::models::{Ipam, IpamConfig, NetworkCreateRequest};
use bollard::query_parameters::InspectNetworkOptions;

use super::connect::Connection;
use super::containers::{LOOK_MAX, present};
use super::error::refused;
use crate::edge::{EngineError, labels};
use crate::model::{EstateName, NetworkCreate, NetworkSpec};

/// Engines before API 1.44 make a second network of the same name when two ask at the same moment, and then refuse both as ambiguous. So each
/// engine is asked by one at a time; by its endpoint, since hosts that share an engine have connections of their own.
static TURNS: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>> = Mutex::new(BTreeMap::new());

fn turn(connection: &Connection) -> Arc<tokio::sync::Mutex<()>> {
    let mut turns = TURNS.lock().unwrap_or_else(PoisonError::into_inner);
    turns.entry(connection.name().to_owned()).or_default().clone()
}

/// Creates the networks that are missing and may be created.
pub(super) async fn ensure(connection: &Connection, estate: &EstateName, network: &NetworkSpec) -> Result<(), EngineError> {
    let NetworkSpec::Attached(attachments) = network else { return Ok(()) };
    for attachment in attachments {
        let Some(create) = &attachment.create else { continue };
        if exists(connection, &attachment.network).await? {
            continue;
        }
        let turn = turn(connection);
        let _turn = turn.lock().await;
        if !exists(connection, &attachment.network).await? {
            make(connection, estate, &attachment.network, create).await?;
        }
    }
    Ok(())
}

async fn exists(connection: &Connection, name: &str) -> Result<bool, EngineError> {
    let docker = connection.docker(LOOK_MAX).await?;
    let call = docker.inspect_network(name, None::<InspectNetworkOptions>);
    Ok(present(connection.within(LOOK_MAX, &format!("inspect network {name}"), call).await)?.is_some())
}

async fn make(connection: &Connection, estate: &EstateName, name: &str, create: &NetworkCreate) -> Result<(), EngineError> {
    let what = format!("create network {name}");
    let mut body = serde_json::to_value(request(estate, name, create)).map_err(|error| refused(connection.name(), &what, &error.to_string()))?;
    // Newer engines always look; theirs is the only meaning that refit has a use for.
    body["CheckDuplicate"] = true.into();
    match connection.post(LOOK_MAX, &what, "/networks/create", &body).await {
        // Somebody who is not refit was faster.
        Err(EngineError::Refused { why, .. }) if why.contains("already exists") => Ok(()),
        other => other.map(|_| ()),
    }
}

fn request(estate: &EstateName, name: &str, create: &NetworkCreate) -> NetworkCreateRequest {
    let mut all_labels: HashMap<_, _> = create.labels.clone().into_iter().collect();
    all_labels.insert(labels::ESTATE.to_owned(), estate.to_string());
    let subnets = create.subnets.iter();
    let config: Vec<_> =
        subnets.map(|(subnet, gateway)| IpamConfig { subnet: Some(subnet.clone()), gateway: gateway.clone(), ..IpamConfig::default() }).collect();
    let has_ipv6 = create.subnets.iter().any(|(subnet, _)| subnet.contains(':'));
    NetworkCreateRequest {
        name: name.to_owned(),
        driver: create.driver.clone(),
        internal: create.internal.then_some(true),
        enable_ipv6: has_ipv6.then_some(true),
        ipam: (!config.is_empty()).then(|| Ipam { config: Some(config), ..Ipam::default() }),
        options: Some(create.driver_opts.clone().into_iter().collect()),
        labels: Some(all_labels),
        ..NetworkCreateRequest::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_made_as_written_and_labelled() {
        let create = NetworkCreate {
            driver: Some("bridge".to_owned()),
            internal: true,
            subnets: vec![("10.9.0.0/24".to_owned(), Some("10.9.0.1".to_owned())), ("fd00::/64".to_owned(), None)],
            ..NetworkCreate::default()
        };
        let request = serde_json::to_value(request(&"shop".parse().unwrap(), "shop_front", &create)).unwrap();
        assert_eq!(request["Labels"], serde_json::json!({ "io.refit.estate": "shop" }));
        assert_eq!(request["IPAM"]["Config"], serde_json::json!([{ "Subnet": "10.9.0.0/24", "Gateway": "10.9.0.1" }, { "Subnet": "fd00::/64" }]));
        assert_eq!((&request["Internal"], &request["EnableIPv6"]), (&true.into(), &true.into()));
    }
}
