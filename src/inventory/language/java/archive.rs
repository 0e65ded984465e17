//! An archive in ZIP's format, read from its directory, without trusting what that says.
//!
//! Source: PKWARE's APPNOTE.TXT: the end of central directory record (4.3.16, 4.3.14 and 4.3.15 for the one of 64 bits), the central directory (4.3.12)
//! and local headers (4.3.7). Offsets count from where the archive begins, which is not the file's start if a launcher stands before it.

use std::borrow::Cow;

use memchr::memmem;
use miniz_oxide::inflate::{TINFLStatus, decompress_to_vec_with_limit};

use super::budget::{Budget, SPENT};

const END: &[u8] = b"PK\x05\x06";
const END_BYTES: usize = 22;
/// A comment's length has 16 bits.
const COMMENT_BYTES_MAX: usize = 0xffff;
const END_64: &[u8] = b"PK\x06\x06";
const LOCATOR_64: &[u8] = b"PK\x06\x07";
const LOCATOR_64_BYTES: usize = 20;
const DIRECTORY: &[u8] = b"PK\x01\x02";
const DIRECTORY_BYTES: usize = 46;
const LOCAL: &[u8] = b"PK\x03\x04";
const LOCAL_BYTES: usize = 30;

const ENCRYPTED: u16 = 1;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// Why an archive as a whole cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum ArchiveError {
    #[error("is no archive: it has no directory at its end")]
    NoArchive,
    #[error("has a directory that does not lie within it")]
    Misplaced,
    #[error("has a directory that breaks off")]
    Broken,
}

/// Why one entry cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum EntryError {
    #[error("does not lie within its archive")]
    Misplaced,
    #[error("is encrypted")]
    Encrypted,
    #[error("is compressed by method {0}, which is not read")]
    Method(u16),
    #[error("has more than {0} bytes unpacked, the most that is read")]
    TooLarge(usize),
    #[error("cannot be decompressed")]
    Broken,
    #[error("{SPENT}")]
    Spent,
}

/// An archive in memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Archive<'a> {
    /// From where the archive begins.
    bytes: &'a [u8],
    directory: &'a [u8],
}

/// One name of the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    pub(super) name: Cow<'a, str>,
    flags: u16,
    method: u16,
    packed: usize,
    local_at: usize,
}

impl Entry<'_> {
    /// Whether its bytes stand in the archive as they are.
    pub(super) fn is_stored(&self) -> bool {
        self.method == STORED
    }
}

impl<'a> Archive<'a> {
    pub(super) fn of(file: &'a [u8]) -> Result<Self, ArchiveError> {
        let end_at = end_of(file).ok_or(ArchiveError::NoArchive)?;
        let (size, offset, directory_end) = directory_64(file, end_at).or_else(|| directory_32(file, end_at)).ok_or(ArchiveError::Misplaced)?;
        let begin = directory_end.checked_sub(size).and_then(|at| at.checked_sub(offset)).ok_or(ArchiveError::Misplaced)?;
        let bytes = &file[begin..directory_end];
        Ok(Self { bytes, directory: &bytes[offset..] })
    }

    /// The names in the directory, in its order; one error, if it breaks off, is the last.
    pub(super) fn entries(&self) -> impl Iterator<Item = Result<Entry<'a>, ArchiveError>> + use<'a> {
        let mut rest = self.directory;
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let read = entry(rest).ok_or(ArchiveError::Broken);
            rest = read.as_ref().map_or(&[], |(_, length)| &rest[*length..]);
            Some(read.map(|(entry, _)| entry))
        })
    }

    /// The content of an entry, of at most so many bytes.
    pub(super) fn content(&self, entry: &Entry<'a>, bytes_max: usize, budget: &mut Budget) -> Result<Cow<'a, [u8]>, EntryError> {
        if entry.flags & ENCRYPTED != 0 {
            return Err(EntryError::Encrypted);
        }
        let packed = self.packed(entry).ok_or(EntryError::Misplaced)?;
        if !budget.take_bytes(packed.len()) {
            return Err(EntryError::Spent);
        }
        match entry.method {
            STORED if packed.len() > bytes_max => Err(EntryError::TooLarge(bytes_max)),
            STORED => Ok(Cow::Borrowed(packed)),
            DEFLATED => inflate(packed, bytes_max, budget).map(Cow::Owned),
            method => Err(EntryError::Method(method)),
        }
    }

    /// The bytes of an entry as they stand: they follow its local header, whose name and extra field may have other lengths than the directory's.
    fn packed(&self, entry: &Entry<'_>) -> Option<&'a [u8]> {
        let local = self.bytes.get(entry.local_at..)?;
        let header = local.get(..LOCAL_BYTES).filter(|header| header.starts_with(LOCAL))?;
        let at = LOCAL_BYTES + usize::from(u16_at(header, 26)?) + usize::from(u16_at(header, 28)?);
        local.get(at..)?.get(..entry.packed)
    }
}

/// Decompresses, and pays for what comes out, also if it comes to nothing.
fn inflate(packed: &[u8], bytes_max: usize, budget: &mut Budget) -> Result<Vec<u8>, EntryError> {
    let limit = bytes_max.min(budget.bytes());
    let inflated = decompress_to_vec_with_limit(packed, limit);
    let out = inflated.as_ref().map_or_else(|error| error.output.len(), Vec::len);
    let is_paid = budget.take_bytes(out);
    match inflated {
        Ok(bytes) if is_paid => Ok(bytes),
        Ok(_) => Err(EntryError::Spent),
        Err(error) if error.status != TINFLStatus::HasMoreOutput => Err(EntryError::Broken),
        Err(_) if limit < bytes_max => Err(EntryError::Spent),
        Err(_) => Err(EntryError::TooLarge(bytes_max)),
    }
}

/// Where the record at the end is: the last one whose comment fits into the file.
fn end_of(file: &[u8]) -> Option<usize> {
    let from = file.len().saturating_sub(END_BYTES + COMMENT_BYTES_MAX);
    let fits = |at: &usize| u16_at(file, at + 20).is_some_and(|comment| at + END_BYTES + usize::from(comment) <= file.len());
    memmem::rfind_iter(&file[from..], END).map(|at| from + at).find(fits)
}

/// Size and offset of the directory, and where it ends: right before the record.
fn directory_32(file: &[u8], end_at: usize) -> Option<(usize, usize, usize)> {
    Some((usize::try_from(u32_at(file, end_at + 12)?).ok()?, usize::try_from(u32_at(file, end_at + 16)?).ok()?, end_at))
}

/// The same of an archive of more than 65 535 entries or 4 GB, which has another record before.
fn directory_64(file: &[u8], end_at: usize) -> Option<(usize, usize, usize)> {
    let locator_at = end_at.checked_sub(LOCATOR_64_BYTES)?;
    file.get(locator_at..).filter(|locator| locator.starts_with(LOCATOR_64))?;
    // The locator counts from the archive's start, which is only known by what it leads to: the record lies right before it, 56 bytes and what
    // newer versions add.
    let said = usize::try_from(u64_at(file, locator_at + 8)?).ok()?;
    let record_at =
        [Some(said), locator_at.checked_sub(56)].into_iter().flatten().find(|at| file.get(*at..).is_some_and(|at| at.starts_with(END_64)))?;
    Some((usize::try_from(u64_at(file, record_at + 40)?).ok()?, usize::try_from(u64_at(file, record_at + 48)?).ok()?, record_at))
}

/// One entry of the directory, and how long it is there.
fn entry(rest: &[u8]) -> Option<(Entry<'_>, usize)> {
    let header = rest.get(..DIRECTORY_BYTES).filter(|header| header.starts_with(DIRECTORY))?;
    let [name, extra, comment] = [28, 30, 32].map(|at| u16_at(header, at).map(usize::from));
    let name_end = DIRECTORY_BYTES + name?;
    let length = name_end + extra? + comment?;
    let name = String::from_utf8_lossy(rest.get(..length)?.get(DIRECTORY_BYTES..name_end)?);
    let (packed, local_at) = (usize::try_from(u32_at(header, 20)?).ok()?, usize::try_from(u32_at(header, 42)?).ok()?);
    Some((Entry { name, flags: u16_at(header, 8)?, method: u16_at(header, 10)?, packed, local_at }, length))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().copied().map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().copied().map(u64::from_le_bytes)
}
