//! Any JSON: the hook says where repository, tag and digest are.

use serde_json::Value;

use super::error::HookError;
use super::heard::{Heard, Hint};
use super::letter::Letter;
use super::name;
use crate::pipeline::HookFields;

pub(super) fn read(letter: &Letter<'_>) -> Result<Heard, HookError> {
    match &letter.hook.fields {
        Some(fields) => hint(letter, fields).map(Heard::from),
        None => Err(letter.malformed("the hook has no `fields`")),
    }
}

/// What stands at the hook's pointers.
pub(super) fn hint(letter: &Letter<'_>, fields: &HookFields) -> Result<Hint, HookError> {
    let scalar = |pointer: Option<&String>| pointer.and_then(|pointer| letter.body.pointer(pointer)).and_then(scalar);
    let (tag, digest) = (scalar(fields.tag.as_ref()), scalar(fields.digest.as_ref()));
    hint_of_name(letter, None, letter.need(&fields.repository)?, tag.as_deref(), digest.as_deref())
}

/// A tag is often written as a number.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A repository as people write it: with a registry, which then stays, or without one, which is then the hook's, the payload's or Docker Hub.
pub(super) fn hint_of_name(
    letter: &Letter<'_>,
    host: Option<&str>,
    reference: &str,
    tag: Option<&str>,
    digest: Option<&str>,
) -> Result<Hint, HookError> {
    let reference = reference.split_once("://").map_or(reference, |(_, rest)| rest);
    let parts = name::split(reference);
    let (tag, digest) = (name::filled(tag).or(parts.tag), name::filled(digest).or(parts.digest));
    let first = parts.name.split_once('/').map_or("", |(first, _)| first);
    let has_registry = first.contains(['.', ':']) || first == "localhost";
    match letter.hook.registry.as_deref().or(host) {
        Some(registry) if !has_registry => letter.hint(Some(registry), parts.name, tag, digest),
        _ => name::hint(parts.name, tag, digest).map_err(|reason| letter.malformed(reason)),
    }
}
