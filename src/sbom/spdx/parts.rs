//! The parts of the document, with SPDX's names, in the order in which people like to read them.

use std::borrow::Cow;

use serde::Serialize;

use super::NOASSERTION;

/// The whole document.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::sbom) struct Document<'a> {
    pub(super) spdx_version: &'static str,
    pub(super) data_license: &'static str,
    #[serde(rename = "SPDXID")]
    pub(super) spdxid: &'static str,
    pub(super) name: Cow<'a, str>,
    pub(super) document_namespace: String,
    pub(super) comment: String,
    pub(super) creation_info: CreationInfo,
    pub(super) packages: Vec<Package<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) has_extracted_licensing_infos: Vec<Extracted>,
    pub(super) relationships: Vec<Relationship>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreationInfo {
    pub(super) created: String,
    pub(super) creators: [String; 1],
    pub(super) license_list_version: &'static str,
}

/// An image, a distribution or a package: all are packages to SPDX.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Package<'a> {
    #[serde(rename = "SPDXID")]
    pub(super) spdxid: String,
    pub(super) name: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version_info: Option<Cow<'a, str>>,
    pub(super) primary_package_purpose: &'static str,
    pub(super) download_location: &'static str,
    pub(super) files_analyzed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) checksums: Option<[Checksum; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) source_info: Option<String>,
    pub(super) license_concluded: &'static str,
    pub(super) license_declared: String,
    pub(super) copyright_text: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) external_refs: Option<[ExternalRef<'a>; 1]>,
}

impl<'a> Package<'a> {
    /// A package of which nothing is asserted yet. Its files were not read one by one, so there is nothing to conclude from them either.
    pub(super) fn new(spdxid: String, name: Cow<'a, str>, purpose: &'static str) -> Self {
        Self {
            spdxid,
            name,
            version_info: None,
            primary_package_purpose: purpose,
            download_location: NOASSERTION,
            files_analyzed: false,
            checksums: None,
            source_info: None,
            license_concluded: NOASSERTION,
            license_declared: NOASSERTION.to_owned(),
            copyright_text: NOASSERTION,
            external_refs: None,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Checksum {
    pub(super) algorithm: &'static str,
    pub(super) checksum_value: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExternalRef<'a> {
    reference_category: &'static str,
    reference_type: &'static str,
    reference_locator: Cow<'a, str>,
}

impl<'a> ExternalRef<'a> {
    pub(super) fn purl(purl: Cow<'a, str>) -> Self {
        Self { reference_category: "PACKAGE-MANAGER", reference_type: "purl", reference_locator: purl }
    }
}

/// A licence that is not on SPDX's list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Extracted {
    pub(super) license_id: String,
    pub(super) name: String,
    pub(super) extracted_text: String,
}

impl Extracted {
    /// A licence that a package names without saying what it is.
    pub(super) fn without_text(id: String) -> Self {
        let extracted_text = format!("{id} is what packages of the image name; its text was not read.");
        Self { name: id.clone(), license_id: id, extracted_text }
    }
}

#[derive(Serialize)]
pub(super) struct Relationship {
    #[serde(rename = "spdxElementId")]
    pub(super) of: &'static str,
    #[serde(rename = "relationshipType")]
    pub(super) kind: &'static str,
    #[serde(rename = "relatedSpdxElement")]
    pub(super) to: String,
}
