//! Asks a `refit serve`: over its socket in the state folder, or over the network.

mod error;

use std::path::Path;

pub use error::ClientError;

use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::api::Problem;
use crate::model::Secret;

/// A connection to a daemon.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
}

impl Client {
    /// The daemon of this machine, over its socket.
    pub fn local(socket: &Path) -> Result<Self, ClientError> {
        let http = reqwest::Client::builder().unix_socket(socket.to_owned()).build().map_err(|source| ClientError::Build { source })?;
        Ok(Self { http, base: "http://refit".to_owned() })
    }

    /// A daemon at a URL, such as `https://refit.example.com:7334`. Errors if it is none, or if a token would travel in the clear.
    pub fn remote(url: &str, token: Option<&Secret>) -> Result<Self, ClientError> {
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
            let text = String::from_utf8_lossy(token.reveal());
            let mut value = HeaderValue::from_str(&format!("Bearer {}", text.trim())).map_err(|_| ClientError::Token)?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let http = reqwest::Client::builder().default_headers(headers).build().map_err(|source| ClientError::Build { source })?;
        Ok(Self { http, base: url.trim_end_matches('/').to_owned() })
    }

    /// Asks for something.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.answer(self.http.get(self.url(path))).await?.json().await.map_err(|source| self.silent(source))
    }

    /// Asks for something that is text.
    pub async fn text(&self, path: &str) -> Result<String, ClientError> {
        self.answer(self.http.get(self.url(path))).await?.text().await.map_err(|source| self.silent(source))
    }

    /// Says something, and gets an answer.
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, ClientError> {
        self.answer(self.http.post(self.url(path)).json(body)).await?.json().await.map_err(|source| self.silent(source))
    }

    /// Takes something away.
    pub async fn delete(&self, path: &str) -> Result<(), ClientError> {
        self.answer(self.http.delete(self.url(path))).await.map(drop)
    }

    /// Follows a stream of events.
    pub async fn follow(&self, path: &str) -> Result<reqwest::Response, ClientError> {
        self.answer(self.http.get(self.url(path)).header(ACCEPT, "text/event-stream")).await
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn silent(&self, source: reqwest::Error) -> ClientError {
        ClientError::Silent { base: self.base.clone(), source }
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> Result<reqwest::Response, ClientError> {
        let response = request.send().await.map_err(|source| self.silent(source))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = response.bytes().await.unwrap_or_default();
        let plain = || Problem { status: status.as_u16(), title: status.to_string(), detail: String::new() };
        Err(ClientError::Refused { base: self.base.clone(), problem: serde_json::from_slice(&body).unwrap_or_else(|_| plain()) })
    }
}
