//! Volumes that a container needs: made where the pipeline says how, left alone where they are, never removed.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{ContainerSummary, VolumeCreateRequest};
use bollard::query_parameters::ListContainersOptions;

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

/// Refuses to let a container be the second one that writes a volume which only one may. Whatever else is thought of writers before, this is looked
/// at on the engine itself, where containers of other services and of people are, too.
pub(super) async fn check_sole_writer(connection: &Connection, new: &NewContainer, id: &str) -> Result<(), EngineError> {
    let written = |volume: &&String| {
        let is_it = |mount: &&MountSpec| !mount.read_only && matches!(&mount.source, MountSource::Volume { name, .. } if name == *volume);
        new.spec.mounts.iter().any(|mount| is_it(&mount))
    };
    for volume in new.sole_writer_of.iter().filter(written) {
        if let Some(other) = other_writer(connection, volume, id).await? {
            let why = format!("container {other} runs and writes volume {volume}; stop it, or say of both that they may: `concurrent: true`");
            return Err(refused(connection.name(), &format!("start container {}", new.name()), &why));
        }
    }
    Ok(())
}

/// Another container that is up and writes a volume.
async fn other_writer(connection: &Connection, volume: &str, id: &str) -> Result<Option<String>, EngineError> {
    // Without `all`, those that are up: running, paused, or about to be restarted.
    let filters = HashMap::from([("volume".to_owned(), vec![volume.to_owned()])]);
    let options = ListContainersOptions { filters: Some(filters), ..ListContainersOptions::default() };
    let docker = connection.docker(LOOK_MAX).await?;
    let listed = connection.within(LOOK_MAX, &format!("list who uses volume {volume}"), docker.list_containers(Some(options))).await?;
    let writes = |one: &ContainerSummary| {
        let mut mounts = one.mounts.iter().flatten();
        mounts.any(|mount| mount.name.as_deref() == Some(volume) && mount.rw != Some(false))
    };
    let mut others = listed.into_iter().filter(|one| one.id.as_deref() != Some(id) && writes(one));
    Ok(others.next().and_then(|one| one.names?.into_iter().next()).map(|name| name.trim_start_matches('/').to_owned()))
}

/// Creates a volume of refit's own.
pub(super) async fn make_labelled(connection: &Connection, name: &str, labels: &BTreeMap<String, String>) -> Result<(), EngineError> {
    let docker = connection.docker(LOOK_MAX).await?;
    let labels = labels.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    let request = VolumeCreateRequest { name: Some(name.to_owned()), labels: Some(labels), ..VolumeCreateRequest::default() };
    connection.within(LOOK_MAX, &format!("create volume {name}"), docker.create_volume(request)).await.map(|_| ())
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
