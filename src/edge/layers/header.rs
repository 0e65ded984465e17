//! One header of a tar archive: 512 bytes that say what comes and how many bytes of it.
//!
//! Source: POSIX.1-2024, pax, "ustar Interchange Format", and GNU tar's manual, "Basic Tar Format". Where these leave room, it is read as Go's
//! `archive/tar` does, because that is what engines unpack with: read otherwise, an archive could show us other files than it shows them.

pub(super) const BLOCK: usize = 512;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    /// A file of which only the pieces between its holes are stored.
    Sparse,
    Folder,
    HardLink,
    Symlink,
    /// A device or a pipe.
    Special,
    /// A kind that no engine unpacks.
    Unknown,
    /// `x`, `g`, `L` and `K`: about the entry behind them, or about all of them.
    Pax,
    PaxGlobal,
    LongName,
    LongLink,
}

impl Kind {
    fn of(flag: u8) -> Self {
        match flag {
            b'0' | 0 | b'7' => Self::File,
            b'1' => Self::HardLink,
            b'2' => Self::Symlink,
            b'3' | b'4' | b'6' => Self::Special,
            b'5' => Self::Folder,
            b'S' => Self::Sparse,
            b'x' => Self::Pax,
            b'g' => Self::PaxGlobal,
            b'L' => Self::LongName,
            b'K' => Self::LongLink,
            _ => Self::Unknown,
        }
    }

    /// Whether nothing follows its header, whatever the header says of a size.
    pub(super) fn has_no_body(self) -> bool {
        matches!(self, Self::HardLink | Self::Symlink | Self::Special | Self::Folder)
    }
}

/// What a header says by itself; extended headers before it may say otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: Kind,
    pub(super) name: Vec<u8>,
    pub(super) link: Vec<u8>,
    pub(super) size: u64,
    pub(super) mode: u32,
    /// More of the map of a sparse file's pieces follows before its bytes.
    pub(super) map_goes_on: bool,
}

impl Header {
    /// Reads a block; none if its sum is wrong or its size is no number.
    pub(super) fn read(block: &[u8; BLOCK]) -> Option<Self> {
        if !sums_up(block) {
            return None;
        }
        let size = number(&block[124..136])?;
        let name = name(block);
        let kind = match Kind::of(block[156]) {
            // Archives older than the flag for folders.
            Kind::File if block[156] == 0 && name.ends_with(b"/") => Kind::Folder,
            kind => kind,
        };
        let mode = number(&block[100..108]).map_or(0, |mode| (mode & 0o7777) as u32);
        let map_goes_on = kind == Kind::Sparse && block[482] != 0;
        Some(Self { kind, name, link: until_nul(&block[157..257]).to_vec(), size, mode, map_goes_on })
    }
}

/// The name, for `ustar` with what stands before it. GNU's own headers have other things in that place.
fn name(block: &[u8; BLOCK]) -> Vec<u8> {
    let name = until_nul(&block[..100]);
    let prefix = if &block[257..263] == b"ustar\0" { until_nul(&block[345..500]) } else { &[] };
    if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() }
}

/// Whether the bytes add up to what the header says, its own sum counted as spaces. Some old programs added up signed bytes.
fn sums_up(block: &[u8; BLOCK]) -> bool {
    const SPACES: u32 = 8 * b' ' as u32;
    let (before, after) = (&block[..148], &block[156..]);
    let unsigned = |part: &[u8]| part.iter().map(|byte| u32::from(*byte)).sum::<u32>();
    let Some(said) = number(&block[148..156]) else { return false };
    // Each byte from 128 on counts 256 less if it is signed.
    let high = |part: &[u8]| part.iter().filter(|byte| !byte.is_ascii()).count() as u64;
    let sum = u64::from(unsigned(before) + unsigned(after) + SPACES);
    said == sum || said + 256 * (high(before) + high(after)) == sum
}

/// A number in octal digits, or in binary where the first bit is set. None if it is neither, is negative or does not fit.
fn number(field: &[u8]) -> Option<u64> {
    const BINARY: u8 = 0x80;
    const NEGATIVE: u8 = 0x40;
    if field[0] & BINARY != 0 {
        let is_negative = field[0] & NEGATIVE != 0;
        let digits = field.iter().enumerate().map(|(at, byte)| if at == 0 { byte & !BINARY } else { *byte });
        return if is_negative { None } else { digits.into_iter().try_fold(0_u64, |all, byte| all.checked_mul(256)?.checked_add(u64::from(byte))) };
    }
    let text = std::str::from_utf8(until_nul(field.trim_ascii_start())).ok()?.trim_matches(' ');
    if text.is_empty() { Some(0) } else { u64::from_str_radix(text, 8).ok() }
}

pub(super) fn until_nul(field: &[u8]) -> &[u8] {
    &field[..memchr::memchr(0, field).unwrap_or(field.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_binary() {
        for (field, value) in [
            (&b"0000644\0"[..], Some(0o644)),
            (b"   644 \0", Some(0o644)),
            (b"\0\0\0\0\0\0\0\0", Some(0)),
            (b"00000089", None),
            (b"-0000001", None),
            (&[0x80, 0, 0, 0, 0, 0, 1, 0], Some(256)),
            (&[0xff; 8], None),
            (&[0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0], None),
        ] {
            assert_eq!(number(field), value, "{field:?}");
        }
    }

    #[test]
    fn a_block_with_a_wrong_sum_is_no_header() {
        let mut header = tar::Header::new_gnu();
        header.set_path("a/b").unwrap();
        header.set_size(7);
        header.set_mode(0o755);
        header.set_cksum();
        let mut block = *header.as_bytes();
        let read = Header::read(&block).unwrap();
        assert_eq!((read.kind, &read.name[..], read.size, read.mode), (Kind::File, &b"a/b"[..], 7, 0o755));
        block[0] = b'c';
        assert_eq!(Header::read(&block), None);
    }
}
