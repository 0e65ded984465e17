//! What cures small estates, against trying everything.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::model::{Digest, ImageName, ImageRef};

fn image(name: &str) -> ImageName {
    name.parse().unwrap()
}

fn base(name: &str) -> ImageRef {
    name.parse().unwrap()
}

fn digest() -> Digest {
    format!("sha256:{}", "ab".repeat(32)).parse().unwrap()
}

/// `@debian` is a base, `web` an image.
fn bringer(name: &str) -> Bringer {
    name.strip_prefix('@').map_or_else(|| Bringer::Image(image(name)), |name| Bringer::Base(base(name)))
}

fn problem(advisory: &str) -> Problem {
    Problem { advisory: advisory.to_owned(), package: "p".to_owned() }
}

fn fix(is_known: bool) -> Option<Fix> {
    is_known.then(|| Fix::Version("2".to_owned()))
}

/// `base: @debian, web: base +` (what runs has a `+`), and `web 1 by @debian fixed` for a finding of `CVE-1`; `base -` for one that has none.
fn situation(estate: &str, findings: &str) -> Situation {
    let mut situation = Situation::default();
    for line in estate.split(", ") {
        let (name, parents) = line.split_once(':').unwrap();
        if parents.ends_with('+') {
            situation.running.insert(image(name));
        }
        let parents = parents.split_whitespace().filter(|word| *word != "+").map(bringer).collect();
        situation.parents.insert(image(name), parents);
    }
    for line in findings.split(", ") {
        let words: Vec<_> = line.split(' ').collect();
        let of = situation.findings.entry(image(words[0])).or_default();
        if let [_, advisory, "by", by, rest @ ..] = words.as_slice() {
            of.push(Finding { problem: problem(advisory), fix: fix(rest.contains(&"fixed")), by: bringer(by) });
        }
    }
    situation
}

fn shown(cure: &Cure) -> String {
    let images: Vec<_> =
        cure.images.iter().map(|rebuild| format!("{}{}", rebuild.image, if rebuild.is_without_cache() { "!" } else { "" })).collect();
    let bases: Vec<_> = cure.bases.iter().map(|base| format!("{}={:?}", base.base.familiar(), base.problems[0].1)).collect();
    let hopeless: Vec<_> = cure.hopeless.iter().map(|hopeless| format!("{} {}", hopeless.image, hopeless.problem.advisory)).collect();
    format!("{} | {} | {}", images.join(" "), bases.join(" "), hopeless.join(", "))
}

fn check(estate: &str, findings: &str, expected: &str) {
    assert_eq!(shown(&cure(&situation(estate, findings))), expected, "{estate} / {findings}");
}

#[test]
fn what_stands_between_who_brings_it_in_and_what_runs_is_rebuilt_and_nothing_else() {
    let estate = "base: @debian, mid: base, web: mid +, api: base +, idle: base";
    //     findings                                                                                                     images (! without cache) | bases | hopeless
    check(estate, "base -, mid -, web 1 by web fixed, api -, idle -", "web! |  | ");
    check(estate, "base -, mid 1 by mid fixed, web 1 by mid fixed, api -, idle -", "mid! web |  | ");
    check(
        estate,
        "base 1 by @debian fixed, mid 1 by @debian fixed, web 1 by @debian fixed, api 1 by @debian fixed, idle 1 by @debian fixed",
        "base api mid web | debian=Fixed(\"2\") | ",
    );
    check(estate, "base 1 by base, mid 1 by base, web 1 by base, api -, idle -", " |  | web 1");
    check(estate, "base -, mid -, web -, api -, idle 1 by idle fixed", " |  | ");
}

#[test]
fn what_is_clean_already_is_not_built_again() {
    // `mid` was rebuilt since, and does not have it any more; only `web` still stands on what it was.
    check("mid: @debian, web: mid +", "mid -, web 1 by mid fixed", "web |  | ");
    check("mid: @debian, web: mid +", "mid -, web 1 by @debian", "web |  | ");
}

#[test]
fn what_nobody_looked_into_is_held_to_have_what_its_children_have_from_below() {
    check("base: @debian, mid: base, other: @alpine, web: mid other +", "web 1 by @debian fixed", "base mid web | debian=Fixed(\"2\") | ");
    check("base: @debian, mid: base, web: mid +", "web 1 by mid fixed", "mid! web |  | ");
    check("base: @debian, mid: base, web: mid +", "web 1 by base", " |  | web 1");
}

#[test]
fn a_base_is_judged_by_what_is_known_of_it_now() {
    let mut situation = situation("web: @debian +", "web 1 by @debian");
    assert_eq!(shown(&cure(&situation)), " | debian=Unknown | web 1");
    let newer = |has| BTreeMap::from([(base("debian"), NewerBase { digest: digest(), has })]);
    situation.newer = newer(None);
    assert!(matches!(cure(&situation).bases[0].problems[0].1, Outlook::Newer(_)));
    situation.newer = newer(Some(BTreeSet::new()));
    assert!(matches!(cure(&situation).bases[0].problems[0].1, Outlook::Cured(_)));
    assert_eq!(cure(&situation).images.len(), 1);
    situation.newer = newer(Some(BTreeSet::from([problem("1")])));
    assert_eq!(shown(&cure(&situation)), " | debian=Unknown | web 1", "the newer one still has it");
}

#[test]
fn reasons_say_by_whom() {
    let cure = cure(&situation("base: @debian, web: base +", "base 1 by @debian fixed, web 1 by @debian fixed, web 2 by web fixed"));
    let reasons: Vec<_> = cure.images.iter().flat_map(|rebuild| rebuild.reasons.iter().map(|reason| format!("{:?}", reason.because))).collect();
    assert_eq!(reasons, ["StandsOnBase(debian)", "StandsOn(base)", "BringsIt { fixed: Some(\"2\") }"]);
}

#[test]
fn what_is_copied_out_of_another_image_is_cured_there_first() {
    let mut situation = situation("builder: @golang, web: @debian +", "builder 1 by builder fixed, web 1 by web fixed");
    situation.copies.insert(image("web"), BTreeSet::from([image("builder")]));
    assert_eq!(shown(&cure(&situation)), "builder! web! |  | ");
}

#[test]
fn a_ring_ends() {
    check("a: b, b: a +", "a 1 by @x fixed, b 1 by @x fixed", " |  | b 1");
}

#[test]
fn a_chain_of_thousands_needs_no_stack() {
    let mut deep = Situation { running: BTreeSet::from([image("i20000")]), ..Situation::default() };
    for n in 1..=20_000 {
        deep.parents.insert(image(&format!("i{n}")), BTreeSet::from([bringer(&if n == 1 { "@debian".into() } else { format!("i{}", n - 1) })]));
        let finding = Finding { problem: problem("1"), fix: fix(true), by: bringer("@debian") };
        deep.findings.insert(image(&format!("i{n}")), vec![finding]);
    }
    assert_eq!(cure(&deep).images.len(), 20_000);
}

/// Images `0` to `n`, each of which may stand on those before it, and on two bases; who has the one problem, by whom, and whether that can be cured.
fn any_situation() -> impl Strategy<Value = Situation> {
    let one = (any::<[bool; 8]>(), any::<[bool; 8]>(), any::<bool>(), prop::collection::vec((0..8_usize, any::<bool>()), 0..3));
    let images = prop::collection::vec(one, 1..7);
    (images, any::<[Option<Option<bool>>; 2]>()).prop_map(|(images, newer)| {
        let name = |n: usize| match n {
            0 => "@debian".to_owned(),
            1 => "@alpine".to_owned(),
            n => format!("i{}", n - 2),
        };
        let mut situation = Situation::default();
        for (at, (parents, copies, runs, findings)) in images.into_iter().enumerate() {
            let me = image(&format!("i{at}"));
            let stands_on = (0..at + 2).filter(|n| parents[*n]).map(|n| bringer(&name(n))).collect();
            situation.parents.insert(me.clone(), stands_on);
            situation.copies.insert(me.clone(), (0..at).filter(|n| copies[*n]).map(|n| image(&format!("i{n}"))).collect());
            let by = |n: usize| bringer(&name(n % (at + 3)));
            let findings = findings.into_iter().map(|(n, fixed)| Finding { problem: problem("1"), fix: fix(fixed), by: by(n) });
            situation.findings.insert(me.clone(), findings.collect());
            situation.running.extend(runs.then_some(me));
        }
        for (at, newer) in newer.into_iter().enumerate() {
            let Some(has) = newer else { continue };
            let has = has.map(|has| if has { BTreeSet::from([problem("1")]) } else { BTreeSet::new() });
            situation.newer.insert(base(&name(at)[1..]), NewerBase { digest: digest(), has });
        }
        situation
    })
}

/// Who has the problem after these images were rebuilt, in order, every base having moved as far as it can.
fn sick_after(situation: &Situation, rebuilt: &BTreeSet<ImageName>) -> BTreeSet<ImageName> {
    let mut sick = BTreeSet::new();
    // Names of one digit: their order is the order in which they stand on one another.
    for (me, findings) in &situation.findings {
        let base_keeps = |name: &ImageRef, fixed: bool| match situation.newer.get(name) {
            Some(NewerBase { has: None, .. }) => false,
            Some(NewerBase { has: Some(has), .. }) if has.is_empty() => false,
            _ => !fixed,
        };
        let parents = &situation.parents[me];
        let inherits = parents.iter().any(|parent| matches!(parent, Bringer::Image(parent) if sick.contains(parent)));
        let keeps = |finding: &Finding| match &finding.by {
            Bringer::Image(by) if by == me => finding.fix.is_none() || situation.copies[me].iter().any(|from| sick.contains(from)),
            Bringer::Base(name) => inherits || parents.contains(&finding.by) && base_keeps(name, finding.fix.is_some()),
            Bringer::Image(_) => inherits,
        };
        let is_sick = if rebuilt.contains(me) { findings.iter().any(keeps) } else { !findings.is_empty() };
        if is_sick {
            sick.insert(me.clone());
        }
    }
    sick
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn no_smaller_set_cures_as_much(situation in any_situation()) {
        let names: Vec<ImageName> = situation.parents.keys().cloned().collect();
        let sets: Vec<BTreeSet<ImageName>> = (0..1_u32 << names.len())
            .map(|bits| names.iter().enumerate().filter(|(at, _)| bits & (1 << at) != 0).map(|(_, name)| name.clone()).collect())
            .collect();
        let well = |set: &BTreeSet<ImageName>| &situation.running - &sick_after(&situation, set);
        let curable: BTreeSet<ImageName> = sets.iter().flat_map(&well).collect();
        let fewest = sets.iter().filter(|set| curable.is_subset(&well(set))).map(BTreeSet::len).min();

        let cure = cure(&situation);
        let chosen: BTreeSet<ImageName> = cure.images.iter().map(|rebuild| rebuild.image.clone()).collect();
        prop_assert!(curable.is_subset(&well(&chosen)), "{:?} is not enough", chosen);
        prop_assert_eq!(Some(chosen.len()), fewest, "{:?} is not the fewest", chosen);
        let hopeless: BTreeSet<ImageName> = cure.hopeless.iter().map(|hopeless| hopeless.image.clone()).collect();
        prop_assert_eq!(hopeless, &situation.running - &curable);
        let place = |name: &ImageName| cure.images.iter().position(|rebuild| rebuild.image == *name);
        for rebuild in &cure.images {
            for parent in &situation.parents[&rebuild.image] {
                if let Bringer::Image(parent) = parent {
                    prop_assert!(place(parent).is_none_or(|at| Some(at) < place(&rebuild.image)), "parents come first");
                }
            }
        }
    }
}
