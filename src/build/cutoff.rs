//! Early cutoff: an image that was built again and came out as it was leaves its dependents alone.

use crate::model::Digest;

/// What an image is, apart from when and by whom it was built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content<'a> {
    /// The uncompressed digests of its layers, lowest first.
    pub layers: &'a [Digest],
    /// The hash of its configuration without dates and the labels that refit sets.
    pub config: Digest,
}

/// Whether two images have the same content. Images without layers are never taken for the same: an engine that reports none is not trusted.
pub fn same_content(old: Content<'_>, new: Content<'_>) -> bool {
    !old.layers.is_empty() && old == new
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_layers_in_their_order_and_configuration() {
        let [a, b, c] = ["a", "b", "c"].map(|text| Digest::of(text.as_bytes()));
        let check = |old: (&[Digest], Digest), new: (&[Digest], Digest), same: bool| {
            assert_eq!(same_content(Content { layers: old.0, config: old.1 }, Content { layers: new.0, config: new.1 }), same);
        };
        check((&[a, b], c), (&[a, b], c), true);
        check((&[a, b], c), (&[b, a], c), false);
        check((&[a, b], c), (&[a], c), false);
        check((&[a, b], c), (&[a, b], a), false);
        check((&[], c), (&[], c), false);
    }
}
