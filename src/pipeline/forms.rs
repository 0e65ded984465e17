//! The shapes that Compose gives its values: short or long, one or many, a list or a map. Read by hand, because serde's `untagged` forgets why it failed.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// A map in written order.
#[derive(Debug, Clone)]
pub(super) struct Entries<T>(pub(super) Vec<(String, T)>);

/// A text, or a map that says more.
#[derive(Debug, Clone)]
pub(super) enum Short<L> {
    Short(String),
    Long(L),
}

/// One text, or a list of them.
#[derive(Debug, Clone)]
pub(super) enum Words {
    One(String),
    Many(Vec<String>),
}

/// A list of names, or a map whose keys they are.
#[derive(Debug, Clone)]
pub(super) enum ListOrMap<T> {
    List(Vec<String>),
    Map(Vec<(String, Option<T>)>),
}

/// One item, or a list of them.
#[derive(Debug, Clone)]
pub(super) struct OneOrMany<T>(pub(super) Vec<T>);

/// Any scalar, as its text: `1.10` stays `1.10`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text(pub(super) String);

/// Settings as a map, or as a list of `NAME=value`.
pub(super) type Settings = ListOrMap<Text>;

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl Words {
    pub(super) fn all(&self) -> Vec<String> {
        match self {
            Self::One(word) => vec![word.clone()],
            Self::Many(words) => words.clone(),
        }
    }
}

struct EntriesVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for EntriesVisitor<T> {
    type Value = Vec<(String, T)>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(entries)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor(PhantomData)).map(Self)
    }
}

/// Deserialises one of several shapes; each type says what it makes of them.
struct Shapes<V>(PhantomData<V>);

trait FromShape<'de>: Sized {
    const EXPECTED: &'static str;
    fn from_text<E: Error>(text: String) -> Result<Self, E> {
        Err(E::custom(format!("expected {}, found {text:?}", Self::EXPECTED)))
    }
    fn from_list<A: SeqAccess<'de>>(_: A) -> Result<Self, A::Error> {
        Err(A::Error::custom(format!("expected {}, found a list", Self::EXPECTED)))
    }
    fn from_map<A: MapAccess<'de>>(_: A) -> Result<Self, A::Error> {
        Err(A::Error::custom(format!("expected {}, found a map", Self::EXPECTED)))
    }
}

impl<'de, V: FromShape<'de>> Visitor<'de> for Shapes<V> {
    type Value = V;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(V::EXPECTED)
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<V, E> {
        V::from_text(text.to_owned())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<V, A::Error> {
        V::from_list(list)
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V, A::Error> {
        V::from_map(map)
    }
}

impl<'de, L: Deserialize<'de>> FromShape<'de> for Short<L> {
    const EXPECTED: &'static str = "a text or a map";
    fn from_text<E: Error>(text: String) -> Result<Self, E> {
        Ok(Self::Short(text))
    }
    fn from_map<A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        L::deserialize(MapAccessDeserializer::new(map)).map(Self::Long)
    }
}

impl<'de> FromShape<'de> for Words {
    const EXPECTED: &'static str = "a text or a list of texts";
    fn from_text<E: Error>(text: String) -> Result<Self, E> {
        Ok(Self::One(text))
    }
    fn from_list<A: SeqAccess<'de>>(list: A) -> Result<Self, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(Self::Many)
    }
}

impl<'de> FromShape<'de> for Text {
    const EXPECTED: &'static str = "a text";
    fn from_text<E: Error>(text: String) -> Result<Self, E> {
        Ok(Self(text))
    }
}

impl<'de, T: Deserialize<'de>> FromShape<'de> for ListOrMap<T> {
    const EXPECTED: &'static str = "a list or a map";
    fn from_list<A: SeqAccess<'de>>(list: A) -> Result<Self, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(Self::List)
    }
    fn from_map<A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        EntriesVisitor(PhantomData).visit_map(map).map(Self::Map)
    }
}

impl<'de, T: Deserialize<'de>> FromShape<'de> for OneOrMany<T> {
    const EXPECTED: &'static str = "one value or a list of them";
    fn from_text<E: Error>(text: String) -> Result<Self, E> {
        T::deserialize(serde::de::value::StringDeserializer::new(text)).map(|one| Self(vec![one]))
    }
    fn from_list<A: SeqAccess<'de>>(list: A) -> Result<Self, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(Self)
    }
    fn from_map<A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(|one| Self(vec![one]))
    }
}

macro_rules! any_shape {
    ($($type:ty $([$param:ident])?),*) => {$(
        impl<'de $(, $param: Deserialize<'de>)?> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(Shapes(PhantomData))
            }
        }
    )*};
}
any_shape!(Short<L>[L], Words, Text, ListOrMap<T>[T], OneOrMany<T>[T]);

macro_rules! inline_schema {
    ($type:ty $([$param:ident])?, $name:expr, |$generator:ident| $schema:expr) => {
        impl $(<$param: JsonSchema>)? JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }
            fn json_schema($generator: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    };
}

inline_schema!(Entries<T>[T], format!("EntriesOf{}", T::schema_name()), |generator| {
    let item = generator.subschema_for::<T>();
    json_schema!({ "type": "object", "additionalProperties": item })
});
inline_schema!(Short<L>[L], format!("ShortOr{}", L::schema_name()), |generator| {
    let long = generator.subschema_for::<L>();
    json_schema!({ "anyOf": [{ "type": ["string", "number"] }, long] })
});
inline_schema!(Words, "Words", |_generator| json_schema!({
    "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": ["string", "number", "boolean"] } }]
}));
inline_schema!(Text, "Text", |_generator| json_schema!({ "type": ["string", "number", "boolean"] }));
inline_schema!(ListOrMap<T>[T], format!("ListOrMapOf{}", T::schema_name()), |generator| {
    let item = generator.subschema_for::<Option<T>>();
    json_schema!({ "anyOf": [{ "type": "array", "items": { "type": "string" } }, { "type": "object", "additionalProperties": item }] })
});
inline_schema!(OneOrMany<T>[T], format!("OneOrMany{}", T::schema_name()), |generator| {
    let item = generator.subschema_for::<T>();
    json_schema!({ "anyOf": [item, { "type": "array", "items": item }] })
});
