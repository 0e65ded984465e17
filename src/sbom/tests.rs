//! Documents against the schemas of those who made the formats, and against samples in `tests/formats/sbom/`.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use jsonschema::{Draft, Registry, Validator};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::inventory::samples::package;
use crate::inventory::{Distro, Kind, Package, SourcePackage, Unreadable};
use crate::model::Digest;

pub(super) fn installed(kind: &str, name: &str, version: &str, path: &str) -> Installed {
    let kind: Kind = kind.parse().unwrap();
    let package = package(kind, name, version);
    Installed { package, path: path.into(), layer: Digest::of(b"layer"), brought_in_by: None }
}

pub(super) fn subject(packages: Vec<Installed>) -> Subject {
    Subject {
        name: "web".into(),
        reference: None,
        id: Digest::of(b"web"),
        created: "2026-01-02T03:04:05.678Z".parse().unwrap(),
        refit_version: "0.1.0".into(),
        distro: None,
        packages,
        unreadable: Vec::new(),
    }
}

/// Something of everything that a document can have.
fn sample() -> Subject {
    let licensed = |license: &str, kind: &str, name: &str, version: &str, path: &str| {
        let plain = installed(kind, name, version, path);
        Installed { package: Package { license: Some(license.into()), ..plain.package }, brought_in_by: Some("web".into()), ..plain }
    };
    let libssl = installed("deb", "libssl3", "3.0.11-1~deb12u2", "var/lib/dpkg/status");
    let source = Some(SourcePackage { name: "openssl".into(), version: "3.0.11-1~deb12u2".into() });
    let libssl = Installed {
        package: Package { arch: Some("amd64".into()), source, license: Some("Apache-2.0".into()), ..libssl.package },
        brought_in_by: Some("debian:12".into()),
        layer: Digest::of(b"base"),
        ..libssl
    };
    let packages = vec![
        licensed("MIT", "npm", "@babel/core", "7.24.0", "app/node_modules/@babel/core/package.json"),
        licensed("mit or apache-2.0 with llvm-exception", "cargo", "serde", "1.0.200", "usr/bin/web"),
        licensed("GPL-2+ or Artistic, see LICENSE", "pypi", "odd", "1", "usr/lib/python3/dist-packages/odd-1.dist-info/METADATA"),
        licensed("The Odd License\n\nDo as you like.\n", "gem", "odd", "2", "usr/share/gems/specifications/odd-2.gemspec"),
        licensed("MIT AND LicenseRef-Fedora-Public-Domain", "maven", "org.slf4j:slf4j-api", "2.0.13", "opt/app.jar"),
        libssl,
        installed("golang", "stdlib", "go1.22.1", "usr/bin/tool"),
    ];
    let digest = Digest::of(b"manifest");
    let unreadable = Unreadable { path: "var/lib/rpm/rpmdb.sqlite".into(), why: "ends in the middle of a record".into() };
    Subject {
        reference: Some(format!("ghcr.io/acme/web:1.4@{digest}").parse().unwrap()),
        distro: Some(Distro { id: "debian".into(), release: "12".into(), codename: Some("bookworm".into()) }),
        unreadable: vec![Gap { layer: Digest::of(b"layer"), unreadable }],
        ..subject(packages)
    }
}

fn written(format: Format, subject: &Subject) -> String {
    let mut bytes = Vec::new();
    format.write(subject, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn read(format: Format, subject: &Subject) -> Value {
    serde_json::from_str(&written(format, subject)).unwrap()
}

static CYCLONEDX: LazyLock<Validator> = LazyLock::new(|| {
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let beside = [
        ("http://cyclonedx.org/schema/spdx.schema.json", include_str!("../../tests/formats/sbom/spdx.schema.json")),
        ("http://cyclonedx.org/schema/jsf-0.82.schema.json", include_str!("../../tests/formats/sbom/jsf-0.82.schema.json")),
    ];
    let registry = beside.into_iter().fold(Registry::new(), |registry, (uri, text)| registry.add(uri, read(text)).unwrap());
    let registry = registry.prepare().unwrap();
    let options = jsonschema::options().with_draft(Draft::Draft7).with_registry(&registry).should_validate_formats(true);
    options.build(&read(include_str!("../../tests/formats/sbom/bom-1.6.schema.json"))).unwrap()
});

static SPDX: LazyLock<Validator> = LazyLock::new(|| {
    let schema: Value = serde_json::from_str(include_str!("../../tests/formats/sbom/spdx-2.3.schema.json")).unwrap();
    jsonschema::options().with_draft(Draft::Draft201909).should_validate_formats(true).build(&schema).unwrap()
});

/// What is wrong with a document: by its schema, and by what the specification says of references, which a schema cannot.
fn faults(format: Format, document: &Value) -> Vec<String> {
    let validator = match format {
        Format::CycloneDx => &CYCLONEDX,
        Format::Spdx => &SPDX,
    };
    let mut faults: Vec<String> = validator.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect();
    match format {
        Format::CycloneDx => cyclonedx_references(document, &mut faults),
        Format::Spdx => spdx_references(document, &mut faults),
    }
    faults
}

fn cyclonedx_references(bom: &Value, faults: &mut Vec<String>) {
    let components = bom["components"].as_array().into_iter().flatten().chain([&bom["metadata"]["component"]]);
    let refs: Vec<&str> = components.filter_map(|component| component["bom-ref"].as_str()).collect();
    let known: BTreeSet<&str> = refs.iter().copied().collect();
    if known.len() != refs.len() {
        faults.push("a bom-ref is there twice".into());
    }
    let dependencies = bom["dependencies"].as_array().into_iter().flatten();
    let used = dependencies.flat_map(|dependency| dependency["dependsOn"].as_array().into_iter().flatten().chain([&dependency["ref"]]));
    faults.extend(used.filter_map(Value::as_str).filter(|used| !known.contains(used)).map(|used| format!("{used} is no component")));
}

fn spdx_references(document: &Value, faults: &mut Vec<String>) {
    let each = |key: &str| document[key].as_array().cloned().unwrap_or_default();
    let packages = each("packages");
    let ids: Vec<&str> = packages.iter().filter_map(|package| package["SPDXID"].as_str()).collect();
    let mut known: BTreeSet<&str> = ids.iter().copied().collect();
    if known.len() != ids.len() {
        faults.push("an SPDXID is there twice".into());
    }
    known.insert("SPDXRef-DOCUMENT");
    let is_id = |id: &str| id.strip_prefix("SPDXRef-").is_some_and(|id| id.chars().all(|c| c.is_ascii_alphanumeric() || ".-".contains(c)));
    faults.extend(known.iter().filter(|id| !is_id(id)).map(|id| format!("{id} is no SPDXID")));
    for relationship in each("relationships") {
        let ends = [&relationship["spdxElementId"], &relationship["relatedSpdxElement"]].map(|end| end.as_str().unwrap_or_default().to_owned());
        faults.extend(ends.into_iter().filter(|end| !known.contains(end.as_str())).map(|end| format!("{end} is no element")));
    }
    let is_moment = document["creationInfo"]["created"].as_str().is_some_and(|text| text.len() == 20 && text.parse::<jiff::Timestamp>().is_ok());
    faults.extend((!is_moment).then(|| "the moment is not one of whole seconds in UTC".to_owned()));
    let extracted: Vec<Value> = each("hasExtractedLicensingInfos").iter().map(|info| info["licenseId"].clone()).collect();
    for declared in packages.iter().filter_map(|package| package["licenseDeclared"].as_str()).filter(|declared| *declared != "NOASSERTION") {
        let words = declared.split([' ', '(', ')']).filter(|word| word.starts_with("LicenseRef-"));
        faults.extend(words.filter(|word| !extracted.contains(&json!(word))).map(|word| format!("{word} is not explained")));
        let mode = ::spdx::ParseMode { allow_deprecated: true, ..::spdx::ParseMode::STRICT };
        faults.extend(::spdx::Expression::parse_mode(declared, mode).err().map(|_| format!("{declared:?} is no expression")));
    }
}

#[test]
fn a_document_with_something_of_everything_is_valid() {
    for format in Format::ALL {
        assert_eq!(faults(format, &read(format, &sample())), Vec::<String>::new(), "{format}");
    }
}

#[test]
fn an_image_without_anything_has_a_valid_document() {
    for format in Format::ALL {
        assert_eq!(faults(format, &read(format, &subject(Vec::new()))), Vec::<String>::new(), "{format}");
    }
}

#[test]
fn a_broken_document_is_found_out() {
    let breaks: [(Format, &str, Value); 15] = [
        (Format::CycloneDx, "/serialNumber", json!("urn:uuid:1")),
        (Format::CycloneDx, "/metadata/timestamp", json!("yesterday")),
        (Format::CycloneDx, "/metadata/component/type", json!("image")),
        (Format::CycloneDx, "/metadata/component/hashes/0/content", json!("sha256:1")),
        (Format::CycloneDx, "/components/3/licenses/0/license/id", json!("BSD-style")),
        (Format::CycloneDx, "/components/7/licenses/0/license/text", json!("a text")),
        (Format::CycloneDx, "/components/1/bom-ref", json!("image")),
        (Format::CycloneDx, "/dependencies/0/dependsOn/0", json!("nobody")),
        (Format::CycloneDx, "/compositions/0/aggregate", json!("partial")),
        (Format::Spdx, "/creationInfo/created", json!("2026-01-02T03:04:05.678Z")),
        (Format::Spdx, "/packages/0/primaryPackagePurpose", json!("IMAGE")),
        (Format::Spdx, "/packages/2/SPDXID", json!("SPDXRef-a_b")),
        (Format::Spdx, "/packages/2/licenseDeclared", json!("BSD-style")),
        (Format::Spdx, "/packages/2/downloadLocation", json!(null)),
        (Format::Spdx, "/hasExtractedLicensingInfos/0/licenseId", json!("LicenseRef-other")),
    ];
    for (format, place, wrong) in breaks {
        let mut document = read(format, &sample());
        *document.pointer_mut(place).unwrap_or_else(|| panic!("{format} has no {place}")) = wrong;
        assert_ne!(faults(format, &document), Vec::<String>::new(), "{format} {place}");
    }
    for format in Format::ALL {
        let mut document = read(format, &sample());
        document["surprise"] = json!(1);
        assert_ne!(faults(format, &document), Vec::<String>::new(), "{format} with a field of nobody's");
    }
}

#[test]
fn the_samples_are_what_is_written() {
    let samples = [include_str!("../../tests/formats/sbom/web.cdx.json"), include_str!("../../tests/formats/sbom/web.spdx.json")];
    for (format, kept) in Format::ALL.into_iter().zip(samples) {
        let now = written(format, &sample());
        let differs = kept.lines().zip(now.lines()).find(|(kept, now)| kept != now);
        assert!(kept == now, "{} differs at {differs:?}; if that is meant, put this in its place:\n{now}", format);
    }
}

#[test]
fn what_could_not_be_read_is_named() {
    let phrase = format!("var/lib/rpm/rpmdb.sqlite in {}: ends in the middle of a record", Digest::of(b"layer"));
    let (bom, spdx) = (read(Format::CycloneDx, &sample()), read(Format::Spdx, &sample()));
    assert_eq!(bom["compositions"][0]["aggregate"], "incomplete");
    assert_eq!(bom["metadata"]["component"]["properties"][1], json!({"name": "refit:unreadable", "value": phrase}));
    assert!(spdx["comment"].as_str().unwrap().ends_with(&phrase), "{spdx}");
    let complete = Subject { unreadable: Vec::new(), ..sample() };
    assert_eq!(read(Format::CycloneDx, &complete).get("compositions"), None);
}

#[test]
fn the_order_of_what_was_found_changes_nothing_and_anything_else_changes_the_identity() {
    let identity = |format: Format, subject: &Subject| match format {
        Format::CycloneDx => read(format, subject)["serialNumber"].clone(),
        Format::Spdx => read(format, subject)["documentNamespace"].clone(),
    };
    for format in Format::ALL {
        let mut turned = sample();
        turned.packages.reverse();
        assert!(written(format, &sample()) == written(format, &turned), "{format}");
        turned.packages[0].brought_in_by = Some("another".into());
        assert_ne!(identity(format, &sample()), identity(format, &turned), "{format}");
    }
}

/// CycloneDX's list of licences is older than the one that texts are read by; what that one has more is not written as one of the list.
#[test]
fn every_licence_of_the_list_is_valid_in_both_formats() {
    let with = |license: &str| {
        let plain = installed("deb", license, "1", "status");
        Installed { package: Package { license: Some(license.into()), ..plain.package }, ..plain }
    };
    let packages = ::spdx::identifiers::LICENSES.iter().map(|license| with(license.name)).collect();
    let subject = subject(packages);
    for format in Format::ALL {
        assert_eq!(faults(format, &read(format, &subject)), Vec::<String>::new(), "{format}");
    }
    let bom = read(Format::CycloneDx, &subject);
    let listed: Value = serde_json::from_str(include_str!("../../tests/formats/sbom/spdx.schema.json")).unwrap();
    for component in bom["components"].as_array().unwrap() {
        let is_listed = listed["enum"].as_array().unwrap().contains(&component["name"]);
        assert_eq!(component["licenses"][0]["license"]["id"].is_string(), is_listed, "{component}");
    }
}

#[test]
fn formats_are_called_by_their_names() {
    for format in Format::ALL {
        assert_eq!(format.as_str().parse(), Ok(format));
    }
    assert_eq!("spdx-3".parse::<Format>(), Err(FormatError("spdx-3".into())));
}

/// Licences, and what people write in their place.
const LICENSES: [&str; 12] =
    ["MIT", "gpl-2.0+", "MIT OR ISC", "(MIT", "LicenseRef-a", "LicenseRef-", "LicenseRef-a_b", "BSD\nor so", "NONE", "GPL-2.0 WITH x", "💥", "\0"];

fn any_license() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        proptest::sample::select(&LICENSES).prop_map(str::to_owned),
        proptest::collection::vec(proptest::sample::select(&LICENSES), 0..5).prop_map(|some| some.join(" AND ")),
    ]
}

prop_compose! {
    fn any_installed()(
        kind in proptest::sample::select(&Kind::ALL),
        (name, version, path) in (prop_oneof![any::<String>(), Just("a".to_owned())], any::<String>(), prop_oneof![any::<String>(), Just("p".to_owned())]),
        arch: Option<String>,
        license in proptest::option::of(any_license()),
        source: Option<(String, String)>,
        layer: u8,
        brought_in_by: Option<String>,
    ) -> Installed {
        let source = source.map(|(name, version)| SourcePackage { name, version });
        Installed { package: Package { kind, name, version, arch, license, source }, path, layer: Digest::of(&[layer]), brought_in_by }
    }
}

prop_compose! {
    pub(super) fn any_subject()(
        (name, refit_version) in any::<(String, String)>(),
        seconds in jiff::Timestamp::MIN.as_second()..=jiff::Timestamp::MAX.as_second(),
        distro: Option<(String, String, Option<String>)>,
        packages in proptest::collection::vec(any_installed(), 0..8),
        gaps: Vec<(u8, String, String)>,
        is_public: bool,
    ) -> Subject {
        let gap = |(layer, path, why): (u8, String, String)| Gap { layer: Digest::of(&[layer]), unreadable: Unreadable { path, why } };
        Subject {
            name,
            reference: is_public.then(|| "localhost:5000/acme/web:1".parse().unwrap()),
            created: jiff::Timestamp::from_second(seconds).unwrap(),
            refit_version,
            distro: distro.map(|(id, release, codename)| Distro { id, release, codename }),
            unreadable: gaps.into_iter().take(3).map(gap).collect(),
            ..subject(packages)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_in_an_image_its_documents_are_valid(subject in any_subject()) {
        for format in Format::ALL {
            let document = read(format, &subject);
            prop_assert_eq!(faults(format, &document), Vec::<String>::new(), "{}", format);
        }
    }

    #[test]
    fn every_package_is_in_the_documents(subject in any_subject()) {
        let packages = subject.entries().len() + subject.distro.iter().len();
        prop_assert_eq!(read(Format::CycloneDx, &subject)["components"].as_array().unwrap().len(), packages);
        prop_assert_eq!(read(Format::Spdx, &subject)["packages"].as_array().unwrap().len(), packages + 1);
        prop_assert_eq!(read(Format::Spdx, &subject)["relationships"].as_array().unwrap().len(), packages + 1);
    }
}
