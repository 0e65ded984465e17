//! Package URLs are those of the specification, and say the same package again.

use proptest::prelude::*;

use super::*;

fn package(kind: Kind, name: &str, version: &str, arch: Option<&str>) -> Package {
    Package { kind, name: name.into(), version: version.into(), arch: arch.map(str::to_owned), license: None, source: None }
}

fn distro(id: &str, release: &str) -> Distro {
    Distro { id: id.into(), release: release.into(), codename: None }
}

#[test]
fn a_package_has_the_url_of_its_type() {
    let (debian, sid, alpine, rocky) = (distro("debian", "12"), distro("debian", ""), distro("alpine", "3.19"), distro("rocky", "9"));
    //   kind        name                     version               arch            distro
    for (kind, name, version, arch, distro, written) in [
        (Kind::Deb, "libssl3", "3.0.15-1~deb12u1", Some("amd64"), Some(&debian), "deb/debian/libssl3@3.0.15-1~deb12u1?arch=amd64&distro=debian-12"),
        (Kind::Deb, "libstdc++6", "1:12.2.0-14+b1", Some("amd64"), Some(&sid), "deb/debian/libstdc%2B%2B6@1:12.2.0-14%2Bb1?arch=amd64&distro=debian"),
        (Kind::Deb, "curl", "7.50.3-1", None, None, "deb/curl@7.50.3-1"),
        (Kind::Apk, "musl", "1.2.4-r2", Some("x86_64"), Some(&alpine), "apk/alpine/musl@1.2.4-r2?arch=x86_64&distro=alpine-3.19"),
        (Kind::Rpm, "openssl", "1:3.0.7-24.el9", Some("x86_64"), Some(&rocky), "rpm/rocky/openssl@3.0.7-24.el9?arch=x86_64&distro=rocky-9&epoch=1"),
        (Kind::Rpm, "ImageMagick", "0:7-1", None, Some(&rocky), "rpm/rocky/ImageMagick@7-1?distro=rocky-9"),
        (Kind::PyPi, "typing_extensions", "4.9.0", None, Some(&debian), "pypi/typing-extensions@4.9.0"),
        (Kind::PyPi, "torch", "2.1.0+cpu", None, None, "pypi/torch@2.1.0%2Bcpu"),
        (Kind::Npm, "@babel/core", "7.23.2", None, None, "npm/%40babel/core@7.23.2"),
        (Kind::Npm, "JSONStream", "1.3.5", None, None, "npm/JSONStream@1.3.5"),
        (Kind::Npm, "lodash", "4.17.21", None, Some(&debian), "npm/lodash@4.17.21"),
        (Kind::Golang, "github.com/Azure/azure-sdk", "v1.0.0", None, None, "golang/github.com/Azure/azure-sdk@v1.0.0"),
        (Kind::Golang, "stdlib", "1.22.3", None, None, "golang/stdlib@1.22.3"),
        (Kind::Golang, "github.com/docker/docker", "v24.0.7+incompatible", None, None, "golang/github.com/docker/docker@v24.0.7%2Bincompatible"),
        (Kind::Cargo, "serde", "1.0.1", None, None, "cargo/serde@1.0.1"),
        (Kind::Maven, "org.slf4j:slf4j-api", "2.0.9", None, None, "maven/org.slf4j/slf4j-api@2.0.9"),
        (Kind::Gem, "RedCloth", "4.3.3", None, None, "gem/RedCloth@4.3.3"),
        (Kind::Composer, "symfony/console", "v6.4.0", None, None, "composer/symfony/console@v6.4.0"),
    ] {
        assert_eq!(purl(&package(kind, name, version, arch), distro), format!("pkg:{written}"));
    }
}

#[test]
fn a_url_names_the_package_as_its_ecosystem_does() {
    //    written                                                             name                   version
    for (written, name, version) in [
        ("pkg:rpm/rocky/openssl@3.0.7-24.el9?arch=x86_64&epoch=1", "openssl", Some("1:3.0.7-24.el9")),
        ("pkg:deb/debian/attr@1%3A2.4.47-2%2Bb1?arch=amd64", "attr", Some("1:2.4.47-2+b1")),
        ("pkg:npm/%40angular/animation@12.3.1", "@angular/animation", Some("12.3.1")),
        ("pkg:npm/@angular/animation@12.3.1", "@angular/animation", Some("12.3.1")),
        ("pkg:npm/@angular/animation", "@angular/animation", None),
        ("pkg:npm/JSONStream@1.3.5", "JSONStream", Some("1.3.5")),
        ("pkg:Maven/org.Apache/commons-IO@1", "org.Apache:commons-IO", Some("1")),
        ("pkg://golang/google.golang.org/genproto#/googleapis/../api/", "google.golang.org/genproto", None),
        ("PKG:PYPI/Django_allauth@12.23?", "django-allauth", Some("12.23")),
        ("pkg:composer/Laravel/Laravel@5.5.0", "laravel/laravel", Some("5.5.0")),
        ("pkg:cargo/serde@", "serde", None),
    ] {
        let purl = parse(written).unwrap_or_else(|error| panic!("{written}: {error}"));
        assert_eq!((purl.package_name().as_str(), purl.package_version().as_deref()), (name, version), "{written}");
    }
    let purl = parse("pkg:Rpm/Fedora/curl@7.50.3-1.fc25?Arch=i386&Distro=fedora-25&none=#a//b").unwrap();
    assert_eq!(purl.to_string(), "pkg:rpm/fedora/curl@7.50.3-1.fc25?arch=i386&distro=fedora-25#a/b");
}

#[test]
fn what_is_no_url_is_refused_with_the_reason() {
    let long = format!("pkg:npm/{}", "a".repeat(LENGTH_MAX));
    for (bad, error) in [
        ("EnterpriseLibrary.Common@6.0.1304", PurlError::Scheme),
        ("http:npm/a", PurlError::Scheme),
        ("pkg%3Amaven/org.apache.commons/io", PurlError::Scheme),
        ("pkg:EnterpriseLibrary.Common@6.0.1304", PurlError::Type("enterpriselibrary.common@6.0.1304".into())),
        ("pkg:nuget/a@1", PurlError::Type("nuget".into())),
        ("pkg:maven/@1.3.4", PurlError::NoName),
        ("pkg:npm", PurlError::NoName),
        ("pkg:npm/a@1?in%20production=true", PurlError::Qualifier("in%20production".into())),
        ("pkg:npm/a%4", PurlError::Encoding("a%4".into())),
        ("pkg:npm/a@%ff", PurlError::Encoding("%ff".into())),
        (&long, PurlError::TooLong),
    ] {
        assert_eq!(parse(bad), Err(error), "{bad}");
    }
}

/// What the reference implementation made of a few hundred packages and URLs: `written<TAB>canonical`, or nothing where it refuses.
#[test]
fn urls_are_canonical_as_the_reference_has_them() {
    let table = include_str!("../../../tests/inventory/version/purl.tsv");
    assert!(table.lines().count() > 100);
    let pairs = table.lines().map(|line| line.split_once('\t').unwrap());
    let differs = |(written, canonical): &(&str, &str)| parse(written).map(|purl| purl.to_string()).as_deref() != Ok(*canonical);
    let wrong: Vec<_> = pairs.filter(differs).map(|(written, canonical)| (written, canonical, parse(written).map(|purl| purl.to_string()))).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

proptest! {
    #[test]
    fn a_url_says_its_package_again(
        kind in proptest::sample::select(&Kind::ALL[..]),
        name in "[a-z][a-z0-9+~%é@-]{0,6}[a-z0-9]",
        group in "@?[a-z][a-z0-9.-]{0,6}[a-z0-9]",
        version in "([1-9]:)?[0-9][0-9a-z.+~@ ?#/%é-]{0,9}",
        arch in proptest::option::of("[a-z0-9_]{1,6}"),
    ) {
        let name = match kind {
            Kind::Maven => format!("{group}:{name}"),
            Kind::Npm | Kind::Golang | Kind::Composer => format!("{group}/{name}"),
            Kind::PyPi => kind.normal_name(&name).into_owned(),
            _ => name,
        };
        let written = purl(&package(kind, &name, &version, arch.as_deref()), Some(&distro("debian", "12")));
        let read = parse(&written).unwrap();
        prop_assert_eq!(read.to_string(), written);
        prop_assert_eq!(read.package_name(), name);
        prop_assert_eq!(read.package_version(), Some(version));
    }

    #[test]
    fn no_text_is_too_odd_to_read(text in "(pkg:)?(npm|deb|maven)?/?\\PC{0,30}") {
        if let Ok(purl) = parse(&text) {
            prop_assert_eq!(parse(&purl.to_string()), Ok(purl));
        }
    }
}
