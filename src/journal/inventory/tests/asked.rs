//! Who has a package, now, then and ever.

use std::collections::BTreeSet;

use super::*;

fn only(name: &str) -> Names {
    Names::Only(BTreeSet::from([name.to_owned()]))
}

/// `web@h1 libssl3=3.0 (debian:12)`, one for each holding.
fn who_has(shop: &Shop, name: &str, when: When) -> Vec<String> {
    let held = shop.inventories.who_has(&Filter { names: only(name), matches: &|_| true }, when).unwrap();
    let told = |holding: &Holding| {
        let Holding { stay, package, brought_by, .. } = holding;
        format!("{}@{} {}={} ({brought_by})", stay.slot.service, stay.slot.host, package.name, package.version)
    };
    held.holdings.iter().map(told).collect()
}

/// `web` ran r1 on two hosts; on h1 it was replaced at 50.
fn shop() -> Shop {
    let mut shop = Shop::new();
    shop.keep("base:debian:12", &["status: libc6=2.36 libssl3=3.0@openssl"]);
    let old = shop.keep_as("web 1", "image:web", &["status: libc6=2.36 libssl3=3.0@openssl", "app/meta: flask=2"]);
    let new = shop.keep_as(
        "web 2",
        "image:web",
        &["status: libc6=2.36 libssl3=3.0@openssl", "status: libc6=2.36 libssl3=3.1@openssl", "app/meta: flask=2"],
    );
    let [old, new] = [old, new].map(|image| shop.release("web", image));
    shop.started(10, &slot("web", "h1"), &old, None);
    shop.started(20, &slot("web", "h2"), &old, None);
    shop.started(40, &slot("web", "h1"), &new, Some("c1"));
    shop.said(50, &StayFact::Ended { slot: slot("web", "h1"), container: "c1".into() });
    shop
}

#[test]
fn who_has_it_is_asked_of_now_of_then_and_of_ever() {
    let shop = shop();
    let (old_1, old_2) = ("web@h1 libssl3=3.0 (debian:12)", "web@h2 libssl3=3.0 (debian:12)");
    let new_1 = "web@h1 libssl3=3.1 (web)";
    assert_eq!(who_has(&shop, "libssl3", When::Now), [new_1, old_2]);
    for (second, expected) in
        [(5, &[][..]), (10, &[old_1]), (19, &[old_1]), (30, &[old_1, old_2]), (45, &[old_1, new_1, old_2]), (50, &[new_1, old_2])]
    {
        assert_eq!(who_has(&shop, "libssl3", When::At(at(second))), expected, "at {second}");
    }
    assert_eq!(who_has(&shop, "libssl3", When::Ever), [old_1, new_1, old_2]);
    assert_eq!(who_has(&shop, "openssl", When::Now), [new_1, old_2], "by the source package");
    assert_eq!(who_has(&shop, "nginx", When::Ever), [""; 0]);
    let held = shop.inventories.who_has(&Filter { names: Names::All, matches: &|package| package.version == "3.0" }, When::Now).unwrap();
    let Holding { stay, path, .. } = &held.holdings[0];
    assert_eq!((&*stay.slot.host.to_string(), &**path, stay.since, stay.until), ("h2", "status", at(20), None));
    let Ran { name, tag, image } = &*stay.ran;
    assert_eq!((name.as_deref(), tag.as_ref().unwrap().familiar(), *image), (Some("web"), "shop/web:1".into(), Some(id("web 1"))));
}

#[test]
fn a_stay_has_its_containers_id_once_an_action_has_named_it() {
    let shop = shop();
    let told = |stay: Stay| (stay.slot.host.to_string(), stay.container.map(|id| id.to_string()), stay.since, stay.until);
    let stays: Vec<_> = shop.inventories.stays(When::Ever).unwrap().into_iter().map(told).collect();
    let h = |number: u8| format!("h{number}");
    assert_eq!(stays, [(h(1), Some("c1".into()), at(10), Some(at(50))), (h(1), None, at(40), None), (h(2), None, at(20), None)]);
}

#[test]
fn what_runs_and_was_never_read_is_named() {
    let mut shop = shop();
    let (unread, torn) = (shop.release("api", id("api")), shop.keep("image:torn", &["status: libssl3=3.0; !opt/app.jar"]));
    let torn = shop.release("batch", torn);
    let ask = |shop: &Shop| shop.inventories.who_has(&Filter { names: only("nothing"), matches: &|_| true }, When::Now).unwrap();
    assert_eq!(ask(&shop), Held::default(), "what does not run leaves no gap");
    shop.started(60, &slot("api", "h1"), &unread, None);
    shop.started(61, &slot("batch", "h1"), &torn, None);
    shop.started(62, &slot("old", "h1"), &Goal { release: ReleaseNumber(1), spec: id("before any release") }, None);
    let held = ask(&shop);
    let images = |all: &[std::sync::Arc<Ran>]| all.iter().map(|ran| ran.image).collect::<Vec<_>>();
    assert_eq!((images(&held.unread), images(&held.read_in_part)), (vec![None, Some(id("api"))], vec![Some(id("image:torn"))]));
}

#[test]
fn images_are_asked_whether_they_run_or_not() {
    let shop = shop();
    let asked = Filter { names: only("libssl3"), matches: &|package| package.version == "3.0" };
    let which = |images: &[&str]| -> BTreeSet<String> {
        let holdings = shop.inventories.which_have(&asked, &images.iter().map(|image| id(image)).collect()).unwrap();
        holdings.iter().map(|one| format!("{} ({})", one.image.short(), one.brought_by)).collect()
    };
    let told = which(&["base:debian:12", "web 1", "web 2", "never read"]);
    let expected = ["base:debian:12", "web 1"].map(|image| format!("{} (debian:12)", id(image).short()));
    assert_eq!(told, expected.into());
    assert_eq!(which(&["web 2"]), BTreeSet::new(), "of others nothing is told");
}
