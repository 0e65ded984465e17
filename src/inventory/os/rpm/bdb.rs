//! rpm's database until 4.16, `Packages`: a hash of Berkeley DB.
//!
//! Source: Berkeley DB's `db_page.h`. The file is pages of one size. The first says, in the byte order of the machine that wrote it, the magic at 12, the
//! size at 20, flags at 24 to 26, and the last page at 32. Every page has a head of 26 bytes: the next page at 16, the number of entries at 20, a length
//! at 22, its type at 25. A page of the hash then has where each entry begins; they fill the page from its end, keys and values by turns. An entry is a
//! byte of its kind and its bytes, or the page and the length of a chain of overflow pages, as nearly all headers of packages are.

use super::budget::{Budget, OVERLAP};
use super::take;
use crate::inventory::ReadFile;

const MAGIC: u32 = 0x0006_1561;
const HEAD_BYTES: usize = 26;
const PAGE_BYTES_MIN: usize = 512;
const PAGE_BYTES_MAX: usize = 65_536;

const HASH_UNSORTED: u8 = 2;
const OVERFLOW: u8 = 7;
const HASH: u8 = 13;

const INLINE: u8 = 1;
const OFF_PAGE: u8 = 3;

/// Under this key rpm keeps the number of the package to come.
const NEXT_PACKAGE: [u8; 4] = [0; 4];

/// Reads the packages. One whose record is damaged or cut off is named by its page.
///
/// Goes over all pages instead of the buckets, so that one that is damaged hides no other; pages that are free have no type.
pub fn read(path: &str, bytes: &[u8]) -> ReadFile {
    let mut read = ReadFile::default();
    match Pages::of(bytes) {
        Ok(pages) => read_pages(path, &pages, &mut read),
        Err(why) => read.refuse(path, why),
    }
    read
}

struct Pages<'a> {
    bytes: &'a [u8],
    page_bytes: usize,
    is_big_endian: bool,
    /// As the file says; it may have fewer.
    said: usize,
}

impl<'a> Pages<'a> {
    fn of(bytes: &'a [u8]) -> Result<Self, &'static str> {
        let pages = Self { bytes, page_bytes: PAGE_BYTES_MIN, is_big_endian: false, said: 0 };
        let pages = Self { is_big_endian: pages.u32_at(bytes, 12) == Some(MAGIC.swap_bytes()), ..pages };
        if pages.u32_at(bytes, 12) != Some(MAGIC) {
            return Err("is no hash of Berkeley DB");
        }
        let (page_bytes, said) = (pages.usize_at(bytes, 20), pages.usize_at(bytes, 32).map(|last| last.saturating_add(1)));
        let page_bytes = page_bytes.filter(|bytes| bytes.is_power_of_two() && (PAGE_BYTES_MIN..=PAGE_BYTES_MAX).contains(bytes));
        if bytes.get(24).is_some_and(|encryption| *encryption != 0) || bytes.get(26).is_some_and(|flags| *flags != 0) {
            return Err("is encrypted, has checksums or is in several files, which rpm's is not");
        }
        Ok(Self { page_bytes: page_bytes.ok_or("has no size of its pages")?, said: said.ok_or("ends in its first page")?, ..pages })
    }

    /// How many are whole.
    fn count(&self) -> usize {
        (self.bytes.len() / self.page_bytes).min(self.said)
    }

    fn page(&self, number: usize) -> Option<&'a [u8]> {
        let start = number.checked_mul(self.page_bytes)?;
        self.bytes.get(start..start.checked_add(self.page_bytes)?)
    }

    fn u32_at(&self, bytes: &[u8], at: usize) -> Option<u32> {
        let number = bytes.get(at..)?.first_chunk()?;
        Some(if self.is_big_endian { u32::from_be_bytes(*number) } else { u32::from_le_bytes(*number) })
    }

    fn usize_at(&self, bytes: &[u8], at: usize) -> Option<usize> {
        self.u32_at(bytes, at).map(|number| number as usize)
    }

    fn u16_at(&self, bytes: &[u8], at: usize) -> Option<usize> {
        let number = bytes.get(at..)?.first_chunk()?;
        Some(usize::from(if self.is_big_endian { u16::from_be_bytes(*number) } else { u16::from_le_bytes(*number) }))
    }

    /// One entry of a page of the hash, its kind first. It ends where the one before it begins.
    fn entry(&self, page: &'a [u8], at: usize) -> Option<(u8, &'a [u8])> {
        let begin = |at: usize| self.u16_at(page, HEAD_BYTES + 2 * at);
        let end = if at == 0 { page.len() } else { begin(at - 1)? };
        page.get(begin(at)?..end)?.split_first().map(|(kind, entry)| (*kind, entry))
    }
}

fn read_pages(path: &str, pages: &Pages<'_>, read: &mut ReadFile) {
    let mut budget = Budget::of(pages.bytes);
    for number in 1..pages.count() {
        let Some(page) = pages.page(number).filter(|page| matches!(page.get(25), Some(&(HASH | HASH_UNSORTED)))) else { continue };
        // No more than begin on the page, whatever it says.
        let entries = pages.u16_at(page, 20).unwrap_or(0).min((pages.page_bytes - HEAD_BYTES) / 2);
        for at in (1..entries).step_by(2).filter(|at| pages.entry(page, at - 1) != Some((INLINE, &NEXT_PACKAGE))) {
            let which = format_args!("record {} of page {number}", at / 2 + 1);
            let has_room = match value(pages, page, at, &mut budget) {
                Ok(header) => take(path, which, &header, read),
                Err(OVERLAP) => return read.refuse(path, OVERLAP),
                Err(why) => {
                    read.refuse(path, format_args!("{which} {why}"));
                    true
                }
            };
            if !has_room {
                return;
            }
        }
    }
    if pages.count() < pages.said {
        read.refuse(path, format_args!("ends after {} of {} pages", pages.count(), pages.said));
    }
}

/// The value of an entry. Errors with what is wrong with it.
fn value<'a>(pages: &Pages<'a>, page: &'a [u8], at: usize, budget: &mut Budget) -> Result<std::borrow::Cow<'a, [u8]>, &'static str> {
    match pages.entry(page, at).ok_or("is damaged")? {
        (INLINE, value) if budget.spend(value.len()) => Ok(value.into()),
        (INLINE, _) => Err(OVERLAP),
        (OFF_PAGE, entry) => {
            let (first, length) = (pages.usize_at(entry, 3).ok_or("is damaged")?, pages.usize_at(entry, 7).ok_or("is damaged")?);
            chain(pages, first, length, budget).map(Into::into)
        }
        _ => Err("is of an unknown kind"),
    }
}

/// The bytes in a chain of overflow pages. The budget ends one that goes in a circle.
fn chain(pages: &Pages<'_>, first: usize, length: usize, budget: &mut Budget) -> Result<Vec<u8>, &'static str> {
    let (mut value, mut number) = (Vec::new(), first);
    while number != 0 {
        let page = pages.page(number).ok_or("is cut off")?;
        if page.get(25) != Some(&OVERFLOW) {
            return Err("is damaged");
        }
        if !budget.spend(pages.page_bytes) {
            return Err(OVERLAP);
        }
        let bytes = pages.u16_at(page, 22).and_then(|bytes| page.get(HEAD_BYTES..HEAD_BYTES + bytes));
        value.extend_from_slice(bytes.ok_or("is damaged")?);
        if value.len() > length {
            return Err("is damaged");
        }
        number = pages.usize_at(page, 16).ok_or("is damaged")?;
    }
    if value.len() == length { Ok(value) } else { Err("is cut off") }
}
