//! A container's life on an engine: create, start, stop, remove. Each may be done twice; none ever removes a volume.

use std::time::Duration;

use bollard::models::{ContainerInspectResponse, ContainerStateStatusEnum, NetworkConnectRequest};
use bollard::query_parameters::{InspectContainerOptions, RemoveContainerOptions, StartContainerOptions, StopContainerOptions};

use super::connect::Connection;
use super::error::refused;
use super::words::{self, Inherited};
use super::{networks, volumes};
use crate::edge::{EngineError, Made, NewContainer, labels};
use crate::model::{Attachment, NetworkSpec};

/// Looking something up. A busy engine takes its time, but not this long.
pub(super) const LOOK_MAX: Duration = Duration::from_secs(15);
/// Creating and starting: mounts, networks, and an engine that starts many others at once.
const START_MAX: Duration = Duration::from_secs(120);
/// Between two looks for a container that is just being made under the name.
const NAME_RESERVED_FOR: Duration = Duration::from_millis(100);
/// What a stop may take beyond its grace period, until the engine has killed and unmounted.
const STOP_SLACK: Duration = Duration::from_secs(30);
/// The first API version that takes a hardware address per interface.
const MAC_PER_INTERFACE: u32 = 44;
/// The first API version in which an interface's name and the way out can be chosen.
const PLACED_INTERFACES: u32 = 48;

/// A container as the engine inspects it; `None` if it is not there.
pub(super) async fn inspect(connection: &Connection, container: &str) -> Result<Option<ContainerInspectResponse>, EngineError> {
    let docker = connection.docker(LOOK_MAX).await?;
    let call = docker.inspect_container(container, None::<InspectContainerOptions>);
    present(connection.within(LOOK_MAX, &format!("inspect container {container}"), call).await)
}

/// Turns "it is not there" into `None`.
pub(super) fn present<T>(answer: Result<T, EngineError>) -> Result<Option<T>, EngineError> {
    match answer {
        Err(EngineError::Missing { .. }) => Ok(None),
        other => other.map(Some),
    }
}

/// Creates what the container needs, the container, and starts it; what is there already is used.
pub(super) async fn start_new(connection: &Connection, new: &NewContainer) -> Result<String, EngineError> {
    let made = make(connection, new).await?;
    if !made.is_up {
        finish(connection, new, &made.id).await?;
    }
    Ok(made.id)
}

/// Creates what the container needs, and the container; what is there already is used.
pub(super) async fn make(connection: &Connection, new: &NewContainer) -> Result<Made, EngineError> {
    let name = new.name();
    if let Some(made) = existing(connection, new, &name).await? {
        return Ok(made);
    }
    networks::ensure(connection, &new.estate, &new.spec.network).await?;
    volumes::ensure(connection, &new.estate, &new.spec.mounts).await?;
    let inherited = inherited(connection, new.takes_over.as_deref()).await?;
    let deadline = tokio::time::Instant::now() + START_MAX;
    loop {
        match create(connection, new, &name, &inherited).await {
            Ok(id) => return Ok(Made { id, is_up: false, has_run: false }),
            // Somebody, perhaps an earlier self whose answer was lost, was faster.
            Err(error @ EngineError::Refused { .. }) => {
                if let Some(made) = existing(connection, new, &name).await? {
                    return Ok(made);
                }
                if !is_name_taken(&error) || tokio::time::Instant::now() > deadline {
                    return Err(error);
                }
            }
            Err(error) => return Err(error),
        }
        // The engine reserves a name before it shows the container.
        tokio::time::sleep(NAME_RESERVED_FOR).await;
    }
}

fn is_name_taken(error: &EngineError) -> bool {
    matches!(error, EngineError::Refused { why, .. } if why.contains("is already in use by container"))
}

/// Finds the container under its deterministic name; refuses if the name belongs to something else.
async fn existing(connection: &Connection, new: &NewContainer, name: &str) -> Result<Option<Made>, EngineError> {
    let Some(found) = inspect(connection, name).await? else { return Ok(None) };
    let id = found.id.clone().unwrap_or_default();
    if !is_ours(&found, new) {
        let what = format!("create container {name}");
        let why = format!("the name is taken by container {} that is not this version of this slot; rename or remove it", short(&id));
        return Err(refused(connection.name(), &what, &why));
    }
    use ContainerStateStatusEnum as Word;
    let status = found.state.and_then(|state| state.status);
    let is_up = matches!(status, Some(Word::RUNNING | Word::RESTARTING | Word::PAUSED));
    Ok(Some(Made { id, is_up, has_run: status != Some(Word::CREATED) }))
}

fn is_ours(found: &ContainerInspectResponse, new: &NewContainer) -> bool {
    let found = found.config.as_ref().and_then(|config| config.labels.as_ref());
    let label = |key: &str| found.and_then(|labels| labels.get(key)).map(String::as_str);
    label(labels::ESTATE) == Some(new.estate.as_str())
        && label(labels::SERVICE) == Some(new.slot.service.as_str())
        && label(labels::HOST) == Some(new.slot.host.as_str())
        && label(labels::SLOT) == Some(new.slot.index.to_string().as_str())
        && label(labels::SPEC) == Some(new.version.spec.to_string().as_str())
}

/// The anonymous volumes of the container whose place is taken, those included that its image asked for.
async fn inherited(connection: &Connection, old: Option<&str>) -> Result<Inherited, EngineError> {
    let Some(old) = old else { return Ok(Inherited::new()) };
    let Some(found) = inspect(connection, old).await? else {
        // Going on would give the newcomer empty volumes where the old one had data.
        return Err(EngineError::Missing { endpoint: connection.name().to_owned(), what: format!("container {old}, whose volumes are to move on") });
    };
    let mounts = found.mounts.unwrap_or_default().into_iter();
    let anonymous = mounts.filter_map(|mount| match (mount.typ.as_deref(), mount.name, mount.destination) {
        (Some("volume"), Some(name), Some(target)) if is_anonymous(&name) => Some((target, name)),
        _ => None,
    });
    Ok(anonymous.collect())
}

/// The engine names a volume that nobody named by 64 random hexadecimal digits.
pub(super) fn is_anonymous(volume: &str) -> bool {
    volume.len() == 64 && volume.bytes().all(|byte| byte.is_ascii_hexdigit())
}

async fn create(connection: &Connection, new: &NewContainer, name: &str, inherited: &Inherited) -> Result<String, EngineError> {
    let what = format!("create container {name}");
    let mut body = words::create_body(new, inherited);
    if attachments(new).len() > 1 && connection.speaks(PLACED_INTERFACES).await? {
        let first = body.networking_config.iter_mut().flat_map(|config| &mut config.endpoints_config).flat_map(|networks| networks.values_mut());
        first.for_each(|endpoint| *endpoint = words::placed(0, std::mem::take(endpoint)));
    }
    let mut body = serde_json::to_value(body).map_err(|error| refused(connection.name(), &what, &error.to_string()))?;
    if !connection.speaks(MAC_PER_INTERFACE).await? {
        put_mac_where_old_engines_look(connection, &what, new, &mut body)?;
    }
    let answer = connection.post(START_MAX, &what, &format!("/containers/create?name={name}"), &body).await?;
    match answer["Id"].as_str() {
        Some(id) => Ok(id.to_owned()),
        None => Err(refused(connection.name(), &what, "the answer has no id")),
    }
}

/// Before API 1.44 a container has one hardware address, that of its first interface; more would silently be ignored.
fn put_mac_where_old_engines_look(connection: &Connection, what: &str, new: &NewContainer, body: &mut serde_json::Value) -> Result<(), EngineError> {
    let attachments = attachments(new);
    if let Some(mac) = attachments.first().and_then(|first| first.mac_address.as_ref()) {
        body["MacAddress"] = mac.as_str().into();
    }
    match attachments.iter().skip(1).find(|further| further.mac_address.is_some()) {
        None => Ok(()),
        Some(further) => {
            let why =
                format!("it cannot set the hardware address on {}: before API 1.44 only the first network of a container has one", further.network);
            Err(refused(connection.name(), what, &why))
        }
    }
}

fn attachments(new: &NewContainer) -> &[Attachment] {
    match &new.spec.network {
        NetworkSpec::Attached(attachments) => attachments,
        NetworkSpec::Mode(_) => &[],
    }
}

/// Connects the further networks, in order, and starts; a container that never ran is taken away again if it cannot.
async fn finish(connection: &Connection, new: &NewContainer, id: &str) -> Result<(), EngineError> {
    let done = async {
        connect_missing(connection, new, id).await?;
        volumes::check_sole_writer(connection, new, id).await?;
        start(connection, id).await
    };
    let error = match done.await {
        Ok(()) => return Ok(()),
        Err(error) => error,
    };
    if !error.is_silence() && never_ran(connection, id).await {
        // Its own error would only hide the first one.
        let _ = remove(connection, id).await;
    }
    Err(error)
}

async fn connect_missing(connection: &Connection, new: &NewContainer, id: &str) -> Result<(), EngineError> {
    let attachments = attachments(new);
    if attachments.len() < 2 {
        return Ok(());
    }
    let found = inspect(connection, id).await?.and_then(|found| found.network_settings).and_then(|settings| settings.networks);
    let has = |network: &str| found.as_ref().is_some_and(|networks| networks.contains_key(network));
    let can_place = connection.speaks(PLACED_INTERFACES).await?;
    for (place, attachment) in attachments.iter().enumerate().skip(1) {
        if has(&attachment.network) {
            continue;
        }
        let endpoint = words::endpoint(attachment);
        let endpoint = if can_place { words::placed(place, endpoint) } else { endpoint };
        let docker = connection.docker(START_MAX).await?;
        let request = NetworkConnectRequest { container: id.to_owned(), endpoint_config: Some(endpoint) };
        let what = format!("connect {} to network {}", new.name(), attachment.network);
        connection.within(START_MAX, &what, docker.connect_network(&attachment.network, request)).await?;
    }
    Ok(())
}

async fn never_ran(connection: &Connection, id: &str) -> bool {
    let state = inspect(connection, id).await.ok().flatten().and_then(|found| found.state);
    state.is_some_and(|state| state.status == Some(ContainerStateStatusEnum::CREATED))
}

/// Starts a container; one that runs already is left alone.
pub(super) async fn start(connection: &Connection, container: &str) -> Result<(), EngineError> {
    let docker = connection.docker(START_MAX).await?;
    let call = docker.start_container(container, None::<StartContainerOptions>);
    connection.within(START_MAX, &format!("start container {}", short(container)), call).await
}

/// Stops a container; one that is stopped or gone is left alone.
pub(super) async fn stop(connection: &Connection, container: &str, grace: Duration) -> Result<(), EngineError> {
    let limit = grace + STOP_SLACK;
    let seconds = i32::try_from(words::whole_seconds(grace)).unwrap_or(i32::MAX);
    let docker = connection.docker(limit).await?;
    let call = docker.stop_container(container, Some(StopContainerOptions { signal: None, t: Some(seconds) }));
    let stopped = connection.within(limit, &format!("stop container {}", short(container)), call).await;
    present(stopped).map(|_| ())
}

/// Removes a container that does not run; its volumes stay.
pub(super) async fn remove(connection: &Connection, container: &str) -> Result<(), EngineError> {
    let docker = connection.docker(START_MAX).await?;
    let options = RemoveContainerOptions { v: false, force: false, link: false };
    let what = format!("remove container {}", short(container));
    match present(connection.within(START_MAX, &what, docker.remove_container(container, Some(options))).await) {
        // Another removal of the same container is on its way.
        Err(EngineError::Refused { why, .. }) if why.contains("is already in progress") => Ok(()),
        other => other.map(|_| ()),
    }
}

/// An id as people see it; a name is left whole.
pub(super) fn short(container: &str) -> &str {
    if is_anonymous(container) { &container[..12] } else { container }
}
