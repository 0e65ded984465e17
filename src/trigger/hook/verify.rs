//! Whether a request is of whom its hook is for.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use super::jwks::Jwk;
use super::request::Request;
use super::secret::is_usable;
use super::signature::{Hash, is_same, is_signed, unhex};
use super::token;
use crate::model::Secret;
use crate::pipeline::HookAuth;

/// What a request is held against.
#[derive(Debug, Clone, Copy)]
pub struct Keys<'a> {
    /// The hook's secrets; each is valid by itself.
    pub secrets: &'a [Secret],
    /// The keys that sign tokens; only [`HookAuth::Oidc`] looks at them.
    pub jwks: &'a [Jwk],
    /// The time now; only what has a time limit looks at it.
    pub now: Timestamp,
}

/// The request is not of whom the hook is for. For the log: whoever sent it is told nothing but 401.
///
/// It never says which secret, how much of it was right, nor what was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It carries no proof.
    #[error("it carries no {what}")]
    Missing {
        /// The header, or the part of the path, that was expected.
        what: String,
    },
    /// It carries something that has not the form of a proof.
    #[error("its {what} cannot be read")]
    Unreadable {
        /// The header.
        what: String,
    },
    /// Its proof is right for none of the hook's secrets.
    #[error("its {what} is wrong")]
    Wrong {
        /// The header, or the part of the path.
        what: String,
    },
    /// Its time is too far from now.
    #[error("its {what} is more than {max_s} s from now; it is sent again, or one of the two clocks is wrong")]
    Stale {
        /// The header.
        what: String,
        /// How far it may be.
        max_s: i64,
    },
    /// Its token is not good.
    #[error("{reason}")]
    Token {
        /// What is wrong with it.
        reason: &'static str,
    },
}

const HUB: &str = "x-hub-signature-256";
const JFROG: &str = "x-jfrog-event-auth";
const NEXUS: &str = "x-nexus-webhook-signature";
const SIGNATURE: &str = "x-signature";
const STANDARD_WEBHOOKS: &str = "webhook-signature";
const GITLAB: &str = "x-gitlab-token";
const AUTHORIZATION: &str = "authorization";

/// Holds a request against its hook's authentication.
///
/// Every secret is tried, whichever fits, and every comparison takes the same time for right and wrong. Secrets shorter than
/// [`super::SECRET_BYTES_MIN`] fit nothing. Errors with [`Refused`].
pub fn verify(auth: &HookAuth, request: &Request<'_>, keys: &Keys<'_>) -> Result<(), Refused> {
    match auth {
        HookAuth::BySender => by_sender(request, keys),
        HookAuth::HubSignature256 => hub(request, keys),
        HookAuth::JfrogEventAuth => jfrog(request, keys),
        HookAuth::NexusSignature => {
            let signature = hex(NEXUS, need(request, NEXUS)?)?;
            any(NEXUS, keys, |key| is_signed(Hash::Sha1, key, &[request.body], &signature))
        }
        HookAuth::Signature => named_hash(request, keys),
        HookAuth::StandardWebhooks => standard_webhooks(request, keys),
        HookAuth::Authorization => authorization(request, keys),
        HookAuth::GitlabToken => whole(GITLAB, need(request, GITLAB)?, keys),
        HookAuth::Header { name } => whole(name, need(request, name)?, keys),
        HookAuth::Path => {
            let what = "secret in its path";
            let shown = request.path.ok_or_else(|| Refused::Missing { what: what.to_owned() })?;
            any(what, keys, |key| is_same(key, shown.as_bytes()))
        }
        HookAuth::Oidc { audience, email } => {
            let shown = need(request, AUTHORIZATION)?;
            let token = bearer(shown).ok_or_else(|| Refused::Unreadable { what: AUTHORIZATION.to_owned() })?;
            token::check(token, keys.jwks, keys.now, audience, email).map_err(|reason| Refused::Token { reason })
        }
    }
}

/// By the first proof that the request carries, signatures before plain secrets. Whoever shows one is held to it.
fn by_sender(request: &Request<'_>, keys: &Keys<'_>) -> Result<(), Refused> {
    let kinds = [
        (HUB, HookAuth::HubSignature256),
        (JFROG, HookAuth::JfrogEventAuth),
        (NEXUS, HookAuth::NexusSignature),
        (SIGNATURE, HookAuth::Signature),
        (STANDARD_WEBHOOKS, HookAuth::StandardWebhooks),
        (GITLAB, HookAuth::GitlabToken),
    ];
    let shown = kinds.into_iter().find(|(name, _)| request.header(name).is_some()).map(|(_, auth)| auth);
    let plain = || if request.path.is_some() { HookAuth::Path } else { HookAuth::Authorization };
    verify(&shown.unwrap_or_else(plain), request, keys)
}

fn hub(request: &Request<'_>, keys: &Keys<'_>) -> Result<(), Refused> {
    let text = need(request, HUB)?;
    let signature = hex(HUB, text.strip_prefix("sha256=").ok_or_else(|| unreadable(HUB))?)?;
    any(HUB, keys, |key| is_signed(Hash::Sha256, key, &[request.body], &signature))
}

/// Artifactory shows the secret itself unless it is told to sign with it.
fn jfrog(request: &Request<'_>, keys: &Keys<'_>) -> Result<(), Refused> {
    let shown = need(request, JFROG)?;
    let signature = unhex(shown).unwrap_or_default();
    any(JFROG, keys, |key| is_signed(Hash::Sha256, key, &[request.body], &signature) | is_same(key, shown.as_bytes()))
}

fn named_hash(request: &Request<'_>, keys: &Keys<'_>) -> Result<(), Refused> {
    let (hash, text) = need(request, SIGNATURE)?.split_once('=').ok_or_else(|| unreadable(SIGNATURE))?;
    let hash = match hash.trim().to_ascii_lowercase().as_str() {
        "sha256" => Hash::Sha256,
        "sha512" => Hash::Sha512,
        _ => return Err(unreadable(SIGNATURE)),
    };
    let signature = hex(SIGNATURE, text.trim())?;
    any(SIGNATURE, keys, |key| is_signed(hash, key, &[request.body], &signature))
}

/// As the specification recommends.
const STANDARD_WEBHOOKS_MAX_S: i64 = 300;

/// Source: standardwebhooks.com. Several signatures may stand there, each with its version; a secret with `whsec_` is base64 behind it.
fn standard_webhooks(request: &Request<'_>, keys: &Keys<'_>) -> Result<(), Refused> {
    let (id, time) = (need(request, "webhook-id")?, need(request, "webhook-timestamp")?);
    let shown = need(request, STANDARD_WEBHOOKS)?;
    let seconds: i64 = time.parse().map_err(|_| unreadable("webhook-timestamp"))?;
    if keys.now.as_second().abs_diff(seconds) > STANDARD_WEBHOOKS_MAX_S.unsigned_abs() {
        return Err(Refused::Stale { what: "webhook-timestamp".to_owned(), max_s: STANDARD_WEBHOOKS_MAX_S });
    }
    let parts: [&[u8]; 5] = [id.as_bytes(), b".", time.as_bytes(), b".", request.body];
    // The header is as long as a server lets it be; nobody rotates more than two.
    let signatures: Vec<Vec<u8>> = shown.split(' ').filter_map(|one| STANDARD.decode(one.strip_prefix("v1,")?).ok()).take(SIGNATURES_MAX).collect();
    any(STANDARD_WEBHOOKS, keys, |key| {
        let decoded = key.strip_prefix(b"whsec_").and_then(|text| STANDARD.decode(text).ok());
        let key = decoded.as_deref().unwrap_or(key);
        signatures.iter().fold(false, |is_right, signature| is_right | is_signed(Hash::Sha256, key, &parts, signature))
    })
}

/// Each costs a hash of the body.
const SIGNATURES_MAX: usize = 4;

/// The secret may be the whole value, its scheme included, or what stands behind `Bearer`.
fn authorization(request: &Request<'_>, keys: &Keys<'_>) -> Result<(), Refused> {
    let shown = need(request, AUTHORIZATION)?;
    let token = bearer(shown).unwrap_or(shown);
    any(AUTHORIZATION, keys, |key| is_same(key, shown.as_bytes()) | is_same(key, token.as_bytes()))
}

fn whole(name: &str, shown: &str, keys: &Keys<'_>) -> Result<(), Refused> {
    any(name, keys, |key| is_same(key, shown.as_bytes()))
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Whether it is right for any secret. All are tried, so that the time does not tell which.
fn any(what: &str, keys: &Keys<'_>, is_right: impl Fn(&[u8]) -> bool) -> Result<(), Refused> {
    let usable = keys.secrets.iter().map(Secret::reveal).filter(|secret| is_usable(secret));
    let found = usable.fold(false, |found, secret| found | is_right(secret));
    if found { Ok(()) } else { Err(Refused::Wrong { what: what.to_owned() }) }
}

fn need<'a>(request: &Request<'a>, name: &str) -> Result<&'a str, Refused> {
    request.header(name).ok_or_else(|| Refused::Missing { what: name.to_owned() })
}

fn hex(name: &str, text: &str) -> Result<Vec<u8>, Refused> {
    unhex(text).ok_or_else(|| unreadable(name))
}

fn unreadable(name: &str) -> Refused {
    Refused::Unreadable { what: name.to_owned() }
}
