//! An image on its way from one engine to another: one stream, nothing on disk between them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::StreamExt;

use super::{Engine, EngineError};
use crate::model::{Digest, ImageRef};

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
    let layers = from.image(&id).await?.ok_or_else(missing)?.layers.len();
    let bytes = Arc::new(AtomicU64::new(0));
    let counter = bytes.clone();
    let counted = from.export(image).await?.inspect(move |chunk| {
        if let Ok(chunk) = chunk {
            counter.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        }
    });
    to.load(Box::pin(counted)).await?;
    Ok(Carried { bytes: bytes.load(Ordering::Relaxed), layers_sent: u32::try_from(layers).unwrap_or(u32::MAX), layers_kept: 0, already_there: false })
}
