//! Text in records: lines of `name:value`, an empty line between two records. dpkg, its files of licences and apk write so.
//!
//! Source: deb-control(5) and apk-tools' installed database. In dpkg's, a line that begins with a blank goes on with the value before.

use std::borrow::Cow;

use crate::inventory::ReadFile;

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record<'a> {
    /// The number of its first line, from 1.
    pub(super) line: usize,
    /// Its lines that are `name:value`, in order; the value without blanks around, and only its first line.
    pub(super) fields: Vec<(&'a str, &'a str)>,
    /// The number of the first line that is neither a field nor goes on with one.
    pub(super) strange: Option<usize>,
}

impl<'a> Record<'a> {
    /// The value of a field, whatever the case of its name.
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        self.fields.iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| *value).filter(|value| !value.is_empty())
    }

    /// Whether there is a field, even if its first line is empty.
    pub(super) fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(field, _)| field.eq_ignore_ascii_case(name))
    }

    /// The value of a field of exactly this name.
    pub(super) fn get_exact(&self, name: &str) -> Option<&'a str> {
        self.fields.iter().find(|(field, _)| *field == name).map(|(_, value)| *value).filter(|value| !value.is_empty())
    }
}

/// Splits text into records, of which those without any field are left out. Keeps only fields that `wanted` says yes to. O(bytes).
pub(super) fn records<'a>(text: &'a str, wanted: impl Fn(&str) -> bool) -> impl Iterator<Item = Record<'a>> {
    let mut lines = text.lines().enumerate();
    std::iter::from_fn(move || {
        let mut record: Option<Record<'a>> = None;
        for (at, line) in lines.by_ref() {
            if line.is_empty() {
                if record.is_some() {
                    break;
                }
                continue;
            }
            record.get_or_insert_with(|| Record { line: at + 1, fields: Vec::new(), strange: None }).take(at + 1, line, &wanted);
        }
        record
    })
}

impl<'a> Record<'a> {
    fn take(&mut self, at: usize, line: &'a str, wanted: &impl Fn(&str) -> bool) {
        if line.starts_with([' ', '\t']) {
            return;
        }
        match line.split_once(':') {
            Some((name, value)) if wanted(name) => self.fields.push((name, value.trim())),
            Some(_) => {}
            None => self.strange = self.strange.or(Some(at)),
        }
    }
}

/// The bytes as text. What is no UTF-8 is replaced by `�` and named once, with its first line.
pub(super) fn text<'a>(path: &str, bytes: &'a [u8], read: &mut ReadFile) -> Cow<'a, str> {
    if let Err(error) = std::str::from_utf8(bytes) {
        let line = bytes.get(..error.valid_up_to()).unwrap_or_default().iter().filter(|byte| **byte == b'\n').count() + 1;
        read.refuse(path, format_args!("has bytes that are no UTF-8, first in line {line}; they are replaced by `\u{fffd}`"));
    }
    String::from_utf8_lossy(bytes)
}

/// The whole lines of a text; a last one without its end is left out and named, because what is cut off reads like something shorter.
pub(super) fn whole_lines<'a>(path: &str, text: &'a str, read: &mut ReadFile) -> &'a str {
    if text.is_empty() || text.ends_with('\n') {
        return text;
    }
    read.refuse(path, format_args!("ends in the middle of line {}", text.lines().count()));
    text.rfind('\n').map_or("", |at| &text[..=at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_parted_by_empty_lines_and_fields_by_the_first_colon() {
        let text = "\n\nA: 1: x \nB:\n  more\n\nno field\r\na: 2\r\n\r\n\n";
        let all: Vec<Record<'_>> = records(text, |_| true).collect();
        assert_eq!(all.len(), 2);
        assert_eq!((all[0].line, all[0].get("a"), all[0].get("B"), all[0].strange), (3, Some("1: x"), None, None));
        assert_eq!((all[1].line, all[1].get("A"), all[1].get_exact("A"), all[1].strange), (7, Some("2"), None, Some(7)));
    }

    #[test]
    fn a_last_line_without_its_end_is_left_out_and_named() {
        let mut read = ReadFile::default();
        assert_eq!(whole_lines("f", "a\nb", &mut read), "a\n");
        assert_eq!(read.unreadable[0].why, "ends in the middle of line 2");
        for whole in ["", "a\n", "\n"] {
            let mut read = ReadFile::default();
            assert_eq!((whole_lines("f", whole, &mut read), read.unreadable.len()), (whole, 0));
        }
    }

    #[test]
    fn what_is_no_text_is_replaced_and_named_once() {
        let mut read = ReadFile::default();
        assert_eq!(text("f", b"a\nb\xff\n\xfe", &mut read), "a\nb\u{fffd}\n\u{fffd}");
        assert_eq!((read.unreadable.len(), read.unreadable[0].why.contains("line 2")), (1, true));
    }
}
