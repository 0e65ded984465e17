//! A file that is held whole up to a bound, and above it only watched for signs of what would have been read.

use memchr::memmem;

/// Rust's programs stripped of symbols are mostly below 30 MB; the bound keeps a scan of programs at tens of megabytes, whatever comes.
pub(super) const HELD_BYTES_MAX: usize = 48 << 20;

/// The name of Rust's section as it stands in the table of names, which is at the file's end.
const SIGN: &[u8] = b"\0.dep-v0\0";

/// A file so far.
#[derive(Debug)]
pub(super) enum Held {
    Whole(Vec<u8>),
    TooLarge(Tail),
}

/// The end of what has passed of a file that is too large to hold.
#[derive(Debug, Default)]
pub(super) struct Tail {
    last: Vec<u8>,
    is_signed: bool,
}

impl Default for Held {
    fn default() -> Self {
        Self::Whole(Vec::new())
    }
}

impl Held {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        match self {
            Self::Whole(held) if held.len() + bytes.len() <= HELD_BYTES_MAX => held.extend_from_slice(bytes),
            Self::Whole(held) => {
                let mut tail = Tail::default();
                tail.push(held);
                tail.push(bytes);
                *self = Self::TooLarge(tail);
            }
            Self::TooLarge(tail) => tail.push(bytes),
        }
    }
}

impl Tail {
    /// Whether the sign has passed.
    pub(super) fn is_signed(&self) -> bool {
        self.is_signed
    }

    fn push(&mut self, bytes: &[u8]) {
        let across = bytes.len().min(SIGN.len() - 1);
        self.last.extend_from_slice(&bytes[..across]);
        self.is_signed |= memmem::find(&self.last, SIGN).is_some() || memmem::find(bytes, SIGN).is_some();
        self.last.extend_from_slice(&bytes[across..][bytes[across..].len().saturating_sub(SIGN.len() - 1)..]);
        self.last.drain(..self.last.len().saturating_sub(SIGN.len() - 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sign_is_seen_however_the_file_is_cut() {
        for size in 1..=20 {
            for before in 0..20 {
                let mut tail = Tail::default();
                let file = [&vec![b'x'; before], SIGN, b"yyy"].concat();
                file.chunks(size).for_each(|piece| tail.push(piece));
                assert!(tail.is_signed(), "{size} {before}");
            }
        }
        let mut tail = Tail::default();
        tail.push(b"a text of .dep-v0 as in a scanner\0");
        assert!(!tail.is_signed());
    }

    #[test]
    fn a_file_above_the_bound_is_let_go() {
        let mut held = Held::default();
        held.push(&vec![0; HELD_BYTES_MAX]);
        assert!(matches!(held, Held::Whole(_)));
        held.push(b"\0.dep");
        held.push(b"-v0\0");
        assert!(matches!(&held, Held::TooLarge(tail) if tail.is_signed() && tail.last.len() < SIGN.len()));
    }
}
