//! Asks a `refit serve`: over its socket in the state folder, or over the network.
//!
//! [`RemoteJournal`] answers what commands ask of a journal, [`Following`] tells a run as it goes on; both hide that it happens elsewhere.

mod error;
mod following;
mod journal;
mod stream;

use std::path::Path;
use std::time::Duration;

pub use error::ClientError;
pub use following::{Following, Told};
pub use journal::RemoteJournal;

use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, ClientBuilder, RequestBuilder, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::api::{BY, Problem};
use crate::model::Secret;

/// A daemon that cannot be reached in this time is not reached.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// An answer takes no longer, but for those that look at every source, registry and engine: the daemon itself gives up before.
const ANSWER_WITHIN: Duration = Duration::from_secs(75);
const LOOK_WITHIN: Duration = Duration::from_secs(630);
/// The daemon closes idle connections after ten seconds; before that, one is safe to be used again.
const IDLE_WITHIN: Duration = Duration::from_secs(5);

/// A connection to a daemon.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    /// What people know it by.
    name: String,
}

impl Client {
    /// The daemon of this machine, over its socket. `by` is who asks.
    pub fn local(socket: &Path, by: &str) -> Result<Self, ClientError> {
        let mut headers = HeaderMap::new();
        if let Ok(by) = HeaderValue::from_str(by) {
            headers.insert(HeaderName::from_static(BY), by);
        }
        let builder = builder(headers).unix_socket(socket.to_owned()).no_proxy();
        Ok(Self { http: built(builder)?, base: "http://refit".to_owned(), name: socket.display().to_string() })
    }

    /// A daemon at a URL, such as `https://refit.example.com:7334`. Errors if it is none, or if a token would travel in the clear. `authorities` are
    /// certificates in PEM that are trusted besides the system's.
    pub fn remote(url: &str, token: Option<&Secret>, authorities: Option<&[u8]>) -> Result<Self, ClientError> {
        let parsed: reqwest::Url = url.parse().map_err(|_| ClientError::Url { url: url.to_owned() })?;
        let is_here = parsed.host_str().is_some_and(|host| matches!(host, "localhost" | "127.0.0.1" | "[::1]"));
        match parsed.scheme() {
            "https" => {}
            "http" if is_here || token.is_none() => {}
            "http" => return Err(ClientError::Clear { url: url.to_owned() }),
            _ => return Err(ClientError::Url { url: url.to_owned() }),
        }
        let mut headers = HeaderMap::new();
        if let Some(token) = token {
            headers.insert(AUTHORIZATION, bearer(token)?);
        }
        let mut builder = builder(headers);
        if let Some(pem) = authorities {
            let authorities = Certificate::from_pem_bundle(pem).ok().filter(|all| !all.is_empty()).ok_or(ClientError::Authorities)?;
            builder = builder.tls_certs_merge(authorities);
        }
        let base = url.trim_end_matches('/').to_owned();
        Ok(Self { http: built(builder)?, name: base.clone(), base })
    }

    /// What people know the daemon by: its URL, or its socket.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Asks for something.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.read(self.http.get(self.url(path)).timeout(ANSWER_WITHIN)).await
    }

    /// Asks for something that is text.
    pub async fn text(&self, path: &str) -> Result<String, ClientError> {
        let request = self.http.get(self.url(path)).header(ACCEPT, "text/plain").timeout(ANSWER_WITHIN);
        self.answer(request).await?.text().await.map_err(|source| self.silent(source))
    }

    /// Says something, and gets an answer.
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, ClientError> {
        self.read(self.http.post(self.url(path)).json(body).timeout(LOOK_WITHIN)).await
    }

    /// Takes something away.
    pub async fn delete(&self, path: &str) -> Result<(), ClientError> {
        self.answer(self.http.delete(self.url(path)).timeout(ANSWER_WITHIN)).await.map(drop)
    }

    /// Follows a stream of events, from behind the one with this id.
    async fn follow(&self, path: &str, after: u64) -> Result<Response, ClientError> {
        let request = self.http.get(self.url(path)).header(ACCEPT, "text/event-stream").header("last-event-id", after);
        let response = self.answer(request).await?;
        let kind = response.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if kind.starts_with("text/event-stream") { Ok(response) } else { Err(self.stranger(format!("a stream of events was expected, not {kind}"))) }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// What a request failed with before there was an answer, or in the middle of it.
    fn silent(&self, source: reqwest::Error) -> ClientError {
        // The URL is said by the error itself, and a socket has none.
        let source = source.without_url();
        match error::untrusted(&source) {
            Some(why) => ClientError::Untrusted { name: self.name.clone(), why },
            None => ClientError::Silent { name: self.name.clone(), source },
        }
    }

    fn stranger(&self, why: String) -> ClientError {
        ClientError::Stranger { name: self.name.clone(), why }
    }

    async fn read<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, ClientError> {
        let body = self.answer(request).await?.bytes().await.map_err(|source| self.silent(source))?;
        serde_json::from_slice(&body).map_err(|error| self.stranger(error.to_string()))
    }

    async fn answer(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let response = request.send().await.map_err(|source| self.silent(source))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = response.bytes().await.unwrap_or_default();
        match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => Err(ClientError::Refused { name: self.name.clone(), problem: Box::new(problem) }),
            // What stands in front of it, mostly, while it is away.
            Err(_) if status.is_server_error() || status == 408 || status == 429 => {
                Err(ClientError::Away { name: self.name.clone(), status: status.to_string() })
            }
            Err(_) => Err(self.stranger(format!("it answered {status}"))),
        }
    }
}

fn builder(headers: HeaderMap) -> ClientBuilder {
    let builder = reqwest::Client::builder().default_headers(headers).connect_timeout(CONNECT_WITHIN).pool_idle_timeout(IDLE_WITHIN);
    // A refit sends nobody elsewhere.
    builder.redirect(reqwest::redirect::Policy::none())
}

fn built(builder: ClientBuilder) -> Result<reqwest::Client, ClientError> {
    builder.build().map_err(|source| ClientError::Build { source })
}

fn bearer(token: &Secret) -> Result<HeaderValue, ClientError> {
    let text = String::from_utf8_lossy(token.reveal());
    let mut value = HeaderValue::from_str(&format!("Bearer {}", text.trim())).map_err(|_| ClientError::Token)?;
    value.set_sensitive(true);
    Ok(value)
}
