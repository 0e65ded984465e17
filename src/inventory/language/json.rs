//! JSON of which a few fields matter and whose writers are many: a field of another form says nothing, and costs no memory.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::inventory::ReadFile;

/// A package with more licences than this names none that a person would read.
const LICENSES_MAX: usize = 32;

/// The longest locks known have ten thousand packages.
pub(super) const LISTED_MAX: usize = ReadFile::PACKAGES_MAX;

/// What is said of a longer one.
pub(super) const TOO_MANY: &str = "more than 100000 packages";

/// An error may quote what it found.
const ERROR_CHARS_MAX: usize = 200;

/// Reads JSON; a mark of byte order at the start, as some editors leave it, is passed over. Errors with a phrase that says where.
pub(super) fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, String> {
    read_into(bytes, PhantomData)
}

/// Reads JSON into something that takes it as it passes, and so has what came before an error.
pub(super) fn read_into<'a, S: DeserializeSeed<'a>>(bytes: &'a [u8], seed: S) -> Result<S::Value, String> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let read = seed.deserialize(&mut json).and_then(|value| json.end().map(|()| value));
    read.map_err(|error| format!("is not the JSON expected: {}", error.to_string().chars().take(ERROR_CHARS_MAX).collect::<String>()))
}

/// A list of at most [`LISTED_MAX`] packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed<T>(pub(super) Vec<T>);

impl<'a, T: Deserialize<'a>> Deserialize<'a> for Listed<T> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Each(PhantomData))
    }
}

struct Each<T>(PhantomData<T>);

impl<'a, T: Deserialize<'a>> Visitor<'a> for Each<T> {
    type Value = Listed<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of packages")
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut seq: A) -> Result<Listed<T>, A::Error> {
        let mut all = Vec::new();
        while let Some(one) = seq.next_element()? {
            if all.len() == LISTED_MAX {
                return Err(A::Error::custom(TOO_MANY));
            }
            all.push(one);
        }
        Ok(Listed(all))
    }
}

/// A text; none if the field is of another form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Text(pub(super) Option<String>);

impl Text {
    pub(super) fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }
}

/// Whether a field is `true`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Flag(pub(super) bool);

/// Whether a field is there at all, other than as `null`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Present(pub(super) bool);

/// A licence in any of the forms that are met: a text, an object with its `type` or `name`, or a list of either, of which one may be chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct License(pub(super) Option<String>);

/// What a form makes of each kind of value; what it does not care for is its default.
trait Form: Default {
    fn of_text(_: &str) -> Self {
        Self::default()
    }
    fn of_bool(_: bool) -> Self {
        Self::default()
    }
    fn of_number() -> Self {
        Self::default()
    }
    fn of_map<'a, A: MapAccess<'a>>(mut map: A) -> Result<Self, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Self::default())
    }
    fn of_seq<'a, A: SeqAccess<'a>>(mut seq: A) -> Result<Self, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self::default())
    }
}

impl Form for Text {
    fn of_text(text: &str) -> Self {
        Self(Some(text.to_owned()))
    }
}

impl Form for Flag {
    fn of_bool(is: bool) -> Self {
        Self(is)
    }
}

impl Form for Present {
    fn of_text(_: &str) -> Self {
        Self(true)
    }
    fn of_bool(_: bool) -> Self {
        Self(true)
    }
    fn of_number() -> Self {
        Self(true)
    }
    fn of_map<'a, A: MapAccess<'a>>(mut map: A) -> Result<Self, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Self(true))
    }
    fn of_seq<'a, A: SeqAccess<'a>>(mut seq: A) -> Result<Self, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self(true))
    }
}

impl Form for License {
    fn of_text(text: &str) -> Self {
        Self(Some(text.trim().to_owned()).filter(|text| !text.is_empty()))
    }
    fn of_map<'a, A: MapAccess<'a>>(mut map: A) -> Result<Self, A::Error> {
        let mut found = Self::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "type" | "name" => found = Self::of_text(map.next_value::<Text>()?.as_str()),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(found)
    }
    fn of_seq<'a, A: SeqAccess<'a>>(mut seq: A) -> Result<Self, A::Error> {
        let mut all = Vec::new();
        while let Some(Self(one)) = seq.next_element::<Self>()? {
            all.extend(one.filter(|_| all.len() <= LICENSES_MAX));
        }
        Ok(Self(any_of(&all)))
    }
}

/// Several licences of which one may be chosen, as an SPDX expression.
///
/// Source: npm's documentation of `license` rewrites a list so, and Composer's schema calls a list disjunctive.
fn any_of(all: &[String]) -> Option<String> {
    let in_brackets = |one: &String| if one.contains(' ') && !one.starts_with('(') { format!("({one})") } else { one.clone() };
    match all {
        [] => None,
        [one] => Some(one.clone()),
        _ if all.len() > LICENSES_MAX => None,
        _ => Some(all.iter().map(in_brackets).collect::<Vec<_>>().join(" OR ")),
    }
}

/// Lets a form read whatever comes.
struct Any<T>(PhantomData<T>);

impl<'a, T: Form> Visitor<'a> for Any<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        Ok(T::of_text(text))
    }
    fn visit_bool<E: Error>(self, is: bool) -> Result<T, E> {
        Ok(T::of_bool(is))
    }
    fn visit_i64<E: Error>(self, _: i64) -> Result<T, E> {
        Ok(T::of_number())
    }
    fn visit_u64<E: Error>(self, _: u64) -> Result<T, E> {
        Ok(T::of_number())
    }
    fn visit_f64<E: Error>(self, _: f64) -> Result<T, E> {
        Ok(T::of_number())
    }
    fn visit_unit<E: Error>(self) -> Result<T, E> {
        Ok(T::default())
    }
    fn visit_map<A: MapAccess<'a>>(self, map: A) -> Result<T, A::Error> {
        T::of_map(map)
    }
    fn visit_seq<A: SeqAccess<'a>>(self, seq: A) -> Result<T, A::Error> {
        T::of_seq(seq)
    }
}

macro_rules! reads_anything {
    ($($form:ty),*) => {$(
        impl<'a> Deserialize<'a> for $form {
            fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(Any(PhantomData))
            }
        }
    )*};
}

reads_anything!(Text, Flag, Present, License);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_license_is_read_in_every_form() {
        for (written, license) in [
            (r#""MIT""#, Some("MIT")),
            (r#"" ""#, None),
            (r#"{"type": "MIT", "url": "https://example.org"}"#, Some("MIT")),
            (r#"{"name": "MIT"}"#, Some("MIT")),
            (r#"{"url": "https://example.org"}"#, None),
            (r#"["MIT"]"#, Some("MIT")),
            (r#"["MIT", {"type": "Apache-2.0"}]"#, Some("MIT OR Apache-2.0")),
            (r#"["MIT", "(ISC OR Zlib)", "A AND B"]"#, Some("MIT OR (ISC OR Zlib) OR (A AND B)")),
            (r#"[[["MIT"]], 3]"#, Some("MIT")),
            ("[]", None),
            ("null", None),
            ("3.5", None),
            ("true", None),
        ] {
            assert_eq!(read::<License>(written.as_bytes()), Ok(License(license.map(str::to_owned))), "{written}");
        }
    }

    #[test]
    fn other_forms_say_nothing() {
        for (written, text, flag, present) in [
            (r#""a""#, Some("a"), false, true),
            ("true", None, true, true),
            ("-1", None, false, true),
            ("null", None, false, false),
            (r#"{"a": [1, {}]}"#, None, false, true),
            ("[[[]]]", None, false, true),
        ] {
            let bytes = written.as_bytes();
            assert_eq!(read::<Text>(bytes), Ok(Text(text.map(str::to_owned))), "{written}");
            assert_eq!((read::<Flag>(bytes), read::<Present>(bytes)), (Ok(Flag(flag)), Ok(Present(present))), "{written}");
        }
        assert_eq!(read::<Text>(b"\xef\xbb\xbf\"a\""), Ok(Text(Some("a".into()))), "a mark of byte order is passed over");
        assert!(read::<Text>(&b"[".repeat(1_000_000)).is_err(), "depth is bounded");
        let many = |count: usize| format!("[{}1]", "1,".repeat(count - 1)).into_bytes();
        assert_eq!(read::<Listed<Text>>(&many(LISTED_MAX)).map(|list| list.0.len()), Ok(LISTED_MAX));
        assert!(read::<Listed<Text>>(&many(LISTED_MAX + 1)).unwrap_err().starts_with("is not the JSON expected: more than 100000 packages"));
        assert!(read::<Listed<Text>>(format!("\"{}\"", "x".repeat(9_999)).as_bytes()).unwrap_err().len() < 300, "errors quote little");
    }
}
