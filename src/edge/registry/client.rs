//! Registries over HTTP: one question with what it takes to be let in, along the mirrors and then at the registry itself.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, IF_NONE_MATCH};
use reqwest::{Method, Response, StatusCode};
use tracing::debug;

use super::challenge;
use super::error::RegistryError;
use super::grant::{Grant, Grants, Logins};
use super::limits;
use super::line::{self, BodyError, Lines, Waits, reason};
use super::manifest::{ACCEPTED, Contents};
use super::road::{Road, roads};
use super::{Known, Look, Registry};
use crate::edge::Clock;
use crate::model::ImageRef;
use crate::pipeline::RegistryAccess;

/// Asks registries over HTTP, with the logins that `docker login` left.
///
/// Remembers, in memory: connections, tokens for a few minutes at most, and what indexes hold.
pub struct RegistryClient {
    access: BTreeMap<String, RegistryAccess>,
    clock: Arc<dyn Clock>,
    waits: Waits,
    pub(super) logins: Logins,
    pub(super) lines: Lines,
    pub(super) grants: Grants,
    pub(super) contents: Contents,
}

impl RegistryClient {
    /// A client that reaches registries as an estate says (`Estate::registries`). The clock is the one that dates in registries' answers are held to.
    pub fn new(access: BTreeMap<String, RegistryAccess>, clock: Arc<dyn Clock>) -> Self {
        Self::with(access, clock, Logins::Docker, Waits::default())
    }

    pub(super) fn with(access: BTreeMap<String, RegistryAccess>, clock: Arc<dyn Clock>, logins: Logins, waits: Waits) -> Self {
        Self { access, clock, waits, logins, lines: Lines::new(waits), grants: Grants::default(), contents: Contents::default() }
    }

    /// Asks along the roads until one answers. What the registry itself says is the last word.
    async fn along<T, F: Future<Output = Result<T, RegistryError>>>(&self, image: &ImageRef, ask: impl Fn(Road) -> F) -> Result<T, RegistryError> {
        let mut roads = roads(image, &self.access);
        let Some(own) = roads.pop() else { return Err(no_road(image)) };
        for mirror in roads {
            match self.in_time(mirror.clone(), &ask).await {
                Ok(answer) => return Ok(answer),
                Err(error) => debug!(registry = mirror.registry, %error, "mirror passed over"),
            }
        }
        self.in_time(own, &ask).await
    }

    async fn in_time<T, F: Future<Output = Result<T, RegistryError>>>(&self, road: Road, ask: &impl Fn(Road) -> F) -> Result<T, RegistryError> {
        let registry = road.registry.clone();
        let late = |_| RegistryError::Unreachable { registry, why: format!("it took more than {} s", self.waits.road.as_secs()) };
        tokio::time::timeout(self.waits.road, ask(road)).await.map_err(late)?
    }

    /// Asks one question; if the registry wants to see something first, gets that and asks once more, and never a third time.
    pub(super) async fn ask(&self, road: &Road, question: &Question<'_>) -> Result<Response, RegistryError> {
        let kept = self.grants.get(road);
        let response = self.send(road, question, kept.as_ref()).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        self.grants.forget(road);
        let grant = self.grant(road, challenge::best(response.headers()), question.asked).await?;
        let response = self.send(road, question, Some(&grant)).await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            return Err(question.asked.refused(road, "it asks for a login again and again (401)"));
        }
        self.grants.keep(road, grant);
        Ok(response)
    }

    async fn send(&self, road: &Road, question: &Question<'_>, grant: Option<&Grant>) -> Result<Response, RegistryError> {
        let line = self.lines.get(&road.trust).await.map_err(|why| question.asked.unreachable(road, why))?;
        let request = || {
            let mut request =
                line.questions.request(question.method.clone(), format!("{}{}", road.base, question.path)).header(ACCEPT, question.accept);
            if let Some(etag) = question.unless {
                request = request.header(IF_NONE_MATCH, etag);
            }
            if let Some(grant) = grant {
                request = request.header(AUTHORIZATION, grant.header.clone());
            }
            request.send()
        };
        debug!(registry = road.registry, method = %question.method, path = question.path, "registry asked");
        let mut answer = request().await;
        // A connection that was kept may have ended on the other side; a new one tells whether that is all.
        if answer.as_ref().is_err_and(|error| error.is_request() && !error.is_connect() && !error.is_timeout()) {
            answer = request().await;
        }
        answer.map_err(|error| question.asked.unreachable(road, reason(error)))
    }

    /// The answer, if it is one.
    pub(super) fn expect_success(&self, road: &Road, response: Response, asked: Asked<'_>) -> Result<Response, RegistryError> {
        let status = response.status();
        match status {
            status if status.is_success() => Ok(response),
            StatusCode::NOT_FOUND => Err(RegistryError::NotFound { registry: road.registry.clone(), what: asked.0.to_owned() }),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(asked.refused(road, &format!("it says {status}"))),
            StatusCode::TOO_MANY_REQUESTS => Err(self.limited(road, response.headers())),
            // Who is busy and says for how long wants to be left alone, too.
            StatusCode::SERVICE_UNAVAILABLE if limits::retry_at(response.headers(), self.clock.now()).is_some() => {
                Err(self.limited(road, response.headers()))
            }
            status => Err(asked.broken(road, Some(status), &format!("it says {status}"))),
        }
    }

    fn limited(&self, road: &Road, headers: &HeaderMap) -> RegistryError {
        RegistryError::RateLimited { registry: road.registry.clone(), until: limits::retry_at(headers, self.clock.now()) }
    }

    /// The body of an answer, of `most` bytes at most.
    pub(super) async fn body(&self, road: &Road, response: Response, most: usize, asked: Asked<'_>) -> Result<Vec<u8>, RegistryError> {
        let status = response.status();
        line::body(response, most).await.map_err(|error| match error {
            BodyError::TooLarge => {
                RegistryError::TooLarge { registry: road.registry.clone(), what: asked.0.to_owned(), most: format!("{} KiB", most >> 10) }
            }
            BodyError::Cut(error) if error.is_timeout() => asked.unreachable(road, reason(error)),
            BodyError::Cut(_) => asked.broken(road, Some(status), "its answer broke off in the middle"),
        })
    }
}

/// One request to a registry.
pub(super) struct Question<'a> {
    pub(super) method: Method,
    /// From `/v2/` on.
    pub(super) path: &'a str,
    pub(super) accept: &'static str,
    /// The mark of an answer that need not be given again.
    pub(super) unless: Option<&'a str>,
    pub(super) asked: Asked<'a>,
}

impl<'a> Question<'a> {
    /// A question about a manifest.
    pub(super) fn of_manifest(method: Method, path: &'a str, unless: Option<&'a str>, asked: Asked<'a>) -> Self {
        Self { method, path, accept: ACCEPTED, unless, asked }
    }
}

/// What was asked for, in words for errors.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a>(pub(super) &'a str);

impl Asked<'_> {
    pub(super) fn refused(self, road: &Road, why: &str) -> RegistryError {
        RegistryError::Unauthorised { registry: road.registry.clone(), what: self.0.to_owned(), why: why.to_owned() }
    }

    pub(super) fn unreachable(self, road: &Road, why: String) -> RegistryError {
        RegistryError::Unreachable { registry: road.registry.clone(), why }
    }

    pub(super) fn broken(self, road: &Road, status: Option<StatusCode>, why: &str) -> RegistryError {
        let status = status.filter(|status| !status.is_success()).map(|status| status.as_u16());
        RegistryError::Broken { registry: road.registry.clone(), what: self.0.to_owned(), status, why: why.to_owned() }
    }
}

/// There is always the registry itself; this is for the type's sake.
fn no_road(image: &ImageRef) -> RegistryError {
    RegistryError::Unreachable { registry: image.registry().to_owned(), why: "there is no way to it".to_owned() }
}

#[async_trait]
impl Registry for RegistryClient {
    async fn look(&self, image: &ImageRef, platform: Option<&str>, known: Option<&Known>) -> Result<Look, RegistryError> {
        self.along(image, |road| async move { self.look_along(&road, image, platform, known).await }).await
    }

    async fn tags(&self, image: &ImageRef) -> Result<Vec<String>, RegistryError> {
        self.along(image, |road| async move { self.tags_along(&road, image).await }).await
    }
}
