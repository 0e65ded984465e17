//! An instruction's line, cut into its name, its flags and the rest; and the rest cut into words.

use std::ops::Range;

use super::text;

/// A line cut into its parts. Offsets count from the beginning of the line.
#[derive(Debug)]
pub(super) struct Command<'a> {
    /// The instruction's name as written.
    pub(super) name: &'a [u8],
    /// Its flags, `--` included.
    pub(super) flags: Vec<Flag>,
    /// What stands behind the flags, without white space at its ends.
    pub(super) rest: &'a [u8],
}

/// One flag.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Flag {
    /// Its text with quotes and escapes taken off.
    pub(super) text: Vec<u8>,
    /// For every byte of the text, and for its end, the place in the line; empty if the text stands in the line as it is.
    places: Vec<usize>,
    /// Its place in the line.
    place: Range<usize>,
}

impl Flag {
    /// The bytes of the line from which a part of the text came.
    pub(super) fn place_of(&self, part: Range<usize>) -> Range<usize> {
        if self.places.is_empty() {
            return self.place.start + part.start..self.place.start + part.end;
        }
        let end = if part.end == self.text.len() { self.place.end } else { self.places[part.end] };
        self.places.get(part.start).copied().unwrap_or(end)..end
    }
}

/// Cuts a line into name, flags and rest.
pub(super) fn split_command(line: &[u8], escape: u8) -> Command<'_> {
    let trimmed = text::trim(line);
    let (name, rest) = text::split_at_blank(trimmed);
    let Some(rest) = rest else { return Command { name, flags: Vec::new(), rest: &[] } };
    let (flags, taken) = flags(rest, text::offset(line, rest), escape);
    Command { name, flags, rest: text::trim(&rest[taken..]) }
}

/// BuildKit reads flags byte by byte, so that these two are blanks even inside a character.
fn is_space_byte(byte: u8) -> bool {
    matches!(byte, b'\t'..=b'\r' | b' ' | 0x85 | 0xA0)
}

/// The flags at the beginning of `line`, and how many bytes they take. `at` is where `line` begins.
fn flags(line: &[u8], at: usize, escape: u8) -> (Vec<Flag>, usize) {
    let mut flags = Vec::new();
    let mut pos = 0;
    loop {
        while line.get(pos).copied().is_some_and(is_space_byte) {
            pos += 1;
        }
        if !line[pos..].starts_with(b"--") {
            return (flags, pos);
        }
        let (flag, end) = one_flag(line, pos, at, escape);
        pos = end;
        if flag.text == b"--" {
            return (flags, pos);
        }
        flags.push(flag);
    }
}

fn one_flag(line: &[u8], start: usize, at: usize, escape: u8) -> (Flag, usize) {
    let mut flag = Flag { text: Vec::new(), places: Vec::new(), place: at + start..at + start };
    let mut plain = true;
    let mut quote = None;
    let mut pos = start;
    while let Some(&byte) = line.get(pos) {
        match quote {
            None if is_space_byte(byte) => break,
            None if matches!(byte, b'\'' | b'"') => quote = Some(byte),
            Some(open) if byte == open => quote = None,
            _ if byte == escape && pos + 1 == line.len() => {}
            _ => {
                let escaped = byte == escape;
                flag.places.push(at + pos);
                pos += usize::from(escaped);
                plain &= !escaped && byte.is_ascii();
                // A byte is a character here, whatever it was a part of.
                let c = char::from(line[pos]);
                flag.text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                flag.places.resize(flag.text.len(), at + pos);
            }
        }
        plain &= quote.is_none() && !matches!(byte, b'\'' | b'"');
        pos += 1;
    }
    flag.place.end = at + pos;
    if plain && flag.text.len() == flag.place.len() {
        flag.places = Vec::new();
    }
    (flag, pos)
}

/// The words of an `ENV`, `LABEL` or `ARG`: cut at white space outside of quotes, quotes and escapes kept.
pub(super) fn words(rest: &[u8], escape: u8) -> Vec<&[u8]> {
    let escape = char::from(escape);
    let mut words = Vec::new();
    let mut start = None;
    let mut quote = None;
    let mut pos = 0;
    while let Some((c, width)) = text::first_char(&rest[pos..]) {
        let here = pos;
        pos += width;
        match quote {
            None if c.is_whitespace() => words.extend(start.take().map(|start| &rest[start..here])),
            // A closing quote that is itself the escape cannot be: the escape is no quote.
            Some(open) if c == open => quote = None,
            _ if c == escape && quote != Some('\'') => {
                if pos == rest.len() {
                    // An escape in front of nothing is left out.
                    words.extend(start.take().filter(|start| *start < here).map(|start| &rest[start..here]));
                    break;
                }
                start.get_or_insert(here);
                pos += text::first_char(&rest[pos..]).map_or(0, |(_, width)| width);
            }
            _ => {
                start.get_or_insert(here);
                if quote.is_none() && matches!(c, '\'' | '"') {
                    quote = Some(c);
                }
            }
        }
    }
    words.extend(start.map(|start| &rest[start..]));
    words
}

/// The words of a `FROM`, `COPY`, `EXPOSE` …: cut at blanks, whatever the quotes.
pub(super) fn blank_separated(rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    rest.split(|b| text::is_blank(*b)).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags_of(line: &str) -> (Vec<String>, String) {
        let command = split_command(line.as_bytes(), b'\\');
        (command.flags.iter().map(|f| text::to_string(&f.text)).collect(), text::to_string(command.rest))
    }

    #[test]
    fn flags_stand_in_front() {
        for (line, flags, rest) in [
            ("COPY --from=a  --link b c ", &["--from=a", "--link"][..], "b c"),
            ("RUN -- --x", &[], "--x"),
            ("RUN", &[], ""),
            ("RUN  a --b", &[], "a --b"),
            ("COPY --from=\"a b\" --chown='x'y z", &["--from=a b", "--chown=xy"], "z"),
            ("COPY --from=a\\ b c", &["--from=a b"], "c"),
            ("COPY --from=a\\", &["--from=a"], ""),
            ("COPY --from=\"a", &["--from=a"], ""),
            ("COPY --from=é x", &["--from=Ã©"], "x"),
            ("COPY - x", &[], "- x"),
        ] {
            assert_eq!(flags_of(line), (flags.iter().map(|f| (*f).to_owned()).collect(), rest.to_owned()), "{line}");
        }
    }

    #[test]
    fn a_flag_knows_where_its_text_stood() {
        for (line, part, place) in [
            ("COPY --from=alpine a b", 7..13, "alpine"),
            ("COPY --from=\"alpine\" a b", 7..13, "alpine\""),
            ("COPY --from=al\\pine a b", 7..13, "al\\pine"),
            ("COPY --from=al\\pine,x a b", 7..13, "al\\pine"),
        ] {
            let command = split_command(line.as_bytes(), b'\\');
            assert_eq!(&line[command.flags[0].place_of(part)], place, "{line}");
        }
    }

    #[test]
    fn words_end_at_white_space_outside_of_quotes() {
        for (rest, expected) in [
            ("a=b c='d e' f=\"g \\\" h\"i", &["a=b", "c='d e'", "f=\"g \\\" h\"i"][..]),
            ("a\\ b c\\", &["a\\ b", "c"]),
            ("'a\\' b", &["'a\\'", "b"]),
            ("''", &["''"]),
            ("\\", &[]),
            ("a \"b", &["a", "\"b"]),
            ("", &[]),
        ] {
            let got: Vec<String> = words(rest.as_bytes(), b'\\').into_iter().map(text::to_string).collect();
            assert_eq!(got, expected, "{rest}");
        }
    }
}
