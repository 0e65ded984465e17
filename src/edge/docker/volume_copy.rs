//! A volume's content copied into another volume of the same engine. It goes through refit as a stream: images without a shell have no program that
//! could copy, and hosts have nothing but their engine.
//!
//! The engine reaches into volumes only through containers, so two are made that never start, one for each volume. What arrived is read again.

use std::collections::HashMap;

use bollard::models::{ContainerCreateBody, HostConfig, Mount, MountType, MountVolumeOptions};
use bollard::query_parameters::{CreateContainerOptions, ListVolumesOptions, UploadToContainerOptions};

use super::connect::Connection;
use super::containers::{LOOK_MAX, inspect, short};
use super::copy::{self, Copied, Rules, Tree};
use super::error::refused;
use super::{trial, volumes};
use crate::edge::{EngineError, SnapshotSeen, VolumeCopied, VolumeCopy, labels};
use crate::model::EstateName;

/// Where both containers mount their volume: a place that no image has.
const TARGET: &str = "/refit-volume";
/// What such a container is for, as its label says.
const ROLE: &str = "copy";
/// Emptying a volume is one call, which removes as many files as there are.
const EMPTY_MAX: std::time::Duration = std::time::Duration::from_secs(3600);

/// Copies one volume into another, which then has exactly the same content; nothing if there is no such volume.
pub(super) async fn copy_volume(connection: &Connection, order: &VolumeCopy) -> Result<Option<VolumeCopied>, EngineError> {
    if !volumes::exists(connection, &order.from).await? {
        return Ok(None);
    }
    let is_there = volumes::exists(connection, &order.to).await?;
    if !is_there {
        volumes::make_labelled(connection, &order.to, &order.labels).await?;
    }
    let reader = helper(connection, order, &order.from, "from").await?;
    let copied = match helper(connection, order, &order.to, "to").await {
        Ok(writer) => {
            let copied = copy_and_prove(connection, order, &reader, &writer, is_there).await;
            trial::throw_away(connection, &writer).await.and(copied)
        }
        Err(error) => Err(error),
    };
    trial::throw_away(connection, &reader).await?;
    let Copied { files, bytes, hash, .. } = copied?;
    Ok(Some(VolumeCopied { files, bytes, hash }))
}

async fn copy_and_prove(connection: &Connection, order: &VolumeCopy, reader: &str, writer: &str, may_hold: bool) -> Result<Copied, EngineError> {
    if may_hold {
        empty(connection, writer).await?;
        let left = copy::copy(connection, writer, None, whole(), all()).await?;
        // The volume itself is a folder.
        if left.files > 0 || left.folders > 1 {
            let why = format!("{} files are still in it, and nothing was copied; what it held is in the copy that was made first", left.files);
            return Err(refused(connection.name(), &format!("empty volume {}", order.to), &why));
        }
    }
    let copied = copy::copy(connection, reader, Some(writer), whole(), all()).await?;
    let arrived = copy::copy(connection, writer, None, whole(), all()).await?;
    if arrived != copied {
        let why = format!(
            "{} files of {} bytes were read and {} of {} arrived, or they are not the same; does somebody write to {}?",
            copied.files, copied.bytes, arrived.files, arrived.bytes, order.from
        );
        return Err(refused(connection.name(), &format!("copy volume {} to {}", order.from, order.to), &why));
    }
    Ok(copied)
}

fn whole() -> Vec<Tree> {
    vec![Tree { from: TARGET.to_owned(), to: TARGET.to_owned() }]
}

fn all() -> Rules {
    Rules { takes: Box::new(|_| true), bytes_max: None }
}

/// Removes all that is in a container's volume.
///
/// The engine has no call for it. But what an archive puts in the place of a folder replaces it, with all that is in it: told to put a file where the
/// volume is mounted, the engine removes the content, then finds that the mount itself cannot go, and says so. That answer is what is wanted.
async fn empty(connection: &Connection, container: &str) -> Result<(), EngineError> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(0);
    let made = archive.append_data(&mut header, TARGET.trim_start_matches('/'), std::io::empty()).and_then(|()| archive.into_inner());
    let what = format!("empty the volume of container {}", short(container));
    let archive = made.map_err(|error| refused(connection.name(), &what, &error.to_string()))?;
    let docker = connection.docker(EMPTY_MAX).await?;
    let options = UploadToContainerOptions { path: "/".to_owned(), no_overwrite_dir_non_dir: None, copy_uidgid: None };
    let call = docker.upload_to_container(container, Some(options), bollard::body_full(archive.into()));
    match connection.within(EMPTY_MAX, &what, call).await {
        Err(EngineError::Refused { why, .. }) if why.contains("busy") => Ok(()),
        other => other,
    }
}

/// A container that only holds a volume for the engine to reach into. One that an earlier life left behind is thrown away first.
async fn helper(connection: &Connection, order: &VolumeCopy, volume: &str, end: &str) -> Result<String, EngineError> {
    let name = format!("{}-{end}", order.name());
    throw_leftover_away(connection, &name).await?;
    let mount = Mount {
        target: Some(TARGET.to_owned()),
        source: Some(volume.to_owned()),
        typ: Some(MountType::VOLUME),
        volume_options: Some(MountVolumeOptions { no_copy: Some(true), ..MountVolumeOptions::default() }),
        ..Mount::default()
    };
    let own = [(labels::ESTATE, order.estate.to_string()), (labels::ROLE, ROLE.to_owned())];
    let body = ContainerCreateBody {
        image: Some(order.image.to_string()),
        // It never runs, but the engine wants to know what it would.
        cmd: Some(vec!["never".to_owned()]),
        labels: Some(own.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<HashMap<_, _>>()),
        host_config: Some(HostConfig { mounts: Some(vec![mount]), network_mode: Some("none".to_owned()), ..HostConfig::default() }),
        ..ContainerCreateBody::default()
    };
    let docker = connection.docker(LOOK_MAX).await?;
    let options = CreateContainerOptions { name: Some(name.clone()), ..CreateContainerOptions::default() };
    let call = docker.create_container(Some(options), body);
    connection.within(LOOK_MAX, &format!("create container {name}"), call).await.map(|created| created.id)
}

/// A container under our name that is not ours stays, and the engine will say that the name is taken.
async fn throw_leftover_away(connection: &Connection, name: &str) -> Result<(), EngineError> {
    let found = inspect(connection, name).await?.and_then(|found| found.config).and_then(|config| config.labels);
    match found.is_some_and(|found| found.get(labels::ROLE).is_some_and(|role| role == ROLE)) {
        true => trial::throw_away(connection, name).await,
        false => Ok(()),
    }
}

/// The copies of volumes that refit made for this estate.
pub(super) async fn snapshots(connection: &Connection, estate: &EstateName) -> Result<Vec<SnapshotSeen>, EngineError> {
    let wanted = vec![format!("{}={estate}", labels::ESTATE), labels::VOLUME.to_owned()];
    let options = ListVolumesOptions { filters: Some(HashMap::from([("label".to_owned(), wanted)])) };
    let docker = connection.docker(LOOK_MAX).await?;
    let listed = connection.within(LOOK_MAX, "list volumes", docker.list_volumes(Some(options))).await?;
    let mut found: Vec<_> = listed
        .volumes
        .unwrap_or_default()
        .into_iter()
        .filter_map(|volume| SnapshotSeen::read(&volume.name, |key| volume.labels.get(key).cloned()))
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}
