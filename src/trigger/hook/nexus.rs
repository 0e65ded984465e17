//! Sonatype Nexus: a repository's component that was created or updated. The payload names no host, so the hook must.
//!
//! Source: help.sonatype.com, "Webhooks", repository component. Assets (single files) come under another id; a push of an image has many.

use super::error::HookError;
use super::heard::Heard;
use super::letter::Letter;

pub(super) fn read(letter: &Letter<'_>) -> Result<Heard, HookError> {
    let delivery = letter.header("x-nexus-webhook-delivery");
    let is_component = letter.header("x-nexus-webhook-id").is_none_or(|id| id.eq_ignore_ascii_case("rm:repository:component"));
    if !is_component {
        return Ok(Heard::nothing("no event of a component").delivered(delivery));
    }
    if !matches!(letter.need("/action")?, "CREATED" | "UPDATED") {
        return Ok(Heard::nothing("no push").delivered(delivery));
    }
    if letter.need("/component/format")? != "docker" {
        return Ok(Heard::nothing("no image").delivered(delivery));
    }
    let (name, tag) = (letter.need("/component/name")?, letter.text("/component/version"));
    letter.hint(None, name, tag, None).map(|hint| Heard::from(hint).delivered(delivery))
}
