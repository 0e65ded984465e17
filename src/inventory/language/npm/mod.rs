//! Node's packages: `package.json` of each, and the locks that npm writes.
//!
//! Source: npm's documentation of `package.json` and `package-lock.json`, lockfile versions 1 to 3.

mod lock;

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::Stated;
use super::json::{self, License, Text};
use crate::inventory::{Kind, ReadFile};
pub use lock::read_lock;

/// Reads a `package.json`.
///
/// One that has no name or no version is no package: an application's own, or one that only says which kind of modules a folder has.
pub fn read(path: &str, bytes: &[u8]) -> ReadFile {
    let mut read = ReadFile::default();
    match json::read::<Own>(bytes) {
        Ok(own) if own.name.as_str().is_empty() || own.version.as_str().is_empty() => {}
        Ok(own) => own.stated().add_to(path, &mut read),
        Err(why) => read.refuse(path, why),
    }
    read
}

fn stated<'a>(name: &'a str, version: &'a str, license: Option<&'a str>) -> Stated<'a> {
    Stated { kind: Kind::Npm, name, version, license }
}

/// What a `package.json` says of itself. Written by hand, so that of a key that is there twice the last one counts, as in Node.
#[derive(Default)]
struct Own {
    name: Text,
    version: Text,
    license: License,
    /// The older spelling.
    licenses: License,
}

impl Own {
    fn stated(&self) -> Stated<'_> {
        stated(self.name.as_str(), self.version.as_str(), self.license.0.as_deref().or(self.licenses.0.as_deref()))
    }
}

impl<'a> Deserialize<'a> for Own {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Keys)
    }
}

struct Keys;

impl<'a> Visitor<'a> for Keys {
    type Value = Own;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Own, A::Error> {
        let mut own = Own::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "name" => own.name = map.next_value()?,
                "version" => own.version = map.next_value()?,
                "license" => own.license = map.next_value()?,
                "licenses" => own.licenses = map.next_value()?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(own)
    }
}
