//! The Dockerfile that is sent to the builder: each image by exactly the content that the plan chose, and nothing else changed.

use std::collections::BTreeMap;

use super::types::{Dockerfile, RefTarget};

/// Replaces each reference to an image by its pin; `pins` goes from the resolved text to what stands there instead.
///
/// Only the references' own bytes change. What has no pin stays, and so do triggers (`ONBUILD`) that are for others.
/// `dockerfile` must have been read from `text`.
pub fn pin(text: &[u8], dockerfile: &Dockerfile, pins: &BTreeMap<String, String>) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 80 * dockerfile.references.len());
    let mut done = 0;
    for reference in dockerfile.own_references().filter(|r| matches!(r.target, RefTarget::Image(_))) {
        let Some(pin) = pins.get(&reference.resolved) else { continue };
        // The references stand in the order of the text, so their spans ascend.
        let Some(before) = text.get(done..reference.span.start) else { continue };
        out.extend_from_slice(before);
        out.extend_from_slice(pin.as_bytes());
        done = reference.span.end;
    }
    out.extend_from_slice(text.get(done..).unwrap_or_default());
    out
}
