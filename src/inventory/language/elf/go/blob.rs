//! The blob that Go's linker leaves in a program.
//!
//! 32 bytes of header: the magic, the size of a pointer, flags; then, if bit 1 of the flags is set, two texts, each after its length as a varint: the
//! compiler's version, and the modules between two marks of 16 bytes. Without that bit, the header has two pointers instead (before Go 1.18).
//! Source: Go's `debug/buildinfo`.

/// How a blob begins.
pub(super) const MAGIC: &[u8] = b"\xff Go buildinf:";

const HEADER_BYTES: usize = 32;
const INLINE: u8 = 2;
const BIG_ENDIAN: u8 = 1;
/// What the linker aligns a blob to.
const ALIGN: u64 = 16;

/// The version of a compiler with all its experiments has well below 200 bytes.
const GO_BYTES_MAX: u64 = 512;
/// A program of a thousand modules has 100 KB of them.
const MODULES_BYTES_MAX: u64 = 1 << 20;
/// The marks around the modules, whose values do not matter here.
const MARK_BYTES: usize = 16;

/// What a blob says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Blob {
    /// The compiler's version: `go1.22.3`.
    pub(super) go: String,
    /// The modules, line by line; empty for a program without modules.
    pub(super) modules: String,
}

/// What is there where the magic is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Looked {
    /// This, in so many bytes.
    Blob(Blob, usize),
    /// It goes on after these bytes.
    More,
    /// Pointers instead of texts.
    Old,
    TooLarge,
    /// Something else: programs that read build information have the magic in them as a text.
    Nothing,
}

/// Looks at bytes that begin with the magic, at this offset of the file.
pub(super) fn look(bytes: &[u8], offset: u64) -> Looked {
    let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else { return Looked::More };
    let (pointer_bytes, flags, rest) = (header[14], header[15], &header[16..]);
    match flags {
        _ if flags & INLINE != 0 && flags & !(INLINE | BIG_ENDIAN) == 0 && rest.iter().all(|byte| *byte == 0) => texts(bytes),
        0 | BIG_ENDIAN if matches!(pointer_bytes, 4 | 8) && offset.is_multiple_of(ALIGN) && rest.iter().any(|byte| *byte != 0) => Looked::Old,
        _ => Looked::Nothing,
    }
}

fn texts(bytes: &[u8]) -> Looked {
    let (go, after_go) = match text(bytes, HEADER_BYTES, GO_BYTES_MAX) {
        Ok(found) => found,
        Err(Looked::TooLarge) => return Looked::Nothing,
        Err(other) => return other,
    };
    if !go.starts_with(b"go") && !go.starts_with(b"devel") {
        return Looked::Nothing;
    }
    match text(bytes, after_go, MODULES_BYTES_MAX) {
        Ok((modules, end)) => {
            let [go, modules] = [go, without_marks(modules)].map(|text| String::from_utf8_lossy(text).into_owned());
            Looked::Blob(Blob { go, modules }, end)
        }
        Err(other) => other,
    }
}

/// The text whose length stands here, and where it ends.
fn text(bytes: &[u8], at: usize, bytes_max: u64) -> Result<(&[u8], usize), Looked> {
    let (length, at) = varint(bytes, at)?;
    if length > bytes_max {
        return Err(Looked::TooLarge);
    }
    let end = usize::try_from(length).map_err(|_| Looked::TooLarge)?.saturating_add(at);
    bytes.get(at..end).map(|text| (text, end)).ok_or(Looked::More)
}

/// Seven bits in each byte, the lowest first; the highest bit says that more follow. Nothing read here needs more than four bytes.
fn varint(bytes: &[u8], at: usize) -> Result<(u64, usize), Looked> {
    let mut value = 0;
    for index in 0..4 {
        let byte = *bytes.get(at + index).ok_or(Looked::More)?;
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok((value, at + index + 1));
        }
    }
    Err(Looked::TooLarge)
}

/// What stands between the marks; without them it is nothing, as Go's own reader has it.
fn without_marks(modules: &[u8]) -> &[u8] {
    let last = modules.len().checked_sub(MARK_BYTES).filter(|last| *last > MARK_BYTES && modules[last - 1] == b'\n');
    last.map_or(&[], |last| &modules[MARK_BYTES..last])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(flags: u8, go: &str, modules: &str) -> Vec<u8> {
        let mut bytes = [MAGIC, &[8, flags], &[0; 16]].concat();
        for text in [go.as_bytes(), modules.as_bytes()] {
            assert!(text.len() < 128);
            bytes.push(u8::try_from(text.len()).unwrap());
            bytes.extend_from_slice(text);
        }
        bytes
    }

    #[test]
    fn a_blob_is_what_follows_all_rules() {
        let modules = format!("{0}path\tx\n{0}", "0123456789abcdef");
        let whole = blob(2, "go1.22.3", &modules);
        let said = Blob { go: "go1.22.3".into(), modules: "path\tx\n".into() };
        assert_eq!(look(&whole, 5), Looked::Blob(said, whole.len()), "programs carried within others lie anywhere");
        for cut in MAGIC.len()..whole.len() {
            assert_eq!(look(&whole[..cut], 0), Looked::More, "{cut}");
        }
        let empty = Blob { go: "go1.22.3".into(), modules: String::new() };
        assert_eq!(look(&blob(3, "go1.22.3", "too short\n"), 0), Looked::Blob(empty, 32 + 9 + 11));
        assert_eq!(look(&blob(2, "gcc", ""), 0), Looked::Nothing);
        assert_eq!(look(&[MAGIC, b"could not read the rest of it"].concat(), 0), Looked::Nothing, "a text of a program");
        let pointers = [MAGIC, &[8, 0], &[1; 16]].concat();
        assert_eq!((look(&pointers, 32), look(&pointers, 33)), (Looked::Old, Looked::Nothing));
        let long = [&whole[..32 + 9], &[0xff, 0xff, 0xff, 0x7f]].concat();
        assert_eq!(look(&long, 0), Looked::TooLarge);
    }
}
