//! Bytes that the records of a file may have together: no more than the file, for records do not overlap.
//!
//! Without it a small file of a thousand records, each of which claims to be nearly all of the file, would take hours.

/// What is left of a file's bytes.
pub(super) struct Budget(usize);

impl Budget {
    pub(super) fn of(file: &[u8]) -> Self {
        Self(file.len())
    }

    /// Takes a record's bytes. False if the records before have left fewer.
    pub(super) fn spend(&mut self, bytes: usize) -> bool {
        let left = self.0.checked_sub(bytes);
        self.0 = left.unwrap_or(0);
        left.is_some()
    }
}

/// Why reading stops when a budget is spent.
pub(super) const OVERLAP: &str = "has records that overlap; those after the first of these are not read";
