//! CycloneDX 1.6. Source: ECMA-424, and `bom-1.6.schema.json` of the CycloneDX project.
//!
//! The image is the subject; distribution and packages are its components, and what it depends on. What CycloneDX has no field for stands in
//! properties under `refit:`: the layer, the file and the image that brought a package.

mod parts;

use std::borrow::Cow;

use self::parts::{Bom, Component, Composition, Dependency, Hash, LicenseChoice, Lifecycle, Metadata, Property, Tools};
use super::subject::Entry;
use super::{Installed, License, Subject, purl, text};
use crate::inventory::{Distro, Kind};
use crate::model::Digest;

/// How the document calls the image and the distribution. Packages have a kind in front, so these are like none of theirs.
const IMAGE: &str = "image";
const DISTRO: &str = "distro";

/// What is on SPDX's list since its version 3.29, of which the schema's list (3.28) has nothing yet: such a licence is an expression of one word.
const NEWER_THAN_SCHEMA: [&str; 13] = [
    "atc-game",
    "Brian-Gladman-3-Clause-no-conversion",
    "BSD-2-Clause-pos-unchanged",
    "BSD-3-Clause-OpenWebUI",
    "BSD-ask-to-endorse",
    "BSD-Source-alt-GPL",
    "BSD-Source-Code-no-disclaimer",
    "Bugroff",
    "CC-BY-NC-3.0-IGO",
    "FDK-MPEG-H",
    "Hippocratic-3.0-core",
    "Informatica",
    "MVT-1.1",
];

/// The document about a subject. Its serial number is made of all the rest of it.
pub(super) fn document(subject: &Subject) -> Bom<'_> {
    let entries = subject.entries();
    let refs = subject.distro.iter().map(|_| DISTRO.to_owned()).chain(entries.iter().map(|entry| entry.key.clone())).collect();
    let mut bom = Bom {
        schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
        bom_format: "CycloneDX",
        spec_version: "1.6",
        serial_number: String::new(),
        version: 1,
        metadata: metadata(subject),
        components: subject.distro.iter().map(distro).chain(entries.into_iter().map(component)).collect(),
        dependencies: vec![Dependency { of: IMAGE, depends_on: refs }],
        compositions: compositions(subject),
    };
    bom.serial_number = serial_number(&Digest::of(&serde_json::to_vec(&bom).unwrap_or_default()));
    bom
}

fn metadata(subject: &Subject) -> Metadata<'_> {
    let refit = Component { name: "refit".into(), version: Some(text::one_line(&subject.refit_version)), ..Component::of("application") };
    Metadata {
        timestamp: subject.created(),
        lifecycles: [Lifecycle { phase: "post-build" }],
        tools: Tools { components: [refit] },
        component: image(subject),
    }
}

fn image(subject: &Subject) -> Component<'_> {
    let gaps = subject.gaps().into_iter().map(|gap| Property::new("refit:unreadable", gap.into()));
    let version = subject.reference.as_ref().and_then(|reference| reference.digest()).unwrap_or(subject.id);
    Component {
        bom_ref: Some(IMAGE.into()),
        name: text::name(&subject.name),
        version: Some(version.to_string().into()),
        hashes: Some([Hash { alg: "SHA-256", content: subject.id.hex() }]),
        purl: subject.reference.as_ref().map(|reference| purl::of_image(reference).into()),
        properties: [Property::new("refit:image", subject.id.to_string().into())].into_iter().chain(gaps).collect(),
        ..Component::of("container")
    }
}

fn distro(distro: &Distro) -> Component<'_> {
    Component {
        bom_ref: Some(DISTRO.into()),
        name: text::name(&distro.id),
        version: Some(text::one_line(&distro.release)).filter(|release| !release.is_empty()),
        properties: distro.codename.iter().map(|codename| Property::new("refit:codename", text::one_line(codename))).collect(),
        ..Component::of("operating-system")
    }
}

fn component(entry: Entry<'_>) -> Component<'_> {
    let installed = entry.installed;
    let package = &installed.package;
    let (group, name) = group_and_name(package.kind, &package.name);
    Component {
        bom_ref: Some(entry.key.into()),
        group: group.map(text::one_line),
        name: text::name(name),
        version: Some(text::one_line(&package.version)).filter(|version| !version.is_empty()),
        licenses: package.license.as_deref().and_then(License::read).map(|license| [choice(license)]),
        purl: entry.purl.map(Cow::Owned),
        properties: properties(installed),
        ..Component::of("library")
    }
}

fn properties(installed: &Installed) -> Vec<Property<'_>> {
    let mut properties =
        vec![Property::new("refit:layer", installed.layer.to_string().into()), Property::new("refit:path", text::one_line(&installed.path))];
    properties.extend(installed.brought_in_by.iter().map(|image| Property::new("refit:broughtInBy", text::one_line(image))));
    properties.extend(installed.source().map(|source| Property::new("refit:source", source.into())));
    properties
}

/// The group is what the ecosystem puts before a name to keep names of several owners apart.
fn group_and_name(kind: Kind, name: &str) -> (Option<&str>, &str) {
    let parts = match kind {
        Kind::Maven => name.rsplit_once(':'),
        Kind::Npm if name.starts_with('@') => name.split_once('/'),
        Kind::Composer => name.split_once('/'),
        _ => None,
    };
    match parts {
        Some((group, name)) if !group.is_empty() && !name.is_empty() => (Some(group), name),
        _ => (None, name),
    }
}

fn choice(license: License) -> LicenseChoice {
    match license {
        License::Id(id) if NEWER_THAN_SCHEMA.contains(&id) => LicenseChoice::expression(id.to_owned()),
        License::Id(id) => LicenseChoice::id(id),
        License::Expression { text, .. } => LicenseChoice::expression(text),
        License::Free { name, text } if text == name => LicenseChoice::named(name, None),
        License::Free { name, text } => LicenseChoice::named(name, Some(text)),
    }
}

/// Says that components are missing if something could not be read. If everything could, it says nothing: a program may hold more than its files tell.
fn compositions(subject: &Subject) -> Vec<Composition> {
    let incomplete = Composition { aggregate: "incomplete", assemblies: [IMAGE], dependencies: [IMAGE] };
    if subject.unreadable.is_empty() { Vec::new() } else { vec![incomplete] }
}

fn serial_number(content: &Digest) -> String {
    format!("urn:uuid:{}", text::uuid(content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_told_from_names() {
        for (kind, name, wanted) in [
            (Kind::Maven, "org.slf4j:slf4j-api", (Some("org.slf4j"), "slf4j-api")),
            (Kind::Maven, "slf4j-api", (None, "slf4j-api")),
            (Kind::Npm, "@babel/core", (Some("@babel"), "core")),
            (Kind::Npm, "@babel/", (None, "@babel/")),
            (Kind::Composer, "symfony/console", (Some("symfony"), "console")),
            (Kind::Golang, "golang.org/x/net", (None, "golang.org/x/net")),
        ] {
            assert_eq!(group_and_name(kind, name), wanted);
        }
    }
}
