//! Chain ids: the name of a layer together with all those below it.

use super::Digest;

/// The chain id of each of an image's layers, lowest first. Source: the OCI image specification, "Layer ChainID".
pub fn chain_ids(layers: &[Digest]) -> Vec<Digest> {
    let mut below: Option<Digest> = None;
    let chain = layers.iter().map(|layer| {
        let id = below.map_or(*layer, |below| Digest::of(format!("{below} {layer}").as_bytes()));
        below = Some(id);
        id
    });
    chain.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_id_names_all_that_lies_below() {
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        assert_eq!(chain_ids(&[a, b]), [a, Digest::of(format!("{a} {b}").as_bytes())]);
        assert_ne!(chain_ids(&[a, b])[1], chain_ids(&[b, b])[1]);
        assert_eq!(chain_ids(&[]), []);
    }
}
