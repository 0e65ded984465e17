//! A few images that stand on two bases, what runs of them, and what is asked and done about a problem in one library.

mod smallest;

use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::advisory::{Advisory, Asked, Terms};
use crate::graph::Graph;
use crate::journal::samples::{Shop, at, id, slot};
use crate::journal::{AdvisoryRow, ImageRow, KnownAs, When};
use crate::model::{Digest, ImageName, ImageRef, ReleaseNumber, RunId};
use crate::plan::{Change, Patch};
use crate::release::{Release, ReleasedImage};

const OLD: &str = "status: libc6=2.36 libssl3=3.0@openssl";
const NEW: &str = "status: libc6=2.36 libssl3=3.2@openssl";
const OWN: &str = "app/meta: libssl3=3.0@openssl";

/// `base: debian, web: base, tool: debian, own: alpine`; `web` and `own` run, and a service `cache` runs `redis` as it is.
struct Estate {
    shop: Shop,
    graph: Graph,
    release: Release,
    bases: BTreeMap<ImageRef, Digest>,
}

impl Estate {
    fn new() -> Self {
        let sample = crate::plan::samples::Sample::built("base: debian, web: base, tool: debian, own: alpine");
        let mut shop = Shop::new();
        distro(&mut shop, "base:debian", &[OLD]);
        distro(&mut shop, "base:alpine", &[""]);
        let images = [("base", [OLD, "a: x=1"].as_slice()), ("web", &[OLD, "a: x=1", "b: y=1"]), ("tool", &[OLD, "t: z=1"]), ("own", &["", OWN])];
        let ids: BTreeMap<&str, Digest> =
            images.into_iter().map(|(name, layers)| (name, distro(&mut shop, &format!("image:{name}"), layers))).collect();
        let redis = distro(&mut shop, "base:redis", &[OLD, "r: r=1"]);
        for (service, name, image) in [("web", "web", ids["web"]), ("own", "own", ids["own"]), ("cache", "redis", redis)] {
            let goal = shop.release_as(service, name, image);
            shop.started(10, &slot(service, "h1"), &goal, None);
        }
        let bases: BTreeMap<ImageRef, Digest> =
            [("debian", id("base:debian")), ("alpine", id("base:alpine")), ("redis", redis)].map(|(base, id)| (base.parse().unwrap(), id)).into();
        let images = ids.iter().map(|(name, id)| (name.parse::<ImageName>().unwrap(), released(name, *id, &bases))).collect();
        let release = Release { number: ReleaseNumber(1), run: RunId(1), made_at: at(5), images, services: BTreeMap::new() };
        Self { shop, graph: sample.graph(), release, bases }
    }

    /// A base is something else now, with these layers.
    fn move_base(&mut self, base: &str, layers: &[&str]) {
        let moved = self.shop.keep_as(&format!("{base} moved"), &format!("base:{base}"), layers);
        self.bases.insert(base.parse().unwrap(), moved);
    }

    fn remedy(&self, asked: &str) -> Remedy {
        let deployed = Deployed { graph: &self.graph, release: &self.release, bases: &self.bases };
        remedy(&self.shop.inventories, &asked.parse().unwrap(), &deployed).unwrap()
    }

    fn advise(&self, fixed: Option<&str>) {
        self.advise_for(Terms::Everybody, fixed);
    }

    /// The same, fixed for these.
    fn advise_for(&self, terms: Terms, fixed: Option<&str>) {
        let mut events = vec![json!({ "introduced": "0" })];
        events.extend(fixed.map(|fixed| json!({ "fixed": fixed })));
        let record = json!({
            "id": "CVE-2099-1", "modified": "1970-01-01T00:00:00Z", "published": "1970-01-01T00:00:00Z", "summary": "bad",
            "affected": [{ "package": { "ecosystem": "Debian:12", "name": "openssl" }, "ranges": [{ "type": "ECOSYSTEM", "events": events }] }],
        });
        let mut advisory: Advisory = crate::advisory::osv::read(record.to_string().as_bytes()).unwrap();
        advisory.affected[0].distro.as_mut().unwrap().terms = terms;
        assert_eq!(self.shop.inventories.keep_advisories("osv", &[AdvisoryRow::of(&advisory).unwrap()], at(0)).unwrap().kept, 1);
    }
}

/// An image of a release that was built on these bases.
fn released(name: &str, id: Digest, bases: &BTreeMap<ImageRef, Digest>) -> ReleasedImage {
    ReleasedImage {
        id,
        inputs: id,
        tag: format!("{name}:1").parse().unwrap(),
        bases: bases.iter().map(|(base, id)| (base.clone(), *id)).collect(),
        commit: None,
        own_inputs: None,
        context: None,
    }
}

/// Keeps an image of Debian 12.
fn distro(shop: &mut Shop, name: &str, layers: &[&str]) -> Digest {
    let all: Vec<&str> = std::iter::once("distro").chain(layers.iter().copied()).collect();
    shop.keep(name, &all)
}

/// `base web; afresh own; debian`.
fn change(remedy: &Remedy) -> String {
    let Some(Change::Patch(patch)) = &remedy.change else { return "nothing".into() };
    let Patch { images, afresh, bases, .. } = patch.as_ref();
    let list = |names: Vec<String>| names.join(" ");
    let names = |all: &std::collections::BTreeSet<ImageName>| list(all.iter().map(ToString::to_string).collect());
    format!("{}; afresh {}; {}", names(images), names(afresh), list(bases.iter().map(ImageRef::familiar).collect()))
}

#[test]
fn what_is_rebuilt_is_what_brings_it_in_and_what_runs_above_it() {
    let mut estate = Estate::new();
    // Nothing newer is there: what stands on the base may still upgrade packages itself, who runs a base as it is cannot.
    let asked = estate.remedy("openssl<3.1");
    assert_eq!(change(&asked), "base own web; afresh base own; ");
    assert_eq!(asked.as_they_are, [("cache".parse().unwrap(), AsItIs { base: "redis".parse().unwrap(), is_cured: false })].into());
    estate.move_base("debian", &["distro", NEW]);
    estate.move_base("redis", &["distro", NEW, "r: r=1"]);
    let asked = estate.remedy("openssl<3.1");
    assert_eq!(change(&asked), "base own web; afresh own; debian redis", "`tool` runs nowhere");
    assert!(!asked.is_gone());
    let gone = estate.remedy("openssl<2");
    assert!(gone.is_gone() && gone.change.is_none(), "{gone:?}");
}

#[test]
fn a_newer_base_that_still_has_it_is_no_cure() {
    let mut estate = Estate::new();
    estate.advise(None);
    let asked = estate.remedy("CVE-2099-1");
    assert_eq!((change(&asked), asked.cure.hopeless.len()), ("nothing".into(), 2), "no fix is known: {asked:?}");
    estate.move_base("debian", &["distro", OLD, "n: n=1"]);
    assert_eq!(change(&estate.remedy("CVE-2099-1")), "nothing");
    estate.advise(Some("3.1"));
    assert_eq!(change(&estate.remedy("CVE-2099-1")), "base own web; afresh base own; ");
}

#[test]
fn a_patch_of_versions_says_what_was_asked_for_and_a_fix_only_if_one_is_known() {
    let estate = Estate::new();
    let told = |asked: &str| {
        let lines = crate::report::packages::remedy(&estate.remedy(asked));
        let told = |of: &str| lines.iter().find(|line| line.starts_with(of)).unwrap_or_else(|| panic!("{lines:?}")).clone();
        [told("base debian "), told("image own ")]
    };
    let base = "base debian brings in libssl3, and nothing newer of it is without it; it is";
    let image = "image own brings in libssl3 by its own steps; it is";
    let unknown = "(no advisory that was read names another version that everybody gets)";
    assert_eq!(
        told("openssl<3.1"),
        [
            format!("{base} to be no longer openssl<3.1, which steps that upgrade packages may bring about {unknown}"),
            format!("{image} to be no longer openssl<3.1 {unknown}"),
        ]
    );
    estate.advise(Some("3.1"));
    let known = [format!("{base} fixed in 3.1, which steps that upgrade packages may bring"), format!("{image} fixed in 3.1")];
    assert_eq!(told("openssl<3.1"), known);
    assert_eq!(told("CVE-2099-1"), known);
    // What advisories call fixed is to be gone as well.
    assert!(told("openssl<3.2")[1].ends_with(&format!("to be no longer openssl<3.2 {unknown}")));
}

#[test]
fn who_has_a_problem_goes_by_the_distribution_of_each_image() {
    let estate = Estate::new();
    let ask = |asked: &str| who_has(&estate.shop.inventories, &Query { asked: asked.parse().unwrap(), when: When::Now }).unwrap();
    let told = |answer: Answer| -> Vec<(String, String, Fix)> {
        answer.containers.into_iter().map(|one| (one.service.to_string(), one.brought_by, one.fix)).collect()
    };
    let of = |service: &str, by: &str, fix: Fix| (service.to_owned(), by.to_owned(), fix);
    let fix = Fix::NoAdvisory;
    assert_eq!(told(ask("openssl<3.1")), [of("cache", "debian", fix.clone()), of("own", "own", fix.clone()), of("web", "debian", fix)]);
    estate.advise(Some("3.1"));
    let fix = Fix::Known("3.1".into());
    assert_eq!(told(ask("CVE-2099-1")), [of("cache", "debian", fix.clone()), of("own", "own", fix.clone()), of("web", "debian", fix)]);
    assert_eq!(told(ask("openssl"))[0].2, Fix::Known("3.1".into()), "who asks for packages learns of the fix, too");
    assert!(matches!("CVE-2099-1".parse(), Ok(Asked::Problem(_))));
}

#[test]
fn what_is_cured_takes_no_place_in_a_long_answer() {
    let mut estate = Estate::new();
    estate.advise(Some("3.1"));
    // `cache`, the first by name, has a version that is well.
    let cured = estate.shop.keep_as("cured", "base:redis", &["distro", NEW]);
    estate.shop.emptied(20, &slot("cache", "h1"));
    let goal = estate.shop.release_as("cache", "redis", cured);
    estate.shop.started(30, &slot("cache", "h1"), &goal, None);
    for (max, expected, left_out) in [(0, "", 2), (1, "own", 1), (2, "own web", 0)] {
        estate.shop.inventories.holdings_max = max;
        let answer = who_has(&estate.shop.inventories, &Query { asked: "CVE-2099-1".parse().unwrap(), when: When::Now }).unwrap();
        let services: Vec<String> = answer.containers.iter().map(|one| one.service.to_string()).collect();
        assert_eq!((services.join(" ").as_str(), answer.left_out), (expected, left_out), "{max}");
        assert!(!answer.is_nobody(), "{answer:?}");
    }
}

#[test]
fn what_states_no_licence_is_counted_where_one_is_asked_for() {
    let estate = Estate::new();
    let ask = |asked| who_has(&estate.shop.inventories, &Query { asked: Asked::Packages(asked), when: When::Now }).unwrap();
    let answer = ask(crate::inventory::Question::of_license("GPL*").unwrap());
    // libc6, libssl3, x, y and r; `t`, of `tool`, runs nowhere.
    assert_eq!((answer.is_nobody(), answer.without_license), (true, 5));
    assert_eq!(ask("openssl".parse().unwrap()).without_license, 0);
}

#[test]
fn the_clock_of_a_problem_runs_until_the_last_container_is_gone() {
    let estate = Estate::new();
    estate.advise(Some("3.1"));
    let all = problems(&estate.shop.inventories, at(110)).unwrap().problems;
    let [one] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!((one.id.as_str(), one.is_open, one.open_s, one.containers), ("CVE-2099-1", true, Some(100), 3));
    assert_eq!((one.fixed.as_deref(), one.packages.iter().next().map(String::as_str)), (Some("3.1"), Some("libssl3 3.0")));
    let kept = problem(&estate.shop.inventories, "CVE-2099-1", at(110)).unwrap();
    assert_eq!((kept.advisories.len(), kept.seen.as_ref()), (1, Some(one)));
    assert!(matches!(problem(&estate.shop.inventories, "CVE-2099-2", at(110)), Err(AskError::NoAdvisory(_))));
}

#[test]
fn a_time_in_which_no_container_had_it_is_no_exposure() {
    let estate = Estate::new();
    estate.advise(Some("3.1"));
    let slots = ["cache", "own", "web"].map(|service| slot(service, "h1"));
    slots.iter().for_each(|slot| estate.shop.emptied(20, slot));
    let goal = estate.shop.release_as("web", "web", id("image:web"));
    estate.shop.started(90, &slots[2], &goal, None);
    let all = problems(&estate.shop.inventories, at(110)).unwrap().problems;
    assert_eq!((all[0].exposed_s, all[0].open_s, all[0].containers), (30, Some(100), 1));
    // What a daemon counts says the same, and nothing of what is over.
    assert_eq!(open_problems(&estate.shop.inventories, at(110)).unwrap(), all);
    estate.shop.emptied(115, &slots[2]);
    assert_eq!(open_problems(&estate.shop.inventories, at(120)).unwrap(), []);
}

#[test]
fn what_only_subscribers_get_is_said_and_not_waited_for() {
    let estate = Estate::new();
    estate.advise_for(Terms::Subscribers, Some("3.1"));
    let asked = estate.remedy("CVE-2099-1");
    assert_eq!((change(&asked), asked.cure.hopeless.len()), ("nothing".into(), 2), "no rebuild brings it: {asked:?}");
    let fix = |asked: &str| {
        let answer = who_has(&estate.shop.inventories, &Query { asked: asked.parse().unwrap(), when: When::Now }).unwrap();
        answer.containers[0].fix.clone()
    };
    assert_eq!(["CVE-2099-1", "openssl"].map(fix), [Fix::Subscribers("3.1".into()), Fix::Subscribers("3.1".into())]);
    let one = &problems(&estate.shop.inventories, at(110)).unwrap().problems[0];
    assert_eq!((one.fixed.as_deref(), one.fixed_for_subscribers.as_deref()), (None, Some("3.1")));
    let image = problems_of_image(&estate.shop.inventories, id("image:web")).unwrap().unwrap();
    assert_eq!((image.fixable.len(), image.unfixable.len()), (0, 1));
}

#[test]
fn what_nobody_has_looked_at_is_neither_named_nor_cleared() {
    let estate = Estate::new();
    let text = json!({ "openssl": { "CVE-2099-2": { "releases": { "bookworm": { "status": "undetermined", "urgency": "not yet assigned" } } } } });
    let mut rows = Vec::new();
    crate::advisory::debian_tracker::read(text.to_string().as_bytes(), &mut |advisory| rows.push(AdvisoryRow::of(&advisory).unwrap())).unwrap();
    estate.shop.inventories.keep_advisories("tracker", &rows, at(0)).unwrap();
    let inventories = &estate.shop.inventories;
    let answer = who_has(inventories, &Query { asked: "CVE-2099-2".parse().unwrap(), when: When::Now }).unwrap();
    let told: Vec<(&str, Unknown)> = answer.not_read.iter().map(|not| (not.image.as_deref().unwrap(), not.why)).collect();
    assert_eq!((answer.containers.len(), told), (0, ["own", "redis", "web"].map(|image| (image, Unknown::Undetermined)).to_vec()));
    let all = problems(inventories, at(110)).unwrap();
    assert_eq!((all.problems, all.undetermined), (Vec::new(), ["CVE-2099-2".to_owned()].into()));
    let one = problem(inventories, "CVE-2099-2", at(110)).unwrap();
    assert_eq!((one.seen, one.undetermined), (None, ["libssl3 3.0".to_owned()].into()));
}

#[test]
fn an_image_is_found_by_what_people_call_it() {
    let estate = Estate::new();
    let journal = crate::journal::MemoryJournal::default();
    let find = |text: &str| contents(&estate.shop.inventories, &journal, text, None).map(|(found, _)| found.id);
    assert_eq!(find("debian").unwrap(), id("base:debian"));
    assert_eq!(find(&id("base:debian").short()).unwrap(), id("base:debian"));
    assert_eq!(find(&id("image:web").to_string()).unwrap(), id("image:web"));
    assert!(find("nginx").unwrap_err().to_string().contains("nobody has read an image nginx"));
    let row = ImageRow { id: id("x"), names: [KnownAs::Base("nginx".parse().unwrap())].into() };
    estate.shop.inventories.keep(&row, &[], &BTreeMap::new(), at(1)).unwrap();
    assert_eq!(find("nginx:latest").unwrap(), id("x"));
}

#[test]
fn what_differs_between_releases_is_told_image_by_image() {
    let mut estate = Estate::new();
    let before = estate.release.clone();
    let new = estate.shop.keep_as("base 2", "image:base", &["distro", NEW, "a: x=1"]);
    estate.release.number = ReleaseNumber(2);
    estate.release.images.get_mut(&"base".parse::<ImageName>().unwrap()).unwrap().id = new;
    estate.release.images.get_mut(&"tool".parse::<ImageName>().unwrap()).unwrap().id = id("never read");
    let told = difference(&estate.shop.inventories, &before, &estate.release).unwrap();
    let [(base, ImageDifference::Packages(packages)), (tool, not_read)] = told.images.iter().collect::<Vec<_>>()[..] else { panic!("{told:?}") };
    assert_eq!((base.as_str(), packages.changed.len(), packages.added.len(), packages.removed.len()), ("base", 1, 0, 0));
    assert_eq!((tool.as_str(), not_read), ("tool", &ImageDifference::NotRead { id: id("never read") }));
}
