//! What changed between two contents: packages that came, that went, and that are there in another version.
//!
//! In: what an image had and what it has. Out: the difference as data, in order. A package may be there in several versions side by side, as npm's and
//! Go's are; then each version that went is held against the one that most likely took its place.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Contents, Kind, Package, version};

/// What changed between two contents, each list in the packages' order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// Packages that are new.
    pub added: Vec<Package>,
    /// Packages that are gone.
    pub removed: Vec<Package>,
    /// Packages that are there in another version.
    pub changed: Vec<Changed>,
}

/// A package in another version than before; of the same kind, name and architecture.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Changed {
    /// As it was.
    pub before: Package,
    /// As it is.
    pub after: Package,
    /// Which of them is newer.
    pub direction: Direction,
}

/// Whether a version went up, by the rules of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// It is newer than before.
    Up,
    /// It is older than before.
    Down,
    /// It is spelled otherwise, and as new as before (`1.0` and `1.0.0` of Python).
    Level,
}

impl Difference {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

impl Changed {
    fn new(before: &Package, after: &Package) -> Self {
        let direction = match version::compare(before.kind, &before.version, &after.version) {
            std::cmp::Ordering::Less => Direction::Up,
            std::cmp::Ordering::Greater => Direction::Down,
            std::cmp::Ordering::Equal => Direction::Level,
        };
        Self { before: before.clone(), after: after.clone(), direction }
    }
}

/// Packages of one name that differ, those that were and those that are.
type Sides<'a> = (Vec<&'a Package>, Vec<&'a Package>);

/// What changed from one content to the other. What both have is in none of the lists, wherever its files lie. O(n log n).
pub fn differ(before: &Contents, after: &Contents) -> Difference {
    let mut difference = Difference::default();
    for (_, (mut gone, mut new)) in by_name(before, after) {
        // First within the same series: of 3.9 and 4.17.20 that become 3.10 and 5.0, 3.10 follows 3.9.
        let mut series: BTreeMap<&str, Sides<'_>> = BTreeMap::new();
        gone.drain(..).for_each(|package| series.entry(first_part(package)).or_default().0.push(package));
        new.drain(..).for_each(|package| series.entry(first_part(package)).or_default().1.push(package));
        for (_, sides) in series {
            let (left_gone, left_new) = pair(sides, &mut difference.changed);
            gone.extend(left_gone);
            new.extend(left_new);
        }
        let (left_gone, left_new) = pair((gone, new), &mut difference.changed);
        difference.removed.extend(left_gone.into_iter().cloned());
        difference.added.extend(left_new.into_iter().cloned());
    }
    difference.added.sort_unstable();
    difference.removed.sort_unstable();
    difference.changed.sort_unstable();
    difference
}

/// What only one of the contents has, by kind, name and architecture.
fn by_name<'a>(before: &'a Contents, after: &'a Contents) -> BTreeMap<(Kind, &'a str, Option<&'a str>), Sides<'a>> {
    let (before, after) = (before.all(), after.all());
    let is_in = |packages: &[&Package], package: &Package| packages.binary_search_by_key(&package.identity(), |other| other.identity()).is_ok();
    let mut names: BTreeMap<_, Sides<'_>> = BTreeMap::new();
    let key = |package: &'a Package| (package.kind, package.name.as_str(), package.arch.as_deref());
    before.iter().filter(|package| !is_in(&after, package)).for_each(|package| names.entry(key(package)).or_default().0.push(package));
    after.iter().filter(|package| !is_in(&before, package)).for_each(|package| names.entry(key(package)).or_default().1.push(package));
    names
}

/// The first part of a version, by which series run beside one another.
fn first_part(package: &Package) -> &str {
    package.version.split('.').next().unwrap_or_default()
}

/// Pairs the newest with the newest, and so on down; gives back those that are left on the longer side.
fn pair<'a>((mut gone, mut new): Sides<'a>, changed: &mut Vec<Changed>) -> Sides<'a> {
    let newest_first = |a: &&Package, b: &&Package| version::compare(a.kind, &b.version, &a.version).then_with(|| b.version.cmp(&a.version));
    gone.sort_unstable_by(newest_first);
    new.sort_unstable_by(newest_first);
    let pairs = gone.len().min(new.len());
    changed.extend(gone.iter().zip(&new).map(|(before, after)| Changed::new(before, after)));
    (gone.split_off(pairs), new.split_off(pairs))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Contents, written `kind name version [arch], …`.
    fn contents(text: &str) -> Contents {
        let package = |text: &str| {
            let parts: Vec<&str> = text.split(' ').collect();
            let arch = parts.get(3).map(|arch| (*arch).to_owned());
            Package { kind: parts[0].parse().unwrap(), name: parts[1].into(), version: parts[2].into(), arch, license: None, source: None }
        };
        let packages = text.split(", ").filter(|text| !text.is_empty()).map(package).collect();
        Contents { packages: BTreeMap::from([("file".to_owned(), packages)]), ..Contents::default() }
    }

    /// A difference, written `+name version`, `-name version`, `name version>version`.
    fn shown(difference: &Difference) -> String {
        let one = |sign: &str, package: &Package| format!("{sign}{} {}", package.name, package.version);
        let sign = |direction| match direction {
            Direction::Up => ">",
            Direction::Down => "<",
            Direction::Level => "=",
        };
        let changed = difference.changed.iter();
        let changed = changed.map(|it| format!("{} {}{}{}", it.before.name, it.before.version, sign(it.direction), it.after.version));
        let added = difference.added.iter().map(|package| one("+", package));
        let removed = difference.removed.iter().map(|package| one("-", package));
        added.chain(removed).chain(changed).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn what_came_went_and_changed_is_told_apart() {
        //    before                                      after                                      difference
        for (before, after, expected) in [
            ("", "", ""),
            ("deb a 1", "deb a 1", ""),
            ("deb a 1", "deb b 1", "+b 1, -a 1"),
            ("deb a 1, deb b 1", "deb a 2, deb b 1~rc1", "a 1>2, b 1<1~rc1"),
            ("pypi a 1.0", "pypi a 1.0.0", "a 1.0=1.0.0"),
            ("deb a 1 amd64", "deb a 1 i386", "+a 1, -a 1"),
            ("deb a 1 amd64, deb a 1 i386", "deb a 2 amd64, deb a 1 i386", "a 1>2"),
            ("npm a 1.0.0", "gem a 1.0.0", "+a 1.0.0, -a 1.0.0"),
            // Several versions side by side.
            ("npm a 3.10.0, npm a 4.17.20", "npm a 3.10.0, npm a 4.17.21", "a 4.17.20>4.17.21"),
            ("npm a 3.9.0, npm a 4.17.20", "npm a 3.10.0, npm a 5.0.0", "a 3.9.0>3.10.0, a 4.17.20>5.0.0"),
            ("npm a 3.9.0", "npm a 3.10.0, npm a 4.0.0", "+a 4.0.0, a 3.9.0>3.10.0"),
            ("npm a 3.9.0, npm a 4.0.0", "npm a 5.0.0", "-a 3.9.0, a 4.0.0>5.0.0"),
            ("npm a 1.9.0, npm a 1.10.0", "npm a 1.11.0", "-a 1.9.0, a 1.10.0>1.11.0"),
            ("npm a 1.0.0, npm a 2.0.0", "npm a 2.0.0", "-a 1.0.0"),
        ] {
            assert_eq!(shown(&differ(&contents(before), &contents(after))), expected, "{before} to {after}");
        }
    }

    #[test]
    fn a_difference_is_data() {
        let difference = differ(&contents("deb a 1"), &contents("deb a 2"));
        assert_eq!(serde_json::to_value(&difference).unwrap()["changed"][0]["direction"], "up");
        assert!(!difference.is_empty() && Difference::default().is_empty());
    }

    fn any_contents() -> impl Strategy<Value = Contents> {
        let package = ("(npm|deb)", "[ab]", "[12][.][0-3]", "( amd64| all)?");
        proptest::collection::vec(package, 0..8).prop_map(|packages| {
            let written = packages.into_iter().map(|(kind, name, version, arch)| format!("{kind} {name} {version}{arch}"));
            contents(&written.collect::<Vec<_>>().join(", "))
        })
    }

    proptest! {
        /// Taking away what went and adding what came makes of the one what the other is, and the other way round.
        #[test]
        fn a_difference_leads_from_the_one_to_the_other(before in any_contents(), after in any_contents()) {
            let difference = differ(&before, &after);
            let gone: Vec<&Package> = difference.removed.iter().chain(difference.changed.iter().map(|it| &it.before)).collect();
            let new: Vec<&Package> = difference.added.iter().chain(difference.changed.iter().map(|it| &it.after)).collect();
            let mut made: Vec<&Package> = before.all().into_iter().filter(|package| !gone.contains(package)).chain(new).collect();
            made.sort_unstable();
            let mut is: Vec<&Package> = after.all();
            is.sort_unstable();
            prop_assert_eq!(made, is);
            prop_assert_eq!(difference.is_empty(), before.all() == after.all());

            let back = differ(&after, &before);
            prop_assert_eq!((&back.added, &back.removed), (&difference.removed, &difference.added));
            let turned: Vec<_> = difference.changed.iter().map(|it| Changed::new(&it.after, &it.before)).collect();
            let mut there: Vec<_> = back.changed;
            there.sort_unstable_by(|a, b| (&a.after, &a.before).cmp(&(&b.after, &b.before)));
            prop_assert_eq!(there, turned);
        }
    }
}
