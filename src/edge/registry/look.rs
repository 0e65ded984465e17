//! One look at one place: the digest of a tag by HEAD, and by GET only what HEAD does not tell.

use std::sync::Arc;

use reqwest::header::{CONTENT_TYPE, ETAG, HeaderMap};
use reqwest::{Method, StatusCode};

use super::client::{Asked, Question, RegistryClient};
use super::error::RegistryError;
use super::limits;
use super::manifest::{Content, Platform, is_index, read};
use super::road::Road;
use super::{Known, Look};
use crate::model::{Digest, ImageRef};

/// Manifests are a few kilobytes; registries take none that is larger. Source: OCI Distribution Specification, "Pushing Manifests".
const MANIFEST_BYTES_MAX: usize = 4 << 20;
/// Marks that are longer are not kept.
const ETAG_BYTES_MAX: usize = 256;

impl RegistryClient {
    pub(super) async fn look_along(
        &self,
        road: &Road,
        image: &ImageRef,
        platform: Option<&str>,
        known: Option<&Known>,
    ) -> Result<Look, RegistryError> {
        let reference = image.digest().map(|digest| digest.to_string()).unwrap_or_else(|| image.tag().unwrap_or("latest").to_owned());
        let separator = if image.digest().is_some() { '@' } else { ':' };
        let words = format!("{}{separator}{reference}", road.repository);
        let asked = Asked(&words);
        // What is known is of use only if it holds all that is asked for now.
        let known = known.filter(|known| platform.is_none() || known.platform_digest.is_some() || self.is_manifest(known.digest));
        let unless = known.map(|known| known.etag.clone().unwrap_or_else(|| format!("\"{}\"", known.digest)));
        let path = path(road, &reference);
        let response = self.ask(road, &Question::of_manifest(Method::HEAD, &path, unless.as_deref(), asked)).await?;
        let rate_limit = limits::rate_limit(response.headers());
        if let Some(known) = known.filter(|_| response.status() == StatusCode::NOT_MODIFIED) {
            return Ok(Look { digest: known.digest, platform_digest: known.platform_digest, etag: known.etag.clone(), rate_limit });
        }
        let head = match response.status() {
            // Some registries know no HEAD.
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => Head::default(),
            _ => Head::of(self.expect_success(road, response, asked)?.headers()),
        };
        let (digest, content) = self.content(road, &reference, &head, platform.is_some(), asked).await?;
        let platform_digest = match (platform, content.as_deref()) {
            (Some(platform), Some(Content::Index(entries))) => Some(pick(road, entries, platform, asked)?),
            _ => None,
        };
        Ok(Look { digest, platform_digest, etag: head.etag, rate_limit })
    }

    fn is_manifest(&self, digest: Digest) -> bool {
        self.contents.get(digest).is_some_and(|content| *content == Content::Manifest)
    }

    /// The digest, and what it is the digest of where that is needed.
    async fn content(
        &self,
        road: &Road,
        reference: &str,
        head: &Head,
        is_needed: bool,
        asked: Asked<'_>,
    ) -> Result<(Digest, Option<Arc<Content>>), RegistryError> {
        match head.digest {
            None => {
                let (digest, content) = self.get(road, reference, None, asked).await?;
                Ok((digest, Some(content)))
            }
            Some(digest) if !is_needed => Ok((digest, None)),
            Some(digest) => {
                let content = match self.contents.get(digest) {
                    Some(content) => content,
                    None if head.is_index == Some(false) => self.contents.keep(digest, Content::Manifest),
                    // By its digest and not by the tag, which may move in between.
                    None => self.get(road, &digest.to_string(), Some(digest), asked).await?.1,
                };
                Ok((digest, Some(content)))
            }
        }
    }

    /// Fetches a manifest and holds it against its digest, the one that it was asked by or the one that the registry says.
    async fn get(&self, road: &Road, reference: &str, digest: Option<Digest>, asked: Asked<'_>) -> Result<(Digest, Arc<Content>), RegistryError> {
        let path = path(road, reference);
        let response = self.ask(road, &Question::of_manifest(Method::GET, &path, None, asked)).await?;
        let response = self.expect_success(road, response, asked)?;
        let said = digest.or(Head::of(response.headers()).digest);
        let body = self.body(road, response, MANIFEST_BYTES_MAX, asked).await?;
        let found = Digest::of(&body);
        if let Some(said) = said.filter(|said| *said != found) {
            return Err(asked.broken(road, None, &format!("it says {said} and sends what is {found}")));
        }
        let content = read(&body).map_err(|why| asked.broken(road, None, &format!("what it sends is {why}")))?;
        Ok((found, self.contents.keep(found, content)))
    }
}

fn path(road: &Road, reference: &str) -> String {
    format!("/v2/{}/manifests/{reference}", road.repository)
}

/// What the headers of a manifest tell.
#[derive(Default)]
struct Head {
    digest: Option<Digest>,
    is_index: Option<bool>,
    etag: Option<String>,
}

impl Head {
    fn of(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        Self {
            // One that is none, or of another kind than SHA-256, is as good as none: the content is fetched and hashed.
            digest: text("docker-content-digest").and_then(|text| text.trim().parse().ok()),
            is_index: is_index(text(CONTENT_TYPE.as_str())),
            etag: text(ETAG.as_str()).filter(|etag| etag.len() <= ETAG_BYTES_MAX).map(str::to_owned),
        }
    }
}

fn pick(road: &Road, entries: &[(Platform, Digest)], platform: &str, asked: Asked<'_>) -> Result<Digest, RegistryError> {
    let wanted = Platform::parse(platform);
    // Of several (Windows has one for each of its versions) the first, as engines do it.
    if let Some((_, digest)) = entries.iter().find(|(platform, _)| *platform == wanted) {
        return Ok(*digest);
    }
    let mut has: Vec<String> = entries.iter().map(|(platform, _)| platform.to_string()).collect();
    has.dedup();
    has.truncate(20);
    if has.is_empty() {
        has.push("no platform at all".to_owned());
    }
    Err(RegistryError::NoPlatform { registry: road.registry.clone(), what: asked.0.to_owned(), platform: platform.to_owned(), has })
}
