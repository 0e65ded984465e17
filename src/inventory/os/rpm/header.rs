//! The header of one package, as rpm's database keeps it: two counts, an index of tags, and the data that the index points into.
//!
//! Source: the Linux Standard Base, "RPM file format", section "Header", and rpm's own list of tags. The database leaves the magic away. All numbers are
//! big-endian.

use crate::inventory::{Kind, Package, SourcePackage};

const NAME: u32 = 1000;
const VERSION: u32 = 1001;
const RELEASE: u32 = 1002;
const EPOCH: u32 = 1003;
const LICENSE: u32 = 1014;
const ARCH: u32 = 1022;
const SOURCE_RPM: u32 = 1044;

const TYPE_INT32: u32 = 4;
/// A string, several, and one in several languages; of those the first is taken.
const TYPES_TEXT: [u32; 3] = [6, 8, 9];

const COUNTS_BYTES: usize = 8;
const ENTRY_BYTES: usize = 16;

/// A package, and whether something of it was no UTF-8.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) package: Package,
    pub(super) is_replaced: bool,
}

/// Reads a header; none for a key that packages are signed with, which rpm keeps as one. Errors with the reason, a phrase that follows a name.
pub(super) fn read(bytes: &[u8]) -> Result<Option<Found>, &'static str> {
    let header = Header::of(bytes).ok_or("is cut off")?;
    let mut texts = Texts { header, is_replaced: false };
    let name = texts.get(NAME)?.ok_or("has no name")?;
    if name == "gpg-pubkey" {
        return Ok(None);
    }
    let (version, release) = (texts.get(VERSION)?.ok_or("has no version")?, texts.get(RELEASE)?.ok_or("has no release")?);
    let epoch = header.number(EPOCH)?.unwrap_or(0);
    let package = Package {
        kind: Kind::Rpm,
        name,
        version: evr(epoch, &format!("{version}-{release}")),
        arch: texts.get(ARCH)?,
        license: texts.get(LICENSE)?,
        source: texts.get(SOURCE_RPM)?.and_then(|file| source(&file, epoch)),
    };
    Ok(Some(Found { package, is_replaced: texts.is_replaced }))
}

fn evr(epoch: u32, version: &str) -> String {
    if epoch == 0 { version.to_owned() } else { format!("{epoch}:{version}") }
}

/// `openssl-3.0.7-27.el9.src.rpm`. The name of the file has no epoch; it is mostly that of the packages made of it, and advisories count on one.
fn source(file: &str, epoch: u32) -> Option<SourcePackage> {
    let stem = file.strip_suffix(".src.rpm").or_else(|| file.strip_suffix(".nosrc.rpm"))?;
    let (rest, release) = stem.rsplit_once('-')?;
    let (name, version) = rest.rsplit_once('-').filter(|(name, version)| !name.is_empty() && !version.is_empty())?;
    Some(SourcePackage { name: name.to_owned(), version: evr(epoch, &format!("{version}-{release}")) })
}

#[derive(Clone, Copy)]
struct Header<'a> {
    index: &'a [u8],
    data: &'a [u8],
}

/// One entry of the index.
struct Entry {
    kind: u32,
    offset: usize,
}

impl<'a> Header<'a> {
    /// None if the bytes are fewer than the header says.
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let (entries, data_bytes) = (number_at(bytes, 0)? as usize, number_at(bytes, 4)? as usize);
        let (index, data) = bytes.get(COUNTS_BYTES..)?.split_at_checked(entries.checked_mul(ENTRY_BYTES)?)?;
        Some(Self { index, data: data.get(..data_bytes)? })
    }

    fn entry(&self, tag: u32) -> Option<Entry> {
        let entry = self.index.chunks_exact(ENTRY_BYTES).find(|entry| number_at(entry, 0) == Some(tag))?;
        Some(Entry { kind: number_at(entry, 4)?, offset: number_at(entry, 8)? as usize })
    }

    fn number(&self, tag: u32) -> Result<Option<u32>, &'static str> {
        let Some(entry) = self.entry(tag) else { return Ok(None) };
        let value = Some(entry).filter(|entry| entry.kind == TYPE_INT32).and_then(|entry| number_at(self.data, entry.offset));
        value.map(Some).ok_or("has an epoch that is no number")
    }

    /// The bytes up to the next zero.
    fn text(&self, tag: u32) -> Result<Option<&'a [u8]>, &'static str> {
        let Some(entry) = self.entry(tag) else { return Ok(None) };
        let rest = Some(entry).filter(|entry| TYPES_TEXT.contains(&entry.kind)).and_then(|entry| self.data.get(entry.offset..));
        let rest = rest.ok_or("has a name, version or licence that is no text")?;
        let end = rest.iter().position(|byte| *byte == 0).ok_or("has a text without end")?;
        Ok(rest.get(..end).filter(|text| !text.is_empty()))
    }
}

/// Texts of a header.
struct Texts<'a> {
    header: Header<'a>,
    is_replaced: bool,
}

impl Texts<'_> {
    fn get(&mut self, tag: u32) -> Result<Option<String>, &'static str> {
        let text = self.header.text(tag)?.map(String::from_utf8_lossy);
        self.is_replaced |= matches!(text, Some(std::borrow::Cow::Owned(_)));
        Ok(text.map(std::borrow::Cow::into_owned))
    }
}

fn number_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|number| u32::from_be_bytes(*number))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A header of texts and perhaps an epoch.
    pub(in super::super) fn header(texts: &[(u32, &[u8])], epoch: Option<u32>) -> Vec<u8> {
        let (mut index, mut data) = (Vec::new(), Vec::new());
        let mut entry =
            |tag: u32, kind: u32, offset: usize| index.extend([tag, kind, offset as u32, 1].iter().flat_map(|number| number.to_be_bytes()));
        if let Some(epoch) = epoch {
            entry(EPOCH, TYPE_INT32, data.len());
            data.extend(epoch.to_be_bytes());
        }
        for (tag, text) in texts {
            entry(*tag, 6, data.len());
            data.extend_from_slice(text);
            data.push(0);
        }
        let entries = (index.len() / ENTRY_BYTES) as u32;
        [entries.to_be_bytes().to_vec(), (data.len() as u32).to_be_bytes().to_vec(), index, data].concat()
    }

    fn said(bytes: &[u8]) -> String {
        match read(bytes) {
            Ok(Some(Found { package, is_replaced })) => {
                let source = package.source.map(|source| format!("{} {}", source.name, source.version)).unwrap_or_default();
                format!("{} {} {:?} {source}{}", package.name, package.version, package.license, if is_replaced { "!" } else { "" })
            }
            Ok(None) => "none".into(),
            Err(why) => why.into(),
        }
    }

    #[test]
    fn a_header_says_the_package_and_what_it_was_built_from() {
        let [name, version, release]: [(u32, &[u8]); 3] = [(NAME, b"a"), (VERSION, b"1~rc1"), (RELEASE, b"2.el9")];
        for (texts, epoch, expected) in [
            (vec![name, version, release], None, "a 1~rc1-2.el9 None "),
            (vec![release, version, name, (LICENSE, b"MIT")], Some(0), "a 1~rc1-2.el9 Some(\"MIT\") "),
            (vec![name, version, release, (SOURCE_RPM, b"s-x-1-2.src.rpm")], Some(3), "a 3:1~rc1-2.el9 None s-x 3:1-2"),
            (vec![name, version, release, (SOURCE_RPM, b"strange")], None, "a 1~rc1-2.el9 None "),
            (vec![name, version, release, (LICENSE, b"\xff")], None, "a 1~rc1-2.el9 Some(\"\u{fffd}\") !"),
            (vec![(NAME, b"gpg-pubkey")], None, "none"),
            (vec![name, release], None, "has no version"),
            (vec![version, release], None, "has no name"),
        ] {
            assert_eq!(said(&header(&texts, epoch)), expected);
        }
    }

    #[test]
    fn a_header_that_is_cut_off_says_so_wherever_the_cut_is() {
        let whole = header(&[(NAME, b"a"), (VERSION, b"1"), (RELEASE, b"2")], Some(1));
        for end in 0..whole.len() {
            assert_eq!(said(&whole[..end]), "is cut off", "{end}");
        }
    }

    #[test]
    fn an_index_that_points_nowhere_is_named() {
        let mut header = header(&[(NAME, b"a")], None);
        header[16..20].copy_from_slice(&[0xff; 4]);
        assert_eq!(said(&header), "has a name, version or licence that is no text");
    }
}
