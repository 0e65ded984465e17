//! Which images of one engine go. An image is refit's own by what its label and its names say together with what the journal knows; any doubt and it stays.

use std::collections::BTreeSet;

use super::size::bytes_of;
use super::{Chosen, Goner, ImageThere, Known, Needed, Owner, Stays, Stock, Thing};
use crate::model::{Digest, ImageRef};

/// Adds the images that go, and those that stay for a reason of their own, to what was chosen of the containers.
///
/// `chosen` has the containers that go before them: what only those use may go too.
pub fn choose(known: &Known, needed: &Needed, stock: &Stock, mut chosen: Chosen) -> Chosen {
    let going: BTreeSet<&str> = chosen.goes.iter().filter_map(|goner| container_id(&goner.thing)).collect();
    let used: BTreeSet<Digest> = stock.containers.iter().filter(|(id, _)| !going.contains(id.as_str())).map(|(_, image)| *image).collect();
    let mut goes = Vec::new();
    for image in stock.images.iter().filter(|image| is_ours(known, image)) {
        let thing = || Thing::Image { id: image.id, names: image.names.clone(), size: image.size };
        let strange = image.names.iter().find(|name| !is_given(known, image, name));
        if needed.contains_key(&image.id) {
            chosen.needed += 1;
        } else if used.contains(&image.id) {
            chosen.stays.push(Stays { thing: thing(), why: "a container is made of it".to_owned() });
        } else if let Some(name) = strange {
            chosen.stays.push(Stays { thing: thing(), why: format!("somebody named it {}", name.familiar()) });
        } else {
            goes.push(Goner { thing: thing(), why: why(known, image) });
        }
    }
    let ids = goes.iter().filter_map(|goner| if let Thing::Image { id, .. } = goner.thing { Some(id) } else { None }).collect();
    chosen.bytes += bytes_of(&stock.images, &ids);
    chosen.goes.extend(goes);
    chosen
}

fn container_id(thing: &Thing) -> Option<&str> {
    if let Thing::Container { id, .. } = thing { Some(id) } else { None }
}

/// Whether the image was made or brought by refit for this estate.
fn is_ours(known: &Known, image: &ImageThere) -> bool {
    let is_built = known.built.contains_key(&image.id);
    match image.owner {
        Owner::Another => false,
        // One that this journal does not know may be needed by another, or be what somebody made on top of ours: labels are inherited.
        Owner::Us => is_built,
        Owner::Nobody if is_built => true,
        // A base or somebody else's image: refit named it, or brought it as a stream, which leaves it without name and registry.
        Owner::Nobody => is_known(known, image) && (image.names.iter().any(|name| is_pin(image, name)) || image.names.is_empty() && !image.pulled),
    }
}

/// Whether a release has the image, as a service's or as a base.
fn is_known(known: &Known, image: &ImageThere) -> bool {
    known.last_in.contains_key(&image.id) || known.bases.contains(&image.id)
}

/// The name by which a builder keeps exactly this base.
fn is_pin(image: &ImageThere, name: &ImageRef) -> bool {
    name.tag().is_some_and(|tag| tag.strip_prefix("refit-") == Some(&image.id.short()))
}

/// Whether refit itself gave the image this name: its tag, the channel's, the one under which it was built, or that of a pinned base.
fn is_given(known: &Known, image: &ImageThere, name: &ImageRef) -> bool {
    let Some(tags) = known.built.get(&image.id) else { return is_pin(image, name) };
    let is_channel = name.tag().is_some_and(|tag| tag == "current" || tag.starts_with("refit-building-"));
    tags.contains(name) || is_channel && tags.iter().any(|tag| tag.name() == name.name())
}

fn why(known: &Known, image: &ImageThere) -> String {
    match known.last_in.get(&image.id) {
        Some(release) => format!("was last in {release}"),
        None if known.bases.contains(&image.id) => "only older releases stand on it".to_owned(),
        None => "is in no release".to_owned(),
    }
}
