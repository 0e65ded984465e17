//! What BuildKit's language means by text: bytes that are mostly UTF-8, where a byte that is none counts as one U+FFFD.
//!
//! Everything in this room works on bytes through these few functions, so that a file in Latin-1 is read as BuildKit reads it.

/// The first character of `bytes` and how many bytes it takes; an invalid byte is U+FFFD and takes one. `None` at the end.
pub(super) fn first_char(bytes: &[u8]) -> Option<(char, usize)> {
    let first = *bytes.first()?;
    if first < 0x80 {
        return Some((char::from(first), 1));
    }
    let width = match first {
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => return Some((char::REPLACEMENT_CHARACTER, 1)),
    };
    let decoded = bytes.get(..width).and_then(|b| std::str::from_utf8(b).ok()).and_then(|s| s.chars().next());
    Some(decoded.map_or((char::REPLACEMENT_CHARACTER, 1), |c| (c, width)))
}

/// Where `part`, a piece of `whole`, begins in it.
pub(super) fn offset(whole: &[u8], part: &[u8]) -> usize {
    (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize)
}

/// The characters of `bytes` with the offset at which each begins.
pub(super) fn chars(bytes: &[u8]) -> impl Iterator<Item = (usize, char)> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        let (c, width) = first_char(&bytes[at..])?;
        let start = at;
        at += width;
        Some((start, c))
    })
}

/// As a string, each invalid byte replaced by one U+FFFD.
pub(super) fn to_string(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => chars(bytes).map(|(_, c)| c).collect(),
    }
}

/// Without white space (Unicode's) in front.
pub(super) fn trim_start(mut bytes: &[u8]) -> &[u8] {
    while let Some((c, width)) = first_char(bytes) {
        if !c.is_whitespace() {
            break;
        }
        bytes = &bytes[width..];
    }
    bytes
}

/// Without white space (Unicode's) behind.
pub(super) fn trim_end(mut bytes: &[u8]) -> &[u8] {
    while let Some(&last) = bytes.last() {
        if last < 0x80 {
            if !char::from(last).is_whitespace() {
                break;
            }
            bytes = &bytes[..bytes.len() - 1];
            continue;
        }
        // White space beyond ASCII takes two or three bytes; anything else ends the search.
        let space = |width: usize| {
            let tail = &bytes[bytes.len().checked_sub(width)?..];
            first_char(tail).filter(|(c, w)| *w == width && c.is_whitespace()).map(|_| width)
        };
        match space(2).or_else(|| space(3)) {
            Some(width) => bytes = &bytes[..bytes.len() - width],
            None => break,
        }
    }
    bytes
}

/// Without white space at both ends.
pub(super) fn trim(bytes: &[u8]) -> &[u8] {
    trim_end(trim_start(bytes))
}

/// Without line ends behind.
pub(super) fn trim_newline(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|b| !matches!(b, b'\r' | b'\n')).map_or(0, |last| last + 1);
    &bytes[..end]
}

/// The blanks at which BuildKit's parser separates words.
pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b'\t' | 0x0B | 0x0C | b'\r' | b' ')
}

/// Splits at the first run of blanks.
pub(super) fn split_at_blank(bytes: &[u8]) -> (&[u8], Option<&[u8]>) {
    let Some(first) = bytes.iter().position(|b| is_blank(*b)) else { return (bytes, None) };
    let rest = bytes[first..].iter().position(|b| !is_blank(*b)).map_or(bytes.len(), |n| first + n);
    (&bytes[..first], Some(&bytes[rest..]))
}

/// Lower case, character by character: each gives exactly one.
pub(super) fn lower(bytes: &[u8]) -> String {
    chars(bytes).map(|(_, c)| lower_char(c)).collect()
}

fn lower_char(c: char) -> char {
    // `İ` is the one letter whose lower case is two characters elsewhere and one here.
    if c == 'İ' { 'i' } else { c.to_lowercase().next().unwrap_or(c) }
}

/// Whether `bytes` is `word` (lower case, ASCII) in any case.
pub(super) fn is_word(bytes: &[u8], word: &str) -> bool {
    bytes.eq_ignore_ascii_case(word.as_bytes()) || (!bytes.is_ascii() && lower(bytes) == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_bytes_count_one_each() {
        assert_eq!(to_string(b"a\xC3b\xE2\x82"), "a\u{FFFD}b\u{FFFD}\u{FFFD}");
        assert_eq!(first_char(b"\xF0\x9F\x90\x8Bx"), Some(('🐋', 4)));
    }

    #[test]
    fn white_space_is_unicodes() {
        assert_eq!(trim("\u{3000} a\u{A0}b \u{2003}\u{85}\t".as_bytes()), "a\u{A0}b".as_bytes());
        assert_eq!(trim(b"\xA0a\xA0"), b"\xA0a\xA0");
        assert_eq!(split_at_blank(b"RUN \t x y"), (&b"RUN"[..], Some(&b"x y"[..])));
        assert_eq!(split_at_blank(b"RUN"), (&b"RUN"[..], None));
    }
}
