//! The hash of all that a build depends on: what makes two builds one; and that of a plan, which people agree to.
//!
//! It has two halves. [`own_inputs`] is known when the plan is made: files, Dockerfile, settings. [`inputs`] adds what the references are
//! pinned to, and is known when the parents are ready: a parent that comes out as before leaves the inputs as they were.

use super::request::SourceFacts;
use super::{Pin, Plan};
use crate::model::{Digest, ImageName, ImageRef, Place, SmallMap};
use crate::pipeline::{BuildSpec, Service};

/// Changed when the way of hashing changes: then nothing old is taken for the same.
const FORMAT: &str = "refit-inputs-2";

/// Puts fields together so that no two different lists of fields give the same bytes: each with its name and its length.
///
/// They are put side by side and hashed in one go: most are shorter than what the hash takes at a time.
struct Fields(Vec<u8>);

/// Enough for most images: a hundred thousand of them are hashed for one plan.
const FIELDS_BYTES: usize = 512;

impl Fields {
    fn new(kind: &str) -> Self {
        let mut fields = Self(Vec::with_capacity(FIELDS_BYTES));
        fields.text(FORMAT).text(kind);
        fields
    }

    fn text(&mut self, value: &str) -> &mut Self {
        self.bytes(value.as_bytes())
    }

    fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.0.extend_from_slice(&(value.len() as u64).to_le_bytes());
        self.0.extend_from_slice(value);
        self
    }

    fn one(&mut self, name: &str, value: &str) {
        self.text(name).text(value);
    }

    fn maybe(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.one(name, value);
        }
    }

    fn digest(&mut self, name: &str, value: &Digest) {
        self.text(name).bytes(value.as_bytes());
    }

    fn end(self) -> Digest {
        Digest::of(&self.0)
    }
}

/// The part of the inputs that is known before any parent is built: files, Dockerfile, and the settings of the build.
///
/// Of secrets only the ids count, never where they come from or what they are. Labels that refit itself sets are not in it, and neither is
/// `no_cache`: they say nothing about what is in the image.
pub fn own_inputs(build: &BuildSpec, sources: &SourceFacts) -> Digest {
    let mut fields = Fields::new("own");
    fields.digest("context", &sources.context.hash);
    fields.digest("dockerfile", &sources.dockerfile);
    for (name, value) in &build.args {
        fields.text("arg").one(name, value);
    }
    for (name, value) in &build.labels {
        fields.text("label").one(name, value);
    }
    for secret in &build.secrets {
        fields.one("secret", &secret.id);
    }
    for host in &build.extra_hosts {
        fields.one("extra_host", host);
    }
    fields.maybe("target", build.target.as_deref());
    fields.maybe("platform", build.platform.as_deref());
    fields.maybe("network", build.network.as_deref());
    fields.end()
}

/// All that a build depends on. `pins` says what each reference is pinned to, by its normal form: base digests and image ids.
pub fn inputs(own: Digest, pins: &SmallMap<ImageRef, Digest>) -> Digest {
    let mut fields = Fields::new("all");
    fields.digest("own", &own);
    for (reference, pinned) in pins {
        fields.text("pin").text(reference.as_str()).bytes(pinned.as_bytes());
    }
    fields.end()
}

/// What the pins of a step come down to once its parents are ready; `None` while one of them is not.
pub fn resolve_pins(pins: &SmallMap<ImageRef, Pin>, id_of: impl Fn(&ImageName) -> Option<Digest>) -> Option<SmallMap<ImageRef, Digest>> {
    let resolve = |pin: &Pin| match pin {
        Pin::Image(image) => id_of(image),
        Pin::Base { digest, .. } => Some(*digest),
    };
    pins.iter().map(|(reference, pin)| Some((reference.clone(), resolve(pin)?))).collect()
}

/// The digest of everything that was written about a service, but where it was written and its hosts: what rolls where is in the plan itself.
pub(super) fn settings(service: &Service) -> Digest {
    let nowhere = Place { file: "".into(), line: 0 };
    let bare = Service { at: nowhere, hosts: Vec::new(), drained: Vec::new(), ..service.clone() };
    // Strings, numbers and sorted maps always serialise.
    Digest::of(&serde_json::to_vec(&bare).unwrap_or_default())
}

impl Plan {
    /// The hash of the plan: what a person agreed to is what is carried out.
    pub fn hash(&self) -> Digest {
        // Strings, numbers and sorted maps always serialise.
        Digest::of(&serde_json::to_vec(self).unwrap_or_default())
    }
}
