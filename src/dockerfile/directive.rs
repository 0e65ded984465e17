//! The directives in a Dockerfile's first comments: `# escape`, `# syntax`, `# check`.

use super::text;

/// A directive that counts: `# name=value` among the first lines.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Directive<'a> {
    /// `# escape=`, with its value.
    Escape(&'a [u8]),
    /// `# syntax=`, with its value.
    Syntax(&'a [u8]),
    /// `# check=`.
    Check,
}

/// Reads directives line by line until the first line that is none.
#[derive(Debug, Default)]
pub(super) struct Directives {
    done: bool,
    seen: [bool; 3],
}

/// A directive stands twice.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Repeated(pub(super) &'static str);

impl Directives {
    /// Looks at one line, without its line end. `comment` is what a comment begins with.
    pub(super) fn line<'a>(&mut self, line: &'a [u8], comment: &str) -> Result<Option<Directive<'a>>, Repeated> {
        if self.done {
            return Ok(None);
        }
        let Some((index, name, directive)) = name_and_value(line, comment).and_then(|(name, value)| known(name, value)) else {
            self.done = true;
            return Ok(None);
        };
        if std::mem::replace(&mut self.seen[index], true) {
            return Err(Repeated(name));
        }
        Ok(Some(directive))
    }

    /// Whether no further line can be a directive.
    pub(super) fn done(&self) -> bool {
        self.done
    }
}

fn known<'a>(name: &[u8], value: &'a [u8]) -> Option<(usize, &'static str, Directive<'a>)> {
    if name.eq_ignore_ascii_case(b"escape") {
        Some((0, "escape", Directive::Escape(value)))
    } else if name.eq_ignore_ascii_case(b"syntax") {
        Some((1, "syntax", Directive::Syntax(value)))
    } else if name.eq_ignore_ascii_case(b"check") {
        Some((2, "check", Directive::Check))
    } else {
        None
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\n' | 0x0C | b'\r' | b' ')
}

fn skip_spaces(bytes: &[u8]) -> &[u8] {
    &bytes[bytes.iter().position(|b| !is_space(*b)).unwrap_or(bytes.len())..]
}

/// `# name = value`, or nothing.
fn name_and_value<'a>(line: &'a [u8], comment: &str) -> Option<(&'a [u8], &'a [u8])> {
    let rest = skip_spaces(line.strip_prefix(comment.as_bytes())?);
    if !rest.first()?.is_ascii_alphabetic() {
        return None;
    }
    let end = rest.iter().position(|b| !b.is_ascii_alphanumeric())?;
    let (name, rest) = rest.split_at(end);
    let after = skip_spaces(rest).strip_prefix(b"=")?;
    let value = skip_spaces(after);
    let value = &value[..value.iter().rposition(|b| !is_space(*b)).map_or(0, |last| last + 1)];
    // A value of nothing but blanks is one blank: there must be something.
    if value.is_empty() { after.last().map(|_| (name, &after[after.len() - 1..])) } else { Some((name, value)) }
}

/// The image that `# syntax=` names, in any of the forms that BuildKit looks for: behind `#`, behind `//`, or as a key of a JSON object; a
/// first line `#!…` is passed over.
pub(super) fn syntax(text: &[u8]) -> Option<String> {
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
    let text = match text.strip_prefix(b"#!") {
        Some(_) => memchr::memchr(b'\n', text).map_or(&[][..], |end| &text[end + 1..]),
        None => text,
    };
    let found = match text.first()? {
        b'#' => in_comments(text, "#"),
        b'/' => in_comments(text, "//"),
        _ => in_json(text),
    };
    found.filter(|image| !image.is_empty())
}

fn in_comments(text: &[u8], comment: &str) -> Option<String> {
    let mut directives = Directives::default();
    for line in text.split(|b| *b == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match directives.line(line, comment) {
            Ok(Some(Directive::Syntax(value))) => {
                return Some(text::to_string(value.split(|b| *b == b' ').next().unwrap_or_default()));
            }
            Ok(_) if !directives.done() => {}
            _ => return None,
        }
    }
    None
}

fn in_json(text: &[u8]) -> Option<String> {
    if !text::trim_start(text).starts_with(b"{") {
        return None;
    }
    let object: serde_json::Value = serde_json::from_slice(text).ok()?;
    object.get("syntax")?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syntax_is_found_in_all_its_forms() {
        for (text, image) in [
            ("# syntax=docker/dockerfile:1\nFROM x", Some("docker/dockerfile:1")),
            ("#syntax = a/b:1 --foo\r\n", Some("a/b:1")),
            ("\u{FEFF}# Syntax=a\n", Some("a")),
            ("#!/usr/bin/env x\n# syntax=a\n", Some("a")),
            ("# escape=`\n# syntax=a\n", Some("a")),
            ("# check=skip=all\n# syntax=a\n", Some("a")),
            ("// syntax=a\n", Some("a")),
            ("{\"syntax\": \"a\"}", Some("a")),
            ("# a comment\n# syntax=a\n", None),
            ("\n# syntax=a\n", None),
            ("FROM a", None),
            ("", None),
        ] {
            assert_eq!(syntax(text.as_bytes()).as_deref(), image, "{text:?}");
        }
    }

    #[test]
    fn a_directive_has_a_name_and_a_value() {
        for (line, found) in [
            ("# escape=`", Some(("escape", "`"))),
            ("#  escape =  ` ", Some(("escape", "`"))),
            ("# escape= ", Some(("escape", " "))),
            ("# escape=", None),
            ("# e-scape=x", None),
            ("# 1a=x", None),
            ("# escape", None),
        ] {
            let got = name_and_value(line.as_bytes(), "#").map(|(n, v)| (text::to_string(n), text::to_string(v)));
            assert_eq!(got, found.map(|(n, v)| (n.to_owned(), v.to_owned())), "{line:?}");
        }
    }
}
