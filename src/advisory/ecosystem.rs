//! What an ecosystem of the OSV format means: which packages, of which distribution, and what the names are names of.
//!
//! Source: "Defined ecosystems" of the OSV schema, <https://ossf.github.io/osv-schema/>. Where records differ from it, they are believed: AlmaLinux's
//! name packages, not sources.

use super::{DistroMatch, Naming, Terms};
use crate::inventory::Kind;

/// What an ecosystem means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ecosystem {
    pub(super) kind: Kind,
    pub(super) distro: Option<DistroMatch>,
    pub(super) naming: Naming,
}

/// Reads the name of an ecosystem (`Debian:12`, `Ubuntu:Pro:18.04:LTS`, `PyPI`); none if its packages are none that an image can have.
pub(super) fn read(text: &str) -> Option<Ecosystem> {
    let (family, release) = text.split_once(':').map_or((text, None), |(family, release)| (family, Some(release)));
    let language = |kind| Some(Ecosystem { kind, distro: None, naming: Naming::Package });
    let of = |kind, naming, distro: Option<DistroMatch>| distro.map(|distro| Ecosystem { kind, distro: Some(distro), naming });
    match family {
        "Debian" => of(Kind::Deb, Naming::Source, Some(distro("debian", release))),
        "Ubuntu" => of(Kind::Deb, Naming::Source, ubuntu(release)),
        "Alpine" => of(Kind::Apk, Naming::Source, Some(distro("alpine", release.map(|release| release.trim_start_matches('v'))))),
        "Wolfi" => of(Kind::Apk, Naming::Either, Some(distro("wolfi", None))),
        "Chainguard" => of(Kind::Apk, Naming::Either, Some(distro("chainguard", None))),
        "Rocky Linux" => of(Kind::Rpm, Naming::Either, Some(distro("rocky", release.map(major)))),
        "AlmaLinux" => of(Kind::Rpm, Naming::Either, Some(distro("almalinux", release.map(major)))),
        "Red Hat" => of(Kind::Rpm, Naming::Either, red_hat(release)),
        "SUSE" | "openSUSE" => of(Kind::Rpm, Naming::Either, release.and_then(suse)),
        "PyPI" => language(Kind::PyPi),
        "npm" => language(Kind::Npm),
        "Go" => language(Kind::Golang),
        "crates.io" => language(Kind::Cargo),
        "Maven" => language(Kind::Maven),
        "RubyGems" => language(Kind::Gem),
        "Packagist" => language(Kind::Composer),
        _ => None,
    }
}

fn distro(id: &str, release: Option<&str>) -> DistroMatch {
    DistroMatch { id: id.to_owned(), release: release.map(str::to_owned), codename: None, terms: Terms::Everybody }
}

fn major(release: &str) -> &str {
    release.split('.').next().unwrap_or(release)
}

/// `22.04:LTS`, `23.10`, `Pro:18.04:LTS`. The certified variants (`Pro:FIPS:…`) are other packages than those of an image without them.
fn ubuntu(release: Option<&str>) -> Option<DistroMatch> {
    let Some(release) = release else { return Some(distro("ubuntu", None)) };
    let release = release.trim_end_matches(":LTS");
    let (terms, release) = release.strip_prefix("Pro:").map_or((Terms::Everybody, release), |release| (Terms::Subscribers, release));
    let is_release = release.starts_with(|c: char| c.is_ascii_digit()) && !release.contains(':');
    is_release.then(|| DistroMatch { terms, ..distro("ubuntu", Some(release)) })
}

/// `enterprise_linux:9::baseos`. Streams of one minor release (`rhel_eus:9.2::…`) and other products (`openshift:4.12::el9`) have packages of their own.
fn red_hat(stream: Option<&str>) -> Option<DistroMatch> {
    let release = stream?.strip_prefix("enterprise_linux:")?.split(':').next()?;
    // A minor number (`enterprise_linux:10.0`) is how the newest major release begins to be called.
    Some(distro("rhel", Some(major(release))))
}

/// Marketing names: `Linux Enterprise Module for Basesystem 15 SP5`, `Linux Enterprise Server 15 SP4-LTSS`, `Leap 15.6`, `Tumbleweed`.
fn suse(product: &str) -> Option<DistroMatch> {
    let product = product.strip_prefix("openSUSE ").unwrap_or(product);
    if product == "Tumbleweed" {
        return Some(distro("opensuse-tumbleweed", None));
    }
    if let Some(release) = product.strip_prefix("Leap Micro ") {
        return Some(distro("opensuse-leap-micro", Some(release)));
    }
    if let Some(release) = product.strip_prefix("Leap ") {
        return Some(distro("opensuse-leap", Some(release)));
    }
    if let Some(release) = product.strip_prefix("Linux Enterprise Micro ").or_else(|| product.strip_prefix("Linux Micro ")) {
        return Some(distro("sle-micro", Some(release)));
    }
    Some(distro("sles", Some(&enterprise_release(product.strip_prefix("Linux Enterprise ")?)?)))
}

/// `Server 15 SP5-LTSS` → `15.5`, as `VERSION_ID` has it; `Server 16.0` → `16.0`.
fn enterprise_release(product: &str) -> Option<String> {
    let begin = product.find(|c: char| c.is_ascii_digit())?;
    let mut words = product[begin..].split([' ', '-']);
    let number = words.next()?;
    let pack = words.next().and_then(|word| word.strip_prefix("SP"));
    Some(pack.map_or_else(|| number.to_owned(), |pack| format!("{number}.{pack}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let Some(Ecosystem { kind, distro, naming }) = read(text) else { return "-".into() };
        let distro = distro.map(|distro| format!(" {} {:?} {:?}", distro.id, distro.release.as_deref().unwrap_or("*"), distro.terms));
        format!("{kind}{} {naming:?}", distro.unwrap_or_default())
    }

    #[test]
    fn ecosystems_are_read_as_the_schema_names_them() {
        //    ecosystem                                        packages, of, whose, named by
        for (text, expected) in [
            ("Debian:12", "deb debian \"12\" Everybody Source"),
            ("Debian", "deb debian \"*\" Everybody Source"),
            ("Ubuntu:22.04:LTS", "deb ubuntu \"22.04\" Everybody Source"),
            ("Ubuntu:23.10", "deb ubuntu \"23.10\" Everybody Source"),
            ("Ubuntu:Pro:18.04:LTS", "deb ubuntu \"18.04\" Subscribers Source"),
            ("Ubuntu:Pro:FIPS:20.04:LTS", "-"),
            ("Alpine:v3.19", "apk alpine \"3.19\" Everybody Source"),
            ("Wolfi", "apk wolfi \"*\" Everybody Either"),
            ("Rocky Linux:9", "rpm rocky \"9\" Everybody Either"),
            ("AlmaLinux:8.4", "rpm almalinux \"8\" Everybody Either"),
            ("Red Hat:enterprise_linux:9::baseos", "rpm rhel \"9\" Everybody Either"),
            ("Red Hat:rhel_aus:8.6::appstream", "-"),
            ("Red Hat", "-"),
            ("SUSE:Linux Enterprise Module for Basesystem 15 SP5", "rpm sles \"15.5\" Everybody Either"),
            ("SUSE:Linux Enterprise Server 15 SP4-LTSS", "rpm sles \"15.4\" Everybody Either"),
            ("SUSE:Linux Enterprise Server 16.0", "rpm sles \"16.0\" Everybody Either"),
            ("SUSE:Linux Enterprise Micro 5.3", "rpm sle-micro \"5.3\" Everybody Either"),
            ("SUSE:Manager Server 4.3", "-"),
            ("openSUSE:Leap 15.6", "rpm opensuse-leap \"15.6\" Everybody Either"),
            ("openSUSE:Tumbleweed", "rpm opensuse-tumbleweed \"*\" Everybody Either"),
            ("PyPI", "pypi Package"),
            ("npm", "npm Package"),
            ("Go", "golang Package"),
            ("crates.io", "cargo Package"),
            ("Maven:https://maven.google.com", "maven Package"),
            ("RubyGems", "gem Package"),
            ("Packagist:https://packages.drupal.org/8", "composer Package"),
            ("Hex", "-"),
            ("", "-"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }
}
