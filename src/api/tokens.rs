//! Tokens over HTTP, for administrators.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Api, Caller, Problem, hash_of, new_token};
use crate::journal::{Role, TokenKept};

/// What a new token is to be.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// Its name, for the audit log.
    pub name: String,
    /// What its bearer may do.
    pub role: Role,
}

/// A token that was made. It is shown this once.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct TokenMade {
    /// Its name.
    pub name: String,
    /// The token itself.
    pub token: String,
}

impl NewToken {
    /// Why it cannot be made, if so.
    pub fn check(&self) -> Result<(), String> {
        let is_good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@');
        let fits = (1..=64).contains(&self.name.len()) && self.name.chars().all(is_good);
        if fits && self.name != "local" { Ok(()) } else { Err("a token's name is of 1 to 64 letters, digits and `-_.@`, and not `local`".to_owned()) }
    }

    /// Makes it: what is kept, and what its bearer gets.
    pub fn make(self, at: jiff::Timestamp, by: &str) -> std::io::Result<(TokenKept, TokenMade)> {
        let token = new_token()?;
        let kept =
            TokenKept { name: self.name.clone(), role: self.role, hash: hash_of(&token), made_at: at, made_by: by.to_owned(), revoked_at: None };
        Ok((kept, TokenMade { name: self.name, token }))
    }
}

/// All tokens, without the tokens themselves.
#[utoipa::path(get, path = "/v1/tokens", tag = "tokens", responses((status = 200, description = "the tokens")))]
pub(super) async fn list(caller: Caller, State(api): State<Api>) -> Result<Json<Vec<TokenKept>>, Problem> {
    caller.may(Role::Admin)?;
    Ok(Json(api.daemon.journal.tokens()?))
}

/// Makes a token, and shows it this once.
#[utoipa::path(post, path = "/v1/tokens", tag = "tokens", request_body = inline(serde_json::Value), responses((status = 201, description = "the token"), (status = 409, description = "there is a token of that name")))]
pub(super) async fn make(
    caller: Caller,
    State(api): State<Api>,
    body: Result<Json<NewToken>, JsonRejection>,
) -> Result<(StatusCode, Json<TokenMade>), Problem> {
    caller.may(Role::Admin)?;
    let Json(new) = body.map_err(|error| Problem::bad(error.body_text()))?;
    new.check().map_err(Problem::bad)?;
    let name = new.name.clone();
    if api.daemon.journal.tokens()?.iter().any(|kept| kept.name == name && kept.revoked_at.is_none()) {
        return Err(Problem::conflict(format!("there is a token {name}; revoke it first, or choose another name")));
    }
    let (kept, made) = new.make(api.daemon.clock.now(), &caller.name).map_err(|error| Problem::broken(error.to_string()))?;
    let role = kept.role;
    api.daemon.journal.add_token(kept).await?;
    caller.audit(&api, format!("token {name} for {role}"), "made").await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// Revokes a token: it is refused from the next request on.
#[utoipa::path(delete, path = "/v1/tokens/{name}", tag = "tokens", params(("name" = String, Path, description = "its name")), responses((status = 204, description = "it is no longer good"), (status = 404, description = "there is no such token, or it was revoked")))]
pub(super) async fn revoke(caller: Caller, State(api): State<Api>, Path(name): Path<String>) -> Result<StatusCode, Problem> {
    caller.may(Role::Admin)?;
    if !api.daemon.journal.tokens()?.iter().any(|kept| kept.name == name && kept.revoked_at.is_none()) {
        return Err(Problem::missing(format!("there is no token {name}, or it was revoked")));
    }
    api.daemon.journal.revoke_token(api.daemon.clock.now(), &name).await?;
    caller.audit(&api, format!("revoke token {name}"), "revoked").await?;
    Ok(StatusCode::NO_CONTENT)
}
