//! The public keys of a sender that signs tokens, as it publishes them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

/// Where Google publishes the keys that it signs tokens with. They change about every day; `Cache-Control` says for how long they hold.
pub const GOOGLE_KEYS_URL: &str = "https://www.googleapis.com/oauth2/v3/certs";

/// One RSA key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jwk {
    /// Its name, which a token's header repeats.
    pub kid: Option<String>,
    /// The modulus, big-endian.
    pub n: Vec<u8>,
    /// The exponent, big-endian.
    pub e: Vec<u8>,
}

/// The text is no set of keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is no set of keys (JWKS): {reason}")]
pub struct JwksError {
    /// What is wrong with it.
    pub reason: String,
}

#[derive(Deserialize)]
struct RawSet {
    keys: Vec<RawKey>,
}

#[derive(Deserialize)]
struct RawKey {
    kty: String,
    kid: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

/// Reads a set of keys (RFC 7517), such as the one at [`GOOGLE_KEYS_URL`]. Keys of other kinds than RSA are left out.
///
/// Errors with [`JwksError`] if it is no set, or an RSA key in it is not whole.
pub fn read_jwks(text: &[u8]) -> Result<Vec<Jwk>, JwksError> {
    let set: RawSet = serde_json::from_slice(text).map_err(|error| JwksError { reason: error.to_string() })?;
    set.keys.into_iter().filter(|key| key.kty == "RSA").map(key).collect()
}

fn key(raw: RawKey) -> Result<Jwk, JwksError> {
    let bytes = |name: &str, text: Option<String>| {
        let decoded = text.and_then(|text| URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok());
        decoded.ok_or_else(|| JwksError { reason: format!("a key's `{name}` is absent or no base64url") })
    };
    Ok(Jwk { n: bytes("n", raw.n)?, e: bytes("e", raw.e)?, kid: raw.kid })
}
