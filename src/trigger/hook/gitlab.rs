//! GitLab: `push` and `tag_push` of a project, a group or the system. Its registry has no hook of its own; a self-managed one sends Distribution's.
//!
//! Source: docs.gitlab.com, "Webhook events". `Idempotency-Key` stays the same when a delivery is tried again; `X-Gitlab-Event-UUID` is shared by
//! everything that one event led to, so it does not name a delivery.

use super::error::HookError;
use super::heard::Heard;
use super::letter::Letter;
use super::push;

pub(super) fn read(letter: &Letter<'_>) -> Result<Heard, HookError> {
    let heard = match letter.text("/object_kind").or(letter.text("/event_name")) {
        Some("push" | "tag_push") => push::gitlab(letter),
        Some(_) => Ok(Heard::nothing("no push")),
        None => Err(letter.malformed("neither `object_kind` nor `event_name`")),
    };
    heard.map(|heard| heard.delivered(letter.header("idempotency-key").or(letter.header("webhook-id"))))
}
