//! What is kept, and what comes back.

use std::collections::BTreeSet;

use super::*;
use serde_json::json;

use crate::advisory::Advisory;
use crate::inventory::Distro;
use crate::journal::JournalError;

const DEBIAN: &str = "status: libc6=2.36 libssl3=3.0@openssl";
const BASE: &str = "status: libc6=2.36 libssl3=3.1@openssl curl=8";
const WEB: &str = "app/meta: flask=3";

#[test]
fn only_what_is_not_known_in_its_place_is_to_be_read() {
    let mut shop = Shop::new();
    let ids = |layers: &[&str]| layers.iter().map(|text| id(text)).collect::<Vec<_>>();
    let missing = |shop: &Shop, layers: &[&str]| shop.inventories.missing(&ids(layers)).unwrap();
    assert_eq!(missing(&shop, &[DEBIAN, DEBIAN]), ids(&[DEBIAN]), "each once");
    shop.keep("base:debian:12", &[DEBIAN]);
    assert_eq!(missing(&shop, &[DEBIAN, BASE, WEB]), ids(&[BASE, WEB]));
    shop.keep("image:web", &[DEBIAN, BASE, WEB]);
    assert_eq!(missing(&shop, &[DEBIAN, BASE, WEB]), []);
    assert_eq!(missing(&shop, &[DEBIAN, WEB]), ids(&[WEB]), "there it may change something else");
    assert_eq!(missing(&shop, &[]), []);
}

#[test]
fn a_package_is_brought_by_the_lowest_image_that_has_its_layer() {
    let mut shop = Shop::new();
    let web = shop.keep("image:web", &[DEBIAN, BASE, WEB]);
    assert_eq!(shop.contents(web), "curl=8 (web), flask=3 (web), libc6=2.36 (web), libssl3=3.1 (web)");
    // What is learnt later of the images below is told from then on.
    shop.keep("base:debian:12", &[DEBIAN]);
    shop.keep("image:base", &[DEBIAN, BASE]);
    assert_eq!(shop.contents(web), "curl=8 (base), flask=3 (web), libc6=2.36 (debian:12), libssl3=3.1 (base)");
    let contents = shop.inventories.contents(web).unwrap().unwrap();
    assert_eq!((&*contents.packages[0].path, contents.packages[0].layer), ("status", id(BASE)));
    assert_eq!(shop.inventories.contents(id("other")).unwrap(), None);
}

#[test]
fn a_bases_packages_are_there_once() {
    let mut shop = Shop::new();
    shop.keep("base:debian:12", &[DEBIAN]);
    let before = shop.rows("changes");
    for number in 0..20 {
        shop.keep(&format!("image:web-{number}"), &[DEBIAN, &format!("app/meta: own=={number}")]);
    }
    assert_eq!((before, shop.rows("changes"), shop.rows("sets")), (2, 22, 21));
}

#[test]
fn keeping_twice_is_as_good_as_once() {
    let mut shop = Shop::new();
    let web = shop.keep("image:web", &[DEBIAN, WEB]);
    let before = (shop.contents(web), shop.rows("changes"), shop.inventories.images().unwrap());
    shop.keep("image:web", &[DEBIAN, WEB]);
    let all = [(id(DEBIAN), layer(DEBIAN)), (id(WEB), layer(WEB))].into();
    let row = ImageRow { id: web, names: BTreeSet::new() };
    shop.inventories.keep(&row, &[id(DEBIAN), id(WEB)], &all, at(9)).unwrap();
    assert_eq!((shop.contents(web), shop.rows("changes"), shop.inventories.images().unwrap()), before);
    let kept = &before.2[0];
    assert_eq!((kept.id, kept.since, kept.readers, kept.names.len()), (web, at(0), READERS_VERSION, 1));
}

#[test]
fn an_image_without_layers_has_nothing_in_it() {
    let mut shop = Shop::new();
    let empty = shop.keep("image:empty", &[]);
    assert_eq!((shop.contents(empty), shop.inventories.images().unwrap().len()), (String::new(), 1));
}

#[test]
fn the_uppermost_word_on_the_distribution_counts() {
    let mut shop = Shop::new();
    let distro = |release: &str| Distro { id: "debian".into(), release: release.into(), codename: None };
    let found = |release: &str| LayerFound { files: [("etc/os-release".into(), FileFound::Distro(distro(release)))].into(), ..LayerFound::default() };
    let row = ImageRow { id: id("image"), names: BTreeSet::new() };
    let layers = [(id("12"), found("12")), (id("13"), found("13")), (id("none"), LayerFound::default())].into();
    shop.inventories.keep(&row, &[id("12"), id("13"), id("none")], &layers, at(0)).unwrap();
    assert_eq!(shop.inventories.contents(row.id).unwrap().unwrap().distro, Some(distro("13")));
    assert_eq!(shop.inventories.distros(&[row.id].into()).unwrap(), [(row.id, distro("13"))].into());
    let other = shop.keep("image:other", &[]);
    assert_eq!(shop.inventories.contents(other).unwrap().unwrap().distro, None);
    assert_eq!(shop.inventories.distros(&[other].into()).unwrap(), [].into());
    // The same to who asks for many at once; what stands on known layers is not walked again.
    let lower = ImageRow { id: id("lower"), names: BTreeSet::new() };
    shop.inventories.keep(&lower, &[id("12")], &BTreeMap::new(), at(0)).unwrap();
    let all = [row.id, other, lower.id, id("never read")].into();
    assert_eq!(shop.inventories.distros(&all).unwrap(), [(row.id, distro("13")), (lower.id, distro("12"))].into());
}

#[test]
fn a_distribution_below_etc_counts_over_the_one_below_usr_until_it_is_taken_away() {
    let shop = Shop::new();
    let distro = |release: &str| Distro { id: "debian".into(), release: release.into(), codename: None };
    let says = |path: &str, release: &str| (path.to_owned(), FileFound::Distro(distro(release)));
    let both = LayerFound { files: [says("etc/os-release", "own"), says("usr/lib/os-release", "12")].into(), ..LayerFound::default() };
    let newer = LayerFound { files: [says("usr/lib/os-release", "13")].into(), ..LayerFound::default() };
    let without = LayerFound { gone: ["etc/os-release".to_owned()].into(), ..LayerFound::default() };
    let found = [(id("both"), both), (id("newer"), newer), (id("without"), without)].into();
    let layers = [id("both"), id("newer"), id("without")];
    for (count, release) in [(1, "own"), (2, "own"), (3, "13")] {
        let row = ImageRow { id: id(release), names: BTreeSet::new() };
        shop.inventories.keep(&row, &layers[..count], &found, at(0)).unwrap();
        assert_eq!(shop.inventories.contents(row.id).unwrap().unwrap().distro, Some(distro(release)));
        assert_eq!(shop.inventories.distros(&[row.id].into()).unwrap(), [(row.id, distro(release))].into());
    }
}

#[test]
fn a_layer_that_was_not_read_is_a_gap_until_it_is() {
    let mut shop = Shop::new();
    let row = ImageRow { id: id("web"), names: [known_as("image:web")].into() };
    let layers = [id(DEBIAN), id(BASE), id(WEB)];
    let some = [(id(DEBIAN), layer(DEBIAN)), (id(WEB), layer(WEB))].into();
    shop.inventories.keep(&row, &layers, &some, at(0)).unwrap();
    assert_eq!(shop.contents(row.id), "flask=3 (web), libc6=2.36 (web), libssl3=3.0 (web), !");
    assert_eq!(shop.inventories.images().unwrap()[0].readers, 0);
    assert_eq!(shop.inventories.missing(&layers).unwrap(), [id(BASE), id(WEB)], "above the gap nothing is certain");
    // Another attempt that fails alike leaves nothing behind.
    shop.inventories.keep(&row, &layers, &some, at(0)).unwrap();
    assert_eq!(shop.rows("sets"), 3);
    assert_eq!(shop.keep_as("web", "image:web", &[DEBIAN, BASE, WEB]), row.id);
    assert_eq!(shop.contents(row.id), "curl=8 (web), flask=3 (web), libc6=2.36 (web), libssl3=3.1 (web)");
    assert_eq!((shop.rows("sets"), shop.inventories.images().unwrap()[0].readers), (3, READERS_VERSION));
}

#[test]
fn better_readers_read_again_and_what_they_replace_is_forgotten() {
    let mut shop = Shop::new();
    let debian = shop.keep("base:debian:12", &[DEBIAN]);
    let web = shop.keep("image:web", &[DEBIAN, WEB]);
    let api = shop.keep("image:api", &[DEBIAN, BASE]);
    shop.inventories.readers = READERS_VERSION + 1;
    let layers = [id(DEBIAN), id(WEB)];
    assert_eq!(shop.inventories.missing(&layers).unwrap(), layers);
    let better = [(id(DEBIAN), layer("status: libc6=2.36 libssl3=3.0; more: found=1")), (id(WEB), layer(WEB))].into();
    shop.inventories.keep(&ImageRow { id: web, names: BTreeSet::new() }, &layers, &better, at(5)).unwrap();
    assert!(shop.contents(web).contains("found=1 (debian:12)"), "{}", shop.contents(web));
    assert!(shop.contents(debian).contains("found=1"), "all of its layers were read");
    assert_eq!(shop.contents(api), "curl=8 (api), libc6=2.36 (api), libssl3=3.1 (api)", "it is as it was read, until it is read again");
    let readers = |image: Digest| shop.inventories.images().unwrap().into_iter().find(|kept| kept.id == image).unwrap().readers;
    assert_eq!([debian, web, api].map(readers), [READERS_VERSION + 1, READERS_VERSION + 1, READERS_VERSION]);
    assert_eq!(shop.rows("sets"), 4, "two new, and the two that `api` still needs");
    // An older refit on the same file has nothing to read again.
    shop.inventories.readers = READERS_VERSION;
    assert_eq!(shop.inventories.missing(&layers).unwrap(), []);
}

#[test]
fn what_is_forgotten_takes_along_what_nothing_else_needs() {
    let mut shop = Shop::new();
    let debian = shop.keep("base:debian:12", &[DEBIAN]);
    let web = shop.keep("image:web", &[DEBIAN, WEB]);
    assert_eq!(shop.inventories.forget_all_but(&[debian, web].into()).unwrap(), 0);
    assert_eq!(shop.inventories.forget_all_but(&[web].into()).unwrap(), 1);
    assert_eq!((shop.rows("sets"), shop.contents(web)), (2, "flask=3 (web), libc6=2.36 (web), libssl3=3.0 (web)".into()));
    assert_eq!(shop.inventories.forget_all_but(&[id("never known")].into()).unwrap(), 1);
    assert_eq!(["sets", "changes", "images", "image_names"].map(|table| shop.rows(table)), [0; 4]);
}

#[test]
fn what_ran_is_never_forgotten() {
    let mut shop = Shop::new();
    let [ran, released, tried] = ["ran", "released", "tried"].map(|name| shop.keep(&format!("image:{name}"), &[DEBIAN, &format!("{name}: p=1")]));
    let goal = shop.release("web", ran);
    shop.release("api", released);
    shop.started(10, &slot("web", "h1"), &goal, None);
    shop.emptied(20, &slot("web", "h1"));
    assert_eq!(shop.inventories.forget_all_but(&BTreeSet::new()).unwrap(), 1);
    let is_there = |image| shop.inventories.contents(image).unwrap().is_some();
    assert_eq!([ran, released, tried].map(is_there), [true, true, false]);
}

#[test]
fn a_ring_of_layers_in_a_damaged_file_ends() {
    let mut shop = Shop::new();
    let web = shop.keep("image:web", &[DEBIAN, WEB]);
    let ring = "UPDATE sets SET parent = (SELECT max(id) FROM sets) WHERE parent IS NULL";
    shop.inventories.write(|connection| connection.execute_batch(ring)).unwrap();
    assert_eq!(shop.inventories.distros(&[web].into()).unwrap(), BTreeMap::new());
    assert_eq!(shop.inventories.contents(web).unwrap().unwrap().distro, None);
}

#[test]
fn where_there_is_no_journal_nothing_is_there_and_nothing_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let inventories = Inventories::open(folder.path()).unwrap();
    assert_eq!(inventories.images().unwrap(), []);
    let row = ImageRow { id: id("web"), names: BTreeSet::new() };
    assert!(matches!(inventories.keep(&row, &[], &BTreeMap::new(), at(0)), Err(JournalError::ReadOnly)));
    assert!(!folder.path().join(crate::journal::sqlite::FILE).exists());
}

#[test]
fn what_is_kept_is_there_after_opening_again_and_for_others_at_once() {
    let mut shop = Shop::new();
    let other = Inventories::open(shop.folder.path()).unwrap();
    let web = shop.keep("image:web", &[DEBIAN, WEB]);
    assert_eq!(other.contents(web).unwrap(), shop.inventories.contents(web).unwrap());
    std::thread::scope(|scope| {
        for (number, inventories) in [&shop.inventories, &other].into_iter().enumerate() {
            scope.spawn(move || {
                for image in 0..20 {
                    let (own, found) = (format!("app/meta: own={image}"), format!("{number} {image}"));
                    let layers = [(id(&own), layer(&own))].into();
                    let row = ImageRow { id: id(&found), names: BTreeSet::new() };
                    inventories.keep(&row, &[id(DEBIAN), id(&own)], &layers, at(1)).unwrap();
                }
            });
        }
    });
    assert_eq!((shop.rows("images"), shop.rows("sets")), (41, 22));
}

#[test]
fn advisories_are_kept_that_name_what_is_in_some_image() {
    let mut shop = Shop::new();
    shop.keep("base:debian:12", &[DEBIAN]);
    let advisory = |id: &str, kind: &str, name: &str, summary: &str| -> Advisory {
        let ecosystem = if kind == "deb" { "Debian:12" } else { kind };
        let affected =
            json!([{ "package": { "ecosystem": ecosystem, "name": name }, "ranges": [{ "type": "ECOSYSTEM", "events": [{ "introduced": "0" }] }] }]);
        let record = json!({ "id": id, "modified": "2026-01-01T00:00:00Z", "aliases": ["CVE-1"], "summary": summary, "affected": affected });
        crate::advisory::osv::read(record.to_string().as_bytes()).unwrap()
    };
    let row = |id: &str, kind: &str, name: &str, summary: &str| AdvisoryRow::of(&advisory(id, kind, name, summary)).unwrap();
    let rows =
        [row("DSA-1", "deb", "openssl", "by its source"), row("DSA-2", "deb", "libc6", "by its name"), row("DSA-3", "deb", "nginx", "not here")];
    let read = shop.inventories.keep_advisories("debian", &rows, at(1)).unwrap();
    assert_eq!((read.kept, read.about_nothing_here, read.too_long), (2, 1, Vec::<String>::new()));
    assert_eq!(shop.inventories.keep_advisories("osv", &[row("GHSA-1", "npm", "libc6", "another kind")], at(1)).unwrap().about_nothing_here, 1);
    let mut long = advisory("DSA-4", "deb", "libc6", "");
    long.affected[0].versions = vec!["x".repeat(5 << 20)];
    assert_eq!(shop.inventories.keep_advisories("debian", &[AdvisoryRow::of(&long).unwrap()], at(1)).unwrap().too_long, ["DSA-4"]);

    shop.inventories.keep_advisories("debian", &[row("DSA-1", "deb", "openssl", "again")], at(2)).unwrap();
    let kept = shop.inventories.advisories().unwrap();
    let told: Vec<_> = kept.iter().map(|kept| (kept.advisory.record.as_str(), kept.advisory.summary.as_str())).collect();
    assert_eq!(told, [("DSA-1", "again"), ("DSA-2", "by its name")]);
    assert_eq!((kept[0].first_at, kept[0].last_at), (at(1), at(2)));
    let records = |all: Vec<AdvisoryKept>| all.into_iter().map(|kept| kept.advisory.record).collect::<Vec<_>>();
    assert_eq!(records(shop.inventories.advisories_called("CVE-1").unwrap()), ["DSA-1", "DSA-2"]);
    assert_eq!(records(shop.inventories.advisories_called("DSA-2").unwrap()), ["DSA-2"]);
    assert!(shop.inventories.advisories_called("CVE-").unwrap().is_empty(), "a part of a name is none");
    let about = shop.inventories.advisories_about(&["openssl".to_owned(), "none".to_owned()].into()).unwrap();
    assert_eq!(about.iter().map(|advisory| advisory.record.as_str()).collect::<Vec<_>>(), ["DSA-1"]);
    // A record is the same whatever it names first.
    shop.inventories.keep_advisories("debian", &[row("DSA-1", "deb", "libssl3", "by another name")], at(2)).unwrap();
    assert_eq!(shop.inventories.advisories().unwrap().len(), 2);
    let subject = |kind, distro: Option<&str>| Subject { kind, distro: distro.map(str::to_owned) };
    let forget = |subject, before| shop.inventories.forget_advisories("debian", &[subject].into(), before).unwrap();
    assert_eq!(forget(subject(Kind::Npm, None), at(2)), 0, "it is about something else");
    assert_eq!(forget(subject(Kind::Deb, Some("ubuntu")), at(2)), 0, "it is another's package of that kind");
    assert_eq!(forget(subject(Kind::Deb, Some("debian")), at(2)), 1);
    assert_eq!(shop.inventories.advisories().unwrap().len(), 1);
}
