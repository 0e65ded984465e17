//! The remedies of estates at random, against rebuilding each set of their images.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const CLEAN: &str = "status: libc6=2.36";

/// An image of an estate at random.
#[derive(Debug, Clone)]
struct AnyImage {
    /// What it stands on: 0 is the base, and the images count from one.
    parent: usize,
    /// Whether it brings the package in by a step of its own.
    brings: bool,
    runs: bool,
}

/// Whether the base has the package, and images, each of which stands on the base or on one before it.
fn any_estate() -> impl Strategy<Value = (bool, Vec<AnyImage>)> {
    let one = (any::<prop::sample::Index>(), any::<bool>(), any::<bool>());
    (any::<bool>(), prop::collection::vec(one, 1..6)).prop_map(|(base, images)| {
        let image =
            |(at, (parent, brings, runs)): (usize, (prop::sample::Index, bool, bool))| AnyImage { parent: parent.index(at + 1), brings, runs };
        (base, images.into_iter().enumerate().map(image).collect())
    })
}

/// Whether no container has it once these images (bit 0 is the first) were rebuilt: on what is below each then, on the base as it is now, which is without
/// it, and with steps that bring what is newer.
fn is_cured_by(rebuilt: u32, base_has: bool, images: &[AnyImage]) -> bool {
    let (mut before, mut after) = (vec![base_has], vec![false]);
    for (at, image) in images.iter().enumerate() {
        before.push(before[image.parent] || image.brings);
        let is_rebuilt = rebuilt & (1 << at) != 0;
        after.push(if is_rebuilt { after[image.parent] } else { before[at + 1] });
    }
    images.iter().zip(&after[1..]).all(|(image, has)| !(image.runs && *has))
}

/// The images that the remedy rebuilds.
fn chosen(base_has: bool, images: &[AnyImage]) -> u32 {
    let name = |number: usize| if number == 0 { "debian".to_owned() } else { format!("i{number}") };
    let text: Vec<String> = images.iter().enumerate().map(|(at, image)| format!("{}: {}", name(at + 1), name(image.parent))).collect();
    let graph = crate::plan::samples::Sample::built(&text.join(", ")).graph();
    let mut shop = Shop::new();
    let mut stacks = vec![vec![if base_has { OLD } else { CLEAN }.to_owned()]];
    let keep = |shop: &mut Shop, name: &str, stack: &[String]| distro(shop, name, &stack.iter().map(String::as_str).collect::<Vec<_>>());
    let old_base = keep(&mut shop, "base:debian", &stacks[0]);
    let mut ids = BTreeMap::new();
    for (at, image) in images.iter().enumerate() {
        let (number, mut stack) = (at + 1, stacks[image.parent].clone());
        stack.push(if image.brings { format!("p{number}: libssl3=3.0@openssl") } else { format!("p{number}: x=1") });
        let id = keep(&mut shop, &format!("image:{}", name(number)), &stack);
        stacks.push(stack);
        ids.insert(name(number), id);
        if image.runs {
            let service = format!("s{number}");
            let goal = shop.release_as(&service, &name(number), id);
            shop.started(10, &slot(&service, "h1"), &goal, None);
        }
    }
    let new_base = if base_has { shop.keep_as("debian moved", "base:debian", &["distro", CLEAN]) } else { old_base };
    let bases = |id| BTreeMap::from([("debian".parse::<ImageRef>().unwrap(), id)]);
    let released = ids.iter().map(|(name, id)| (name.parse().unwrap(), released(name, *id, &bases(old_base)))).collect();
    let release = Release { number: ReleaseNumber(1), run: RunId(1), made_at: at(5), images: released, services: BTreeMap::new() };
    let deployed = Deployed { graph: &graph, release: &release, bases: &bases(new_base) };
    let remedy = remedy(&shop.inventories, &"openssl<3.1".parse().unwrap(), &deployed).unwrap();
    assert!(remedy.is_whole(), "{remedy:?}");
    let rebuilt: BTreeSet<String> = remedy.cure.images.iter().map(|one| one.image.to_string()).collect();
    (0..images.len()).filter(|at| rebuilt.contains(&name(at + 1))).map(|at| 1 << at).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// After exactly the chosen images were rebuilt no container has it, and no smaller set does as much.
    #[test]
    fn a_remedy_rebuilds_what_it_must_and_nothing_else((base_has, images) in any_estate()) {
        let chosen = chosen(base_has, &images);
        prop_assert!(is_cured_by(chosen, base_has, &images), "{chosen:b} is not enough");
        for fewer in (0..1_u32 << images.len()).filter(|set| set.count_ones() < chosen.count_ones() || (*set != chosen && set & chosen == *set)) {
            prop_assert!(!is_cured_by(fewer, base_has, &images), "{fewer:b} is enough, and not {chosen:b}");
        }
    }
}
