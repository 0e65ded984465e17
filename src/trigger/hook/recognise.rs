//! Whose format a request has, by its headers first and its body second.

use serde_json::Value;

use super::error::HookError;
use super::json;
use super::request::Request;
use crate::pipeline::HookFormat;

/// Whose format a request has; none if nobody's that is known. Errors with [`HookError::NoJson`].
pub fn recognise(request: &Request<'_>) -> Result<Option<HookFormat>, HookError> {
    Ok(of(request, &json::parse(request)?, false))
}

/// The same of a body that is parsed. With pointers to its fields, what is nobody's is read by these.
pub(super) fn of(request: &Request<'_>, body: &Value, has_fields: bool) -> Option<HookFormat> {
    let by_kind = || kind(request, body).map(|kind| by_kind(&kind));
    by_header(request).or_else(by_kind).or_else(|| by_body(request, body)).or(has_fields.then_some(HookFormat::Generic))
}

fn by_header(request: &Request<'_>) -> Option<HookFormat> {
    let has = |name: &str| request.headers.iter().any(|(key, _)| key == name);
    // Gitea and Forgejo send GitHub's headers as well, so theirs come first.
    let marks = [
        ("x-gitea-event", HookFormat::Gitea),
        ("x-forgejo-event", HookFormat::Gitea),
        ("x-github-event", HookFormat::Github),
        ("x-gitlab-event", HookFormat::Gitlab),
        ("x-nexus-webhook-id", HookFormat::Nexus),
        ("x-jfrog-event-auth", HookFormat::Artifactory),
    ];
    let mark = marks.into_iter().find(|(name, _)| has(name)).map(|(_, format)| format);
    mark.or_else(|| match request.media_type().as_str() {
        "application/vnd.docker.distribution.events.v1+json" | "application/vnd.docker.distribution.events.v2+json" => Some(HookFormat::Distribution),
        "application/cloudevents-batch+json" => Some(HookFormat::CloudEvents),
        _ => None,
    })
}

/// The type of a CloudEvent, in a header or in the body.
fn kind(request: &Request<'_>, body: &Value) -> Option<String> {
    if let Some(kind) = request.header("ce-type") {
        return Some(kind.to_owned());
    }
    body.get("specversion")?;
    body.get("type").and_then(Value::as_str).map(str::to_owned)
}

fn by_kind(kind: &str) -> HookFormat {
    match kind {
        kind if kind.starts_with("harbor.") => HookFormat::Harbor,
        kind if kind.starts_with("com.amazon.ecr.") => HookFormat::Ecr,
        kind if kind.starts_with("dev.cdevents.") => HookFormat::CdEvents,
        _ => HookFormat::CloudEvents,
    }
}

/// By the keys that only one sender's bodies have.
fn by_body(request: &Request<'_>, body: &Value) -> Option<HookFormat> {
    let has = |pointer: &str| body.pointer(pointer).is_some_and(|value| !value.is_null());
    let says = |pointer: &str, text: &str| body.pointer(pointer).and_then(Value::as_str) == Some(text);
    let is_azure = || request.header("user-agent").is_some_and(|agent| agent.starts_with("AzureContainerRegistry"));
    let marks = [
        (has("/push_data") && has("/repository"), HookFormat::DockerHub),
        (has("/docker_url") && has("/updated_tags"), HookFormat::Quay),
        (has("/event_data") && has("/type"), HookFormat::Harbor),
        (says("/source", "aws.ecr") && has("/detail"), HookFormat::Ecr),
        (has("/subscription") && has("/message"), HookFormat::Google),
        (has("/domain") && has("/event_type") && has("/data"), HookFormat::Artifactory),
        (body.get("events").is_some_and(Value::is_array), HookFormat::Distribution),
        (is_azure() || (has("/action") && has("/target") && has("/request")), HookFormat::Acr),
        (body.pointer("/context/type").and_then(Value::as_str).is_some_and(|kind| kind.starts_with("dev.cdevents.")), HookFormat::CdEvents),
        ((says("/action", "INSERT") || says("/action", "DELETE")) && (has("/digest") || has("/tag")), HookFormat::Google),
    ];
    marks.into_iter().find(|(is_so, _)| *is_so).map(|(_, format)| format)
}
