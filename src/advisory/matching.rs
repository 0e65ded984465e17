//! Whether a package has what an advisory describes, and which version no longer has it.
//!
//! By each ecosystem's rules: distributions' advisories name source packages (Debian, Ubuntu, Alpine) or the packages themselves (Red Hat's family),
//! and hold for one release; those of languages name the package. Source: "Evaluation" of the OSV schema.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Advisory, Affected, Naming, Standing, Terms};
use crate::inventory::version::{compare, highest};
use crate::inventory::{Distro, Kind, Package};

/// So many fixed versions are tried, lowest first, for one that has the problem in no other range; a true record needs one or two.
const FIXES_TRIED_MAX: usize = 100;

/// A package has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Hit {
    /// The lowest version above the installed one that no longer has it, in terms of [`Hit::by`]; none if no such is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed: Option<String>,
    /// Who gets that version.
    pub terms: Terms,
    /// The name by which the advisory found it: the package's, or its source's.
    pub by: String,
    /// What the distribution says of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Hit {
    /// The version that no longer has it, and whether whoever builds an image with this package gets that one.
    pub fn fix(self, package: &Package) -> Option<Fixed> {
        let fixed = self.fixed?;
        let is_had = self.terms == Terms::Everybody || is_subscribed(package.kind, &package.version);
        Some(if is_had { Fixed::ForAll(fixed) } else { Fixed::ForSubscribers(fixed) })
    }
}

/// The lowest version that no longer has a problem, and who gets it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fixed {
    /// Whoever builds the image: everybody, or a subscriber, of whom the package is already.
    ForAll(String),
    /// Who has subscribed, and nothing in the image says that somebody has. No rebuild brings it.
    ForSubscribers(String),
}

impl Fixed {
    /// The version, if whoever builds the image gets it.
    pub fn for_all(self) -> Option<String> {
        match self {
            Self::ForAll(version) => Some(version),
            Self::ForSubscribers(_) => None,
        }
    }
}

impl fmt::Display for Fixed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ForAll(version) => f.write_str(version),
            Self::ForSubscribers(version) => write!(f, "{version} (for subscribers only)"),
        }
    }
}

/// What an advisory is found by: only those of a package's own [`keys_of`] can hit it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// The ecosystem.
    pub kind: Kind,
    /// The name, in its normal form.
    pub name: String,
}

/// The keys by which an advisory is found.
pub fn keys(advisory: &Advisory) -> BTreeSet<Key> {
    advisory.affected.iter().map(|affected| Key { kind: affected.kind, name: affected.name.clone() }).collect()
}

/// The keys of a package: one for its name, and one for its source's if that is another.
pub fn keys_of(package: &Package) -> Vec<Key> {
    let key = |name: &str| Key { kind: package.kind, name: package.kind.normal_name(name).into_owned() };
    let own = key(&package.name);
    let source = package.source.as_ref().map(|source| key(&source.name)).filter(|source| *source != own);
    std::iter::once(own).chain(source).collect()
}

/// Whether an image of this distribution has the problem by this package; none if it has not, or the advisory was withdrawn.
///
/// O(ranges + versions) of what is affected by that name.
pub fn verdict(advisory: &Advisory, package: &Package, distro: Option<&Distro>) -> Option<Hit> {
    if advisory.withdrawn.is_some() {
        return None;
    }
    let about = |name: &str, naming: Naming| -> Vec<&Affected> {
        let is_meant = |affected: &&Affected| affected.naming != naming && is_about(affected, package.kind, name, distro);
        advisory.affected.iter().filter(|affected| affected.standing == Standing::Affected).filter(is_meant).collect()
    };
    // Who has the package's own name knows more of it than who has its source's: binaries of one source may differ in version.
    let own = package.kind.normal_name(&package.name);
    let by_name = about(&own, Naming::Source);
    if !by_name.is_empty() {
        return judge(&by_name, package.kind, &own, &installed(package));
    }
    let (source, version) = source_of(package)?;
    judge(&about(&source, Naming::Package), package.kind, &source, &version)
}

/// The same for all records of one problem: the version from which on none of them has it, where that is known.
///
/// Below the highest fix of several records, one of them still has it. What only subscribers get counts where there is nothing for everybody.
pub fn verdict_of_all<'a>(advisories: impl IntoIterator<Item = &'a Advisory>, package: &Package, distro: Option<&Distro>) -> Option<Option<Fixed>> {
    let hits: Vec<Hit> = advisories.into_iter().filter_map(|advisory| verdict(advisory, package, distro)).collect();
    (!hits.is_empty()).then(|| highest_fix(package.kind, hits.into_iter().filter_map(|hit| hit.fix(package))))
}

/// The highest of several fixes: of those that everybody gets, or else of the others.
pub fn highest_fix(kind: Kind, fixes: impl IntoIterator<Item = Fixed>) -> Option<Fixed> {
    let (mut for_all, mut for_subscribers) = (Vec::new(), Vec::new());
    for fix in fixes {
        match fix {
            Fixed::ForAll(version) => for_all.push(version),
            Fixed::ForSubscribers(version) => for_subscribers.push(version),
        }
    }
    highest(kind, for_all).map(Fixed::ForAll).or_else(|| highest(kind, for_subscribers).map(Fixed::ForSubscribers))
}

/// Whether nobody has looked yet if an image of this distribution has the problem by this package: no hit, but no all-clear either.
pub fn is_undetermined(advisory: &Advisory, package: &Package, distro: Option<&Distro>) -> bool {
    let names = |affected: &Affected, name: &str, naming: Naming| affected.naming != naming && is_about(affected, package.kind, name, distro);
    let by_name = |affected: &Affected| names(affected, &package.kind.normal_name(&package.name), Naming::Source);
    let by_source = |affected: &Affected| source_of(package).is_some_and(|(source, _)| names(affected, &source, Naming::Package));
    let open = advisory.affected.iter().filter(|affected| affected.standing == Standing::Undetermined);
    advisory.withdrawn.is_none() && open.into_iter().any(|affected| by_name(affected) || by_source(affected))
}

fn is_about(affected: &Affected, kind: Kind, name: &str, distro: Option<&Distro>) -> bool {
    affected.kind == kind && affected.name == name && affected.distro.as_ref().is_none_or(|meant| distro.is_some_and(|distro| meant.is(distro)))
}

/// The version as advisories write it: Go's without its `v`, and those of Go itself as semantic versions.
fn installed(package: &Package) -> Cow<'_, str> {
    match package.kind {
        Kind::Golang if matches!(package.name.as_str(), "stdlib" | "toolchain") => Cow::Owned(go_release(&package.version)),
        Kind::Golang => Cow::Borrowed(package.version.trim_start_matches('v')),
        _ => Cow::Borrowed(&package.version),
    }
}

/// `go1.22` → `1.22.0`, `go1.22rc1` → `1.22.0-rc.1`, as the Go vulnerability database orders them (`introduced: 1.22.0-0` is before both).
fn go_release(version: &str) -> String {
    let version = version.trim_start_matches("go").trim_start_matches('v');
    // What stands behind a space are experiments that it was built with.
    let version = version.split_whitespace().next().unwrap_or_default();
    let Some(at) = version.find(|c: char| !c.is_ascii_digit() && c != '.') else { return padded(version) };
    let (numbers, rest) = version.split_at(at);
    let Some(digits) = rest.find(|c: char| c.is_ascii_digit()).filter(|_| rest.starts_with(|c: char| c.is_ascii_alphabetic())) else {
        return format!("{}{rest}", padded(numbers));
    };
    format!("{}-{}.{}", padded(numbers), &rest[..digits], &rest[digits..])
}

/// With three numbers.
fn padded(numbers: &str) -> String {
    match numbers.matches('.').count() {
        0 => format!("{numbers}.0.0"),
        1 => format!("{numbers}.0"),
        _ => numbers.to_owned(),
    }
}

/// The source package of a distribution's package, which is the package itself where it says nothing else.
fn source_of(package: &Package) -> Option<(Cow<'_, str>, Cow<'_, str>)> {
    let is_of_distro = package.kind.is_of_distro();
    let Some(source) = &package.source else { return is_of_distro.then(|| (package.name.as_str().into(), package.version.as_str().into())) };
    // The name of a source RPM has no epoch; its packages have it.
    let epoch = package.version.split_once(':').map(|(epoch, _)| epoch).filter(|_| package.kind == Kind::Rpm && !source.version.contains(':'));
    let version = epoch.map_or(Cow::Borrowed(source.version.as_str()), |epoch| format!("{epoch}:{}", source.version).into());
    is_of_distro.then_some((source.name.as_str().into(), version))
}

fn judge(about: &[&Affected], kind: Kind, name: &str, version: &str) -> Option<Hit> {
    let of_stream = about.iter().copied().filter(|affected| is_of_stream(affected, kind, version));
    // Who has a package that only subscribers get is one: what is said to everybody else does not hold there.
    let (for_subscribers, for_everybody): (Vec<_>, Vec<_>) = of_stream.partition(|affected| terms(affected) == Terms::Subscribers);
    let is_theirs = is_subscribed(kind, version) && !for_subscribers.is_empty();
    let counts = if is_theirs { for_subscribers.clone() } else { [for_everybody.clone(), for_subscribers.clone()].concat() };
    let hit = counts.iter().find(|affected| affected.covers(version))?;
    let free = if is_theirs { None } else { first_fix(&for_everybody, kind, version) };
    let (fixed, terms) = match free {
        Some(fixed) => (Some(fixed), Terms::Everybody),
        None => first_fix(&for_subscribers, kind, version).map_or((None, Terms::Everybody), |fixed| (Some(fixed), Terms::Subscribers)),
    };
    Some(Hit { fixed, terms, by: name.to_owned(), note: hit.note.clone() })
}

/// Whether only subscribers get a package of this version.
fn is_subscribed(kind: Kind, version: &str) -> bool {
    kind == Kind::Deb && (version.contains("+esm") || version.contains("~esm"))
}

fn terms(affected: &Affected) -> Terms {
    affected.distro.as_ref().map_or(Terms::Everybody, |distro| distro.terms)
}

/// A module's packages (`….module+el9…`) and those of the same name outside it are two lines of development, whose versions do not compare.
fn is_of_stream(affected: &Affected, kind: Kind, version: &str) -> bool {
    let is_of_module = |version: &str| version.contains(".module");
    let mut fixes = affected.ranges.iter().filter_map(|range| range.fixed()).peekable();
    kind != Kind::Rpm || fixes.peek().is_none() || fixes.any(|fixed| is_of_module(fixed) == is_of_module(version))
}

/// The lowest version above the installed one that fixes it and has it in no other range.
fn first_fix(about: &[&Affected], kind: Kind, installed: &str) -> Option<String> {
    let mut above = installed;
    for _ in 0..FIXES_TRIED_MAX {
        let fixes = about.iter().flat_map(|affected| &affected.ranges).filter_map(|range| range.fixed());
        let higher = fixes.filter(|fixed| compare(kind, fixed, above) == Ordering::Greater);
        let next = higher.reduce(|lowest, fixed| if compare(kind, fixed, lowest) == Ordering::Less { fixed } else { lowest })?;
        if !about.iter().any(|affected| affected.covers(next)) {
            return Some(next.to_owned());
        }
        above = next;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::{DistroMatch, Range, Until};
    use super::*;
    use crate::inventory::{SourcePackage, samples};

    fn package(kind: Kind, name: &str, version: &str, source: Option<(&str, &str)>) -> Package {
        let source = source.map(|(name, version)| SourcePackage { name: name.into(), version: version.into() });
        Package { source, ..samples::package(kind, name, version) }
    }

    fn affected(kind: Kind, naming: Naming, name: &str, fixed: Option<&str>) -> Affected {
        let ranges = vec![Range::before(fixed.map(str::to_owned))];
        Affected { kind, distro: None, name: name.into(), naming, ranges, versions: Vec::new(), standing: Standing::Affected, note: None }
    }

    fn advisory(affected: Vec<Affected>) -> Advisory {
        let text = |text: &str| text.to_owned();
        Advisory {
            id: text("X-1"),
            record: text("X-1"),
            aliases: Vec::new(),
            covers: Vec::new(),
            summary: text(""),
            severity: None,
            published: None,
            modified: None,
            withdrawn: None,
            affected,
            beyond: Vec::new(),
        }
    }

    fn fixed(affected: Vec<Affected>, package: &Package) -> String {
        let hit = verdict(&advisory(affected), package, None);
        hit.map_or("-".into(), |hit| format!("{} {}", hit.by, hit.fixed.unwrap_or("never".into())))
    }

    #[test]
    fn releases_of_go_are_semantic_versions() {
        for (release, version) in [
            ("go1.22.1", "1.22.1"),
            ("go1.22", "1.22.0"),
            ("go1.22rc1", "1.22.0-rc.1"),
            ("go1.9.2beta2", "1.9.2-beta.2"),
            ("1.21.8", "1.21.8"),
            ("go1.22.1 X:boringcrypto", "1.22.1"),
            ("go1.24.0-custom", "1.24.0-custom"),
            ("", ".0.0"),
        ] {
            assert_eq!(go_release(release), version, "{release}");
        }
    }

    #[test]
    fn a_packages_own_name_says_more_than_its_sources() {
        let libs = package(Kind::Rpm, "openssl-libs", "1:3.0.7-1.el9", Some(("openssl", "3.0.7-1.el9")));
        let by = |naming| affected(Kind::Rpm, naming, "openssl", Some("1:3.0.7-2.el9"));
        assert_eq!(fixed(vec![by(Naming::Either)], &libs), "openssl 1:3.0.7-2.el9");
        assert_eq!(fixed(vec![by(Naming::Package)], &libs), "-");
        let own = affected(Kind::Rpm, Naming::Either, "openssl-libs", Some("1:3.0.7-1.el9"));
        assert_eq!(fixed(vec![by(Naming::Either), own], &libs), "-", "the source has it, this package of it has not");
        let cured = package(Kind::Rpm, "openssl-libs", "1:3.0.7-2.el9", Some(("openssl", "3.0.7-2.el9")));
        assert_eq!(fixed(vec![by(Naming::Source)], &cured), "-", "the epoch that a source's name lacks is its packages'");
    }

    #[test]
    fn a_modules_packages_are_not_those_outside_it() {
        let of_module = affected(Kind::Rpm, Naming::Package, "nodejs", Some("1:20.15.1-1.module+el9.4.0+123"));
        assert_eq!(fixed(vec![of_module.clone()], &package(Kind::Rpm, "nodejs", "1:16.20.2-8.el9", None)), "-");
        let hit = fixed(vec![of_module], &package(Kind::Rpm, "nodejs", "1:20.11.1-1.module+el9.3.0+100", None));
        assert_eq!(hit, "nodejs 1:20.15.1-1.module+el9.4.0+123");
    }

    #[test]
    fn a_fix_that_has_it_in_another_range_is_none() {
        let range = |introduced: &str, until| Range { introduced: Some(introduced.into()), until };
        let ranges = vec![
            range("1.0.0", Until::Fixed("1.5.0".into())),
            range("1.4.0", Until::Fixed("2.0.0".into())),
            range("3.0.0", Until::Fixed("3.1.0".into())),
        ];
        let all = Affected { ranges, ..affected(Kind::Npm, Naming::Package, "p", None) };
        for (version, expected) in [("1.0.0", "p 2.0.0"), ("1.4.9", "p 2.0.0"), ("2.0.0", "-"), ("3.0.1", "p 3.1.0")] {
            assert_eq!(fixed(vec![all.clone()], &package(Kind::Npm, "p", version, None)), expected, "{version}");
        }
        let listed = Affected { ranges: Vec::new(), versions: vec!["1.0.0".into()], ..all };
        assert_eq!(fixed(vec![listed], &package(Kind::Npm, "p", "1.0.0", None)), "p never");
    }

    #[test]
    fn what_only_subscribers_get_is_said_to_be_theirs() {
        let ubuntu = |terms, fixed| {
            let distro = DistroMatch { id: "ubuntu".into(), release: Some("22.04".into()), codename: None, terms };
            Affected { distro: Some(distro), ..affected(Kind::Deb, Naming::Source, "p", fixed) }
        };
        let both = advisory(vec![ubuntu(Terms::Everybody, None), ubuntu(Terms::Subscribers, Some("1.0-1ubuntu1+esm2"))]);
        let distro = Distro { id: "ubuntu".into(), release: "22.04".into(), codename: None };
        let hit = |version| verdict(&both, &package(Kind::Deb, "p", version, None), Some(&distro)).map(|hit| (hit.fixed, hit.terms));
        assert_eq!(hit("1.0-1ubuntu1"), Some((Some("1.0-1ubuntu1+esm2".into()), Terms::Subscribers)));
        assert_eq!(hit("1.0-1ubuntu1+esm1"), Some((Some("1.0-1ubuntu1+esm2".into()), Terms::Subscribers)));
        assert_eq!(hit("1.0-1ubuntu1+esm2"), None, "what is said to those without does not hold for a subscriber");
        let known =
            |version, advisories: &[Advisory]| verdict_of_all(advisories, &package(Kind::Deb, "p", version, None), Some(&distro)).unwrap().unwrap();
        let theirs = known("1.0-1ubuntu1", std::slice::from_ref(&both));
        assert_eq!((theirs.to_string().as_str(), theirs.for_all()), ("1.0-1ubuntu1+esm2 (for subscribers only)", None));
        assert_eq!(known("1.0-1ubuntu1+esm1", std::slice::from_ref(&both)), Fixed::ForAll("1.0-1ubuntu1+esm2".into()), "who has subscribed gets it");
        let free = advisory(vec![ubuntu(Terms::Everybody, Some("1.0-1ubuntu1.1"))]);
        assert_eq!(known("1.0-1ubuntu1", &[both, free]), Fixed::ForAll("1.0-1ubuntu1.1".into()));
    }

    #[test]
    fn what_is_withdrawn_or_not_looked_at_hits_nothing() {
        let installed = package(Kind::Npm, "p", "1.0.0", None);
        let one = affected(Kind::Npm, Naming::Package, "p", None);
        assert!(verdict(&advisory(vec![one.clone()]), &installed, None).is_some());
        let withdrawn = Advisory { withdrawn: Some(jiff::Timestamp::UNIX_EPOCH), ..advisory(vec![one.clone()]) };
        assert_eq!(verdict(&withdrawn, &installed, None), None);
        let undetermined = Affected { standing: Standing::Undetermined, ..one };
        let open = advisory(vec![undetermined]);
        assert_eq!((verdict(&open, &installed, None), is_undetermined(&open, &installed, None)), (None, true));
        assert!(!is_undetermined(&open, &package(Kind::Npm, "q", "1.0.0", None), None), "that is about something else");
        assert!(!is_undetermined(&Advisory { withdrawn: Some(jiff::Timestamp::UNIX_EPOCH), ..open }, &installed, None));
    }

    #[test]
    fn only_advisories_under_a_packages_keys_can_hit_it() {
        let libssl = package(Kind::Deb, "libssl3", "1", Some(("openssl", "1")));
        let names: Vec<_> = keys_of(&libssl).into_iter().map(|key| key.name).collect();
        assert_eq!(names, ["libssl3", "openssl"]);
        assert_eq!(keys_of(&package(Kind::PyPi, "Zope.Event", "1", None))[0].name, "zope-event");
        assert!(keys(&advisory(vec![affected(Kind::Deb, Naming::Source, "openssl", None)])).contains(&keys_of(&libssl)[1]));
    }

    #[test]
    fn fixes_without_end_come_to_an_end() {
        let ranges = (0..1_000).map(|n| Range { introduced: Some(n.to_string()), until: Until::Fixed((n + 2).to_string()) }).collect();
        let endless = Affected { ranges, ..affected(Kind::Npm, Naming::Package, "p", None) };
        assert_eq!(fixed(vec![endless], &package(Kind::Npm, "p", "1", None)), "p never");
    }
}
