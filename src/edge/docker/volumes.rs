//! Volumes that a container needs: made where the pipeline says how, left alone where they are, never removed.

use bollard::models::VolumeCreateRequest;

use super::connect::Connection;
use super::containers::{LOOK_MAX, present};
use super::error::refused;
use crate::edge::{EngineError, NewContainer, labels};
use crate::model::{EstateName, MountSource, MountSpec, VolumeCreate};

/// Creates the volumes that are missing and may be created; an external one that is missing is an error.
pub(super) async fn ensure(connection: &Connection, estate: &EstateName, mounts: &[MountSpec]) -> Result<(), EngineError> {
    for mount in mounts {
        let MountSource::Volume { name, create } = &mount.source else { continue };
        if exists(connection, name).await? {
            continue;
        }
        match create {
            Some(create) => make(connection, estate, name, create).await?,
            // The engine itself would quietly make an empty one in its place.
            None => return Err(EngineError::Missing { endpoint: connection.name().to_owned(), what: format!("external volume {name}") }),
        }
    }
    Ok(())
}

pub(super) async fn exists(connection: &Connection, name: &str) -> Result<bool, EngineError> {
    let docker = connection.docker(LOOK_MAX).await?;
    let call = docker.inspect_volume(name);
    Ok(present(connection.within(LOOK_MAX, &format!("inspect volume {name}"), call).await)?.is_some())
}

/// Creating a volume that is there gives the one that is there, so a race makes one volume.
async fn make(connection: &Connection, estate: &EstateName, name: &str, create: &VolumeCreate) -> Result<(), EngineError> {
    let docker = connection.docker(LOOK_MAX).await?;
    let call = docker.create_volume(request(estate, name, create));
    connection.within(LOOK_MAX, &format!("create volume {name}"), call).await.map(|_| ())
}

fn request(estate: &EstateName, name: &str, create: &VolumeCreate) -> VolumeCreateRequest {
    let own = (labels::ESTATE.to_owned(), estate.to_string());
    VolumeCreateRequest {
        name: Some(name.to_owned()),
        driver: create.driver.clone(),
        driver_opts: Some(create.driver_opts.clone().into_iter().collect()),
        labels: Some(create.labels.clone().into_iter().chain([own]).collect()),
        ..VolumeCreateRequest::default()
    }
}
