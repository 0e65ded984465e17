//! Throw-away containers: an image's test is run in one, and it is gone afterwards, whatever happens to the caller.

use std::collections::HashMap;
use std::time::Duration;

use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::{
    CreateContainerOptions, ListContainersOptions, LogsOptions, RemoveContainerOptions, StartContainerOptions, WaitContainerOptions,
};
use futures_util::StreamExt;

use super::connect::Connection;
use super::error::understand;
use crate::edge::{EngineError, TestEnd, TestRun, labels};
use crate::model::EstateName;

/// Creating, starting, removing.
const STEP_MAX: Duration = Duration::from_secs(60);
/// What such a container is for, as its label says.
const ROLE: &str = "test";
/// Lines of a test's output that are kept.
const LINES_MAX: u32 = 20;

/// Runs the command to its end or its time limit.
pub(super) async fn run(connection: &Connection, test: &TestRun) -> Result<TestEnd, EngineError> {
    let docker = connection.docker(STEP_MAX).await?;
    let what = format!("create a test container of {}", test.image.short());
    let created = connection.within(STEP_MAX, &what, docker.create_container(None::<CreateContainerOptions>, body(test))).await?;
    let bin = Bin { connection: connection.clone(), container: Some(created.id.clone()) };
    let what = format!("start the test `{}`", test.command.join(" "));
    connection.within(STEP_MAX, &what, docker.start_container(&created.id, None::<StartContainerOptions>)).await?;
    let code = tokio::time::timeout(test.timeout, ended(connection, &created.id, test.timeout)).await.ok().transpose()?;
    let last_lines = last_lines(connection, &created.id, LINES_MAX).await?;
    bin.empty().await?;
    Ok(TestEnd { code, last_lines })
}

/// Removes the throw-away containers of an estate that nobody waits for any more.
pub(super) async fn remove_left_behind(connection: &Connection, estate: &EstateName) -> Result<(), EngineError> {
    let labels = vec![format!("{}={estate}", labels::ESTATE), labels::ROLE.to_owned()];
    let options =
        ListContainersOptions { all: true, filters: Some(HashMap::from([("label".to_owned(), labels)])), ..ListContainersOptions::default() };
    let docker = connection.docker(STEP_MAX).await?;
    let listed = connection.within(STEP_MAX, "list throw-away containers", docker.list_containers(Some(options))).await?;
    for container in listed.into_iter().filter_map(|summary| summary.id) {
        throw_away(connection, &container).await?;
    }
    Ok(())
}

fn body(test: &TestRun) -> ContainerCreateBody {
    let mut words = test.command.iter().cloned();
    let own = [(labels::ESTATE, test.estate.to_string()), (labels::ROLE, ROLE.to_owned())];
    ContainerCreateBody {
        image: Some(test.image.to_string()),
        entrypoint: words.next().map(|first| vec![first]),
        cmd: Some(words.collect()),
        labels: Some(own.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<HashMap<_, _>>()),
        host_config: Some(HostConfig { init: Some(true), ..HostConfig::default() }),
        ..ContainerCreateBody::default()
    }
}

async fn ended(connection: &Connection, container: &str, limit: Duration) -> Result<i64, EngineError> {
    let docker = connection.docker(limit + STEP_MAX).await?;
    let mut wait = docker.wait_container(container, None::<WaitContainerOptions>);
    match wait.next().await {
        Some(Ok(end)) => Ok(end.status_code),
        // bollard takes an exit code other than 0 for an error; here it is an answer.
        Some(Err(bollard::errors::Error::DockerContainerWaitError { code, .. })) => Ok(code),
        Some(Err(error)) => Err(understand(connection.name(), "wait for a test", error)),
        None => Err(super::error::silent(connection.name(), "the wait for a test ended without an answer")),
    }
}

/// The last lines that a container wrote, both of its streams, oldest first.
pub(super) async fn last_lines(connection: &Connection, container: &str, lines: u32) -> Result<Vec<String>, EngineError> {
    let docker = connection.docker(STEP_MAX).await?;
    let options = LogsOptions { stdout: true, stderr: true, tail: lines.to_string(), ..LogsOptions::default() };
    let mut output = docker.logs(container, Some(options));
    let mut text = Vec::new();
    let read = async {
        while let Some(piece) = output.next().await {
            text.extend_from_slice(&piece?.into_bytes());
        }
        Ok(())
    };
    connection.within(STEP_MAX, &format!("give the log of {}", super::containers::short(container)), read).await?;
    let all = String::from_utf8_lossy(&text);
    let mut last: Vec<_> = all.lines().rev().take(lines as usize).map(str::to_owned).collect();
    last.reverse();
    Ok(last)
}

/// Removes its container when it is emptied, or, if the caller's future was dropped, when it is dropped.
struct Bin {
    connection: Connection,
    container: Option<String>,
}

impl Bin {
    async fn empty(mut self) -> Result<(), EngineError> {
        match self.container.take() {
            Some(container) => throw_away(&self.connection, &container).await,
            None => Ok(()),
        }
    }
}

impl Drop for Bin {
    fn drop(&mut self) {
        let Some(container) = self.container.take() else { return };
        let connection = self.connection.clone();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = throw_away(&connection, &container).await {
                    tracing::warn!(%error, container, "test container could not be removed");
                }
            });
        }
    }
}

/// With its anonymous volumes: they are the test's own, no slot's.
pub(super) async fn throw_away(connection: &Connection, container: &str) -> Result<(), EngineError> {
    let docker = connection.docker(STEP_MAX).await?;
    let options = RemoveContainerOptions { v: true, force: true, link: false };
    let call = docker.remove_container(container, Some(options));
    super::containers::present(connection.within(STEP_MAX, "remove a throw-away container", call).await).map(|_| ())
}
