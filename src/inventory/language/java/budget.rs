//! How much work one file may make, whatever its archives say of themselves.

/// Bytes that are taken out of archives and that come out of their compression, together. An application of 250 MB whose parts lie in it uncompressed,
/// which are then taken out once each, stays well below; one second or two at the speed of decompression.
const BYTES_MAX: u64 = 1 << 30;

/// Names in all directories together; the largest libraries have 100 000.
const ENTRIES_MAX: u64 = 1_000_000;

/// What is said when all is spent.
pub(super) const SPENT: &str = "makes more work than an archive may: the rest of it was not read";

/// What is left.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    bytes: u64,
    entries: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { bytes: BYTES_MAX, entries: ENTRIES_MAX }
    }
}

impl Budget {
    /// Takes one name of a directory; false if there is none left.
    pub(super) fn take_entry(&mut self) -> bool {
        self.entries = self.entries.saturating_sub(1);
        self.entries > 0 && self.bytes > 0
    }

    /// Takes so many bytes; false, and nothing is left for others, if there are not as many.
    pub(super) fn take_bytes(&mut self, bytes: usize) -> bool {
        let (left, is_over) = self.bytes.overflowing_sub(bytes as u64);
        self.bytes = if is_over { 0 } else { left };
        !is_over
    }

    /// How many bytes may still come out.
    pub(super) fn bytes(&self) -> usize {
        usize::try_from(self.bytes).unwrap_or(usize::MAX)
    }

    #[cfg(test)]
    pub(super) fn of(bytes: u64, entries: u64) -> Self {
        Self { bytes, entries }
    }
}
