//! Harbor, in its own format (`type`, `event_data`) and in its CloudEvents (`specversion`, `data`): resources with a whole reference each.
//!
//! Source: goharbor.io, "Configure Webhook Notifications". What is pushed by digest has the digest as its tag.

use super::cloud_events;
use super::error::HookError;
use super::heard::{Gathered, Heard};
use super::letter::Letter;
use super::name;

pub(super) fn read(letter: &Letter<'_>) -> Result<Heard, HookError> {
    if letter.body.get("event_data").is_none() {
        return cloud_events::read(letter);
    }
    match letter.need("/type")? {
        "PUSH_ARTIFACT" | "pushImage" => resources(&letter.of(&letter.body["event_data"])),
        _ => Ok(Heard::nothing("no push")),
    }
}

/// The resources of a push, in either format.
pub(super) fn resources(letter: &Letter<'_>) -> Result<Heard, HookError> {
    let full_name = letter.text("/repository/repo_full_name");
    let mut gathered = Gathered::default();
    for resource in letter.list("/resources")? {
        let one = letter.of(resource);
        let (tag, digest) = (one.text("/tag"), one.text("/digest"));
        gathered.add(match (one.text("/resource_url"), full_name) {
            (Some(url), Some(name)) => letter.hint(name::host(url), name, tag, digest),
            (Some(url), None) => one.hint_of(url, tag, digest),
            (None, Some(name)) => letter.hint(None, name, tag, digest),
            (None, None) => Err(one.malformed("no text at `resource_url`")),
        });
    }
    gathered.finish()
}
