//! SUSE's form of rpm's database, `Packages.db`: pages of slots, each of which points to a blob.
//!
//! Source: rpm's backend `ndb`. All numbers are 32 bits, little-endian. The file begins with 32 bytes: `RpmP`, the format (0), a generation, and how many
//! pages of 4096 bytes the slots have. A slot is `Slot`, the package, and where its blob is and how long, in blocks of 16 bytes; one that points to block
//! 0 is free. A blob is `BlbS`, the package, a generation, its length, the header, zeros up to the block, an Adler-32 of all that, the length again, `BlbE`.

use super::budget::{Budget, OVERLAP};
use super::take;
use crate::inventory::ReadFile;

const FILE_HEADER_BYTES: usize = 32;
const PAGE_BYTES: usize = 4096;
const SLOT_BYTES: usize = 16;
const BLOCK_BYTES: usize = 16;
const BLOB_HEAD_BYTES: usize = 16;
const BLOB_TAIL_BYTES: usize = 12;

/// Reads the packages. One whose record is damaged or cut off is named by its number in the database.
pub fn read(path: &str, bytes: &[u8]) -> ReadFile {
    let mut read = ReadFile::default();
    match slots(bytes) {
        Ok(slots) => read_slots(path, bytes, slots, &mut read),
        Err(why) => read.refuse(path, why),
    }
    read
}

/// The bytes of all slots, as many of them as there are.
struct Slots<'a> {
    bytes: &'a [u8],
    is_cut_off: bool,
}

fn slots(bytes: &[u8]) -> Result<Slots<'_>, &'static str> {
    if !bytes.starts_with(b"RpmP") {
        return Err("is no database of rpm's form ndb");
    }
    if number_at(bytes, 4) != Some(0) {
        return Err("is of a newer form than 0");
    }
    let pages = number_at(bytes, 12).ok_or("ends in its first bytes")?;
    let end = pages.saturating_mul(PAGE_BYTES);
    let slots = bytes.get(FILE_HEADER_BYTES..end.min(bytes.len())).ok_or("has no slots")?;
    Ok(Slots { bytes: slots, is_cut_off: end > bytes.len() })
}

fn read_slots(path: &str, bytes: &[u8], slots: Slots<'_>, read: &mut ReadFile) {
    let mut budget = Budget::of(bytes);
    for slot in slots.bytes.chunks_exact(SLOT_BYTES) {
        let (Some(package), Some(block), Some(blocks)) = (number_at(slot, 4), number_at(slot, 8), number_at(slot, 12)) else { continue };
        if !slot.starts_with(b"Slot") {
            read.refuse(path, "has a slot that is none");
        } else if block != 0 {
            if !budget.spend(blocks.saturating_mul(BLOCK_BYTES)) {
                return read.refuse(path, OVERLAP);
            }
            let has_room = match blob(bytes, package, block, blocks) {
                Ok(header) => take(path, format_args!("package {package}"), header, read),
                Err(why) => {
                    read.refuse(path, format_args!("package {package} {why}"));
                    true
                }
            };
            if !has_room {
                return;
            }
        }
    }
    if slots.is_cut_off {
        read.refuse(path, "ends in the middle of its slots");
    }
}

/// The header in a blob. Errors with what is wrong with it.
fn blob(bytes: &[u8], package: usize, block: usize, blocks: usize) -> Result<&[u8], &'static str> {
    let start = block.saturating_mul(BLOCK_BYTES);
    let end = start.saturating_add(blocks.saturating_mul(BLOCK_BYTES));
    let blob = bytes.get(start..end).ok_or("is cut off")?;
    let (summed, tail) = blob.split_at_checked(blob.len().saturating_sub(BLOB_TAIL_BYTES)).ok_or("is cut off")?;
    let length = number_at(summed, 12).ok_or("is cut off")?;
    let is_framed =
        summed.starts_with(b"BlbS") && number_at(summed, 4) == Some(package) && number_at(tail, 4) == Some(length) && tail.ends_with(b"BlbE");
    if !is_framed || number_at(tail, 0) != Some(adler2::adler32_slice(summed) as usize) {
        return Err("is damaged");
    }
    summed.get(BLOB_HEAD_BYTES..BLOB_HEAD_BYTES.saturating_add(length)).ok_or("is damaged")
}

fn number_at(bytes: &[u8], at: usize) -> Option<usize> {
    bytes.get(at..)?.first_chunk().map(|number| u32::from_le_bytes(*number) as usize)
}
