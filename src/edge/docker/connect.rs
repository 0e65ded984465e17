//! The connection to one engine: which road leads there, the API version that both sides speak, and a bounded wait for every answer.
//!
//! One HTTP client with a small pool serves all calls; it sits on [`RawStream`]s, which the BuildKit session opens for itself too.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bollard::errors::Error as BollardError;
use bollard::{BollardRequest, Docker};
use bytes::Bytes;
use futures_util::Stream;
use http_body_util::{BodyExt, Either, Full, StreamBody};
use hyper::body::Frame;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::Mutex;

pub use super::wire::{AsyncReadWrite, RawStream};

use super::error::{answered, refused, silent, understand};
use super::road::{CONNECT_MAX, Road};
use super::wire::Connector;
use crate::edge::EngineError;
use crate::pipeline::Endpoint;

/// An engine answers who it is within milliseconds, unless it hangs.
const HELLO_MAX: Duration = CONNECT_MAX;
/// bollard's own limit comes so much later than ours, so that it is always ours that speaks: ours says what was waited for.
const OURS_FIRST: Duration = Duration::from_secs(1);
/// Connections kept for the next call; an observation asks this often at once.
const IDLE_MAX: usize = 16;
/// Shorter than the idle time after which firewalls forget a connection.
const IDLE_FOR: Duration = Duration::from_secs(30);

/// The body that bollard sends; its own name for it is private.
type Body = Either<Full<Bytes>, StreamBody<Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, io::Error>> + Send>>>>;

/// A connection to one engine; cheap to clone, and opened by the first call.
#[derive(Clone)]
pub struct Connection {
    inner: Arc<Inner>,
}

struct Inner {
    endpoint: Endpoint,
    name: String,
    road: Arc<Road>,
    client: Client<Connector, Body>,
    docker: Docker,
    /// The path prefix of every call, once it is known what the engine speaks: `/v1.41`.
    prefix: Arc<OnceLock<String>>,
    /// When a hello failed last, and why.
    hello: Mutex<Option<(Instant, EngineError)>>,
}

impl Connection {
    /// Prepares a connection; nothing is sent. Errors if the endpoint's TLS files cannot be used.
    pub fn new(endpoint: Endpoint) -> Result<Self, EngineError> {
        let name = endpoint.to_string();
        let road = Road::to(&endpoint).map_err(|why| refused(&name, "open a connection", &why))?;
        let road = Arc::new(road);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_FOR)
            .pool_max_idle_per_host(IDLE_MAX)
            .build(Connector(Arc::clone(&road)));
        let prefix = Arc::new(OnceLock::new());
        let docker = docker(client.clone(), Arc::clone(&prefix)).map_err(|error| understand(&name, "open a connection", error))?;
        Ok(Self { inner: Arc::new(Inner { endpoint, name, road, client, docker, prefix, hello: Mutex::new(None) }) })
    }

    /// The endpoint as errors name it.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The endpoint.
    pub fn endpoint(&self) -> &Endpoint {
        &self.inner.endpoint
    }

    pub(super) fn road(&self) -> &Road {
        &self.inner.road
    }

    /// Opens a fresh byte stream to the engine's API, on which HTTP/1.1 with `Upgrade` can be spoken.
    pub async fn open_raw(&self) -> Result<RawStream, EngineError> {
        let opened = self.inner.road.open().await;
        opened.map_err(|err| understand(&self.inner.name, "open a connection", BollardError::IOError { err }))
    }

    /// The API version that both sides speak, such as `1.41`; asks the engine the first time.
    pub async fn api_version(&self) -> Result<String, EngineError> {
        if let Some(prefix) = self.inner.prefix.get() {
            return Ok(prefix.trim_start_matches("/v").to_owned());
        }
        // One caller says hello; the others wait for what it learns, that nobody answers included: each in turn would wait as long again.
        let came = Instant::now();
        let mut hello = self.inner.hello.lock().await;
        if let Some(prefix) = self.inner.prefix.get() {
            return Ok(prefix.trim_start_matches("/v").to_owned());
        }
        if let Some((_, error)) = hello.as_ref().filter(|(failed, _)| *failed > came) {
            return Err(error.clone());
        }
        let spoken = self.say_hello().await.inspect_err(|error| *hello = Some((Instant::now(), error.clone())))?;
        let _ = self.inner.prefix.set(format!("/v{spoken}"));
        Ok(spoken)
    }

    async fn say_hello(&self) -> Result<String, EngineError> {
        let hello = self.inner.docker.clone().with_timeout(HELLO_MAX + OURS_FIRST);
        let version = self.within(HELLO_MAX, "say its version", hello.version()).await?;
        let theirs = version.api_version.unwrap_or_default();
        let spoken = smaller(&theirs, &bollard::API_DEFAULT_VERSION.to_string());
        spoken.ok_or_else(|| refused(&self.inner.name, "say its version", &format!("{theirs:?} is no API version")))
    }

    /// Whether the engine speaks at least this version of the 1.x API.
    pub(super) async fn speaks(&self, minor: u32) -> Result<bool, EngineError> {
        let version = self.api_version().await?;
        Ok(parse(&version).is_some_and(|found| found >= (1, minor)))
    }

    /// bollard's client with this time limit until the headers of an answer, its paths pinned to the spoken version.
    pub(super) async fn docker(&self, limit: Duration) -> Result<Docker, EngineError> {
        self.api_version().await?;
        Ok(self.inner.docker.clone().with_timeout(limit + OURS_FIRST))
    }

    /// Waits for an answer, body included, no longer than `limit`.
    pub(super) async fn within<T>(&self, limit: Duration, what: &str, call: impl Future<Output = Result<T, BollardError>>) -> Result<T, EngineError> {
        match tokio::time::timeout(limit, call).await {
            Ok(answer) => answer.map_err(|error| understand(&self.inner.name, what, error)),
            Err(_) => Err(silent(&self.inner.name, &format!("no answer within {} s to {what}", limit.as_secs()))),
        }
    }

    /// Posts JSON for which bollard's types have no place, and gives the answer's JSON.
    pub(super) async fn post(
        &self,
        limit: Duration,
        what: &str,
        path_and_query: &str,
        body: &serde_json::Value,
    ) -> Result<serde_json::Value, EngineError> {
        let version = self.api_version().await?;
        let request = hyper::Request::post(format!("http://engine/v{version}{path_and_query}"))
            .header(hyper::header::CONTENT_TYPE, "application/json")
            .body(Either::Left(Full::new(Bytes::from(body.to_string()))));
        let client = self.inner.client.clone();
        let call = async move {
            let answer = client.request(request?).await?;
            let status = answer.status();
            let body = answer.into_body().collect().await?.to_bytes();
            Ok((status, body))
        };
        let (status, body) = self.within(limit, what, call).await?;
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        if status.is_success() {
            return Ok(json);
        }
        let message = json["message"].as_str().map_or_else(|| String::from_utf8_lossy(&body).into_owned(), str::to_owned);
        Err(answered(&self.inner.name, what, status.as_u16(), &message))
    }
}

/// bollard over our own client. It asks for unversioned paths, which an engine answers in its newest dialect; the prefix pins one that both know.
fn docker(client: Client<Connector, Body>, prefix: Arc<OnceLock<String>>) -> Result<Docker, BollardError> {
    let transport = move |mut request: BollardRequest| {
        let client = client.clone();
        let prefix = prefix.get().cloned();
        async move {
            if let Some(prefix) = prefix {
                let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
                *request.uri_mut() = format!("http://engine{prefix}{path}").parse()?;
            }
            Ok(client.request(request).await?)
        }
    };
    Docker::connect_with_custom_transport(transport, Some("http://engine"), HELLO_MAX.as_secs(), bollard::API_DEFAULT_VERSION)
}

fn parse(version: &str) -> Option<(u32, u32)> {
    let (major, minor) = version.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn smaller(theirs: &str, ours: &str) -> Option<String> {
    let (major, minor) = parse(theirs)?.min(parse(ours)?);
    Some(format!("{major}.{minor}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smaller_version_is_spoken() {
        assert_eq!(smaller("1.41", "1.53").as_deref(), Some("1.41"));
        assert_eq!(smaller("1.100", "1.53").as_deref(), Some("1.53"));
        assert_eq!(smaller("", "1.53"), None);
    }
}
