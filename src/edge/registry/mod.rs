//! What is asked of a registry: which digest a tag has now, for which platform, and which tags there are.
//!
//! [`Registry`] is the narrow trait, [`RegistryClient`] its body over HTTP. It is written on `reqwest` and not on an OCI library, because a poll lives
//! of what libraries keep for themselves: `ETag` and 304, `RateLimit-*`, `Retry-After`, and `Docker-Content-Digest` as the registry sent it.
//! The protocol is the OCI Distribution Specification 1.1, tokens are those of CNCF Distribution ("Token Authentication Specification").

mod challenge;
mod client;
mod error;
mod grant;
mod limits;
mod line;
mod look;
mod manifest;
mod road;
mod tags;

#[cfg(test)]
mod tests;

use async_trait::async_trait;

use crate::model::{Digest, ImageRef};
use crate::trigger::watch::{Answer, RateLimit, Shown};

pub use client::RegistryClient;
pub use error::RegistryError;

/// Registries, as far as refit asks them something. Every call has its own time limit.
#[async_trait]
pub trait Registry: Send + Sync {
    /// Asks what an image's tag (or digest) points to now. `platform` such as `linux/arm64` picks the manifest within an index. With what an
    /// earlier look for the same platform said, a registry may answer that nothing changed, and an index that did not change costs one HEAD.
    async fn look(&self, image: &ImageRef, platform: Option<&str>, known: Option<&Known>) -> Result<Look, RegistryError>;

    /// Lists all tags of an image's repository, in the registry's order; the image's own tag does not matter.
    async fn tags(&self, image: &ImageRef) -> Result<Vec<String>, RegistryError>;
}

/// What a look learnt that makes the next one cheaper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// What the tag pointed to.
    pub digest: Digest,
    /// The platform's manifest within that index, if it was one and a platform was asked for.
    pub platform_digest: Option<Digest>,
    /// The registry's own mark of that answer.
    pub etag: Option<String>,
}

/// What a registry says of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// What the tag points to: an index of several platforms, or the manifest of one.
    pub digest: Digest,
    /// The platform's manifest within that index; none if it is no index, or no platform was asked for.
    pub platform_digest: Option<Digest>,
    /// The registry's own mark of this answer.
    pub etag: Option<String>,
    /// What the registry said of its limit.
    pub rate_limit: Option<RateLimit>,
}

impl Look {
    /// What the next look may be given.
    pub fn known(&self) -> Known {
        Known { digest: self.digest, platform_digest: self.platform_digest, etag: self.etag.clone() }
    }

    /// The part that the question "did it move?" is about.
    pub fn shown(&self) -> Shown {
        Shown { digest: self.digest, platform: self.platform_digest }
    }

    /// What the look means for the next one.
    pub fn answer(&self) -> Answer {
        Answer::Told { limit: self.rate_limit }
    }
}
