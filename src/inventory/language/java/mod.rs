//! Java's archives: `jar`, `war`, `ear` and Jenkins' `hpi`, and the archives within them.
//!
//! In: an archive, held whole. Out: a package for each `META-INF/maven/*/*/pom.properties` (a shaded archive has many), and one for the archive itself
//! by its manifest and its name where those say it. Archives within are read to a bounded depth, and all work on one file comes out of one
//! [`Budget`](budget::Budget), so that no archive, however made, takes more than its share.

mod archive;
mod budget;
mod groups;
mod identity;
mod manifest;
mod pom;

use std::borrow::Cow;

use super::Stated;
use crate::inventory::{Kind, ReadFile};
use archive::{Archive, Entry};
use budget::Budget;
use pom::Pom;

/// A jar in a war in an ear, and one more for what a jar carries: nobody's application is deeper.
const DEPTH_MAX: usize = 4;
/// A manifest that exports every package of a large library has 200 KB.
const NOTE_BYTES_MAX: usize = 4 << 20;
/// The largest single library known, the whole SDK of a cloud, has 300 MB unpacked; such lie beside an application, not compressed within it.
const NESTED_BYTES_MAX: usize = 128 << 20;
/// As much of a name as is shown.
const NAME_CHARS_MAX: usize = 200;

/// Reads an archive and those within it. What is unreadable within is named as `app.war!/WEB-INF/lib/a.jar`, as Java has it.
pub fn read(path: &str, bytes: &[u8]) -> ReadFile {
    let mut read = ReadFile::default();
    let mut budget = Budget::default();
    read_archive(&Named { path, name: path }, bytes, 1, &mut budget, &mut read);
    read
}

/// An archive, by how it is shown and by what it is called.
struct Named<'a> {
    /// For people: names in archives are shortened in it, and what is unprintable in them is escaped.
    path: &'a str,
    /// Its path, or its own name in the archive around it, as it stands: it may say what the archive is.
    name: &'a str,
}

fn read_archive(named: &Named<'_>, bytes: &[u8], depth: usize, budget: &mut Budget, read: &mut ReadFile) {
    let path = named.path;
    let archive = match Archive::of(bytes) {
        Ok(archive) => archive,
        Err(error) => return read.refuse(path, error),
    };
    let mut notes = Notes::default();
    let mut others = Vec::new();
    for entry in archive.entries() {
        if !budget.take_entry() {
            return read.refuse(path, budget::SPENT);
        }
        match entry {
            Ok(entry) if is_archive(&entry.name) => others.push(entry),
            Ok(entry) => notes.take(&archive, &entry, path, budget, read),
            Err(error) => read.refuse(path, error),
        }
    }
    notes.tell(named, read);
    for entry in others {
        read_within(&archive, &entry, path, depth, budget, read);
    }
}

fn read_within(archive: &Archive<'_>, entry: &Entry<'_>, path: &str, depth: usize, budget: &mut Budget, read: &mut ReadFile) {
    let path = within(path, &entry.name);
    if depth == DEPTH_MAX {
        return read.refuse(&path, format_args!("lies in more than {} archives", DEPTH_MAX - 1));
    }
    // What is not unpacked costs no memory of its own: it may be as large as the archive that it lies in.
    let bytes_max = if entry.is_stored() { usize::MAX } else { NESTED_BYTES_MAX };
    match archive.content(entry, bytes_max, budget) {
        Ok(bytes) => read_archive(&Named { path: &path, name: &entry.name }, &bytes, depth + 1, budget, read),
        Err(error) => read.refuse(&path, error),
    }
}

/// The path of something in an archive, as Java writes it.
fn within(path: &str, name: &str) -> String {
    format!("{path}!/{}", name.chars().take(NAME_CHARS_MAX).collect::<String>().escape_debug())
}

fn is_archive(name: &str) -> bool {
    name.rsplit_once('.')
        .is_some_and(|(stem, kind)| !stem.is_empty() && !stem.ends_with('/') && matches!(kind, "jar" | "war" | "ear" | "jpi" | "hpi"))
}

/// What an archive says of itself and of what was packed into it.
#[derive(Default)]
struct Notes {
    manifest: manifest::Manifest,
    poms: Vec<Pom>,
}

impl Notes {
    /// Takes in an entry, if it is one that says something.
    fn take(&mut self, archive: &Archive<'_>, entry: &Entry<'_>, path: &str, budget: &mut Budget, read: &mut ReadFile) {
        let is_manifest = entry.name.eq_ignore_ascii_case("META-INF/MANIFEST.MF");
        let place = pom::place(&entry.name);
        if !is_manifest && place.is_none() {
            return;
        }
        match archive.content(entry, NOTE_BYTES_MAX, budget) {
            Ok(bytes) if is_manifest => self.manifest = manifest::Manifest::of(&bytes),
            Ok(bytes) => self.poms.extend(place.map(|place| Pom::of(place, &bytes))),
            Err(error) => read.refuse(&within(path, &entry.name), error),
        }
    }

    fn tell(&self, named: &Named<'_>, read: &mut ReadFile) {
        let (path, own) = (named.path, identity::of(named.name, &self.manifest));
        for pom in &self.poms {
            let license = self.manifest.get("Bundle-License").filter(|_| self.poms.len() == 1 || own.is_of(&pom.artifact));
            let version = if pom.version.is_empty() { own.version.as_deref().filter(|_| self.poms.len() == 1) } else { Some(pom.version.as_str()) };
            add(&format!("{}:{}", pom.group, pom.artifact), version.unwrap_or_default(), license, path, read);
        }
        if own.is_beside(&self.poms) {
            let name = own.group.as_ref().map_or(Cow::Borrowed(&own.artifact), |group| Cow::Owned(format!("{group}:{}", own.artifact)));
            add(&name, own.version.as_deref().unwrap_or_default(), self.manifest.get("Bundle-License"), path, read);
        }
    }
}

fn add(name: &str, version: &str, license: Option<&str>, path: &str, read: &mut ReadFile) {
    // `Apache-2.0;link=https://…`: what comes after the name are attributes (OSGi Core, 3.2.5).
    let license = license.and_then(|license| license.split(';').next());
    Stated { kind: Kind::Maven, name, version, license }.add_to(path, read);
}

#[cfg(test)]
mod tests;
