//! Docker Hub: `repository.repo_name` and `push_data.tag`; no digest, no event's name, no id of the delivery.
//!
//! Source: docs.docker.com, "Webhooks". Its `callback_url` belongs to automated builds that are gone; nobody is called back.

use super::error::HookError;
use super::heard::Heard;
use super::letter::Letter;

pub(super) fn read(letter: &Letter<'_>) -> Result<Heard, HookError> {
    letter.need("/repository/repo_name").and_then(|name| letter.hint(Some("docker.io"), name, letter.text("/push_data/tag"), None)).map(Heard::from)
}
