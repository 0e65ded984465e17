//! A file's lines, and the instructions' lines that they make: comments and empty lines left out, continued lines joined.

use std::ops::Range;

use super::text;

/// BuildKit takes no line longer than this, its line end included.
pub(super) const LINE_BYTES_MAX: usize = 65_536;

/// The lines of a file as they stand.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    text: &'a [u8],
    at: usize,
    /// The number of the line that came last, counted from 1.
    pub(super) number: u32,
    /// Whether the reading ended at a line that is too long.
    pub(super) too_long: bool,
}

impl<'a> Lines<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0, number: 0, too_long: false }
    }

    /// The next line with its line end, and where it begins. A byte order mark at the beginning of the file is passed over.
    pub(super) fn next(&mut self) -> Option<(usize, &'a [u8])> {
        if self.at >= self.text.len() || self.too_long {
            return None;
        }
        let rest = &self.text[self.at..];
        let (length, limit) = match memchr::memchr(b'\n', rest) {
            Some(end) => (end + 1, LINE_BYTES_MAX),
            None => (rest.len(), LINE_BYTES_MAX - 1),
        };
        if length > limit {
            self.too_long = true;
            return None;
        }
        let mut start = self.at;
        let mut line = &rest[..length];
        if start == 0 && line.starts_with(b"\xEF\xBB\xBF") {
            (start, line) = (3, &line[3..]);
        }
        self.at += length;
        self.number += 1;
        Some((start, line))
    }
}

/// Whether a line is a comment, white space in front of it or not.
pub(super) fn is_comment(line: &[u8]) -> bool {
    text::trim_start(line).first() == Some(&b'#')
}

/// The line without the character that continues it, and whether it had one: the escape, behind it blanks at most, before it no escape.
pub(super) fn continued(line: &[u8], escape: u8) -> (&[u8], bool) {
    let end = line.iter().rposition(|b| !matches!(b, b' ' | b'\t')).map_or(0, |last| last + 1);
    match line[..end].split_last() {
        Some((last, before)) if *last == escape && before.last() != Some(&escape) => (before, true),
        _ => (line, false),
    }
}

/// An instruction's line, joined, that remembers where each piece of it stood in the file.
#[derive(Debug, Default)]
pub(super) struct Joined {
    /// The line.
    pub(super) text: Vec<u8>,
    pieces: Vec<Piece>,
}

#[derive(Debug)]
struct Piece {
    /// Where it begins in the joined line.
    at: usize,
    /// Where it begins in the file.
    file_at: usize,
    /// Its line.
    number: u32,
}

impl Joined {
    /// Forgets the line before.
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.pieces.clear();
    }

    /// Adds a piece.
    pub(super) fn push(&mut self, piece: &[u8], file_at: usize, number: u32) {
        self.pieces.push(Piece { at: self.text.len(), file_at, number });
        self.text.extend_from_slice(piece);
    }

    fn piece(&self, at: usize) -> Option<&Piece> {
        self.pieces[..self.pieces.partition_point(|piece| piece.at <= at)].last()
    }

    /// The bytes of the file between the first and the last of `place`.
    pub(super) fn in_file(&self, place: Range<usize>) -> Range<usize> {
        let file_at = |at: usize| self.piece(at).map_or(0, |piece| piece.file_at + at - piece.at);
        if place.is_empty() { file_at(place.start)..file_at(place.start) } else { file_at(place.start)..file_at(place.end - 1) + 1 }
    }

    /// The file's line in which a place stands.
    pub(super) fn number(&self, at: usize) -> u32 {
        self.piece(at).map_or(0, |piece| piece.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_escape_at_the_end_continues_a_line() {
        for (line, body, more) in [
            ("RUN a \\", "RUN a ", true),
            ("RUN a \\ \t", "RUN a ", true),
            ("\\", "", true),
            ("RUN a \\\\", "RUN a \\\\", false),
            ("RUN a", "RUN a", false),
            ("", "", false),
        ] {
            assert_eq!(continued(line.as_bytes(), b'\\'), (body.as_bytes(), more), "{line:?}");
        }
    }

    #[test]
    fn lines_have_a_longest() {
        let line = |length: usize, end: &str| "x".repeat(length) + end;
        for (text, lines) in [
            (line(65_535, "\n"), 1),
            (line(65_536, "\n"), 0),
            (line(65_535, ""), 1),
            (line(65_536, ""), 0),
            ("a\n\r\nb".to_owned(), 3),
            (String::new(), 0),
        ] {
            let mut reader = Lines::new(text.as_bytes());
            let mut count = 0;
            while reader.next().is_some() {
                count += 1;
            }
            assert_eq!(count, lines, "{} bytes", text.len());
        }
    }
}
