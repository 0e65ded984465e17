//! What a container holds: its changes, its mounts, and which of its paths are files.

use bollard::models::ChangeType;
use bollard::query_parameters::{ContainerArchiveInfoOptions, InspectContainerOptions};
use futures_util::{StreamExt, TryStreamExt, stream};
use std::time::Duration;

use super::connect::Connection;
use super::containers::{LOOK_MAX, inspect, is_anonymous, present, short};
use super::copy::{self, Rules, Tree};
use super::error::refused;
use crate::data::{Adopted, Adoption, Change, ChangeKind, Holdings, MountSeen, TREES_MAX};
use crate::edge::EngineError;

/// The engine walks through the whole container to find its changes.
const CHANGES_MAX: Duration = Duration::from_secs(120);
/// Paths that are asked for at once.
const ASKED_AT_ONCE: usize = 8;
/// In the engine's file modes: folders, pipes, sockets. Source: `io/fs.FileMode` of Go.
const HOLDS_NOTHING: u32 = 1 << 31 | 1 << 25 | 1 << 24;

/// What differs in a container from its image, and what is mounted in it.
pub(super) async fn holdings(connection: &Connection, container: &str) -> Result<Holdings, EngineError> {
    let Some(found) = inspect(connection, container).await? else {
        return Err(EngineError::Missing { endpoint: connection.name().to_owned(), what: format!("container {}", short(container)) });
    };
    let mounts = found.mounts.unwrap_or_default().into_iter().filter_map(|mount| {
        let is_volume = mount.typ.as_deref() == Some("volume");
        Some(MountSeen { target: mount.destination?, anonymous: mount.name.filter(|name| is_volume && is_anonymous(name)) })
    });
    let memory = found.host_config.and_then(|host| host.tmpfs).unwrap_or_default();
    let memory = memory.into_keys().map(|target| MountSeen { target, anonymous: None });
    let docker = connection.docker(CHANGES_MAX).await?;
    let what = format!("tell what changed in container {}", short(container));
    let changes = connection.within(CHANGES_MAX, &what, docker.container_changes(container)).await?.unwrap_or_default();
    let changes = changes.into_iter().map(|change| Change { kind: kind(change.kind), path: change.path });
    Ok(Holdings { changes: changes.collect(), mounts: mounts.chain(memory).collect() })
}

fn kind(kind: ChangeType) -> ChangeKind {
    match kind {
        ChangeType::_0 => ChangeKind::Modified,
        ChangeType::_1 => ChangeKind::Added,
        ChangeType::_2 => ChangeKind::Deleted,
    }
}

/// Leaves out what holds nothing. A path of which the engine will not tell counts as a file: better one too many than one lost.
pub(super) async fn only_files(connection: &Connection, container: &str, paths: Vec<String>) -> Result<Vec<String>, EngineError> {
    let asked = paths.into_iter().map(|path| async move { Ok(is_file(connection, container, &path).await?.then_some(path)) });
    let found: Vec<Option<String>> = stream::iter(asked).buffered(ASKED_AT_ONCE).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

async fn is_file(connection: &Connection, container: &str, path: &str) -> Result<bool, EngineError> {
    let docker = connection.docker(LOOK_MAX).await?;
    let options = ContainerArchiveInfoOptions { path: path.to_owned() };
    let call = docker.get_container_archive_info(container, Some(options));
    match present(connection.within(LOOK_MAX, &format!("look at {path}"), call).await) {
        Ok(found) => Ok(found.is_some_and(|found| found.file_mode & HOLDS_NOTHING == 0)),
        Err(error) if error.is_silence() => Err(error),
        Err(_) => Ok(true),
    }
}

/// Copies what moves on, tree by tree, as one archive.
pub(super) async fn adopt(connection: &Connection, from: &str, into: Option<&str>, adoption: &Adoption) -> Result<Adopted, EngineError> {
    let mut paths = only_files(connection, from, adoption.if_files.clone()).await?;
    paths.extend(adoption.trees.iter().cloned());
    paths.sort();
    if paths.is_empty() || into.is_none() && written(connection, from).await?.is_some_and(|bytes| bytes <= adoption.bytes_max) {
        return Ok(Adopted::default());
    }
    if paths.len() > TREES_MAX {
        let why = format!("they lie in more than {TREES_MAX} places; give them a volume");
        return Err(refused(connection.name(), &format!("copy files of container {}", short(from)), &why));
    }
    let trees = paths.into_iter().map(|path| Tree { to: path.clone(), from: path }).collect();
    let (bytes_max, chosen) = (Some(adoption.bytes_max), adoption.clone());
    let copied = copy::copy(connection, from, into, trees, Rules { takes: Box::new(move |path| chosen.takes(path)), bytes_max }).await?;
    Ok(Adopted { files: copied.files, bytes: copied.bytes })
}

/// How much a container wrote outside its mounts in all, if the engine can tell: most containers wrote so little that nothing need be counted.
async fn written(connection: &Connection, container: &str) -> Result<Option<u64>, EngineError> {
    let docker = connection.docker(CHANGES_MAX).await?;
    let call = docker.inspect_container(container, Some(InspectContainerOptions { size: true }));
    let found = present(connection.within(CHANGES_MAX, &format!("measure container {}", short(container)), call).await)?;
    Ok(found.and_then(|found| found.size_rw).and_then(|bytes| u64::try_from(bytes).ok()))
}
