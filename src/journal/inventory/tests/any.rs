//! Whatever the layers say: what comes back is what laying them over each other gives.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::inventory::{Contents, Identity};

/// Two files, in which a few packages of few versions come and go, and which may be taken away or hidden with their folder.
fn any_layer() -> impl Strategy<Value = LayerFound> {
    let packages = || prop::collection::vec(("[abc]", "[12]").prop_map(|(name, version)| package(&format!("{name}={version}"))), 0..4);
    let files = prop::collection::btree_map(prop_oneof!["status", "opt/x/meta"], packages().prop_map(FileFound::Packages), 0..3);
    let gone = prop::collection::btree_set(prop_oneof!["status", "opt", "opt/x/meta"], 0..2);
    (files, gone, prop::bool::weighted(0.1)).prop_map(|(files, gone, is_opaque)| LayerFound {
        files,
        gone,
        opaque: if is_opaque { BTreeSet::from([String::new()]) } else { BTreeSet::new() },
        unreadable: Vec::new(),
    })
}

fn told<'a>(packages: impl Iterator<Item = (&'a str, &'a Package)>) -> BTreeSet<(String, Identity<'a>)> {
    packages.map(|(path, package)| (path.to_owned(), package.identity())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Images share stacks as it comes; each is what its own layers make of it, and whoever has a package is found by it, whatever was kept first.
    #[test]
    fn what_is_kept_is_what_the_layers_make(
        layers in prop::collection::vec(any_layer(), 4),
        stacks in prop::collection::vec(prop::collection::vec(0usize..4, 0..5), 1..6),
    ) {
        let shop = Shop::new();
        let mut expected = BTreeMap::new();
        for (number, stack) in stacks.iter().enumerate() {
            let ids: Vec<Digest> = stack.iter().map(|place| id(&place.to_string())).collect();
            let missing = shop.inventories.missing(&ids).unwrap();
            let found = stack.iter().map(|place| (id(&place.to_string()), layers[*place].clone())).filter(|(layer, _)| missing.contains(layer)).collect();
            let row = ImageRow { id: id(&format!("image {number}")), names: BTreeSet::new() };
            shop.inventories.keep(&row, &ids, &found, at(0)).unwrap();
            let mut contents = Contents::default();
            stack.iter().for_each(|place| contents.apply(&contents.change(&layers[*place])));
            expected.insert(row.id, contents);
        }
        for (image, contents) in &expected {
            let kept = shop.inventories.contents(*image).unwrap().unwrap();
            let naive = contents.packages.iter().flat_map(|(path, packages)| packages.iter().map(move |package| (path.as_str(), package)));
            prop_assert_eq!(told(kept.packages.iter().map(|one| (&*one.path, &*one.package))), told(naive));
        }
        for name in ["a", "b", "c"] {
            let filter = Filter { names: Names::Only([name.to_owned()].into()), matches: &|package| package.version == "1" };
            let holdings = shop.inventories.which_have(&filter, &expected.keys().copied().collect()).unwrap();
            let found: BTreeSet<(Digest, String)> = holdings.iter().map(|one| (one.image, one.path.to_string())).collect();
            let has = |packages: &[Package]| packages.iter().any(|package| package.name == name && package.version == "1");
            let naive = expected.iter().flat_map(|(image, contents)| {
                contents.packages.iter().filter(|(_, packages)| has(packages)).map(|(path, _)| (*image, path.clone()))
            });
            prop_assert_eq!(found, naive.collect::<BTreeSet<_>>());
            let brought = holdings.iter().all(|one| expected.contains_key(&one.brought_by.image));
            prop_assert!(brought);
        }
    }
}
