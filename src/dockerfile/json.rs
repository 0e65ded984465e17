//! The JSON form of instructions: `RUN ["a", "b"]`.
//!
//! Reads one JSON value and leaves what stands behind it alone, as BuildKit does; what is no JSON is the shell form there, so it is no error here.

use super::text;

/// What stands where a JSON array may stand.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Json {
    /// No JSON array: the shell form.
    Not,
    /// An array of strings.
    Strings(Vec<Vec<u8>>),
    /// An array of something else, which is refused.
    Others,
}

/// Deeper nesting than this is no JSON; the limit is that of BuildKit's language.
const DEPTH_MAX: usize = 10_000;

/// Reads `rest` as a JSON array, if it begins as one.
pub(super) fn read(rest: &[u8]) -> Json {
    let rest = text::trim_start(rest);
    if rest.first() != Some(&b'[') {
        return Json::Not;
    }
    Reader { bytes: rest, at: 0 }.array().unwrap_or(Json::Not)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// A number that fits no double is an error of conversion there, which makes the whole the shell form.
struct TooBig;

impl Reader<'_> {
    fn skip(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn peek(&mut self) -> Option<u8> {
        self.skip();
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// The outermost array. `None` if it is no JSON.
    fn array(&mut self) -> Option<Json> {
        self.take(b'[')?;
        let mut strings = Vec::new();
        let (mut others, mut too_big) = (false, false);
        if self.peek()? == b']' {
            return Some(Json::Strings(strings));
        }
        loop {
            if self.peek()? == b'"' {
                strings.push(self.string()?);
            } else {
                others = true;
                too_big |= self.value()?.is_err();
            }
            match self.peek()? {
                b',' => self.at += 1,
                b']' if too_big => return Some(Json::Not),
                b']' if others => return Some(Json::Others),
                b']' => return Some(Json::Strings(strings)),
                _ => return None,
            }
        }
    }

    /// Any value, passed over without recursion.
    fn value(&mut self) -> Option<Result<(), TooBig>> {
        let mut open: Vec<u8> = Vec::new();
        let mut verdict = Ok(());
        loop {
            match self.peek()? {
                b'"' => {
                    self.string()?;
                }
                bracket @ (b'[' | b'{') => {
                    self.at += 1;
                    let close = if bracket == b'[' { b']' } else { b'}' };
                    if self.peek()? == close {
                        self.at += 1;
                    } else {
                        open.push(close);
                        // The outermost array counts as one.
                        if open.len() + 1 > DEPTH_MAX {
                            return None;
                        }
                        if close == b'}' {
                            self.key()?;
                        }
                        continue;
                    }
                }
                b't' => self.literal(b"true")?,
                b'f' => self.literal(b"false")?,
                b'n' => self.literal(b"null")?,
                _ => {
                    if self.number()?.is_err() {
                        verdict = Err(TooBig);
                    }
                }
            }
            loop {
                let Some(&close) = open.last() else { return Some(verdict) };
                match self.peek()? {
                    b',' => {
                        self.at += 1;
                        if close == b'}' {
                            self.key()?;
                        }
                        break;
                    }
                    byte if byte == close => {
                        self.at += 1;
                        open.pop();
                    }
                    _ => return None,
                }
            }
        }
    }

    fn key(&mut self) -> Option<()> {
        if self.peek()? != b'"' {
            return None;
        }
        self.string()?;
        self.take(b':')
    }

    fn literal(&mut self, word: &[u8]) -> Option<()> {
        self.bytes[self.at..].starts_with(word).then(|| self.at += word.len())
    }

    fn number(&mut self) -> Option<Result<(), TooBig>> {
        let start = self.at;
        let digits = |reader: &mut Self| {
            let from = reader.at;
            while reader.bytes.get(reader.at).is_some_and(u8::is_ascii_digit) {
                reader.at += 1;
            }
            (reader.at > from).then_some(())
        };
        if self.bytes.get(self.at) == Some(&b'-') {
            self.at += 1;
        }
        if self.bytes.get(self.at) == Some(&b'0') {
            self.at += 1;
        } else {
            digits(self)?;
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            digits(self)?;
        }
        if matches!(self.bytes.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.bytes.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            digits(self)?;
        }
        let number: f64 = std::str::from_utf8(&self.bytes[start..self.at]).ok()?.parse().ok()?;
        Some(if number.is_finite() { Ok(()) } else { Err(TooBig) })
    }

    fn string(&mut self) -> Option<Vec<u8>> {
        self.at += 1;
        let mut out = Vec::new();
        loop {
            let rest = &self.bytes[self.at..];
            let (c, width) = text::first_char(rest)?;
            self.at += width;
            match c {
                '"' => return Some(out),
                '\\' => {
                    let c = self.escape()?;
                    push(&mut out, c);
                }
                '\0'..='\u{1F}' => return None,
                c => push(&mut out, c),
            }
        }
    }

    fn escape(&mut self) -> Option<char> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{C}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => self.unicode()?,
            _ => return None,
        })
    }

    /// Behind `\u`; half a surrogate pair is U+FFFD.
    fn unicode(&mut self) -> Option<char> {
        let first = self.hex4()?;
        if !(0xD800..0xE000).contains(&first) {
            return char::from_u32(first);
        }
        if first < 0xDC00 && self.bytes[self.at..].starts_with(b"\\u") {
            let before = self.at;
            self.at += 2;
            let second = self.hex4()?;
            if (0xDC00..0xE000).contains(&second) {
                return char::from_u32(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00));
            }
            self.at = before;
        }
        Some(char::REPLACEMENT_CHARACTER)
    }

    fn hex4(&mut self) -> Option<u32> {
        let digits = self.bytes.get(self.at..self.at + 4).filter(|d| d.iter().all(u8::is_ascii_hexdigit))?;
        self.at += 4;
        u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    }
}

fn push(out: &mut Vec<u8>, c: char) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_array_of_strings_is_the_json_form() {
        let strings = |words: &[&str]| Json::Strings(words.iter().map(|w| w.as_bytes().to_vec()).collect());
        for (text, json) in [
            (r#"["a", "b c"]"#, strings(&["a", "b c"])),
            (r#" [ ] "#, strings(&[])),
            (r#"["a"] and more"#, strings(&["a"])),
            (r#"["\u0041\n\ud83d\udc0b\ud800"]"#, strings(&["A\n🐋\u{FFFD}"])),
            (r#"["a",]"#, Json::Not),
            (r#"['a']"#, Json::Not),
            (r#"["a""#, Json::Not),
            (r#"["\x"]"#, Json::Not),
            (r#"[ -f x ] && y"#, Json::Not),
            (r#"["a", 1]"#, Json::Others),
            (r#"[{"a": [1, {}]}]"#, Json::Others),
            (r#"[null]"#, Json::Others),
            (r#"[1e999]"#, Json::Not),
            (r#"[01]"#, Json::Not),
            (r#"{"a": 1}"#, Json::Not),
        ] {
            assert_eq!(read(text.as_bytes()), json, "{text}");
        }
    }
}
