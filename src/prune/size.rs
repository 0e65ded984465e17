//! How much becomes free: layers that images share stay as long as one of them does.

use std::collections::{BTreeMap, BTreeSet};

use super::ImageThere;
use crate::model::Digest;

/// The bytes of all pieces that only images of `going` are made of. O(pieces · log).
pub fn bytes_of(images: &[ImageThere], going: &BTreeSet<Digest>) -> u64 {
    // A layer is the same only on top of the same ones.
    let mut stays: BTreeMap<Digest, (bool, u64)> = BTreeMap::new();
    for image in images {
        let mut below = String::new();
        for piece in &image.pieces {
            let at = Digest::of(format!("{below}{}", piece.key).as_bytes());
            below = at.to_string();
            let (stays, _) = stays.entry(at).or_insert((false, piece.bytes));
            *stays |= !going.contains(&image.id);
        }
    }
    stays.values().filter(|(stays, _)| !stays).map(|(_, bytes)| bytes).sum()
}
