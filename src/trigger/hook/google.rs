//! Google Artifact Registry and Container Registry: a Pub/Sub push of `{action, tag, digest}`, each a whole reference, in base64.
//!
//! Source: cloud.google.com, "Configure Pub/Sub notifications" of Artifact Registry, "Push subscriptions" of Pub/Sub. A subscription with payload
//! unwrapping sends the inner part as the body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::error::HookError;
use super::heard::Heard;
use super::letter::Letter;

pub(super) fn read(letter: &Letter<'_>) -> Result<Heard, HookError> {
    let id = letter.text("/message/messageId").or(letter.text("/message/message_id")).or(letter.header("x-goog-pubsub-message-id"));
    if letter.body.get("message").is_none() {
        return event(letter).map(|heard| heard.delivered(id));
    }
    let data = STANDARD.decode(letter.need("/message/data")?).map_err(|_| letter.malformed("`message.data` is no base64"))?;
    // What is within is as deep as serde_json lets it be, and no deeper than the body is long.
    let inner: Value = serde_json::from_slice(&data).map_err(|error| letter.malformed(format!("`message.data`: {error}")))?;
    event(&letter.of(&inner)).map(|heard| heard.delivered(id))
}

fn event(letter: &Letter<'_>) -> Result<Heard, HookError> {
    if letter.need("/action")? != "INSERT" {
        return Ok(Heard::nothing("no push"));
    }
    let digest = letter.text("/digest").and_then(|reference| reference.split_once('@')).map(|(_, digest)| digest);
    match letter.text("/tag") {
        Some(reference) => letter.hint_of(reference, None, digest),
        None => letter.need("/digest").and_then(|reference| letter.hint_of(reference, None, None)),
    }
    .map(Heard::from)
}
