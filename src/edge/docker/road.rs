//! The ways to an engine's socket: a Unix socket, TCP, TCP with TLS, or a Unix socket behind ssh. Opens raw byte streams and knows no HTTP.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::ssh::SshRoad;
use super::tls;
use super::wire::RawStream;
use crate::pipeline::Endpoint;

/// A machine that is up answers a connect within milliseconds; one that has dropped off the network never does.
pub(super) const CONNECT_MAX: Duration = Duration::from_secs(10);

/// A way to one engine.
pub(super) enum Road {
    /// A Unix socket of this machine.
    Unix(PathBuf),
    /// Plain TCP.
    Tcp { host: String, port: u16 },
    /// TCP with TLS and the client's own certificate.
    Tls { host: String, port: u16, connector: TlsConnector, name: ServerName<'static> },
    /// A Unix socket of another machine, forwarded by one ssh login.
    Ssh(SshRoad),
}

impl Road {
    /// Prepares the way without going it. Errors say which certificate file is missing or unreadable.
    pub(super) fn to(endpoint: &Endpoint) -> Result<Self, String> {
        Ok(match endpoint {
            Endpoint::Unix { path } => Self::Unix(path.clone()),
            Endpoint::Tcp { host, port, tls: None } => Self::Tcp { host: host.clone(), port: *port },
            Endpoint::Tcp { host, port, tls: Some(folder) } => Self::Tls {
                host: host.clone(),
                port: *port,
                connector: tls::connector(folder)?,
                name: ServerName::try_from(host.clone()).map_err(|_| format!("{host} is no name that a certificate can be for"))?,
            },
            Endpoint::Ssh { user, host, port, socket } => Self::Ssh(SshRoad::new(user.clone(), host.clone(), *port, socket.clone())),
        })
    }

    /// Opens a fresh byte stream to the engine's socket, within [`CONNECT_MAX`].
    pub(super) async fn open(&self) -> io::Result<RawStream> {
        within_connect_max(async {
            Ok(match self {
                Self::Unix(path) => Box::new(UnixStream::connect(path).await?) as RawStream,
                Self::Tcp { host, port } => Box::new(tcp(host, *port).await?),
                Self::Tls { host, port, connector, name } => Box::new(connector.connect(name.clone(), tcp(host, *port).await?).await?),
                Self::Ssh(ssh) => Box::new(ssh.open_engine().await?),
            })
        })
        .await
    }
}

/// Opens a TCP connection without Nagle's delay: everything sent here is small and waits for an answer.
pub(super) async fn tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((bare, port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn within_connect_max<T>(future: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let late = || io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {} s", CONNECT_MAX.as_secs()));
    tokio::time::timeout(CONNECT_MAX, future).await.unwrap_or_else(|_| Err(late()))
}
