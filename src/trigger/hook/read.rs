//! Which reader reads what.

use serde_json::Value;

use super::error::HookError;
use super::heard::Heard;
use super::letter::Letter;
use super::request::Request;
use super::{acr, artifactory, cd_events, cloud_events, distribution, docker_hub, ecr, generic, gitea, github, gitlab};
use super::{google, harbor, json, nexus, quay, recognise};
use crate::pipeline::{Hook, HookFormat};

/// Reads a request that was verified, in the hook's format or in the one that it is recognised to have.
///
/// What is well formed and nobody's is heard too, with a note. Errors with [`HookError`] if the body is no JSON within bounds, or lacks what its
/// format always has.
pub fn hear(hook: &Hook, request: &Request<'_>) -> Result<Heard, HookError> {
    let body = json::parse(request)?;
    match hook.format.or_else(|| recognise::of(request, &body, hook.fields.is_some())) {
        Some(format) => read_body(format, request, &body, hook),
        None => Ok(Heard::nothing("no known sender's format; set `format` of the hook")),
    }
}

/// Reads a request that was verified, in a given format. Errors as [`hear`] does.
pub fn read(format: HookFormat, request: &Request<'_>, hook: &Hook) -> Result<Heard, HookError> {
    read_body(format, request, &json::parse(request)?, hook)
}

fn read_body(format: HookFormat, request: &Request<'_>, body: &Value, hook: &Hook) -> Result<Heard, HookError> {
    let letter = Letter { format, request, hook, body };
    let heard = match format {
        HookFormat::DockerHub => docker_hub::read(&letter),
        HookFormat::Distribution => distribution::read(&letter),
        HookFormat::Github => github::read(&letter),
        HookFormat::Harbor => harbor::read(&letter),
        HookFormat::Quay => quay::read(&letter),
        HookFormat::Gitlab => gitlab::read(&letter),
        HookFormat::Acr => acr::read(&letter),
        HookFormat::Ecr => ecr::read(&letter),
        HookFormat::Google => google::read(&letter),
        HookFormat::Artifactory => artifactory::read(&letter),
        HookFormat::Nexus => nexus::read(&letter),
        HookFormat::Gitea => gitea::read(&letter),
        HookFormat::CloudEvents => cloud_events::read(&letter),
        HookFormat::CdEvents => cd_events::read(&letter),
        HookFormat::Generic => generic::read(&letter),
    };
    Ok(Heard { format: Some(format), ..heard? })
}
