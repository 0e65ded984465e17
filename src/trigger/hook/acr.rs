//! Azure Container Registry: one event of Distribution's kind, with the registry's name as `request.host`.
//!
//! Source: learn.microsoft.com, "Azure Container Registry webhook reference". A push by digest has no tag; charts come as `chart_push`. Event Grid
//! wraps the same into a CloudEvent.

use super::cloud_events;
use super::distribution;
use super::error::HookError;
use super::heard::{Gathered, Heard};
use super::letter::Letter;

pub(super) fn read(letter: &Letter<'_>) -> Result<Heard, HookError> {
    // In headers the event's data is the body itself, and looking for an event in it again would never end.
    if letter.body.get("specversion").is_some() && letter.header("ce-type").is_none() {
        return cloud_events::read(letter);
    }
    let id = letter.text("/id");
    if let Some(action) = letter.text("/action").filter(|action| *action != "push") {
        return Ok(Heard::nothing(if action == "ping" { "a ping" } else { "no push of an image" }).delivered(id));
    }
    let mut gathered = Gathered::default();
    distribution::one(letter, &mut gathered);
    Ok(gathered.finish()?.delivered(id))
}
