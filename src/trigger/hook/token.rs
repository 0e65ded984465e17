//! A token (JWT) that Google signed for a service account: whether it is whole, in time, for us, and of that account.
//!
//! Source: RFC 7519, RFC 7515; cloud.google.com, "Authentication for push subscriptions". Only RS256 is taken: it is what Google signs with, and a
//! token that names its own algorithm (`none`, or an HMAC under the public key) is the oldest trick there is.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::jwks::Jwk;

/// Google's tokens have about a thousand characters.
const TOKEN_CHARS_MAX: usize = 16 * 1024;
/// So far may two clocks differ.
const LEEWAY_S: i64 = 60;
const ISSUERS: [&str; 2] = ["https://accounts.google.com", "accounts.google.com"];

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    email: Option<String>,
    email_verified: Option<bool>,
    exp: f64,
    iat: Option<f64>,
    nbf: Option<f64>,
}

/// Holds a token against the keys, the time, and whom it must be for and of. Errors with what is wrong, for the log.
pub(super) fn check(token: &str, keys: &[Jwk], now: Timestamp, audience: &str, email: &str) -> Result<(), &'static str> {
    if token.len() > TOKEN_CHARS_MAX {
        return Err("the token is too long");
    }
    let (signed, signature) = token.rsplit_once('.').ok_or("the token has not three parts")?;
    let (header, claims) = signed.split_once('.').ok_or("the token has not three parts")?;
    let header: Header = part(header)?;
    if header.alg != "RS256" {
        return Err("the token is not signed with RS256");
    }
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| "the token's signature is no base64url")?;
    // The signature first: until it is right, the claims are anybody's.
    signed_by(keys, header.kid.as_deref(), signed.as_bytes(), &signature)?;
    check_claims(&part(claims)?, now, audience, email)
}

fn part<T: DeserializeOwned>(text: &str) -> Result<T, &'static str> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| "a part of the token is no base64url")?;
    serde_json::from_slice(&bytes).map_err(|_| "a part of the token lacks what it must say")
}

fn signed_by(keys: &[Jwk], kid: Option<&str>, signed: &[u8], signature: &[u8]) -> Result<(), &'static str> {
    let mut named = keys.iter().filter(|key| kid.is_none() || key.kid.as_deref() == kid).peekable();
    if named.peek().is_none() {
        return Err("the token is signed by a key that is not known");
    }
    let is_signed = |key: &Jwk| {
        let key = RsaPublicKeyComponents { n: &key.n, e: &key.e };
        key.verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature).is_ok()
    };
    if named.any(is_signed) { Ok(()) } else { Err("the token's signature is wrong") }
}

fn check_claims(claims: &Claims, now: Timestamp, audience: &str, email: &str) -> Result<(), &'static str> {
    // Seconds are far below 2^53, so none is lost. What is no number compares as false, and so as wrong.
    let now = now.as_second();
    let (early, late) = ((now - LEEWAY_S) as f64, (now + LEEWAY_S) as f64);
    let is_in_time = claims.exp > early;
    let has_begun = claims.nbf.is_none_or(|nbf| nbf <= late) && claims.iat.is_none_or(|iat| iat <= late);
    let rules = [
        (ISSUERS.contains(&claims.iss.as_str()), "the token is not issued by Google"),
        (claims.aud == audience, "the token is for another audience"),
        (claims.email.as_deref() == Some(email), "the token is of another account"),
        (claims.email_verified == Some(true), "the token's account is not verified"),
        (is_in_time, "the token has expired"),
        (has_begun, "the token is of a time to come; one of the two clocks is wrong"),
    ];
    rules.into_iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, wrong)| Err(wrong))
}
