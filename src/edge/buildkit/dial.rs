//! How an engine is reached: a fresh stream of bytes, upgraded from HTTP/1.1 to HTTP/2 as the engine's BuildKit endpoints want it.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::StatusCode;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use super::wire::Wire;
use crate::edge::EngineError;

/// A stream in both directions.
pub trait AsyncReadWrite: AsyncRead + AsyncWrite {}
impl<T: AsyncRead + AsyncWrite> AsyncReadWrite for T {}

/// Reaches one engine, by socket, TCP, TLS or ssh.
#[async_trait]
pub trait Dial: Send + Sync {
    /// Opens a fresh connection on which HTTP/1.1 is spoken.
    async fn dial(&self) -> Result<Box<dyn AsyncReadWrite + Send + Unpin>, EngineError>;

    /// The version that the engine and refit agreed on, such as `1.41`.
    fn api_version(&self) -> String;

    /// The engine's address, for messages.
    fn endpoint(&self) -> String;
}

/// Reaches an engine by its socket on this machine.
#[derive(Debug, Clone)]
pub struct UnixDial {
    socket: PathBuf,
    api_version: String,
}

impl UnixDial {
    /// The engine behind `socket`, spoken to in `api_version`.
    pub fn new(socket: impl Into<PathBuf>, api_version: impl Into<String>) -> Self {
        Self { socket: socket.into(), api_version: api_version.into() }
    }
}

#[async_trait]
impl Dial for UnixDial {
    async fn dial(&self) -> Result<Box<dyn AsyncReadWrite + Send + Unpin>, EngineError> {
        let stream = tokio::net::UnixStream::connect(&self.socket).await;
        Ok(Box::new(stream.map_err(|error| silent(self, error))?))
    }

    fn api_version(&self) -> String {
        self.api_version.clone()
    }

    fn endpoint(&self) -> String {
        format!("unix://{}", self.socket.display())
    }
}

/// An engine that has not taken a connection over by then is silent; a loaded one needs some seconds.
const UPGRADE_WAIT: Duration = Duration::from_secs(20);
/// An engine's refusal is a sentence; more than this of it helps nobody.
const REFUSAL_BYTES_MAX: usize = 4096;

/// Opens a connection and upgrades it at `path` (`/session`, `/grpc`). The result is dead as soon as `stop` is cancelled.
pub(super) async fn upgrade(dial: &dyn Dial, path: &str, headers: &[(&str, &str)], stop: CancellationToken) -> Result<Wire, EngineError> {
    let late = |_| EngineError::Silent { endpoint: dial.endpoint(), why: format!("no answer to {path} within {} s", UPGRADE_WAIT.as_secs()) };
    tokio::time::timeout(UPGRADE_WAIT, upgrade_now(dial, path, headers, stop)).await.map_err(late)?
}

async fn upgrade_now(dial: &dyn Dial, path: &str, headers: &[(&str, &str)], stop: CancellationToken) -> Result<Wire, EngineError> {
    // The switch already sits below HTTP/1.1, so a connection that is cut during the upgrade is closed too.
    let raw = Wire::new(dial.dial().await?, stop.clone());
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(raw)).await.map_err(|e| silent(dial, e))?;
    tokio::spawn(connection.with_upgrades());
    let mut request = hyper::Request::post(format!("/v{}{path}", dial.api_version()))
        .header("Host", "docker")
        .header("Connection", "Upgrade")
        .header("Upgrade", "h2c");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(|e| refused(dial, path, &e.to_string()))?;
    let response = sender.send_request(request).await.map_err(|e| silent(dial, e))?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        let status = response.status();
        let body = response.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let text = String::from_utf8_lossy(&body[..body.len().min(REFUSAL_BYTES_MAX)]).trim().to_owned();
        return Err(refused(dial, path, &format!("{status} {text}")));
    }
    let upgraded = hyper::upgrade::on(response).await.map_err(|e| silent(dial, e))?;
    Ok(Wire::new(Box::new(TokioIo::new(upgraded)), stop))
}

pub(super) fn silent(dial: &dyn Dial, why: impl std::fmt::Display) -> EngineError {
    EngineError::Silent { endpoint: dial.endpoint(), why: why.to_string() }
}

fn refused(dial: &dyn Dial, path: &str, why: &str) -> EngineError {
    EngineError::Refused { endpoint: dial.endpoint(), what: format!("open a BuildKit connection ({path})"), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::net::UnixListener;

    use super::*;

    /// An engine that says `answer` to whoever comes, and then nothing.
    fn engine(answer: &'static str) -> (tempfile::TempDir, UnixDial) {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("s")).unwrap();
        tokio::spawn(async move {
            let mut kept = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                stream.write_all(answer.as_bytes()).await.unwrap();
                kept.push(stream);
            }
        });
        let dial = UnixDial::new(folder.path().join("s"), "1.41");
        (folder, dial)
    }

    #[tokio::test(start_paused = true)]
    async fn an_engine_that_accepts_and_never_answers_is_silent() {
        let (_folder, dial) = engine("");
        let error = upgrade(&dial, "/grpc", &[], CancellationToken::new()).await.err().unwrap();
        assert!(error.is_silence(), "{error}");
        assert!(error.to_string().ends_with("no answer to /grpc within 20 s"), "{error}");
    }

    #[tokio::test]
    async fn a_refusal_is_passed_on() {
        let (_folder, dial) = engine("HTTP/1.1 403 Forbidden\r\ncontent-length: 13\r\n\r\nnot for you.\n");
        let error = upgrade(&dial, "/session", &[], CancellationToken::new()).await.err().unwrap();
        assert!(error.to_string().ends_with("refused to open a BuildKit connection (/session): 403 Forbidden not for you."), "{error}");
    }
}
