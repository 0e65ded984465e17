//! CNCF Distribution, and with it the registry of a self-managed GitLab: an envelope of events, for pulls and blobs as well as for pushed manifests.
//!
//! Source: distribution.github.io, "Work with notifications". Until it gets a 2xx or 3xx, the registry sends an envelope again and holds back those
//! behind it.

use serde_json::Value;

use super::error::HookError;
use super::heard::{Gathered, Heard};
use super::letter::Letter;
use super::name;
use crate::model::Digest;

pub(super) fn read(letter: &Letter<'_>) -> Result<Heard, HookError> {
    let events = letter.list("/events")?;
    let mut gathered = Gathered::default();
    for event in events {
        one(&letter.of(event), &mut gathered);
    }
    Ok(gathered.finish()?.delivered(ids(events).as_deref()))
}

/// One event of a registry; ACR sends the same, without the envelope.
pub(super) fn one(letter: &Letter<'_>, gathered: &mut Gathered) {
    match letter.text("/action") {
        Some("push") => {}
        Some(_) => return gathered.skip("no push"),
        None => return gathered.add(Err(letter.malformed("an event without `action`"))),
    }
    if letter.text("/target/mediaType").is_some_and(|kind| !is_manifest(kind)) {
        return gathered.skip("the push of something that is no manifest");
    }
    let url = letter.text("/target/url").and_then(name::host);
    let host = letter.text("/request/host").or(url);
    let (tag, digest) = (letter.text("/target/tag"), letter.text("/target/digest"));
    gathered.add(letter.need("/target/repository").and_then(|repository| letter.hint(host, repository, tag, digest)));
}

/// Docker's manifests, signed or not, and lists of them; OCI's manifests and indexes. Layers and configurations are none.
fn is_manifest(media_type: &str) -> bool {
    let kind = media_type.split(';').next().unwrap_or_default().trim();
    let docker = kind.starts_with("application/vnd.docker.distribution.manifest.");
    docker || matches!(kind, "application/vnd.oci.image.manifest.v1+json" | "application/vnd.oci.image.index.v1+json")
}

/// The id of the one event; of several, one of all their ids, which are the same when the envelope is sent again.
fn ids(events: &[Value]) -> Option<String> {
    let ids: Option<Vec<&str>> = events.iter().map(|event| name::filled(event.get("id")?.as_str())).collect();
    match ids?.as_slice() {
        [] => None,
        [one] => Some((*one).to_owned()),
        many => Some(Digest::of(many.join("\n").as_bytes()).to_string()),
    }
}
