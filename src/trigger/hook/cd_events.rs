//! CDEvents: `artifact.published`, whose subject is a package URL. As a CloudEvent (in the body or in headers) or by itself.
//!
//! Source: cdevents.dev, specification 0.4, "Continuous integration events" and "CloudEvents binding"; an event's type ends in the version of its
//! schema. What else it tells of (packaged, signed, deployed) moves no tag.

use super::cloud_events;
use super::error::HookError;
use super::heard::Heard;
use super::letter::Letter;
use super::{name, purl};

const PUBLISHED: &str = "dev.cdevents.artifact.published.";

pub(super) fn read(letter: &Letter<'_>) -> Result<Heard, HookError> {
    let is_bare = letter.body.get("context").is_some() && letter.header("ce-type").is_none();
    if is_bare { event(letter) } else { cloud_events::read(letter) }
}

/// The event itself: `context` and `subject`.
pub(super) fn event(letter: &Letter<'_>) -> Result<Heard, HookError> {
    let Some(version) = letter.need("/context/type")?.strip_prefix(PUBLISHED) else {
        return Ok(Heard::nothing("no artifact was published"));
    };
    if !version.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(letter.malformed("`context.type` does not end in a version"));
    }
    if letter.text("/context/version").or(letter.text("/context/specversion")).is_none() {
        return Err(letter.malformed("`context` names no version of the specification"));
    }
    let id = delivery(letter)?;
    let text = letter.need("/subject/id")?;
    let Some(image) = purl::read(text).map_err(|reason| letter.malformed(reason))? else {
        return Ok(Heard::nothing("an artifact that is no image").delivered(Some(&id)));
    };
    let digest = image.digest.as_deref();
    let hint = match (&letter.hook.registry, name::split(&image.name).name.split_once('/')) {
        (Some(registry), Some((_, repository))) => letter.hint(Some(registry), repository, image.tag.as_deref(), digest),
        _ => name::hint(&image.name, image.tag.as_deref(), digest).map_err(|reason| letter.malformed(reason)),
    };
    hint.map(|hint| Heard::from(hint).delivered(Some(&id)))
}

fn delivery(letter: &Letter<'_>) -> Result<String, HookError> {
    Ok(format!("{} {}", letter.need("/context/source")?, letter.need("/context/id")?))
}
