//! SPDX 2.3. Source: the specification of that version, and its `spdx-schema.json`.
//!
//! The document describes the image; the image contains the distribution and the packages. Where a package is from stands in its `sourceInfo`.

mod parts;

use std::collections::BTreeMap;

use self::parts::{Checksum, CreationInfo, Document, ExternalRef, Extracted, Package, Relationship};
use super::subject::Entry;
use super::{Installed, License, Subject, purl, text};
use crate::inventory::Distro;
use crate::model::Digest;

/// How elements are called. Packages have their kind behind `SPDXRef-`, so these are like none of theirs.
const DOCUMENT: &str = "SPDXRef-DOCUMENT";
const IMAGE: &str = "SPDXRef-image";
const DISTRO: &str = "SPDXRef-distro";
/// What SPDX says where nothing is known.
const NOASSERTION: &str = "NOASSERTION";

/// For the name in the document's address; what makes it unlike others is behind it.
const NAMESPACE_NAME_CHARS_MAX: usize = 60;
/// Enough of a text's hash to tell the licences of one document apart.
const LICENSE_HASH_CHARS: usize = 32;

/// Licences that SPDX's list does not have, by identifier.
type Unlisted = BTreeMap<String, Extracted>;

/// The document about a subject. Its namespace is made of all the rest of it.
pub(super) fn document(subject: &Subject) -> Document<'_> {
    let entries = subject.entries();
    let relationships = relationships(subject, &entries);
    let mut unlisted = Unlisted::new();
    let mut packages = vec![image(subject)];
    packages.extend(subject.distro.iter().map(distro));
    packages.extend(entries.iter().map(|entry| package(entry, &mut unlisted)));
    let mut document = Document {
        spdx_version: "SPDX-2.3",
        data_license: "CC0-1.0",
        spdxid: DOCUMENT,
        name: text::name(&subject.name),
        document_namespace: String::new(),
        comment: comment(subject),
        creation_info: creation_info(subject),
        packages,
        has_extracted_licensing_infos: unlisted.into_values().collect(),
        relationships,
    };
    document.document_namespace = namespace(subject, &Digest::of(&serde_json::to_vec(&document).unwrap_or_default()));
    document
}

/// Source: clause 6.5, which lends creators without an address of their own that of SPDX; nothing has to be found there.
fn namespace(subject: &Subject, content: &Digest) -> String {
    let name = text::identifier(&subject.name, NAMESPACE_NAME_CHARS_MAX);
    format!("https://spdx.org/spdxdocs/{name}-{}", text::uuid(content))
}

fn comment(subject: &Subject) -> String {
    match subject.gaps() {
        gaps if gaps.is_empty() => "Every file that names packages could be read.".to_owned(),
        gaps => format!("Packages may be missing, because this could not be read:\n{}", gaps.join("\n")),
    }
}

fn creation_info(subject: &Subject) -> CreationInfo {
    let list = spdx::identifiers::VERSION;
    CreationInfo {
        created: subject.created(),
        creators: [format!("Tool: refit-{}", text::one_line(&subject.refit_version))],
        // Two numbers are wanted, and three are given.
        license_list_version: list.rsplit_once('.').map_or(list, |(list, _)| list),
    }
}

fn image(subject: &Subject) -> Package<'_> {
    let version = subject.reference.as_ref().and_then(|reference| reference.digest()).unwrap_or(subject.id);
    Package {
        version_info: Some(version.to_string().into()),
        checksums: Some([Checksum { algorithm: "SHA256", checksum_value: subject.id.hex() }]),
        external_refs: subject.reference.as_ref().map(|reference| [ExternalRef::purl(purl::of_image(reference).into())]),
        ..Package::new(IMAGE.to_owned(), text::name(&subject.name), "CONTAINER")
    }
}

fn distro(distro: &Distro) -> Package<'_> {
    Package {
        version_info: Some(text::one_line(&distro.release)).filter(|release| !release.is_empty()),
        ..Package::new(DISTRO.to_owned(), text::name(&distro.id), "OPERATING_SYSTEM")
    }
}

fn package<'a>(entry: &Entry<'a>, unlisted: &mut Unlisted) -> Package<'a> {
    let installed = entry.installed;
    let package = &installed.package;
    Package {
        version_info: Some(text::one_line(&package.version)).filter(|version| !version.is_empty()),
        source_info: Some(source_info(installed)),
        license_declared: declared(package.license.as_deref(), unlisted),
        external_refs: entry.purl.clone().map(|purl| [ExternalRef::purl(purl.into())]),
        ..Package::new(spdxid(entry), text::name(&package.name), "LIBRARY")
    }
}

fn spdxid(entry: &Entry<'_>) -> String {
    format!("SPDXRef-{}", entry.key)
}

fn source_info(installed: &Installed) -> String {
    let mut info = format!("named by {} in layer {}", text::one_line(&installed.path), installed.layer);
    if let Some(image) = &installed.brought_in_by {
        info.push_str(&format!(", which image {} brought in", text::one_line(image)));
    }
    if let Some(source) = installed.source() {
        info.push_str(&format!("; built from source package {source}"));
    }
    info
}

/// The licence as an expression, and what its reader has to know of licences that are not on the list.
fn declared(said: Option<&str>, unlisted: &mut Unlisted) -> String {
    match said.and_then(License::read) {
        None => NOASSERTION.to_owned(),
        Some(License::Id(id)) => id.to_owned(),
        Some(License::Expression { text, refs }) => {
            for id in refs {
                unlisted.entry(id.clone()).or_insert_with(|| Extracted::without_text(id));
            }
            text
        }
        Some(License::Free { name, text }) => {
            let id = format!("LicenseRef-refit-{}", &Digest::of(text.as_bytes()).hex()[..LICENSE_HASH_CHARS]);
            unlisted.insert(id.clone(), Extracted { license_id: id.clone(), name, extracted_text: text });
            id
        }
    }
}

fn relationships(subject: &Subject, entries: &[Entry<'_>]) -> Vec<Relationship> {
    let contained = subject.distro.iter().map(|_| DISTRO.to_owned()).chain(entries.iter().map(spdxid));
    let contained = contained.map(|id| Relationship { of: IMAGE, kind: "CONTAINS", to: id });
    let described = Relationship { of: DOCUMENT, kind: "DESCRIBES", to: IMAGE.to_owned() };
    [described].into_iter().chain(contained).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_licence_that_is_not_on_the_list_is_explained_once() {
        let mut unlisted = Unlisted::new();
        let bsd = declared(Some("BSD-style"), &mut unlisted);
        assert!(bsd.starts_with("LicenseRef-refit-"), "{bsd}");
        assert_eq!(declared(Some("BSD-style"), &mut unlisted), bsd);
        assert_eq!(declared(Some("MIT AND LicenseRef-x"), &mut unlisted), "MIT AND LicenseRef-x");
        assert_eq!(unlisted.keys().map(String::as_str).collect::<Vec<_>>(), [&bsd, "LicenseRef-x"]);
        assert_eq!(unlisted[&bsd].extracted_text, "BSD-style");
        // A package that names the identifier of another's text gets that text, and there is still one of it.
        assert_eq!(declared(Some(&bsd), &mut unlisted), bsd);
        assert_eq!(unlisted[&bsd].extracted_text, "BSD-style");
    }

    #[test]
    fn what_is_not_said_is_not_asserted() {
        for said in [None, Some(""), Some("NONE")] {
            assert_eq!(declared(said, &mut Unlisted::new()), NOASSERTION);
        }
    }
}
