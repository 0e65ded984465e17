//! What an archive itself is, by its manifest and its name, where Maven left no note.
//!
//! Source: Maven's naming of files, `artifact-version[-classifier].jar`; Maven Archiver's and Gradle's attributes (`Implementation-*`); and how Maven's
//! bundle plugin makes a symbolic name out of group and artifact.

use super::groups;
use super::manifest::Manifest;
use super::pom::Pom;

/// What an archive itself is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Identity {
    /// Not every archive says one.
    pub(super) group: Option<String>,
    pub(super) artifact: String,
    pub(super) version: Option<String>,
    /// Whether the file's name has a version, and so the artifact before it.
    is_named: bool,
}

/// What the archive of this name is, folders before it or not. The artifact is that of the file's name if that has a version, else the manifest's if it is one, else the name.
pub(super) fn of(name: &str, manifest: &Manifest) -> Identity {
    let (stem, in_name) = file_name(name);
    let symbolic = manifest.get("Bundle-SymbolicName").map(|name| name.split(';').next().unwrap_or_default().trim());
    let title = manifest.get("Implementation-Title").filter(|title| is_word(title));
    let tomcat = symbolic.and_then(|name| name.strip_prefix("org.apache.")).filter(|name| name.starts_with("tomcat-") && in_name.is_none());
    let artifact = tomcat.or(title.filter(|_| in_name.is_none())).unwrap_or(stem);
    Identity {
        group: group(artifact, symbolic, manifest),
        artifact: artifact.to_owned(),
        version: version(in_name, manifest),
        is_named: in_name.is_some(),
    }
}

impl Identity {
    /// Whether this artifact is the archive itself.
    pub(super) fn is_of(&self, artifact: &str) -> bool {
        self.artifact == artifact
    }

    /// Whether the archive is something beside what Maven's notes in it say.
    ///
    /// Without any note it is. With some, only if it names itself wholly and none of them is it: an archive built by Gradle that has others packed
    /// into it.
    pub(super) fn is_beside(&self, poms: &[Pom]) -> bool {
        let is_noted = |pom: &Pom| self.is_of(&pom.artifact) || self.version.as_ref() == Some(&pom.version) || self.artifact.contains(&pom.artifact);
        poms.is_empty() || self.group.is_some() && self.is_named && !poms.iter().any(is_noted)
    }
}

/// The artifact and, if there is one, the version in a file's name.
fn file_name(path: &str) -> (&str, Option<&str>) {
    let file = path.rsplit('/').next().unwrap_or_default();
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    let at = stem.match_indices('-').map(|(at, _)| at).find(|at| stem[at + 1..].starts_with(|next: char| next.is_ascii_digit()));
    at.filter(|at| *at > 0).map_or((stem, None), |at| (&stem[..at], Some(&stem[at + 1..])))
}

/// What the manifest says, unless the name has the same number in Maven's form: OSGi writes `31.1-jre` as `31.1.0.jre`, and `1.0` as `1.0.0`.
fn version(in_name: Option<&str>, manifest: &Manifest) -> Option<String> {
    let bundle = manifest.get("Bundle-Version");
    let said = manifest.get("Implementation-Version").filter(|version| is_version(version));
    let of_bundle = || in_name.filter(|name| bundle.is_some_and(|bundle| same_numbers(name, bundle))).or(bundle);
    said.or_else(of_bundle).or(in_name).map(str::to_owned)
}

/// Whether two versions begin with the same numbers, a missing one being zero.
fn same_numbers(one: &str, other: &str) -> bool {
    let numbers = |text: &str| {
        let all = text.split(['.', '-', '_', '+']).map_while(|part| part.parse::<u64>().ok()).take(3);
        all.chain(std::iter::repeat(0)).take(3).collect::<Vec<_>>()
    };
    numbers(one) == numbers(other)
}

/// Where the group may be said: `Implementation-Vendor-Id`, which Maven wrote until 2018; a well-known artifact; the symbolic name.
fn group(artifact: &str, symbolic: Option<&str>, manifest: &Manifest) -> Option<String> {
    let vendor = manifest.get("Implementation-Vendor-Id").filter(|vendor| is_group(vendor));
    vendor.or_else(|| groups::of(artifact)).map(str::to_owned).or_else(|| in_symbolic(symbolic?, artifact))
}

/// The group within a symbolic name: what stands before the artifact (`com.zaxxer.HikariCP`), whose first word is left out if it is the group's last
/// (`org.apache.maven.core` of `maven-core`). Where both are one word (`com.google.guava`), only the table of well-known ones can tell.
fn in_symbolic(symbolic: &str, artifact: &str) -> Option<String> {
    let (group, last) = symbolic.rsplit_once('.')?;
    let shared = group.rsplit('.').next().and_then(|word| artifact.strip_prefix(word)).and_then(|rest| rest.strip_prefix('-'));
    (last == artifact || shared == Some(last)).then(|| group.to_owned()).filter(|group| is_group(group))
}

/// Words between points, at least two.
fn is_group(text: &str) -> bool {
    text.contains('.') && text.split('.').all(|word| is_word(word) && !word.is_empty())
}

/// Whether a text could be an artifact's name: letters, numbers, `.`, `-` and `_`, and not a phrase.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|each| each.is_ascii_alphanumeric() || matches!(each, '.' | '-' | '_'))
}

fn is_version(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphanumeric()) && !text.contains(char::is_whitespace)
}
