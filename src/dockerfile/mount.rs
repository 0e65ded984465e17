//! The values of `RUN --mount=` and `--device=`: fields between commas, quotes allowed.

use std::borrow::Cow;
use std::ops::Range;

use super::text;

/// The value cannot be cut into fields, or a field cannot stand there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadFields(pub(super) &'static str);

/// One field and its place in the value.
struct Field<'a> {
    text: Cow<'a, [u8]>,
    at: usize,
}

fn fields(value: &[u8]) -> Result<Vec<Field<'_>>, BadFields> {
    if value.is_empty() {
        return Err(BadFields("it is empty"));
    }
    const QUOTE: BadFields = BadFields("its quotes do not match");
    let mut fields = Vec::new();
    let mut at = 0;
    loop {
        let rest = &value[at..];
        if rest.first() != Some(&b'"') {
            let end = memchr::memchr(b',', rest);
            let field = &rest[..end.unwrap_or(rest.len())];
            if field.contains(&b'"') {
                return Err(QUOTE);
            }
            fields.push(Field { text: Cow::Borrowed(field), at });
            match end {
                Some(end) => at += end + 1,
                None => return Ok(fields),
            }
            continue;
        }
        let start = at + 1;
        let mut text = Cow::Borrowed(&[][..]);
        at = start;
        loop {
            let end = at + memchr::memchr(b'"', &value[at..]).ok_or(QUOTE)?;
            match &mut text {
                Cow::Owned(text) => text.extend_from_slice(&value[at..end]),
                text => *text = Cow::Borrowed(&value[at..end]),
            }
            at = end + 1;
            if value.get(at) != Some(&b'"') {
                break;
            }
            text.to_mut().push(b'"');
            at += 1;
        }
        fields.push(Field { text, at: start });
        match value.get(at) {
            None => return Ok(fields),
            Some(b',') => at += 1,
            Some(_) => return Err(QUOTE),
        }
    }
}

fn key_and_value(field: &[u8]) -> (String, Option<&[u8]>) {
    match memchr::memchr(b'=', field) {
        Some(equals) => (text::lower(&field[..equals]), Some(&field[equals + 1..])),
        None => (text::lower(field), None),
    }
}

/// What a mount is `from`, and the place of that in the value. Everything else in it may have variables and is looked at by the build alone.
pub(super) fn from(value: &[u8]) -> Result<Option<(Vec<u8>, Range<usize>)>, BadFields> {
    let mut from = None;
    for field in fields(value)? {
        let (key, Some(source)) = key_and_value(&field.text) else { continue };
        if key != "from" {
            continue;
        }
        if memchr::memchr(b'$', source).is_some_and(|dollar| dollar + 1 < source.len()) {
            return Err(BadFields("`from` takes no variable; name a stage after it and mount from that"));
        }
        let start = field.at + field.text.len() - source.len();
        from = Some((source.to_vec(), start..start + source.len()));
    }
    Ok(from.filter(|(source, _)| !source.is_empty()))
}

/// Checks the value of a `--device`.
pub(super) fn check_device(value: &[u8]) -> Result<(), BadFields> {
    let mut named = false;
    for field in fields(value)? {
        let (key, value) = key_and_value(&field.text);
        match (key.as_str(), value) {
            ("required", None) => {}
            ("required", Some(value)) => {
                if !matches!(value, b"1" | b"t" | b"T" | b"TRUE" | b"true" | b"True" | b"0" | b"f" | b"F" | b"FALSE" | b"false" | b"False") {
                    return Err(BadFields("`required` is true or false"));
                }
            }
            ("name", Some(value)) => {
                if named {
                    return Err(BadFields("it has two names"));
                }
                named = !value.is_empty();
            }
            _ if named => return Err(BadFields("it has a field that is neither `name` nor `required`")),
            _ => named = !field.text.is_empty(),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_says_what_it_is_from() {
        for (value, expected) in [
            ("type=bind,from=alpine:3,target=/x", Some("alpine:3")),
            ("FROM=a,from=b", Some("b")),
            ("\"from=a\",x", Some("a")),
            ("from=", None),
            ("type=cache,target=$X", None),
            ("rw,ro,nonsense", None),
            ("from=a$", Some("a$")),
        ] {
            let got = from(value.as_bytes()).unwrap();
            assert_eq!(got.as_ref().map(|(source, _)| text::to_string(source)).as_deref(), expected, "{value}");
            if let Some((source, place)) = got {
                assert_eq!(&value.as_bytes()[place], source);
            }
        }
        for bad in ["", "from=$X", "a\"b", "\"a", "\"a\"b"] {
            assert!(from(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_device_has_one_name() {
        for (value, ok) in
            [("vendor.com/gpu=all", true), ("name=a,required", true), ("a,required=true", true), ("a,b", false), ("a,required=x", false), ("", false)]
        {
            assert_eq!(check_device(value.as_bytes()).is_ok(), ok, "{value}");
        }
    }
}
