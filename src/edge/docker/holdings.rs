//! What a container holds: its changes, its mounts, and which of its paths are files.

use bollard::models::ChangeType;
use bollard::query_parameters::ContainerArchiveInfoOptions;
use futures_util::{StreamExt, TryStreamExt, stream};
use std::time::Duration;

use super::connect::Connection;
use super::containers::{LOOK_MAX, inspect, is_anonymous, present, short};
use crate::data::{Change, ChangeKind, Holdings, MountSeen};
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
