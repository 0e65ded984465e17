//! The table of sections of an ELF file, of both sizes and both orders of bytes.
//!
//! Source: the ELF specification (gABI), "ELF Header" and "Section Header Table".

/// Where the fields of one class of ELF are.
struct Layout {
    is_wide: bool,
    is_big: bool,
}

/// Why there is no such section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum SectionError {
    #[error("is shorter than its header says")]
    Short,
}

/// The bytes of the first section of this name; none if the file has no such section, or no table of sections at all.
pub(super) fn section<'a>(file: &'a [u8], name: &[u8]) -> Result<Option<&'a [u8]>, SectionError> {
    let layout = Layout { is_wide: file.get(4) == Some(&2), is_big: file.get(5) == Some(&2) };
    let (table_at, sizes_at) = if layout.is_wide { (0x28, 0x3A) } else { (0x20, 0x2E) };
    let table = layout.word(file, table_at).ok_or(SectionError::Short)?;
    let [each, count, names] = [0, 2, 4].map(|at| layout.half(file, sizes_at + at));
    let (Some(each), Some(count), Some(names)) = (each, count, names) else { return Err(SectionError::Short) };
    if table == 0 || count == 0 {
        return Ok(None);
    }
    let header = |index: u64| from(file, table.checked_add(index * each)?, each);
    let names = header(names).and_then(|names| layout.bytes(file, names)).ok_or(SectionError::Short)?;
    let is_named = |header: &&[u8]| layout.full(header, 0).and_then(|at| names.get(usize::try_from(at).ok()?..)).is_some_and(|at| starts(at, name));
    match (0..count).filter_map(header).find(is_named) {
        Some(header) => layout.bytes(file, header).map(Some).ok_or(SectionError::Short),
        None => Ok(None),
    }
}

/// Whether a name of the table is this one.
fn starts(at: &[u8], name: &[u8]) -> bool {
    at.strip_prefix(name).is_some_and(|rest| rest.first() == Some(&0))
}

fn from(file: &[u8], at: u64, length: u64) -> Option<&[u8]> {
    file.get(usize::try_from(at).ok()?..)?.get(..usize::try_from(length).ok()?)
}

impl Layout {
    /// The bytes that a section's header speaks of.
    fn bytes<'a>(&self, file: &'a [u8], header: &[u8]) -> Option<&'a [u8]> {
        let (offset_at, size_at) = if self.is_wide { (0x18, 0x20) } else { (0x10, 0x14) };
        from(file, self.word(header, offset_at)?, self.word(header, size_at)?)
    }

    fn half(&self, bytes: &[u8], at: usize) -> Option<u64> {
        let two = *bytes.get(at..)?.first_chunk()?;
        Some(u64::from(if self.is_big { u16::from_be_bytes(two) } else { u16::from_le_bytes(two) }))
    }

    fn full(&self, bytes: &[u8], at: usize) -> Option<u64> {
        let four = *bytes.get(at..)?.first_chunk()?;
        Some(u64::from(if self.is_big { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) }))
    }

    /// An offset or a size: eight bytes in a file of 64 bits, else four.
    fn word(&self, bytes: &[u8], at: usize) -> Option<u64> {
        if !self.is_wide {
            return self.full(bytes, at);
        }
        let eight = *bytes.get(at..)?.first_chunk()?;
        Some(if self.is_big { u64::from_be_bytes(eight) } else { u64::from_le_bytes(eight) })
    }
}
