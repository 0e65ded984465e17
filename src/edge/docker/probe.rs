//! Asks a container for its health once: by HTTP, by a TCP connection, or by a command inside it.
//!
//! How its port is reached depends on where the engine is: on this machine at the container's own address, through ssh by a
//! forwarded port, over TCP only if the port is published.

use std::io;
use std::time::Duration;

use bollard::exec::{CreateExecOptions, StartExecResults};
use bollard::models::ContainerInspectResponse;
use bytes::Bytes;
use futures_util::StreamExt;
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncReadExt;

use super::connect::{Connection, RawStream};
use super::containers::{inspect, short};
use super::look::published;
use super::road::{Road, tcp};
use crate::edge::{EngineError, ProbeAnswer};
use crate::model::{ProbeKind, ProbeSpec};
use crate::pipeline::Endpoint;

/// Characters of a failed command's output that are kept.
const OUTPUT_CHARS_MAX: usize = 300;
/// What the engine's own calls around a command may take beyond the probe's timeout.
const EXEC_SLACK: Duration = Duration::from_secs(10);
/// A forwarded port accepts before the other side has: if the other side refuses, ssh hangs up within this.
const HANG_UP_WITHIN: Duration = Duration::from_millis(500);

/// Asks once.
pub(super) async fn probe(connection: &Connection, container: &str, probe: &ProbeSpec) -> Result<ProbeAnswer, EngineError> {
    let port = match &probe.kind {
        ProbeKind::Command { command } => return by_command(connection, container, command, probe.timeout).await,
        ProbeKind::Http { port, .. } | ProbeKind::Tcp { port } => *port,
    };
    let Some(found) = inspect(connection, container).await? else {
        return Err(EngineError::Missing { endpoint: connection.name().to_owned(), what: format!("container {}", short(container)) });
    };
    let ways = match ways(connection.endpoint(), &found, port) {
        Ok(ways) => ways,
        Err(why) => return Ok(ProbeAnswer::Unwell(why)),
    };
    let asked = async {
        let stream = reach(connection.road(), &ways).await?;
        match &probe.kind {
            ProbeKind::Http { method, path, .. } => http(stream, method, path, port).await,
            _ => hangs_on(stream, matches!(connection.road(), Road::Ssh(_))).await,
        }
    };
    Ok(match tokio::time::timeout(probe.timeout, asked).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => ProbeAnswer::Unwell(format!("port {port}: {error}")),
        Err(_) => ProbeAnswer::Unwell(format!("port {port}: no answer within {} ms", probe.timeout.as_millis())),
    })
}

/// The addresses at which a container's port may be reached from here, the best first; or why there is none.
fn ways(endpoint: &Endpoint, found: &ContainerInspectResponse, port: u16) -> Result<Vec<(String, u16)>, String> {
    let mode = found.host_config.as_ref().and_then(|host| host.network_mode.as_deref()).unwrap_or_default();
    let settings = found.network_settings.as_ref();
    let remote_machine = super::look::machine(endpoint);
    if mode == "host" {
        let address = if matches!(endpoint, Endpoint::Tcp { .. }) { remote_machine } else { "127.0.0.1".to_owned() };
        return Ok(vec![(address, port)]);
    }
    let published = published(endpoint, settings.and_then(|settings| settings.ports.as_ref())).remove(&port);
    let own = own_address(found, mode).map(|address| (address, port));
    let ways: Vec<_> = match endpoint {
        Endpoint::Unix { .. } => own.into_iter().chain(published).collect(),
        Endpoint::Ssh { .. } => own.into_iter().collect(),
        // An address that only the other machine has leads to this one from here.
        Endpoint::Tcp { .. } => published.into_iter().filter(|(address, _)| !address.starts_with("127.") && address != "::1").collect(),
    };
    if ways.is_empty() {
        return Err(format!("port {port} cannot be reached from here: publish it (`ports:`), or use `healthcheck: command:`"));
    }
    Ok(ways)
}

/// The address on the first network, or on any.
fn own_address(found: &ContainerInspectResponse, first: &str) -> Option<String> {
    let networks = found.network_settings.as_ref()?.networks.as_ref()?;
    let address = |name: &str| networks.get(name)?.ip_address.clone().filter(|address| !address.is_empty());
    let mut names: Vec<_> = networks.keys().map(String::as_str).collect();
    names.sort_unstable();
    address(first).or_else(|| names.into_iter().find_map(address))
}

async fn reach(road: &Road, ways: &[(String, u16)]) -> io::Result<RawStream> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for (address, port) in ways {
        let opened = match road {
            Road::Ssh(ssh) => ssh.open_port(address, *port).await.map(|stream| Box::new(stream) as RawStream),
            _ => tcp(address, *port).await.map(|stream| Box::new(stream) as RawStream),
        };
        match opened {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// One request; no redirect is followed, for it says that somebody answers.
async fn http(stream: RawStream, method: &str, path: &str, port: u16) -> io::Result<ProbeAnswer> {
    let (mut sender, talk) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    let request = hyper::Request::builder()
        .method(method)
        .uri(path)
        .header(hyper::header::HOST, format!("localhost:{port}"))
        .header(hyper::header::USER_AGENT, concat!("refit/", env!("CARGO_PKG_VERSION")))
        .header(hyper::header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(io::Error::other)?;
    let ask = async {
        let status = sender.send_request(request).await.map_err(|error| io::Error::other(super::error::causes(&error)))?.status();
        let well = (200..400).contains(&status.as_u16());
        Ok(if well { ProbeAnswer::Well } else { ProbeAnswer::Unwell(format!("{method} {path} answered {status}")) })
    };
    // The talk is driven beside the question and dropped with it, so that no task and no socket outlives the probe. It may end in the very
    // moment in which it brought the answer (the server closes behind it), so the answer is asked for once more.
    tokio::pin!(talk, ask);
    tokio::select! {
        biased;
        answer = &mut ask => answer,
        _ = &mut talk => ask.await,
    }
}

async fn hangs_on(mut stream: RawStream, forwarded: bool) -> io::Result<ProbeAnswer> {
    if forwarded && let Ok(read) = tokio::time::timeout(HANG_UP_WITHIN, stream.read(&mut [0; 1])).await {
        return match read {
            Ok(0) | Err(_) => Err(io::Error::from(io::ErrorKind::ConnectionRefused)),
            Ok(_) => Ok(ProbeAnswer::Well),
        };
    }
    Ok(ProbeAnswer::Well)
}

async fn by_command(connection: &Connection, container: &str, command: &[String], timeout: Duration) -> Result<ProbeAnswer, EngineError> {
    let limit = timeout + EXEC_SLACK;
    let docker = connection.docker(limit).await?;
    let options =
        CreateExecOptions { cmd: Some(command.to_vec()), attach_stdout: Some(true), attach_stderr: Some(true), ..CreateExecOptions::default() };
    let what = format!("run `{}` in {}", command.join(" "), short(container));
    let exec = match connection.within(limit, &what, docker.create_exec(container, options)).await {
        Ok(exec) => exec,
        // A container that does not run cannot be well; that is an answer, not a failure of the engine.
        Err(EngineError::Refused { why, .. }) if why.contains("is not running") || why.contains("is paused") => return Ok(ProbeAnswer::Unwell(why)),
        Err(error) => return Err(error),
    };
    let mut text = Vec::new();
    let run = async {
        if let StartExecResults::Attached { mut output, .. } = docker.start_exec(&exec.id, None).await? {
            while let Some(piece) = output.next().await {
                text.extend_from_slice(&piece?.into_bytes());
                let surplus = text.len().saturating_sub(16 * 1024);
                text.drain(..surplus);
            }
        }
        Ok(())
    };
    match tokio::time::timeout(timeout, connection.within(limit, &what, run)).await {
        Err(_) => return Ok(ProbeAnswer::Unwell(format!("`{}` did not end within {} ms", command.join(" "), timeout.as_millis()))),
        Ok(Err(EngineError::Refused { why, .. })) => return Ok(ProbeAnswer::Unwell(why)),
        Ok(ran) => ran?,
    }
    let ended = connection.within(limit, &what, docker.inspect_exec(&exec.id)).await?;
    Ok(match ended.exit_code {
        Some(0) => ProbeAnswer::Well,
        code => ProbeAnswer::Unwell(verdict(command, code, &String::from_utf8_lossy(&text))),
    })
}

fn verdict(command: &[String], code: Option<i64>, output: &str) -> String {
    let code = code.map_or_else(|| "was killed".to_owned(), |code| format!("ended with code {code}"));
    let output = output.trim();
    let from = output.char_indices().rev().nth(OUTPUT_CHARS_MAX - 1).map_or(0, |(at, _)| at);
    let tail = &output[from..];
    if tail.is_empty() { format!("`{}` {code}", command.join(" ")) } else { format!("`{}` {code}: {tail}", command.join(" ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(mode: &str) -> ContainerInspectResponse {
        serde_json::from_value(serde_json::json!({
            "HostConfig": { "NetworkMode": mode },
            "NetworkSettings": {
                "Networks": { "a": { "IPAddress": "172.18.0.2" }, "front": { "IPAddress": "172.19.0.2" } },
                "Ports": { "80/tcp": [{ "HostIp": "0.0.0.0", "HostPort": "8080" }], "81/tcp": [{ "HostIp": "127.0.0.1", "HostPort": "8081" }] },
            },
        }))
        .unwrap()
    }

    /// A server that answers and closes in one go, as the smallest web servers do: answer and end are read in the same moment.
    #[tokio::test]
    async fn an_answer_counts_although_the_server_hangs_up_behind_it() {
        use tokio::io::AsyncWriteExt;
        let ask = |answer: &'static str| async move {
            let (ours, mut theirs) = tokio::io::duplex(4096);
            let served = async move {
                let _ = theirs.read(&mut [0; 1024]).await;
                let _ = theirs.write_all(answer.as_bytes()).await;
            };
            let (said, ()) = tokio::join!(http(Box::new(ours), "GET", "/healthz", 80), served);
            said.map_err(|_| ())
        };
        assert_eq!(ask("HTTP/1.0 200 OK\r\nConnection: close\r\n\r\nok").await, Ok(ProbeAnswer::Well));
        assert_eq!(ask("HTTP/1.0 503 No\r\n\r\n").await, Ok(ProbeAnswer::Unwell("GET /healthz answered 503 Service Unavailable".into())));
        assert_eq!(ask("").await, Err(()));
    }

    #[test]
    fn a_port_is_reached_as_the_endpoint_allows() {
        let unix = Endpoint::Unix { path: "/s".into() };
        let tcp = Endpoint::Tcp { host: "h1".to_owned(), port: 2376, tls: None };
        let ssh = Endpoint::Ssh { user: None, host: "h1".to_owned(), port: None, socket: "/s".to_owned() };
        let check = |endpoint: &Endpoint, mode: &str, port: u16, expected: &str| {
            let text = match ways(endpoint, &container(mode), port) {
                Ok(ways) => ways.iter().map(|(address, port)| format!("{address}:{port}")).collect::<Vec<_>>().join(" "),
                Err(why) => why,
            };
            assert!(text.starts_with(expected), "{endpoint} {mode} {port}: {text}");
        };
        check(&unix, "front", 80, "172.19.0.2:80 127.0.0.1:8080");
        check(&unix, "gone", 82, "172.18.0.2:82");
        check(&unix, "host", 82, "127.0.0.1:82");
        check(&ssh, "front", 80, "172.19.0.2:80");
        check(&ssh, "host", 80, "127.0.0.1:80");
        check(&tcp, "front", 80, "h1:8080");
        check(&tcp, "host", 80, "h1:80");
        check(&tcp, "front", 81, "port 81 cannot be reached from here: publish it");
        check(&tcp, "front", 82, "port 82 cannot be reached from here: publish it");
    }

    #[test]
    fn a_verdict_keeps_the_end_of_the_output() {
        let command = ["check".to_owned(), "-x".to_owned()];
        assert_eq!(verdict(&command, Some(2), " no \n"), "`check -x` ended with code 2: no");
        assert_eq!(verdict(&command, None, ""), "`check -x` was killed");
        assert!(verdict(&command, Some(1), &"ä".repeat(1000)).ends_with(&"ä".repeat(300)));
    }
}
