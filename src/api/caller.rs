//! Who asks, and what they may.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use subtle::ConstantTimeEq;

use super::{Api, Problem};
use crate::journal::{AuditLine, Role, SqliteJournal, TokenKept};
use crate::model::Digest;

/// Every token begins so, that scanners for leaked secrets know it.
const TOKEN_PREFIX: &str = "refit_";
/// Of so much chance.
const TOKEN_BYTES: usize = 32;

/// The header in which a request that comes in over the socket says who asks.
pub const BY: &str = "refit-by";
const NAME_CHARS_MAX: usize = 200;

/// Marks a request that came in over the socket in the state folder.
#[derive(Debug, Clone, Copy)]
pub(super) struct Local;

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The name of the token, or that it came over the socket.
    pub name: String,
    /// What they may.
    pub role: Role,
}

/// The tokens. They are few, and asked for at each request, so that one that was revoked is refused from the next one on.
pub struct Tokens(Arc<SqliteJournal>);

impl Tokens {
    /// Those of a journal.
    pub fn of(journal: Arc<SqliteJournal>) -> Self {
        Self(journal)
    }

    /// Whose token this is, or was until it was revoked. Every one is compared, each in constant time.
    pub fn whose(&self, token: &str) -> Result<Option<TokenKept>, Problem> {
        let hash = hash_of(token).hex();
        let is_it = |kept: &TokenKept| bool::from(kept.hash.hex().as_bytes().ct_eq(hash.as_bytes()));
        Ok(self.0.tokens()?.into_iter().fold(None, |found, kept| if is_it(&kept) { Some(kept) } else { found }))
    }
}

/// What is kept of a token. A fast hash will do: a token is 256 bits of chance, which nobody guesses however fast.
pub fn hash_of(token: &str) -> Digest {
    Digest::of(token.as_bytes())
}

/// A new token, to be shown once.
pub fn new_token() -> std::io::Result<String> {
    let mut bytes = [0; TOKEN_BYTES];
    std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom")?, &mut bytes)?;
    Ok(format!("{TOKEN_PREFIX}{}", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()))
}

impl Caller {
    /// Refuses who may not do what takes `role`.
    pub(super) fn may(&self, role: Role) -> Result<(), Problem> {
        if self.role >= role {
            return Ok(());
        }
        let why = format!("it may {}, and this takes {role}", self.role);
        let help = format!("`refit token add NAME --role {role}` makes a token for it");
        Err(Problem::forbidden(&self.name, why, format!("{} may {}, and this takes {role}: {help}", self.name, self.role)))
    }

    /// Writes down what was asked for, and what was answered.
    pub(super) async fn audit(&self, api: &Api, what: impl Into<String>, outcome: impl Into<String>) -> Result<(), Problem> {
        let line = AuditLine { at: api.daemon.clock.now(), who: self.name.clone(), what: what.into(), outcome: outcome.into() };
        tracing::info!(who = line.who, "{}: {}", line.what, line.outcome);
        Ok(api.daemon.journal.audit(line).await?)
    }
}

/// Who may open the socket may say who he is: it is for people to read.
fn local_name(parts: &Parts) -> String {
    let said = parts.headers.get(BY).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let fits = (1..=NAME_CHARS_MAX).contains(&said.len()) && said.chars().all(|c| c.is_ascii_graphic());
    if fits { said.to_owned() } else { "local".to_owned() }
}

impl FromRequestParts<Api> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        if parts.extensions.get::<Local>().is_some() {
            return Ok(Self { name: local_name(parts), role: Role::Admin });
        }
        let given = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = given.and_then(|value| value.strip_prefix("Bearer ")).ok_or_else(|| Problem::unauthorised("no token"))?;
        let kept = Tokens::of(api.daemon.journal.clone()).whose(token.trim())?.ok_or_else(|| Problem::unauthorised("a token that nobody has"))?;
        if kept.revoked_at.is_some() {
            return Err(Problem::unauthorised(format!("the token {}, which was revoked", kept.name)));
        }
        Ok(Self { name: kept.name, role: kept.role })
    }
}
