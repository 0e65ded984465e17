//! Walks JSON that may be anything: what is of the expected type is taken, what is not is skipped, and only broken JSON is an error.
//!
//! For places where one wrong value must not hide the others: fields whose meaning each database decides for itself, and files too large to be held.

use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Who takes what stands in an object.
pub(super) trait Fields {
    /// Takes the value of one key; must read exactly one value from `map`, by [`text`], [`object`] or [`skip`].
    fn field<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error>;
}

/// What stood somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// A text; empty if an object was wanted.
    Text(String),
    /// An object, whose fields were taken.
    Object,
    /// Something else.
    Other,
}

impl Found {
    /// The text, if it is one.
    pub(super) fn text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// Reads the value of a key as a text.
pub(super) fn text<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Option<String>, A::Error> {
    Ok(map.next_value_seed(Any { fields: &mut Nobody })?.text())
}

/// Reads the value of a key as an object.
pub(super) fn object<'de, A: MapAccess<'de>>(map: &mut A, fields: &mut impl Fields) -> Result<Found, A::Error> {
    map.next_value_seed(Any { fields })
}

/// Skips the value of a key.
pub(super) fn skip<'de, A: MapAccess<'de>>(map: &mut A) -> Result<(), A::Error> {
    map.next_value::<IgnoredAny>().map(drop)
}

/// Takes nothing.
struct Nobody;

impl Fields for Nobody {
    fn field<'de, A: MapAccess<'de>>(&mut self, _key: &str, map: &mut A) -> Result<(), A::Error> {
        skip(map)
    }
}

/// A value of whatever type; an object's fields go to `fields`.
pub(super) struct Any<'a, F> {
    pub(super) fields: &'a mut F,
}

impl<'de, F: Fields> DeserializeSeed<'de> for Any<'_, F> {
    type Value = Found;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Found, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, F: Fields> Visitor<'de> for Any<'_, F> {
    type Value = Found;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Found, A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            self.fields.field(&key, &mut map)?;
        }
        Ok(Found::Object)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Found, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Found::Other)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Found, E> {
        Ok(Found::Text(text.to_owned()))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Found, E> {
        Ok(Found::Other)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Found, E> {
        Ok(Found::Other)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Found, E> {
        Ok(Found::Other)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Found, E> {
        Ok(Found::Other)
    }

    fn visit_unit<E: Error>(self) -> Result<Found, E> {
        Ok(Found::Other)
    }
}
