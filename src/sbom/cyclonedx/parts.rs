//! The parts of the document, with CycloneDX's names, in the order in which people like to read them.

use std::borrow::Cow;

use serde::Serialize;

/// The whole document.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::sbom) struct Bom<'a> {
    #[serde(rename = "$schema")]
    pub(super) schema: &'static str,
    pub(super) bom_format: &'static str,
    pub(super) spec_version: &'static str,
    pub(super) serial_number: String,
    pub(super) version: u32,
    pub(super) metadata: Metadata<'a>,
    pub(super) components: Vec<Component<'a>>,
    pub(super) dependencies: Vec<Dependency>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) compositions: Vec<Composition>,
}

#[derive(Serialize)]
pub(super) struct Metadata<'a> {
    pub(super) timestamp: String,
    pub(super) lifecycles: [Lifecycle; 1],
    pub(super) tools: Tools<'a>,
    pub(super) component: Component<'a>,
}

/// At which point of the subject's life the document was made.
#[derive(Serialize)]
pub(super) struct Lifecycle {
    pub(super) phase: &'static str,
}

#[derive(Serialize)]
pub(super) struct Tools<'a> {
    pub(super) components: [Component<'a>; 1],
}

/// An image, a distribution, a package or a tool.
#[derive(Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Component<'a> {
    pub(super) r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bom_ref: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) group: Option<Cow<'a, str>>,
    pub(super) name: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hashes: Option<[Hash; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) licenses: Option<[LicenseChoice; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) purl: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) properties: Vec<Property<'a>>,
}

impl Component<'_> {
    /// One of a type, of which nothing else is known yet.
    pub(super) fn of(r#type: &'static str) -> Self {
        Self { r#type, ..Self::default() }
    }
}

#[derive(Serialize)]
pub(super) struct Hash {
    pub(super) alg: &'static str,
    pub(super) content: String,
}

#[derive(Serialize)]
pub(super) struct Property<'a> {
    name: &'static str,
    value: Cow<'a, str>,
}

impl<'a> Property<'a> {
    pub(super) fn new(name: &'static str, value: Cow<'a, str>) -> Self {
        Self { name, value }
    }
}

/// How the package itself states its licence, as opposed to what an audit concludes.
const DECLARED: &str = "declared";

/// Either one licence, or one expression.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum LicenseChoice {
    One { license: OneLicense },
    Expression { expression: String, acknowledgement: &'static str },
}

/// Has either an `id` of SPDX's list or a name.
#[derive(Default, Serialize)]
pub(super) struct OneLicense {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    acknowledgement: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<LicenseText>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LicenseText {
    content_type: &'static str,
    content: String,
}

impl LicenseChoice {
    pub(super) fn id(id: &'static str) -> Self {
        Self::One { license: OneLicense { id: Some(id), acknowledgement: DECLARED, ..OneLicense::default() } }
    }

    pub(super) fn expression(expression: String) -> Self {
        Self::Expression { expression, acknowledgement: DECLARED }
    }

    /// A licence that is not on the list, with its text if there is more of it than its name.
    pub(super) fn named(name: String, text: Option<String>) -> Self {
        let text = text.map(|content| LicenseText { content_type: "text/plain", content });
        Self::One { license: OneLicense { name: Some(name), acknowledgement: DECLARED, text, ..OneLicense::default() } }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Dependency {
    #[serde(rename = "ref")]
    pub(super) of: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) depends_on: Vec<String>,
}

/// How complete the parts of a component, and what it depends on, are listed.
#[derive(Serialize)]
pub(super) struct Composition {
    pub(super) aggregate: &'static str,
    pub(super) assemblies: [&'static str; 1],
    pub(super) dependencies: [&'static str; 1],
}
