//! Who may say over HTTP that something moved, and how it proves who it is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::estate::SecretSource;
use crate::model::{HookName, Place};

/// One address, `POST /hooks/<name>`, for one sender.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hook {
    /// Its key, and the part of the path that it answers under.
    pub name: HookName,
    /// Where it was written.
    pub at: Place,
    /// Whose format its bodies have; recognised by each request's headers and body if none.
    pub format: Option<HookFormat>,
    /// How a request proves who sent it.
    pub auth: HookAuth,
    /// Secrets that are valid, each by itself, so that one can be replaced without a gap. Empty only for [`HookAuth::Oidc`].
    pub secrets: Vec<SecretSource>,
    /// The registry, `host[:port][/path]`, that stands before a payload's own name of the repository; the payload's if none.
    pub registry: Option<String>,
    /// Where the fields of a payload of no known format are.
    pub fields: Option<HookFields>,
}

/// Whose format a body has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HookFormat {
    /// Docker Hub.
    DockerHub,
    /// CNCF Distribution, and GitLab's own registry.
    Distribution,
    /// GitHub: `package`, `registry_package` and `push`.
    Github,
    /// Harbor, its own format and its CloudEvents.
    Harbor,
    /// Quay.
    Quay,
    /// GitLab: `push` and `tag_push`.
    Gitlab,
    /// Azure Container Registry.
    Acr,
    /// AWS ECR through EventBridge, as it is and transformed to CloudEvents.
    Ecr,
    /// Google Artifact Registry through a Pub/Sub push subscription.
    Google,
    /// JFrog Artifactory.
    Artifactory,
    /// Sonatype Nexus.
    Nexus,
    /// Gitea and Forgejo: `package` and `push`.
    Gitea,
    /// CloudEvents of anybody else.
    #[serde(rename = "cloudevents")]
    CloudEvents,
    /// CDEvents: `artifact.published`.
    #[serde(rename = "cdevents")]
    CdEvents,
    /// Any JSON, with pointers to what matters in it.
    Generic,
}

impl HookFormat {
    /// The word for it in a pipeline file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DockerHub => "docker-hub",
            Self::Distribution => "distribution",
            Self::Github => "github",
            Self::Harbor => "harbor",
            Self::Quay => "quay",
            Self::Gitlab => "gitlab",
            Self::Acr => "acr",
            Self::Ecr => "ecr",
            Self::Google => "google",
            Self::Artifactory => "artifactory",
            Self::Nexus => "nexus",
            Self::Gitea => "gitea",
            Self::CloudEvents => "cloudevents",
            Self::CdEvents => "cdevents",
            Self::Generic => "generic",
        }
    }
}

impl std::fmt::Display for HookFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// How a request proves who sent it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HookAuth {
    /// By the first of the signatures, tokens and secrets below that it carries.
    BySender,
    /// `X-Hub-Signature-256: sha256=<hex>`, the HMAC of the body: GitHub, Gitea, Forgejo.
    #[serde(rename = "hub-signature-256")]
    HubSignature256,
    /// `X-JFrog-Event-Auth`: the HMAC-SHA256 of the body in hexadecimal, or the secret itself if Artifactory was not told to sign.
    JfrogEventAuth,
    /// `X-Nexus-Webhook-Signature`: the HMAC-SHA1 of the body in hexadecimal.
    NexusSignature,
    /// `X-Signature: <sha256|sha512>=<hex>`, the HMAC of the body, as Flux sends it.
    Signature,
    /// `webhook-signature: v1,<base64>`, the HMAC-SHA256 of id, time and body, as GitLab's signing token and others send it (Standard Webhooks).
    StandardWebhooks,
    /// `Authorization`: the secret as the whole value, or behind `Bearer`.
    Authorization,
    /// `X-Gitlab-Token`: the secret itself.
    GitlabToken,
    /// The secret itself as the whole value of a header.
    Header {
        /// Its name, in lower case.
        name: String,
    },
    /// The secret itself as the last part of the path, `/hooks/<name>/<secret>`: for senders that can do no better.
    Path,
    /// `Authorization: Bearer <token>`, a token that Google signed for a service account.
    Oidc {
        /// Whom the token must be for, as the subscription says.
        audience: String,
        /// The service account that it must be of.
        email: String,
    },
}

/// Where the fields of a JSON body are, as JSON pointers (RFC 6901).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HookFields {
    /// The repository, with or without its registry, or a whole reference.
    pub repository: String,
    /// The tag.
    pub tag: Option<String>,
    /// The digest.
    pub digest: Option<String>,
}
