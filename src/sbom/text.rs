//! Text from inside images, made fit for documents: neither format wants line ends in a name, and nobody wants a terminal's commands in one.

use std::borrow::Cow;

use crate::model::Digest;

/// One line: every control character becomes U+FFFD, so that it can be seen that something was there.
///
/// Source: SPDX 2.3, whose names and versions are single lines of text; CycloneDX, whose XML has them as `normalizedString`.
pub(super) fn one_line(text: &str) -> Cow<'_, str> {
    clean(text, |_| false)
}

/// A name, of which both formats want one.
pub(super) fn name(text: &str) -> Cow<'_, str> {
    if text.trim().is_empty() { Cow::Borrowed("unnamed") } else { one_line(text) }
}

/// Several lines: as [`one_line`], but line ends and tabulators stay.
pub(super) fn lines(text: &str) -> Cow<'_, str> {
    clean(text, |c| matches!(c, '\n' | '\t'))
}

fn clean(text: &str, stays: impl Fn(char) -> bool) -> Cow<'_, str> {
    let is_bad = |c: char| c.is_control() && !stays(c);
    if text.contains(is_bad) { Cow::Owned(text.replace(is_bad, "\u{fffd}")) } else { Cow::Borrowed(text) }
}

/// At most so many bytes of it, and `…` where some are missing.
pub(super) fn at_most(text: &str, bytes_max: usize) -> Cow<'_, str> {
    if text.len() <= bytes_max {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("{}…", &text[..text.floor_char_boundary(bytes_max)]))
}

/// The letters, digits, `.` and `-` of it, which is what an SPDX identifier is made of; everything else becomes `-`.
pub(super) fn identifier(text: &str, chars_max: usize) -> String {
    text.chars().take(chars_max).map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect()
}

/// A UUID made of a hash. Source: RFC 9562, version 8, which leaves its bits to whoever makes it.
pub(super) fn uuid(hash: &Digest) -> String {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.as_bytes()[..16]);
    bytes[6] = 0x80 | bytes[6] & 0x0f;
    bytes[8] = 0x80 | bytes[8] & 0x3f;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_is_seen_as_such() {
        assert_eq!(one_line("a\nb\u{1b}[2J"), "a\u{fffd}b\u{fffd}[2J");
        assert_eq!(lines("a\r\n\tb\0"), "a\u{fffd}\n\tb\u{fffd}");
        assert_eq!(name(" "), "unnamed");
        assert_eq!(identifier("@babel/coré_x.y", 40), "-babel-cor--x.y");
    }

    #[test]
    fn what_is_cut_says_so() {
        assert_eq!(at_most("äöü", 6), "äöü");
        assert_eq!(at_most("äöü", 5), "äö…");
        assert_eq!(at_most("ä", 0), "…");
    }

    #[test]
    fn a_uuid_has_the_marks_of_its_version() {
        let hash = format!("sha256:{}", "f".repeat(64)).parse().unwrap();
        assert_eq!(uuid(&hash), "ffffffff-ffff-8fff-bfff-ffffffffffff");
    }
}
