//! What a registry lets us in with: the user's login, or a token that somebody gave for it. Kept in memory for as long as it holds.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use docker_credential::DockerCredential;
use reqwest::header::HeaderValue;
use reqwest::{Response, StatusCode, Url};
use serde::Deserialize;
use tokio::time::Instant;

use super::challenge::Challenge;
use super::client::{Asked, RegistryClient};
use super::error::RegistryError;
use super::line::reason;
use super::road::Road;
use crate::edge::login;

/// A token is mostly a few kilobytes.
const TOKEN_ANSWER_MAX: usize = 256 << 10;
/// What a token that says nothing is good for. Source: "Token Authentication Specification", `expires_in`.
const TOKEN_HOLDS: Duration = Duration::from_secs(60);
/// Whatever a token says, the user may have logged out since.
const GRANT_HOLDS_MAX: Duration = Duration::from_secs(300);
/// So long before its end a token is not used any more: the question needs time, too.
const MARGIN: Duration = Duration::from_secs(10);
/// More than these are not kept; they are asked for again.
const KEPT_MAX: usize = 1_024;

/// What a question carries to be let in.
#[derive(Debug, Clone)]
pub(super) struct Grant {
    /// Marked as sensitive, so that no log shows it.
    pub(super) header: HeaderValue,
    until: Instant,
}

impl Grant {
    /// None if it cannot stand in a header.
    fn of(words: &str, holds: Duration) -> Option<Self> {
        let mut header = HeaderValue::from_str(words).ok()?;
        header.set_sensitive(true);
        Some(Self { header, until: Instant::now() + holds.saturating_sub(MARGIN).min(GRANT_HOLDS_MAX) })
    }
}

/// Grants by where and for what they were given.
#[derive(Debug, Default)]
pub(super) struct Grants {
    kept: Mutex<BTreeMap<(String, String), Grant>>,
}

fn key(road: &Road) -> (String, String) {
    (road.base.clone(), road.repository.clone())
}

impl Grants {
    pub(super) fn get(&self, road: &Road) -> Option<Grant> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(&key(road)).filter(|grant| grant.until > Instant::now()).cloned()
    }

    pub(super) fn keep(&self, road: &Road, grant: Grant) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(key(road), grant);
    }

    pub(super) fn forget(&self, road: &Road) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).remove(&key(road));
    }
}

/// Where logins come from.
pub(super) enum Logins {
    /// What `docker login` left.
    Docker,
    /// User and password by registry.
    #[cfg(test)]
    Fixed(BTreeMap<String, (String, String)>),
}

impl Logins {
    async fn of(&self, registry: &str) -> Result<Option<DockerCredential>, String> {
        match self {
            Self::Docker => login::of(registry).await,
            #[cfg(test)]
            Self::Fixed(logins) => {
                Ok(logins.get(registry).map(|(user, password)| DockerCredential::UsernamePassword(user.clone(), password.clone())))
            }
        }
    }
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

impl RegistryClient {
    /// Gets what the registry wants to see.
    pub(super) async fn grant(&self, road: &Road, challenge: Option<Challenge>, asked: Asked<'_>) -> Result<Grant, RegistryError> {
        let refused = |why: &str| asked.refused(road, why);
        let login = self.logins.of(&road.registry).await.map_err(|why| refused(&why))?;
        match (challenge, login) {
            (None, _) => Err(refused("it wants a login of a kind that refit does not know")),
            (Some(Challenge::Basic), None) => Err(refused("nobody is logged in there")),
            (Some(Challenge::Basic), Some(DockerCredential::UsernamePassword(user, password))) => {
                Grant::of(&basic(&user, &password), GRANT_HOLDS_MAX).ok_or_else(|| refused("the login that is kept cannot be sent"))
            }
            (Some(Challenge::Basic), Some(DockerCredential::IdentityToken(_))) => {
                Err(refused("it wants a password, and what is kept for it is a token"))
            }
            (Some(Challenge::Bearer { realm, service, scope }), login) => {
                let service = service.unwrap_or_default();
                let scope = scope.unwrap_or_else(|| format!("repository:{}:pull", road.repository));
                self.token(road, &Wanted { realm: &realm, service: &service, scope: &scope }, login, asked).await
            }
        }
    }

    async fn token(&self, road: &Road, wanted: &Wanted<'_>, login: Option<DockerCredential>, asked: Asked<'_>) -> Result<Grant, RegistryError> {
        let has_login = login.is_some();
        let url =
            wanted.url(road.trust.is_plain).ok_or_else(|| asked.broken(road, None, "it names no place for tokens that a login may be sent to"))?;
        let line = self.lines.get(&road.trust).await.map_err(|why| asked.unreachable(road, why))?;
        let request = match login {
            None => line.logins.get(wanted.in_query(url)),
            Some(DockerCredential::UsernamePassword(user, password)) => line.logins.get(wanted.in_query(url)).basic_auth(user, Some(password)),
            Some(DockerCredential::IdentityToken(token)) => {
                let form = wanted.as_form(&url, &token);
                line.logins.post(url).header("content-type", "application/x-www-form-urlencoded").body(form)
            }
        };
        let response = request.send().await.map_err(|error| asked.unreachable(road, format!("its place for tokens: {}", reason(error))))?;
        match response.status() {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if has_login => Err(asked.refused(road, "the login that is kept for it is not taken")),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(asked.refused(road, "nobody is logged in there, and it gives no token to nobody"))
            }
            _ => self.read_token(road, response, asked).await,
        }
    }

    async fn read_token(&self, road: &Road, response: Response, asked: Asked<'_>) -> Result<Grant, RegistryError> {
        let response = self.expect_success(road, response, asked)?;
        let body = self.body(road, response, TOKEN_ANSWER_MAX, asked).await?;
        let no_token = || asked.broken(road, None, "its place for tokens gave none");
        let answer: TokenAnswer = serde_json::from_slice(&body).map_err(|_| no_token())?;
        let token = answer.token.or(answer.access_token).filter(|token| !token.is_empty()).ok_or_else(no_token)?;
        let holds = answer.expires_in.map_or(TOKEN_HOLDS, Duration::from_secs);
        Grant::of(&format!("Bearer {token}"), holds).ok_or_else(no_token)
    }
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// The token that is wanted.
struct Wanted<'a> {
    realm: &'a str,
    service: &'a str,
    scope: &'a str,
}

impl Wanted<'_> {
    /// Where tokens are given out, if a login may go there: only a registry that speaks plain HTTP itself may have it sent without TLS.
    fn url(&self, is_plain: bool) -> Option<Url> {
        let url: Url = self.realm.parse().ok()?;
        let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_plain);
        (is_safe && url.has_host() && url.username().is_empty() && url.password().is_none()).then_some(url)
    }

    fn in_query(&self, mut url: Url) -> Url {
        let mut query = url.query_pairs_mut();
        if !self.service.is_empty() {
            query.append_pair("service", self.service);
        }
        query.append_pair("scope", self.scope);
        drop(query);
        url
    }

    /// Source: CNCF Distribution, "Token Authentication using OAuth2", for logins that are a token themselves.
    fn as_form(&self, url: &Url, token: &str) -> String {
        let mut form = url.clone();
        form.set_query(None);
        form.query_pairs_mut()
            .append_pair("grant_type", "refresh_token")
            .append_pair("client_id", "refit")
            .append_pair("service", self.service)
            .append_pair("scope", self.scope)
            .append_pair("refresh_token", token);
        form.query().unwrap_or_default().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_asked_for_in_the_words_of_the_challenge() {
        let wanted = Wanted { realm: "https://auth.example.com/token?a=b", service: "r.example.com", scope: "repository:shop/web:pull" };
        let url = wanted.url(false).unwrap();
        let form = wanted.as_form(&url, "s3cr&t");
        assert_eq!(
            form,
            "grant_type=refresh_token&client_id=refit&service=r.example.com&scope=repository%3Ashop%2Fweb%3Apull&refresh_token=s3cr%26t"
        );
        assert_eq!(wanted.in_query(url).as_str(), "https://auth.example.com/token?a=b&service=r.example.com&scope=repository%3Ashop%2Fweb%3Apull");
        for bad in ["", "token", "/token", "file:///etc/passwd", "https://user:pass@auth.example.com/"] {
            assert!(Wanted { realm: bad, ..wanted }.url(true).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_login_goes_without_tls_only_where_the_registry_itself_has_none() {
        let wanted = Wanted { realm: "http://auth.example.com/token", service: "", scope: "" };
        assert!(wanted.url(false).is_none() && wanted.url(true).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_grant_holds_for_its_time_and_is_never_shown() {
        let road = super::super::road::roads(&"r.example.com/web".parse().unwrap(), &BTreeMap::new()).remove(0);
        let grants = Grants::default();
        grants.keep(&road, Grant::of("Bearer s3cret", Duration::from_secs(60)).unwrap());
        assert!(grants.get(&road).is_some() && !format!("{grants:?}").contains("s3cret"), "{grants:?}");
        tokio::time::advance(Duration::from_secs(51)).await;
        assert!(grants.get(&road).is_none());
        assert!(Grant::of("Bearer a\nb", TOKEN_HOLDS).is_none());
        grants.keep(&road, Grant::of("Bearer x", Duration::from_secs(u64::MAX)).unwrap());
        tokio::time::advance(GRANT_HOLDS_MAX).await;
        assert!(grants.get(&road).is_none(), "an hour's token is not kept for an hour");
    }
}
