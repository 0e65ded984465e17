//! Unpacks what is packed, and proves which layer it is: a layer is called by the hash of its unpacked bytes.
//!
//! Source: the OCI image specification, "Layer", media types `tar`, `tar+gzip` and `tar+zstd`; RFC 1952 and RFC 8878 for the first bytes of each.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use sha2::{Digest as _, Sha256};

use crate::model::Digest;

/// What the packing refers back to has to be held. Eight MiB is what everything that unpacks should be able to do, and what layers are packed with.
const WINDOW_BYTES_MAX: u64 = 64 << 20;
/// Unpacked bytes that are looked at in one go.
const PIECE_BYTES: usize = 64 << 10;

/// How the bytes of a layer are packed, by the first of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    Plain,
    Gzip,
    Zstd,
}

impl Packing {
    pub(super) fn of(first: &[u8]) -> Self {
        match first {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            // A frame that is to be skipped may come first.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            _ => Self::Plain,
        }
    }

    /// The unpacked bytes, hashed as they are read. Errors after `max` of them.
    pub(super) fn unpack<'a>(self, packed: &'a mut dyn BufRead, max: u64) -> Unpacked<'a> {
        let inner: Box<dyn Read + 'a> = match self {
            Self::Plain => Box::new(packed),
            Self::Gzip => Box::new(MultiGzDecoder::new(packed)),
            Self::Zstd => Box::new(Frames::new(packed)),
        };
        BufReader::with_capacity(PIECE_BYTES, Hashed { inner, hasher: Sha256::new(), left: max })
    }
}

pub(super) type Unpacked<'a> = BufReader<Hashed<'a>>;

/// Reads and hashes.
pub(super) struct Hashed<'a> {
    inner: Box<dyn Read + 'a>,
    hasher: Sha256,
    left: u64,
}

impl Hashed<'_> {
    /// The digest of all that was read.
    pub(super) fn digest(self) -> Digest {
        Digest::from_hasher(self.hasher)
    }
}

impl Read for Hashed<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| io::Error::other("too many bytes are packed in it"))?;
        self.hasher.update(&into[..read]);
        Ok(read)
    }
}

/// The frames of a zstd file, one after the other.
struct Frames<'a> {
    packed: &'a mut dyn BufRead,
    decoder: FrameDecoder,
    under_way: bool,
}

impl<'a> Frames<'a> {
    fn new(packed: &'a mut dyn BufRead) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(WINDOW_BYTES_MAX);
        Self { packed, decoder, under_way: false }
    }

    /// Begins the next frame; false if there is none.
    fn begin(&mut self) -> io::Result<bool> {
        loop {
            if self.packed.fill_buf()?.is_empty() {
                return Ok(false);
            }
            match self.decoder.reset(&mut self.packed) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => self.skip(u64::from(length))?,
                Err(error) => return Err(io::Error::other(error)),
            }
        }
    }

    fn skip(&mut self, length: u64) -> io::Result<()> {
        let skipped = io::copy(&mut (&mut *self.packed).take(length), &mut io::sink())?;
        if skipped == length { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// A frame carries a sum of its content, if who packed it wanted one.
    fn prove(&self) -> io::Result<()> {
        match (self.decoder.get_checksum_from_data(), self.decoder.get_calculated_checksum()) {
            (Some(said), Some(is)) if said != is => Err(io::Error::other("what is unpacked is not what was packed")),
            _ => Ok(()),
        }
    }
}

impl Read for Frames<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.under_way && !self.begin()? {
                return Ok(0);
            }
            self.under_way = true;
            if self.decoder.can_collect() > 0 {
                return self.decoder.read(into);
            }
            if self.decoder.is_finished() {
                self.prove()?;
                self.under_way = false;
            } else {
                self.decoder.decode_blocks(&mut self.packed, BlockDecodingStrategy::UptoBlocks(1)).map_err(io::Error::other)?;
            }
        }
    }
}
