//! A request to `POST /hooks/<name>` → what its sender says has moved.
//!
//! First [`verify`] holds the request against the hook's authentication, then [`hear`] recognises whose format it has and reads it. What comes out is
//! a hint and never an order: a digest in a payload is somebody's word, so the registry is asked before anything is planned. A request that is well
//! formed and means nothing (a ping, a deletion, the push of a blob) is heard too, with a note that says why, because a sender that gets an error
//! sends it again or stops sending. One file per sender; what they have in common is in `letter` and `heard`.

mod acr;
mod artifactory;
mod cd_events;
mod cloud_events;
mod distribution;
mod docker_hub;
mod ecr;
mod error;
mod gitea;
mod github;
mod gitlab;
mod google;
mod harbor;
mod heard;
mod json;
mod letter;
mod name;
mod nexus;
mod purl;
mod push;
mod quay;
mod read;
mod recognise;
mod request;

mod generic;

mod jwks;
mod secret;
mod signature;
mod token;
mod verify;

#[cfg(test)]
mod tests;

pub use crate::pipeline::{Hook, HookAuth as Auth, HookFields as Fields, HookFormat as Format};
pub use error::HookError;
pub use heard::{Heard, Hint, Push};
pub use jwks::{GOOGLE_KEYS_URL, Jwk, JwksError, read_jwks};
pub use read::{hear, read};
pub use recognise::recognise;
pub use request::Request;
pub use secret::{SECRET_BYTES_MIN, WeakSecret, usable};
pub use verify::{Keys, Refused, verify};
