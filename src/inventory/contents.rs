//! Layers upon layers: what is in a stack of them, and what each changes.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::{Distro, Distros, FileFound, Identity, Kind, LayerFound, Package, Unreadable};

/// What is in a stack of layers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    /// The distribution, by the files that say it.
    pub distros: Distros,
    /// Packages by the file that says so.
    pub packages: BTreeMap<String, Vec<Package>>,
}

/// What one layer changes in what lies below it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The distribution, by each file that says it in the layer; none for one that does not show any more.
    pub distros: BTreeMap<String, Option<Distro>>,
    /// Packages that the layer brings, by the file that says so.
    pub added: Vec<(String, Package)>,
    /// Packages that it takes away.
    pub removed: Vec<(String, Package)>,
    /// What could not be read in it.
    pub unreadable: Vec<Unreadable>,
}

impl Contents {
    /// What a layer changes when it is laid over these contents.
    ///
    /// A package that a file of the layer repeats (a package manager writes its whole list again) was there before, and stays what it was.
    pub fn change(&self, layer: &LayerFound) -> Change {
        let mut change = Change { unreadable: layer.unreadable.clone(), ..Change::default() };
        let licenses = licenses(layer);
        for (path, found) in &layer.files {
            match found {
                FileFound::Packages(packages) => change.take_file(path, self.packages.get(path).map_or(&[], Vec::as_slice), packages, &licenses),
                FileFound::Distro(distro) => drop(change.distros.insert(path.clone(), Some(distro.clone()))),
                FileFound::License { .. } => {}
            }
        }
        let silenced = self.distros.paths().filter(|path| layer.files.contains_key(*path) || is_hidden(path, layer));
        for path in silenced {
            change.distros.entry(path.to_owned()).or_default();
        }
        let hidden = self.packages.iter().filter(|(path, _)| !layer.files.contains_key(*path) && is_hidden(path, layer));
        change.removed.extend(hidden.flat_map(|(path, packages)| packages.iter().map(|package| (path.clone(), package.clone()))));
        change
    }

    /// Lays a change over these contents. O(what the change says + packages of the files that it takes some from).
    pub fn apply(&mut self, change: &Change) {
        self.distros.apply(&change.distros);
        // By file, so that each list is gone through once: an upgrade of everything takes away as many packages as there are.
        let mut gone: HashMap<&str, HashSet<Identity<'_>>> = HashMap::new();
        for (path, package) in &change.removed {
            gone.entry(path).or_default().insert(package.identity());
        }
        for (path, gone) in gone {
            if let Some(packages) = self.packages.get_mut(path) {
                packages.retain(|package| !gone.contains(&package.identity()));
            }
        }
        for (path, package) in &change.added {
            self.packages.entry(path.clone()).or_default().push(package.clone());
        }
        self.packages.retain(|_, packages| !packages.is_empty());
    }

    /// Every package once, in order, however many files say that it is there.
    pub fn all(&self) -> Vec<&Package> {
        let mut all: Vec<&Package> = self.packages.values().flatten().collect();
        all.sort_unstable_by_key(|package| package.identity());
        all.dedup_by_key(|package| package.identity());
        all
    }
}

impl Change {
    /// Takes in what a file says now, and what the same file said below.
    fn take_file(&mut self, path: &str, before: &[Package], now: &[Package], licenses: &BTreeMap<&str, &str>) {
        let (were, are): (BTreeSet<Identity<'_>>, BTreeSet<Identity<'_>>) =
            (before.iter().map(Package::identity).collect(), now.iter().map(Package::identity).collect());
        let gone = before.iter().filter(|package| !are.contains(&package.identity()));
        self.removed.extend(gone.map(|package| (path.to_owned(), package.clone())));
        let mut new: Vec<&Package> = now.iter().filter(|package| !were.contains(&package.identity())).collect();
        new.sort_unstable();
        new.dedup_by_key(|package| package.identity());
        self.added.extend(new.into_iter().map(|package| (path.to_owned(), with_license(package, licenses))));
    }
}

/// Licences that stand in files of their own, by package.
fn licenses(layer: &LayerFound) -> BTreeMap<&str, &str> {
    let licenses = layer.files.values().filter_map(|found| match found {
        FileFound::License { package, license } => Some((package.as_str(), license.as_str())),
        _ => None,
    });
    licenses.collect()
}

fn with_license(package: &Package, licenses: &BTreeMap<&str, &str>) -> Package {
    let beside = || licenses.get(package.name.as_str()).filter(|_| package.kind == Kind::Deb).map(|license| (*license).to_owned());
    Package { license: package.license.clone().or_else(beside), ..package.clone() }
}

/// Whether a file of lower layers does not show any more.
fn is_hidden(path: &str, layer: &LayerFound) -> bool {
    let folders = path.match_indices('/').map(|(at, _)| &path[..at]);
    layer.gone.contains(path)
        || layer.opaque.contains("")
        || folders.into_iter().any(|folder| layer.gone.contains(folder) || layer.opaque.contains(folder))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{ReadFile, samples};

    fn package(name: &str, version: &str) -> Package {
        samples::package(Kind::Deb, name, version)
    }

    fn layer(files: &[(&str, &[(&str, &str)])], gone: &[&str], opaque: &[&str]) -> LayerFound {
        let packages = |all: &[(&str, &str)]| FileFound::Packages(all.iter().map(|(name, version)| package(name, version)).collect());
        LayerFound {
            files: files.iter().map(|(path, all)| ((*path).to_owned(), packages(all))).collect(),
            gone: gone.iter().map(|path| (*path).to_owned()).collect(),
            opaque: opaque.iter().map(|path| (*path).to_owned()).collect(),
            unreadable: Vec::new(),
        }
    }

    fn names(contents: &Contents) -> String {
        contents.all().iter().map(|package| format!("{} {}", package.name, package.version)).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn a_layer_changes_what_its_files_say_and_what_it_hides() {
        let mut contents = Contents::default();
        let base = layer(&[("status", &[("a", "1"), ("b", "1")]), ("opt/x/meta", &[("x", "1")]), ("opt/y/meta", &[("y", "1")])], &[], &[]);
        contents.apply(&contents.change(&base));
        assert_eq!(names(&contents), "a 1, b 1, x 1, y 1");

        let upgraded = contents.change(&layer(&[("status", &[("a", "1"), ("b", "2"), ("c", "1")])], &["opt/x"], &["opt/y"]));
        let said =
            |all: &[(String, Package)]| all.iter().map(|(path, package)| format!("{path}:{} {}", package.name, package.version)).collect::<Vec<_>>();
        assert_eq!(said(&upgraded.added), ["status:b 2", "status:c 1"], "what is repeated was there before");
        assert_eq!(said(&upgraded.removed), ["status:b 1", "opt/x/meta:x 1", "opt/y/meta:y 1"]);
        contents.apply(&upgraded);
        assert_eq!(names(&contents), "a 1, b 2, c 1");
    }

    #[test]
    fn of_two_files_that_name_the_distribution_that_below_etc_counts_as_long_as_it_shows() {
        let (etc, usr) = ("etc/os-release", "usr/lib/os-release");
        let says = |files: &[(&str, &str)], gone: &[&str]| {
            let distro = |id: &str| FileFound::Distro(Distro { id: id.into(), release: "1".into(), codename: None });
            let files = files.iter().map(|(path, id)| ((*path).to_owned(), distro(id))).collect();
            LayerFound { files, gone: gone.iter().map(|path| (*path).to_owned()).collect(), ..LayerFound::default() }
        };
        let silent = LayerFound { files: [(etc.to_owned(), FileFound::Packages(Vec::new()))].into(), ..LayerFound::default() };
        let mut contents = Contents::default();
        for (layer, prevails) in [
            (says(&[], &[]), None),
            // As most images have it: a link, which hides what was there, to the other.
            (says(&[(usr, "debian")], &[etc]), Some("debian")),
            (says(&[(etc, "own")], &[]), Some("own")),
            (says(&[(usr, "newer")], &[]), Some("own")),
            (says(&[], &[etc]), Some("newer")),
            (says(&[(etc, "one"), (usr, "two")], &[]), Some("one")),
            (silent, Some("two")),
            (says(&[(etc, "again")], &["usr"]), Some("again")),
            (says(&[], &["etc"]), None),
        ] {
            contents.apply(&contents.change(&layer));
            assert_eq!(contents.distros.prevailing().map(|distro| distro.id.as_str()), prevails, "{layer:?}");
        }
    }

    #[test]
    fn a_license_beside_is_the_packages_own() {
        let mut base = layer(&[("status", &[("a", "1")])], &[], &[]);
        base.files.insert("usr/share/doc/a/copyright".into(), FileFound::License { package: "a".into(), license: "MIT".into() });
        assert_eq!(Contents::default().change(&base).added[0].1.license.as_deref(), Some("MIT"));
    }

    #[test]
    fn an_upgrade_of_everything_is_laid_in_one_pass() {
        // Were each package looked for in the whole list, this would take minutes: as many comparisons as the square of it.
        let all = |version: &str| -> LayerFound {
            let packages = (0..ReadFile::PACKAGES_MAX).map(|at| package(&at.to_string(), version)).collect();
            LayerFound { files: [("status".to_owned(), FileFound::Packages(packages))].into(), ..LayerFound::default() }
        };
        let mut contents = Contents::default();
        contents.apply(&contents.change(&all("1")));
        contents.apply(&contents.change(&all("2")));
        assert_eq!(contents.all().len(), ReadFile::PACKAGES_MAX);
        assert!(contents.all().iter().all(|package| package.version == "2"));
    }

    #[test]
    fn the_same_layer_twice_changes_nothing() {
        let base = layer(&[("status", &[("a", "1"), ("a", "1")])], &[], &[]);
        let mut contents = Contents::default();
        contents.apply(&contents.change(&base));
        let again = contents.change(&base);
        assert_eq!((again.added.len(), again.removed.len()), (0, 0));
    }
}
