//! `hooks:` as it is written.

use schemars::JsonSchema;
use serde::Deserialize;

/// One address, `POST /hooks/<name>`, for one sender.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Hook {
    /// Whose format its bodies have (default: `auto`, recognised by headers and body).
    pub(super) format: Option<Format>,
    /// How a request proves who sent it (default: as that sender does it).
    pub(super) auth: Option<Auth>,
    /// Names of `secrets:`; each is valid by itself, so that one can be replaced without a gap.
    #[serde(default)]
    pub(super) secrets: Vec<String>,
    /// The header whose whole value is the secret.
    pub(super) header: Option<String>,
    /// Whom a token must be for, for `oidc`.
    pub(super) audience: Option<String>,
    /// The service account that a token must be of, for `oidc`.
    pub(super) email: Option<String>,
    /// The registry, `host[:port][/path]`, that stands before the payload's own name of the repository (default: the payload's).
    pub(super) registry: Option<String>,
    /// Where the fields are, for `generic` and `cloudevents`.
    pub(super) fields: Option<Fields>,
}

/// Whose format a body has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Format {
    /// Recognised by headers and body.
    Auto,
    /// Docker Hub.
    DockerHub,
    /// CNCF Distribution, and GitLab's own registry.
    Distribution,
    /// GitHub.
    Github,
    /// Harbor, its own format and its CloudEvents.
    Harbor,
    /// Quay.
    Quay,
    /// GitLab.
    Gitlab,
    /// Azure Container Registry.
    Acr,
    /// AWS ECR through EventBridge.
    Ecr,
    /// Google Artifact Registry through Pub/Sub.
    Google,
    /// JFrog Artifactory.
    Artifactory,
    /// Sonatype Nexus.
    Nexus,
    /// Gitea and Forgejo.
    Gitea,
    /// CloudEvents of anybody else.
    #[serde(rename = "cloudevents")]
    CloudEvents,
    /// CDEvents.
    #[serde(rename = "cdevents")]
    CdEvents,
    /// Any JSON, with pointers to what matters in it.
    Generic,
}

/// How a request proves who sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Auth {
    /// By the first of the signatures, tokens and secrets below that it carries.
    BySender,
    /// `X-Hub-Signature-256`.
    #[serde(rename = "hub-signature-256")]
    HubSignature256,
    /// `X-JFrog-Event-Auth`.
    #[serde(rename = "jfrog-event-auth")]
    Jfrog,
    /// `X-Nexus-Webhook-Signature`.
    NexusSignature,
    /// `X-Signature`.
    Signature,
    /// `webhook-signature`.
    StandardWebhooks,
    /// `Authorization`, compared whole.
    Authorization,
    /// `X-Gitlab-Token`.
    GitlabToken,
    /// A header of your own, compared whole.
    Header,
    /// The last part of the path.
    Path,
    /// A token that Google signed.
    Oidc,
}

/// Where the fields of a JSON body are, as JSON pointers.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Fields {
    /// The repository, with or without its registry, or a whole reference: `/image/name`.
    pub(super) repository: String,
    /// The tag.
    pub(super) tag: Option<String>,
    /// The digest.
    pub(super) digest: Option<String>,
}
