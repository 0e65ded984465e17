//! HTTP connections, one set for each kind of trust, and bodies that have an end.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::redirect::{Attempt, Policy};
use reqwest::{Certificate, Client, Response};

use super::road::Trust;
use crate::fault;

/// How long is waited for a registry.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waits {
    /// For a connection.
    pub(super) connect: Duration,
    /// For a whole answer.
    pub(super) answer: Duration,
    /// For all that one registry or mirror is asked for one look.
    pub(super) road: Duration,
}

impl Default for Waits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), answer: Duration::from_secs(30), road: Duration::from_secs(90) }
    }
}

/// Registries in clouds send us on once; no answer needs more than a few steps.
const REDIRECTS_MAX: usize = 5;

/// The connections to registries with one kind of trust.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// For questions: goes where it is sent, without the login if that is another host.
    pub(super) questions: Client,
    /// For logins: goes nowhere else.
    pub(super) logins: Client,
}

/// All lines that were needed so far.
#[derive(Debug)]
pub(super) struct Lines {
    waits: Waits,
    open: Mutex<BTreeMap<Trust, Line>>,
}

impl Lines {
    pub(super) fn new(waits: Waits) -> Self {
        Self { waits, open: Mutex::default() }
    }

    /// The line of this trust; the error says why there can be none.
    pub(super) async fn get(&self, trust: &Trust) -> Result<Line, String> {
        let open = || self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = open().get(trust) {
            return Ok(line.clone());
        }
        let authorities = authorities(trust).await?;
        let line =
            Line { questions: self.client(trust, &authorities, || Policy::custom(onward))?, logins: self.client(trust, &authorities, Policy::none)? };
        Ok(open().entry(trust.clone()).or_insert(line).clone())
    }

    fn client(&self, trust: &Trust, authorities: &[Certificate], redirects: impl Fn() -> Policy) -> Result<Client, String> {
        // Whoever comes first installs it; a second time is no error to us.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let make = |has_roots: bool| {
            let client = Client::builder()
                .user_agent(concat!("refit/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(self.waits.connect)
                .timeout(self.waits.answer)
                .redirect(redirects());
            let client = if trust.is_local { client.no_proxy() } else { client };
            match has_roots {
                true => client.tls_certs_merge(authorities.iter().cloned()).build(),
                false => client.tls_certs_only(authorities.iter().cloned()).build(),
            }
        };
        // A machine without any authorities can still speak plain HTTP, and TLS with those that were named.
        make(true).or_else(|error| if trust.is_plain || !authorities.is_empty() { make(false) } else { Err(error) }).map_err(reason)
    }
}

async fn authorities(trust: &Trust) -> Result<Vec<Certificate>, String> {
    let Some(file) = &trust.ca else { return Ok(Vec::new()) };
    let text = tokio::fs::read(file).await.map_err(|error| format!("its authority's certificate {} cannot be read: {error}", file.display()))?;
    let found = Certificate::from_pem_bundle(&text).map_err(|error| format!("its authority's certificate {}: {}", file.display(), reason(error)))?;
    if found.is_empty() { Err(format!("{} holds no certificate of an authority", file.display())) } else { Ok(found) }
}

/// Whether to go where a registry sends us: not from TLS to none, and not round and round.
fn onward(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let was_secret = attempt.previous().last().is_some_and(|from| from.scheme() == "https");
    if was_secret && attempt.url().scheme() != "https" {
        return attempt.error("it sends us on to a place without TLS");
    }
    if attempt.previous().len() > REDIRECTS_MAX {
        return attempt.error("it sends us on and on");
    }
    attempt.follow()
}

/// The last reason of an error, without the URL, which may hold what a registry put there.
pub(super) fn reason(error: reqwest::Error) -> String {
    if error.is_timeout() {
        return if error.is_connect() { "no connection came about in time".to_owned() } else { "its answer did not come in time".to_owned() };
    }
    fault::deepest(&error.without_url())
}

/// Why a body could not be read.
#[derive(Debug)]
pub(super) enum BodyError {
    TooLarge,
    Cut(reqwest::Error),
}

/// Reads a body of `most` bytes at most.
pub(super) async fn body(mut response: Response, most: usize) -> Result<Vec<u8>, BodyError> {
    if response.content_length().is_some_and(|length| length > most as u64) {
        return Err(BodyError::TooLarge);
    }
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(BodyError::Cut)? {
        if body.len() + piece.len() > most {
            return Err(BodyError::TooLarge);
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}
