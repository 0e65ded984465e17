//! The entries of a tar archive as they stream past, each with its bytes if somebody wants them.
//!
//! It serves both the archive of an image and the layers in it. Nothing is sought and nothing is held but a name: an archive may be endless, and any
//! number in it may be a lie. Names of any length come from GNU's and pax's extended headers.

use std::io::{self, BufRead, ErrorKind, Read};

use super::header::{BLOCK, Header, Kind, until_nul};

/// Extended headers hold names and a few attributes. Go's reader draws the line here as well, so no engine has unpacked a longer one.
const EXTENDED_BYTES_MAX: u64 = 1 << 20;

/// Why an archive cannot be read on. Phrases that follow on what was read: "the layer …".
#[derive(Debug, thiserror::Error)]
pub(super) enum TarError {
    /// What is below gave out: the connection, or what unpacks.
    #[error("cannot be read from byte {at} on: {source}")]
    Below { at: u64, source: io::Error },
    #[error("ends in the middle of an entry")]
    Short,
    #[error("has no header where one is due, at byte {at}")]
    NoHeader { at: u64 },
    #[error("has an extended header of {size} bytes, which is more than {EXTENDED_BYTES_MAX}, at byte {at}")]
    LongHeader { at: u64, size: u64 },
    #[error("has an extended header that cannot be read, before byte {at}")]
    BadHeader { at: u64 },
    #[error("has more than {max} bytes")]
    TooMuch { max: u64 },
    #[error("has more than {max} files")]
    TooMany { max: u32 },
}

/// An entry as its headers tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    /// As it is written, before any cleaning.
    pub(super) name: Vec<u8>,
    /// Where a link leads.
    pub(super) link: Vec<u8>,
    /// Bytes of it in the archive.
    pub(super) size: u64,
    pub(super) mode: u32,
}

/// The entries, one after the other.
pub(super) struct Entries<R> {
    read: R,
    /// Bytes read so far.
    at: u64,
    /// Bytes that may be read at all.
    max: u64,
    /// What is still to come of the body under way, and the padding behind it.
    left: u64,
    padding: u64,
    ended: bool,
}

impl<R: BufRead> Entries<R> {
    /// At most `max` bytes are read.
    pub(super) fn new(read: R, max: u64) -> Self {
        Self { read, at: 0, max, left: 0, padding: 0, ended: false }
    }

    /// The next entry; what was not read of the one before is passed over. None at the end.
    pub(super) fn next(&mut self) -> Result<Option<Entry>, TarError> {
        let mut extended = Extended::default();
        loop {
            let Some(header) = self.header()? else {
                return if extended.is_empty() { Ok(None) } else { Err(TarError::Short) };
            };
            match header.kind {
                Kind::Pax => extended.take_pax(&self.extension(header.size)?).ok_or(TarError::BadHeader { at: self.at })?,
                Kind::LongName => extended.long_name = Some(until_nul(&self.extension(header.size)?).to_vec()),
                Kind::LongLink => extended.long_link = Some(until_nul(&self.extension(header.size)?).to_vec()),
                // Engines pass these over with all that came before, so they may not rename anything for us.
                Kind::PaxGlobal => {
                    extended = Extended::default();
                    self.begin_body(header.size)?;
                }
                _ => return self.entry(header, extended).map(Some),
            }
        }
    }

    /// The bytes of the entry that came last.
    pub(super) fn body(&mut self) -> Body<'_, R> {
        Body { entries: self }
    }

    /// Passes over what is left of the entry.
    pub(super) fn pass_over(&mut self) -> Result<(), TarError> {
        let mut left = self.left + self.padding;
        (self.left, self.padding) = (0, 0);
        while left > 0 {
            let piece = self.piece()?.len() as u64;
            let now = left.min(piece);
            if now == 0 {
                return Err(TarError::Short);
            }
            self.consume(now);
            left -= now;
        }
        Ok(())
    }

    fn entry(&mut self, header: Header, extended: Extended) -> Result<Entry, TarError> {
        if header.map_goes_on {
            self.pass_over_map()?;
        }
        let size = if header.kind.has_no_body() { 0 } else { extended.size.unwrap_or(header.size) };
        self.begin_body(size)?;
        let kind = if header.kind == Kind::File && extended.is_sparse { Kind::Sparse } else { header.kind };
        let name = extended.long_name.or(extended.path).unwrap_or(header.name);
        let link = extended.long_link.or(extended.link).unwrap_or(header.link);
        Ok(Entry { kind, name, link, size, mode: header.mode })
    }

    fn begin_body(&mut self, size: u64) -> Result<(), TarError> {
        let padding = size.wrapping_neg() % BLOCK as u64;
        if self.at.checked_add(size).and_then(|end| end.checked_add(padding)).is_none_or(|end| end > self.max) {
            return Err(TarError::TooMuch { max: self.max });
        }
        (self.left, self.padding) = (size, padding);
        Ok(())
    }

    /// The next header; none at the end, which is two blocks of zeros, or nothing at all.
    fn header(&mut self) -> Result<Option<Header>, TarError> {
        if self.ended {
            return Ok(None);
        }
        self.pass_over()?;
        let at = self.at;
        let block = match self.block()? {
            Some(block) if block == [0; BLOCK] => self.block()?.filter(|second| *second != [0; BLOCK]).map(|_| [0; BLOCK]),
            block => block,
        };
        self.ended = block.is_none();
        block.map(|block| Header::read(&block).filter(|_| block != [0; BLOCK]).ok_or(TarError::NoHeader { at })).transpose()
    }

    /// One block; none if nothing comes any more.
    fn block(&mut self) -> Result<Option<[u8; BLOCK]>, TarError> {
        if self.at + BLOCK as u64 > self.max {
            return Err(TarError::TooMuch { max: self.max });
        }
        let (mut block, mut filled) = ([0; BLOCK], 0);
        while filled < BLOCK {
            let piece = self.piece()?;
            let now = piece.len().min(BLOCK - filled);
            if now == 0 {
                return if filled == 0 { Ok(None) } else { Err(TarError::Short) };
            }
            block[filled..filled + now].copy_from_slice(&piece[..now]);
            self.consume(now as u64);
            filled += now;
        }
        Ok(Some(block))
    }

    /// The rest of a sparse file's map: blocks of which each says whether one more follows.
    fn pass_over_map(&mut self) -> Result<(), TarError> {
        while self.block()?.ok_or(TarError::Short)?[504] != 0 {}
        Ok(())
    }

    /// All of an extended header.
    fn extension(&mut self, size: u64) -> Result<Vec<u8>, TarError> {
        if size > EXTENDED_BYTES_MAX {
            return Err(TarError::LongHeader { at: self.at, size });
        }
        self.begin_body(size)?;
        let mut bytes = Vec::new();
        let read = self.body().read_to_end(&mut bytes);
        read.map_err(|source| TarError::Below { at: self.at, source })?;
        if bytes.len() as u64 == size { Ok(bytes) } else { Err(TarError::Short) }
    }

    /// What can be had without copying; empty at the end.
    fn piece(&mut self) -> Result<&[u8], TarError> {
        let at = self.at;
        loop {
            match self.read.fill_buf() {
                Ok(_) => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(source) => return Err(TarError::Below { at, source }),
            }
        }
        self.read.fill_buf().map_err(|source| TarError::Below { at, source })
    }

    fn consume(&mut self, bytes: u64) {
        self.at += bytes;
        self.read.consume(bytes as usize);
    }
}

/// The bytes of one entry. Shorter than the entry says if the archive is.
pub(super) struct Body<'a, R> {
    entries: &'a mut Entries<R>,
}

impl<R: BufRead> Body<'_, R> {
    pub(super) fn is_read(&self) -> bool {
        self.entries.left == 0
    }

    /// Bytes that can be had without copying; [`TarError::Short`] if there are none although some are due.
    pub(super) fn piece(&mut self) -> Result<&[u8], TarError> {
        let left = usize::try_from(self.entries.left).unwrap_or(usize::MAX);
        let piece = self.entries.piece()?;
        if piece.is_empty() { Err(TarError::Short) } else { Ok(&piece[..piece.len().min(left)]) }
    }
}

impl<R: BufRead> BufRead for Body<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.entries.left == 0 {
            return Ok(&[]);
        }
        let left = usize::try_from(self.entries.left).unwrap_or(usize::MAX);
        let piece = self.entries.read.fill_buf()?;
        Ok(&piece[..piece.len().min(left)])
    }

    fn consume(&mut self, bytes: usize) {
        self.entries.left -= bytes as u64;
        self.entries.consume(bytes as u64);
    }
}

impl<R: BufRead> Read for Body<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let piece = self.fill_buf()?;
        let now = piece.len().min(into.len());
        into[..now].copy_from_slice(&piece[..now]);
        self.consume(now);
        Ok(now)
    }
}

/// What extended headers say of the entry behind them. GNU's names weigh more than pax's, as in Go's reader.
#[derive(Default)]
struct Extended {
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    is_sparse: bool,
    is_there: bool,
}

impl Extended {
    fn is_empty(&self) -> bool {
        !self.is_there && self.long_name.is_none() && self.long_link.is_none()
    }

    /// Takes in records of the form `<length> <key>=<value>\n`, the length that of the whole record. None if one of them is not of it.
    fn take_pax(&mut self, mut records: &[u8]) -> Option<()> {
        self.is_there = true;
        while !records.is_empty() {
            let space = memchr::memchr(b' ', records)?;
            let length: usize = std::str::from_utf8(&records[..space]).ok()?.parse().ok()?;
            let record = records.get(space + 1..length)?.strip_suffix(b"\n")?;
            let equals = memchr::memchr(b'=', record)?;
            self.take_record(&record[..equals], &record[equals + 1..])?;
            records = &records[length..];
        }
        Some(())
    }

    /// An empty value takes back what was said, so that the header itself counts again.
    fn take_record(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        let said = (!value.is_empty()).then_some(value);
        match key {
            // The true name of a sparse file; its `path` is a made-up one.
            b"GNU.sparse.name" => (self.path, self.is_sparse) = (said.map(<[u8]>::to_vec), true),
            b"path" if !self.is_sparse => self.path = said.map(<[u8]>::to_vec),
            b"linkpath" => self.link = said.map(<[u8]>::to_vec),
            b"size" => self.size = said.map(|size| std::str::from_utf8(size).ok()?.parse().ok()).map_or(Some(None), |size| size.map(Some))?,
            _ if key.starts_with(b"GNU.sparse.") => self.is_sparse = true,
            _ => {}
        }
        Some(())
    }
}
