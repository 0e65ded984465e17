//! What differs between two releases, and what is the same although its ids differ.

use std::collections::{BTreeMap, BTreeSet};

use super::Release;
use crate::model::{Digest, ImageName, ImageRef};

impl Release {
    /// The bases that moved from `before` to this release, each at its digest here: those on which an image that both have stands otherwise now.
    pub fn moved_bases(&self, before: &Release) -> BTreeMap<ImageRef, Digest> {
        let own = self.references();
        let mut moved = BTreeMap::new();
        for (name, image) in &self.images {
            let Some(then) = before.images.get(name) else { continue };
            for (base, digest) in image.bases.iter().filter(|(base, _)| !own.contains_key(*base)) {
                if then.bases.get(base).is_some_and(|then| then != digest) {
                    moved.insert(base.clone(), *digest);
                }
            }
        }
        moved
    }

    /// Whether an image was made of the same in both releases, all the way down: the same own inputs on the same bases. A build that was done again
    /// may give another id and be the same all the same.
    pub fn is_made_alike(&self, other: &Release, image: &ImageName) -> bool {
        let own = self.references();
        let mut left = vec![image.clone()];
        let mut seen = BTreeSet::new();
        while let Some(name) = left.pop() {
            let (Some(here), Some(there)) = (self.images.get(&name), other.images.get(&name)) else { return false };
            if here.id == there.id || !seen.insert(name) {
                continue;
            }
            let is_known = here.own_inputs.is_some() && here.own_inputs == there.own_inputs;
            if !is_known || here.bases.len() != there.bases.len() {
                return false;
            }
            for (reference, digest) in here.bases.iter() {
                match (own.get(reference), there.bases.get(reference)) {
                    (Some(parent), Some(_)) => left.push(parent.clone()),
                    (None, Some(then)) if then == digest => {}
                    _ => return false,
                }
            }
        }
        true
    }

    /// The images of the estate by the normal form of their names, as they stand among what an image reaches for.
    fn references(&self) -> BTreeMap<ImageRef, ImageName> {
        self.images.keys().filter_map(|name| Some((name.as_str().parse().ok()?, name.clone()))).collect()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::model::{ReleaseNumber, RunId};
    use crate::release::ReleasedImage;

    fn digest(text: &str) -> Digest {
        Digest::of(text.as_bytes())
    }

    /// A release of images such as `base=1: debian@1, web=1: base@1`: own inputs, and what each reaches for at which content. `again` makes other ids.
    fn release(text: &str, again: &str) -> Release {
        let image = |line: &str| {
            let (head, bases) = line.split_once(": ").unwrap();
            let (name, own) = head.split_once('=').unwrap();
            let base = |word: &str| {
                let (base, at) = word.split_once('@').unwrap();
                (base.parse().unwrap(), digest(at))
            };
            let released = ReleasedImage {
                id: digest(&format!("{line}{again}")),
                inputs: digest(line),
                tag: format!("{name}:1").parse().unwrap(),
                bases: bases.split(' ').map(base).collect(),
                commit: None,
                own_inputs: Some(digest(own)),
                context: None,
            };
            (name.parse().unwrap(), released)
        };
        Release {
            number: ReleaseNumber(1),
            run: RunId(1),
            made_at: Timestamp::UNIX_EPOCH,
            images: text.split(", ").map(image).collect(),
            services: BTreeMap::new(),
        }
    }

    #[test]
    fn the_bases_that_came_with_a_release() {
        let moved = |before: &str, now: &str| {
            let moved = release(now, "").moved_bases(&release(before, ""));
            moved.keys().map(ImageRef::familiar).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(moved("base=1: debian@1, web=1: base@1", "base=1: debian@2, web=1: base@2"), "debian");
        assert_eq!(moved("base=1: debian@1, web=1: base@1 alpine@1", "base=2: debian@1, web=1: base@2 alpine@3"), "alpine");
        assert_eq!(moved("base=1: debian@1", "base=1: debian@1, new=1: alpine@1"), "", "nobody stood on it before");
    }

    #[test]
    fn what_was_built_again_of_the_same_is_the_same() {
        let alike = |one: &str, other: &str| release(one, "").is_made_alike(&release(other, "again"), &"web".parse().unwrap());
        let made = "base=1: debian@1, web=1: base@1";
        assert!(alike(made, made));
        assert!(alike(made, "base=1: debian@1, web=1: base@other-id"), "its parent was built again as well");
        assert!(!alike(made, "base=1: debian@2, web=1: base@1"), "another base");
        assert!(!alike(made, "base=1: debian@1, web=2: base@1"), "another input");
        assert!(!alike(made, "base=2: debian@1, web=1: base@1"), "another input below");
        assert!(!alike(made, "base=1: debian@1"), "it is not there");
    }
}
