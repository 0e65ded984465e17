//! Which of two versions is newer, by the rules of the ecosystem that they are from.
//!
//! In: two versions as their packages spell them. Out: their order. Every kind has its own rules and every text has a place in them: a version that
//! the rules do not know is older than all that they do, so that sorting and asking never fail. Touches nothing.

mod apk;
mod composer;
mod deb;
mod gem;
mod maven;
mod number;
mod pypi;
mod rpm;
mod semver;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;

use super::Kind;

/// Which of two versions is newer, by the rules of their kind.
///
/// A total order of texts in which some are equal (`1.0` and `1.0.0` of Python); never fails, whatever the texts are. O(length).
pub fn compare(kind: Kind, a: &str, b: &str) -> Ordering {
    match kind {
        Kind::Deb => deb::compare(a, b),
        Kind::Apk => apk::key(a).cmp(&apk::key(b)),
        Kind::Rpm => rpm::key(a).cmp(&rpm::key(b)),
        Kind::PyPi => pypi::compare(a, b),
        Kind::Npm | Kind::Cargo | Kind::Golang => semver::key(a).cmp(&semver::key(b)),
        Kind::Maven => maven::compare(a, b),
        Kind::Gem => gem::compare(a, b),
        Kind::Composer => composer::compare(a, b),
    }
}

/// The newest of some versions, by the rules of their kind; none of none.
pub fn highest(kind: Kind, versions: impl IntoIterator<Item = String>) -> Option<String> {
    versions.into_iter().max_by(|a, b| compare(kind, a, b))
}

/// Where a package's version stands to a bound that a person wrote: what the bound leaves unsaid is not asked for.
///
/// A bound without an epoch (`3.0.15`) is held against `1:3.0.7-24.el9` without its epoch, and one without a distribution's revision without that, so
/// that `=3.0.15` is met by `3.0.15-1~deb12u1`. rpm does the same with the releases of its dependencies. A bound that says both is compared in full.
pub fn compare_to_bound(kind: Kind, version: &str, bound: &str) -> Ordering {
    let version = if epoch(kind, bound).is_some() { version } else { epoch(kind, version).map_or(version, |(_, rest)| rest) };
    let version = if revision(kind, bound).is_some() { version } else { revision(kind, version).map_or(version, |(rest, _)| rest) };
    compare(kind, version, bound)
}

/// Cuts an epoch off, for the kinds that have any.
fn epoch(kind: Kind, version: &str) -> Option<(&str, &str)> {
    let mark = match kind {
        Kind::Deb | Kind::Rpm => ':',
        Kind::PyPi => '!',
        _ => return None,
    };
    version.split_once(mark).filter(|(epoch, _)| !epoch.is_empty() && epoch.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Cuts off the part that counts a distribution's own builds of one and the same version.
fn revision(kind: Kind, version: &str) -> Option<(&str, &str)> {
    match kind {
        Kind::Deb | Kind::Rpm => version.rsplit_once('-'),
        Kind::Apk => version.rsplit_once("-r").filter(|(_, number)| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())),
        _ => None,
    }
}
