//! An engine behind ssh: one login for all connections, the engine's socket forwarded to a private one here. Needs no Docker on
//! this side, and obeys the user's ssh configuration; unknown host keys are refused.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use openssh::{ForwardType, KnownHosts, Session, SessionBuilder, Socket};
use tempfile::TempDir;
use tokio::net::UnixStream;
use tokio::sync::Mutex;

/// A master that has lost its peer notices after three of these.
const ALIVE_EVERY: Duration = Duration::from_secs(5);
/// ssh's own limit, below that of the road, so that its words reach the user.
const LOGIN_MAX: Duration = Duration::from_secs(8);
/// Ports of containers forwarded at once; more only means that the oldest are asked for again.
const FORWARDS_MAX: usize = 256;

/// One machine behind ssh.
pub(super) struct SshRoad {
    user: Option<String>,
    host: String,
    port: Option<u16>,
    socket: String,
    login: Mutex<Option<Login>>,
}

/// A login that stands, with what is forwarded through it.
struct Login {
    session: Session,
    folder: TempDir,
    forwards: HashMap<(String, u16), PathBuf>,
    made: usize,
}

impl SshRoad {
    pub(super) fn new(user: Option<String>, host: String, port: Option<u16>, socket: String) -> Self {
        Self { user, host, port, socket, login: Mutex::new(None) }
    }

    /// Opens a stream to the engine's socket; logs in first, or once more if the login has died.
    pub(super) async fn open_engine(&self) -> io::Result<UnixStream> {
        let mut login = self.login.lock().await;
        if let Some(standing) = &*login
            && let Ok(stream) = UnixStream::connect(standing.folder.path().join("engine")).await
        {
            return Ok(stream);
        }
        *login = None;
        let fresh = self.log_in().await?;
        let stream = UnixStream::connect(fresh.folder.path().join("engine")).await?;
        *login = Some(fresh);
        Ok(stream)
    }

    /// Opens a stream to a TCP port as that machine sees it.
    pub(super) async fn open_port(&self, address: &str, port: u16) -> io::Result<UnixStream> {
        let mut login = self.login.lock().await;
        if login.is_none() {
            *login = Some(self.log_in().await?);
        }
        let Some(standing) = login.as_mut() else {
            return Err(io::Error::other("no ssh login"));
        };
        let path = standing.forward(address, port).await?;
        drop(login);
        UnixStream::connect(path).await
    }

    async fn log_in(&self) -> io::Result<Login> {
        let folder = tempfile::Builder::new().prefix("refit-ssh-").tempdir()?;
        let mut builder = SessionBuilder::default();
        builder.known_hosts_check(KnownHosts::Strict).connect_timeout(LOGIN_MAX).server_alive_interval(ALIVE_EVERY).control_directory(folder.path());
        if let Some(user) = &self.user {
            builder.user(user.clone());
        }
        if let Some(port) = self.port {
            builder.port(port);
        }
        let session = builder.connect_mux(&self.host).await.map_err(explain)?;
        let here = folder.path().join("engine");
        session.request_port_forward(ForwardType::Local, Socket::from(here), Socket::from(PathBuf::from(&self.socket))).await.map_err(explain)?;
        Ok(Login { session, folder, forwards: HashMap::new(), made: 0 })
    }
}

impl Login {
    async fn forward(&mut self, address: &str, port: u16) -> io::Result<PathBuf> {
        let key = (address.to_owned(), port);
        if let Some(path) = self.forwards.get(&key) {
            return Ok(path.clone());
        }
        if self.forwards.len() >= FORWARDS_MAX {
            for ((address, port), path) in self.forwards.drain() {
                let target = Socket::new(address.as_str(), port);
                // A forward that cannot be closed ends with the login.
                let _ = self.session.close_port_forward(ForwardType::Local, Socket::from(path.clone()), target).await;
                let _ = std::fs::remove_file(path);
            }
        }
        self.made += 1;
        let path = self.folder.path().join(format!("port-{}", self.made));
        self.session.request_port_forward(ForwardType::Local, Socket::from(path.clone()), Socket::new(address, port)).await.map_err(explain)?;
        self.forwards.insert(key, path.clone());
        Ok(path)
    }
}

/// Keeps ssh's own words: they say whether the host key, the login or the network is at fault.
fn explain(error: openssh::Error) -> io::Error {
    let words = super::error::causes(&error);
    let kind = match &error {
        // Unknown, or not the one that was known: waiting would not help, and nobody but the user may say that it is right.
        openssh::Error::Connect(_) if words.contains("Host key verification failed") => io::ErrorKind::PermissionDenied,
        openssh::Error::Connect(source) => source.kind(),
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, format!("ssh: {words}"))
}
