//! What `cargo auditable` puts into a program: the section `.dep-v0`, JSON compressed by zlib.
//!
//! Source: cargo-auditable's PARSING.md and its JSON schema.

use miniz_oxide::inflate::{TINFLStatus, decompress_to_vec_zlib_with_limit};

use super::{Stated, header};
use crate::inventory::language::json::{self, Listed, Text};
use crate::inventory::{Kind, ReadFile};

const SECTION: &[u8] = b".dep-v0";

/// The list of a program of a thousand crates has some 150 KB.
const LIST_BYTES_MAX: usize = 8 << 20;

/// What is said of a program that is larger than the bound and has the section.
pub(super) const TOO_LARGE: &str = "lists its Rust crates, and has more than the 48 MiB that are held of a program";

/// Reads the crates that the running program has in it; what only its build needed is left out.
pub(super) fn read(path: &str, file: &[u8], read: &mut ReadFile) {
    match crates(file) {
        Ok(crates) => crates.iter().filter(|each| each.kind.as_str() != "build").for_each(|each| each.stated().add_to(path, read)),
        Err(why) => read.refuse(path, why),
    }
}

fn crates(file: &[u8]) -> Result<Vec<Crate>, String> {
    let Some(section) = header::section(file, SECTION).map_err(|error| error.to_string())? else { return Ok(Vec::new()) };
    let list = decompress_to_vec_zlib_with_limit(section, LIST_BYTES_MAX).map_err(|error| match error.status {
        TINFLStatus::HasMoreOutput => format!("has a list of Rust crates of more than {} MiB", LIST_BYTES_MAX >> 20),
        _ => "has a list of Rust crates that cannot be decompressed".to_owned(),
    })?;
    json::read::<List>(&list).map(|list| list.packages.0).map_err(|why| format!("has a list of Rust crates that {why}"))
}

#[derive(serde::Deserialize)]
struct List {
    packages: Listed<Crate>,
}

/// Runtime dependencies have no kind, or `runtime`.
#[derive(serde::Deserialize, Default)]
#[serde(default)]
struct Crate {
    name: Text,
    version: Text,
    kind: Text,
}

impl Crate {
    fn stated(&self) -> Stated<'_> {
        Stated { kind: Kind::Cargo, name: self.name.as_str(), version: self.version.as_str(), license: None }
    }
}
