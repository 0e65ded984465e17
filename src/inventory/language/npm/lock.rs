//! The locks that npm writes, read as they pass: a lock is the longest of all lists, and nothing of it but packages is kept.
//!
//! Versions 2 and 3 have all packages by the folder that each is in (`packages`); version 1 has them by name, within those that have them for
//! themselves (`dependencies`), and version 2 repeats them so for older npm.

use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, Visitor};

use super::super::json::{self, Flag, LISTED_MAX, License, Present, Text};
use super::stated;
use crate::inventory::ReadFile;

/// Reads a lock: `package-lock.json`, `npm-shrinkwrap.json`, or `node_modules/.package-lock.json`.
///
/// The last says what is installed. The others say what would be, so they are taken for what does not depend on the machine or on who asks: packages
/// of development and optional ones for certain machines are left to their own `package.json`. The project's own parts are left to theirs too.
pub fn read_lock(path: &str, bytes: &[u8]) -> ReadFile {
    let is_installed = path.rsplit('/').next() == Some(".package-lock.json");
    let mut found = Found { path, is_installed, form: Form::None, read: ReadFile::default(), left: LISTED_MAX };
    if let Err(why) = json::read_into(bytes, Top(&mut found)) {
        found.read.refuse(path, why);
    }
    found.read
}

/// What was found so far.
struct Found<'a> {
    path: &'a str,
    is_installed: bool,
    form: Form,
    read: ReadFile,
    /// How many more entries are looked at.
    left: usize,
}

/// How packages are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    None,
    ByPlace,
    ByName,
}

/// One entry.
#[derive(Default)]
struct Locked {
    name: Text,
    version: Text,
    license: License,
    link: Flag,
    dev: Flag,
    optional: Flag,
    os: Present,
    cpu: Present,
}

impl Found<'_> {
    fn take(&mut self, key: &str, locked: &Locked) {
        match self.form {
            Form::ByPlace => self.take_place(key, locked),
            Form::ByName => self.take_name(key, locked),
            Form::None => {}
        }
    }

    fn take_place(&mut self, place: &str, locked: &Locked) {
        let Some((_, folder)) = place.rsplit_once("node_modules/") else { return };
        let is_for_some = locked.optional.0 && (locked.os.0 || locked.cpu.0);
        if !locked.link.0 && (self.is_installed || !locked.dev.0 && !is_for_some) {
            // An alias is installed in a folder of another name.
            let name = locked.name.0.as_deref().unwrap_or(folder);
            stated(name, locked.version.as_str(), locked.license.0.as_deref()).add_to(self.path, &mut self.read);
        }
    }

    fn take_name(&mut self, name: &str, locked: &Locked) {
        let (name, version) = alias(name, locked.version.as_str());
        // A folder beside the project has a `package.json` of its own. Version 1 does not say for which machines an optional package is.
        if !version.starts_with("file:") && (self.is_installed || !locked.dev.0 && !locked.optional.0) {
            stated(name, version, None).add_to(self.path, &mut self.read);
        }
    }
}

/// `npm:name@version`, as version 1 writes an alias.
fn alias<'a>(name: &'a str, version: &'a str) -> (&'a str, &'a str) {
    let of = version.strip_prefix("npm:").and_then(|of| of.rsplit_once('@'));
    of.filter(|(name, _)| !name.is_empty()).unwrap_or((name, version))
}

/// The whole lock.
struct Top<'f, 'a>(&'f mut Found<'a>);

/// A list of entries by place or name.
struct List<'f, 'a>(&'f mut Found<'a>);

/// One of them.
struct One<'f, 'a> {
    key: String,
    found: &'f mut Found<'a>,
}

impl<'de> Visitor<'de> for Top<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a lock")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match (key.as_str(), self.0.form) {
                ("packages", form) => {
                    if form == Form::ByName {
                        self.0.read = ReadFile::default();
                    }
                    self.0.form = Form::ByPlace;
                    map.next_value_seed(List(self.0))?;
                }
                ("dependencies", Form::None) => {
                    self.0.form = Form::ByName;
                    map.next_value_seed(List(self.0))?;
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

impl<'de> Visitor<'de> for List<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of packages")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            self.0.left = self.0.left.checked_sub(1).ok_or_else(|| A::Error::custom(json::TOO_MANY))?;
            map.next_value_seed(One { key, found: self.0 })?;
        }
        Ok(())
    }
}

impl<'de> Visitor<'de> for One<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a package")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut locked = Locked::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "name" => locked.name = map.next_value()?,
                "version" => locked.version = map.next_value()?,
                "license" => locked.license = map.next_value()?,
                "link" => locked.link = map.next_value()?,
                "dev" => locked.dev = map.next_value()?,
                "optional" => locked.optional = map.next_value()?,
                "os" => locked.os = map.next_value()?,
                "cpu" => locked.cpu = map.next_value()?,
                "dependencies" if self.found.form == Form::ByName => map.next_value_seed(List(self.found))?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        self.found.take(&self.key, &locked);
        Ok(())
    }
}

macro_rules! read_as_maps {
    ($($seed:ident),*) => {$(
        impl<'de> DeserializeSeed<'de> for $seed<'_, '_> {
            type Value = ();

            fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
                deserializer.deserialize_map(self)
            }
        }
    )*};
}

read_as_maps!(Top, List, One);
