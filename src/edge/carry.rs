//! An image on its way from one engine to another: one stream, nothing on disk between them.

mod thin;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::StreamExt;

use super::{Engine, EngineError};
use crate::model::{Digest, ImageRef, chain_ids};

/// What went over the connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Carried {
    /// Bytes sent to the host.
    pub bytes: u64,
    /// Layers sent.
    pub layers_sent: u32,
    /// Layers left out because the host has them.
    pub layers_kept: u32,
    /// The host had the image.
    pub already_there: bool,
}

/// Brings an image to a host, unless it is there, and gives it its name there.
pub async fn carry(from: &dyn Engine, to: &dyn Engine, image: Digest, name: Option<&ImageRef>) -> Result<Carried, EngineError> {
    let carried = if to.image(&image.to_string()).await?.is_some() {
        Carried { already_there: true, ..Carried::default() }
    } else {
        send(from, to, image).await?
    };
    if let Some(name) = name {
        to.tag(image, name).await?;
    }
    Ok(carried)
}

async fn send(from: &dyn Engine, to: &dyn Engine, image: Digest) -> Result<Carried, EngineError> {
    let id = image.to_string();
    let missing = || EngineError::Missing { endpoint: "the builder".into(), what: format!("image {id}") };
    let layers = from.image(&id).await?.ok_or_else(missing)?.layers;
    let known = known(&layers, &to.layer_chains().await?);
    let total = u32::try_from(layers.len()).unwrap_or(u32::MAX);
    let sent = Sent::default();
    let mut loaded = load_without(from, to, image, &known, &sent).await;
    if !known.is_empty() && !matches!(loaded, Ok(()) | Err(EngineError::Silent { .. } | EngineError::DiskFull { .. })) {
        // An engine that wants every layer, or one that has just removed a layer that it had.
        loaded = load_without(from, to, image, &[], &sent).await;
    }
    loaded?;
    if to.image(&id).await?.is_none() {
        let why = "it arrived under another id; builder and host keep images in different kinds of store".into();
        return Err(EngineError::Refused { endpoint: "the host".into(), what: format!("take image {id}"), why });
    }
    let kept = sent.left_out.load(Ordering::Relaxed);
    Ok(Carried { bytes: sent.bytes.load(Ordering::Relaxed), layers_sent: total.saturating_sub(kept), layers_kept: kept, already_there: false })
}

/// Counts bytes over all attempts, layers left out of the last one only.
#[derive(Default)]
struct Sent {
    bytes: Arc<AtomicU64>,
    left_out: Arc<AtomicU32>,
}

/// The layers, each with its chain id, that the host has and that it needs nowhere else in the image.
fn known(layers: &[Digest], host: &[Digest]) -> Vec<(Digest, Digest)> {
    let host: BTreeSet<_> = host.iter().collect();
    let chains = chain_ids(layers);
    // One content may stand in the image twice, in the archive once: it goes if either place lacks it.
    let needed: BTreeSet<_> = layers.iter().zip(&chains).filter(|(_, chain)| !host.contains(chain)).map(|(layer, _)| *layer).collect();
    layers.iter().copied().zip(chains).filter(|(layer, _)| !needed.contains(layer)).collect()
}

async fn load_without(from: &dyn Engine, to: &dyn Engine, image: Digest, known: &[(Digest, Digest)], sent: &Sent) -> Result<(), EngineError> {
    sent.left_out.store(0, Ordering::Relaxed);
    let (bytes, left_out) = (sent.bytes.clone(), sent.left_out.clone());
    let mut thin = thin::Thin::new(known.iter().copied());
    let pieces = from.export(image).await?.map(move |piece| {
        let mut out = Vec::new();
        thin.push(&piece?, &mut out);
        bytes.fetch_add(out.len() as u64, Ordering::Relaxed);
        left_out.store(thin.left_out, Ordering::Relaxed);
        Ok(Bytes::from(out))
    });
    let pieces = pieces.filter(|piece| std::future::ready(!matches!(piece, Ok(bytes) if bytes.is_empty())));
    to.load(Box::pin(pieces)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_that_is_needed_anywhere_is_sent() {
        let [a, b, c] = [b"a", b"b", b"c"].map(|text| Digest::of(text));
        let chains = chain_ids(&[a, b]);
        assert_eq!(known(&[a, b, c], &chains), [(a, chains[0]), (b, chains[1])]);
        // The same content on top again, which the host lacks in that place.
        assert_eq!(known(&[a, b, a], &chains), [(b, chains[1])]);
        assert_eq!(known(&[a, b], &[]), []);
    }
}
