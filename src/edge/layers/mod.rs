//! Reads what is in the layers of an image, from its archive as an engine streams it.
//!
//! In: the stream of `docker save`, and which layers are wanted. Out: what was found in each, for `inventory` to lay upon each other. No container is
//! run and nothing is unpacked to disk: bytes stream past, and only a file that says something of packages is held, one at a time. What is in the
//! layers is a stranger's work, so everything has a bound, and what cannot be read is named and never passed over in silence.

mod archive;
mod entries;
mod header;
mod layer;
mod pieces;
mod place;
mod unpack;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::mpsc;
use tokio::task::JoinError;

use super::ByteStream;
use crate::inventory::LayerFound;
use crate::model::Digest;
use layer::Limits;
use pieces::{PIECES_WAITING_MAX, Pieces, hand_over};

/// Why the layers of an image could not be read. Nothing is known then; what is wrong inside a layer is in its [`LayerFound::unreadable`] instead.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum LayersError {
    /// The engine or the way to it failed while the image streamed.
    #[error("the image's archive broke off")]
    #[diagnostic(help("check that the engine is up and its disk is well, then try again"))]
    Broke {
        /// What the connection said.
        #[source]
        source: std::io::Error,
    },
    /// What came is no archive of an image.
    #[error("what the engine sent as the image's archive {why}")]
    #[diagnostic(help("try again; if it stays so, see whether `docker save` gives an archive that `tar -t` can read"))]
    NoArchive {
        /// What is wrong, as a phrase: `ends in the middle of an entry`.
        why: String,
    },
    /// The archive is whole, but not everything is in it.
    #[error("the image's archive has no layer {}", layers.iter().map(Digest::to_string).collect::<Vec<_>>().join(", "))]
    #[diagnostic(help("an engine leaves out layers that it may not pass on; pull the image again if it should have them"))]
    Missing {
        /// The layers that are not there.
        layers: Vec<Digest>,
    },
    /// Reading ended without a result.
    #[error("reading the image's layers was given up: {why}")]
    GivenUp {
        /// What the thread said.
        why: String,
    },
}

/// Reads the wanted layers, each by the digest of its unpacked bytes (its diff id), out of an image's archive.
///
/// All of them are in the result. The stream is dropped as soon as they are read. Bytes are read on a thread that may wait; dropping the future ends it.
/// Errors if the archive is not whole or lacks a layer; faults inside a layer are told in its own [`LayerFound`].
pub async fn read_layers(image: ByteStream, wanted: &BTreeSet<Digest>) -> Result<BTreeMap<Digest, LayerFound>, LayersError> {
    let (to, from) = mpsc::channel(PIECES_WAITING_MAX);
    let wanted = wanted.clone();
    let mut reading = tokio::task::spawn_blocking(move || archive::read_archive(&mut Pieces::new(from), &wanted, Limits::LAYER));
    tokio::select! {
        read = &mut reading => ended(read),
        () = hand_over(image, to) => ended(reading.await),
    }
}

fn ended<T>(read: Result<Result<T, LayersError>, JoinError>) -> Result<T, LayersError> {
    read.unwrap_or_else(|error| Err(LayersError::GivenUp { why: error.to_string() }))
}
