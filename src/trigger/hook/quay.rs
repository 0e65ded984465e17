//! Quay: `docker_url` and the tags that were pushed; no digest and no id.
//!
//! Source: docs.quay.io, "Repository notifications". An old form has a map of tags to ids in place of the list.

use serde_json::Value;

use super::error::HookError;
use super::heard::{Gathered, Heard};
use super::letter::Letter;

pub(super) fn read(letter: &Letter<'_>) -> Result<Heard, HookError> {
    let hint = |tag: Option<&str>| match letter.text("/docker_url") {
        Some(url) => letter.hint_of(url, tag, None),
        None => letter.need("/repository").and_then(|name| letter.hint(Some("quay.io"), name, tag, None)),
    };
    let tags: Vec<&str> = match letter.body.get("updated_tags") {
        Some(Value::Array(tags)) => tags.iter().filter_map(Value::as_str).collect(),
        Some(Value::Object(tags)) => tags.keys().map(String::as_str).collect(),
        // Vulnerabilities, builds and mirrors come to the same address if somebody chose so.
        _ => return Ok(Heard::nothing("no push: `updated_tags` is absent")),
    };
    let mut gathered = Gathered::default();
    tags.into_iter().for_each(|tag| gathered.add(hint(Some(tag))));
    gathered.finish()
}
