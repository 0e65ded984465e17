//! Networks that a container needs: made where the pipeline says how, left alone where they are, never removed.

use std::collections::HashMap;

use bollard::models::{Ipam, IpamConfig, NetworkCreateRequest};
use bollard::query_parameters::InspectNetworkOptions;

use super::connect::Connection;
use super::containers::{LOOK_MAX, present};
use crate::edge::{EngineError, labels};
use crate::model::{EstateName, NetworkCreate, NetworkSpec};

/// Creates the networks that are missing and may be created.
pub(super) async fn ensure(connection: &Connection, estate: &EstateName, network: &NetworkSpec) -> Result<(), EngineError> {
    let NetworkSpec::Attached(attachments) = network else { return Ok(()) };
    for attachment in attachments {
        if let Some(create) = &attachment.create
            && !exists(connection, &attachment.network).await?
        {
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
    let docker = connection.docker(LOOK_MAX).await?;
    let call = docker.create_network(request(estate, name, create));
    match connection.within(LOOK_MAX, &format!("create network {name}"), call).await {
        // Two slots of one service start at once, and both found it missing.
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
