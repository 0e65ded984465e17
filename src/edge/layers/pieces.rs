//! A stream of bytes as something that can be read in the ordinary way, on a thread that may wait.

use std::io::{self, BufRead, Read};

use bytes::{Buf, Bytes};
use futures_util::StreamExt;
use tokio::sync::mpsc;

use crate::edge::ByteStream;

/// Pieces that wait for their reader. A connection's pieces have some 10 to 400 KB: enough that neither side stands still, and a few megabytes at most.
pub(super) const PIECES_WAITING_MAX: usize = 8;

/// The reading side.
pub(super) struct Pieces {
    from: mpsc::Receiver<io::Result<Bytes>>,
    piece: Bytes,
    /// What broke the stream. It is kept because what unpacks a layer tells its own story of it.
    broken: Option<io::Error>,
}

impl Pieces {
    pub(super) fn new(from: mpsc::Receiver<io::Result<Bytes>>) -> Self {
        Self { from, piece: Bytes::new(), broken: None }
    }

    /// What broke the stream, if it did.
    pub(super) fn take_broken(&mut self) -> Option<io::Error> {
        self.broken.take()
    }
}

impl BufRead for Pieces {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.piece.is_empty() && self.broken.is_none() {
            match self.from.blocking_recv() {
                Some(Ok(piece)) => self.piece = piece,
                Some(Err(error)) => self.broken = Some(error),
                None => break,
            }
        }
        match &self.broken {
            Some(error) => Err(io::Error::new(error.kind(), error.to_string())),
            None => Ok(&self.piece),
        }
    }

    fn consume(&mut self, bytes: usize) {
        self.piece.advance(bytes);
    }
}

impl Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let piece = self.fill_buf()?;
        let now = piece.len().min(into.len());
        into[..now].copy_from_slice(&piece[..now]);
        self.consume(now);
        Ok(now)
    }
}

/// Hands pieces over until the stream ends or breaks, or nobody reads any more.
pub(super) async fn hand_over(mut image: ByteStream, to: mpsc::Sender<io::Result<Bytes>>) {
    while let Some(piece) = image.next().await {
        let broke = piece.is_err();
        if to.send(piece).await.is_err() || broke {
            return;
        }
    }
}
