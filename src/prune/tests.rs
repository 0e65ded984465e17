//! Nothing that is needed goes, whatever the estate has been through.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::data::{Holdings, MountSeen};
use crate::model::{ContainerSpec, Digest, ImageRef, ReleaseNumber, RunId, SlotId, SmallMap};
use crate::release::{Release, ReleasedImage, ServiceRelease};
use crate::rollout::{ContainerSeen, ContainerState, Health, Version};

fn id(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

fn tag(text: &str) -> ImageRef {
    text.parse().unwrap()
}

/// A release that has these images, each with a service of its name, written `web:3 api:1`; the first number says on which base they stand.
fn release(number: u64, images: &str) -> Release {
    let (mut made, mut services) = (BTreeMap::new(), BTreeMap::new());
    for image in images.split_whitespace() {
        let name = image.split(':').next().unwrap();
        let bases = SmallMap::from_iter([(tag("debian:12"), id(&format!("debian of {image}")))]);
        let (commit, own_inputs, context) = (None, None, None);
        made.insert(name.parse().unwrap(), ReleasedImage { id: id(image), inputs: id(image), tag: tag(image), bases, commit, own_inputs, context });
        let container = ContainerSpec::default();
        services.insert(name.parse().unwrap(), ServiceRelease { image: name.to_owned(), id: id(image), container, probe: None });
    }
    Release { number: ReleaseNumber(number), run: RunId(number), made_at: Timestamp::UNIX_EPOCH, images: made, services }
}

/// One release after another, each of which was rolled and stayed.
fn known(releases: &[&str]) -> Known {
    let mut known = Known::with_releases(releases.iter().enumerate().map(|(at, images)| release(at as u64 + 1, images)));
    for images in releases.iter().flat_map(|images| images.split_whitespace()) {
        known.built.entry(id(images)).or_default().insert(tag(images));
    }
    for release in known.releases.values() {
        for service in release.services.keys() {
            let ways = known.services.entry(service.clone()).or_default();
            ways.good.push(release.number);
            ways.current = Some(release.number);
        }
    }
    known
}

fn there(name: &str) -> ImageThere {
    let piece = |key: &str, bytes| Piece { key: id(key), bytes };
    let pieces = vec![piece("os", 100), piece(name, 10)];
    ImageThere { id: id(name), names: vec![tag(name)], pulled: false, owner: Owner::Us, size: 110, pieces }
}

fn keep(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

/// What goes of these images, by name: `web:1 web:2`.
fn goes(known: &Known, stock: &Stock, number: u32) -> Chosen {
    choose(known, &needed(known, keep(number)), stock, Chosen::default())
}

fn shown(chosen: &Chosen) -> String {
    chosen.goes.iter().map(|goner| format!("{}: {}", goner.thing, goner.why).replace("image ", "")).collect::<Vec<_>>().join("; ")
}

fn stock(images: &[&str]) -> Stock {
    Stock { images: images.iter().map(|name| there(name)).collect(), containers: BTreeMap::new() }
}

#[test]
fn what_no_release_in_reach_has_goes() {
    let known = known(&["web:1 api:1", "web:2 api:1", "web:3 api:1", "web:4 api:2"]);
    let all = stock(&["web:1", "web:2", "web:3", "web:4", "api:1", "api:2"]);
    let short = |name: &str| format!("{name} ({})", id(name).short());
    assert_eq!(shown(&goes(&known, &all, 4)), "");
    assert_eq!(shown(&goes(&known, &all, 3)), format!("{}: was last in r1", short("web:1")));
    let two = goes(&known, &all, 2);
    assert_eq!(shown(&two), format!("{}: was last in r1; {}: was last in r2", short("web:1"), short("web:2")));
    assert_eq!((two.bytes, two.needed), (20, 4), "what is below them stays");
    let one = goes(&known, &all, 1);
    assert!(!shown(&one).contains("api:2") && shown(&one).contains("api:1"), "{}", shown(&one));
    assert_eq!(goes(&known, &stock(&["web:1", "web:2"]), 1).bytes, 120, "nobody else has what is below them");
}

#[test]
fn a_service_that_seldom_changes_keeps_its_ways_back() {
    let releases: Vec<String> = (0..20).map(|at| format!("web:{at} api:{}", at / 10)).collect();
    let known = known(&releases.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(shown(&goes(&known, &stock(&["api:0", "api:1"]), 2)), "", "r10 is long ago, but api can go back to it");
}

#[test]
fn what_a_service_goes_back_to_by_itself_stays_however_old_it_is() {
    let mut known = known(&["web:1", "web:2", "web:3", "web:4"]);
    known.services.get_mut(&"web".parse().unwrap()).unwrap().back = Some(ReleaseNumber(1));
    let chosen = goes(&known, &stock(&["web:1", "web:2", "web:3", "web:4"]), 1);
    let gone: Vec<&str> = chosen.goes.iter().map(|goner| goner.why.as_str()).collect();
    assert_eq!(gone, ["was last in r2", "was last in r3"]);
}

#[test]
fn what_is_not_refit_s_own_stays_as_it_is() {
    let known = known(&["web:1", "web:2"]);
    let check = |what: &str, change: fn(&mut ImageThere), goes_away: bool, stays: &str| {
        let mut image = there("web:1");
        change(&mut image);
        let chosen = goes(&known, &Stock { images: vec![image], ..Stock::default() }, 1);
        let why = chosen.stays.iter().map(|one| one.why.as_str()).collect::<Vec<_>>().join(" ");
        assert_eq!((chosen.goes.len() == 1, why.as_str()), (goes_away, stays), "{what}");
    };
    check("as it was made", |_| {}, true, "");
    check("made before images said whose they are", |image| image.owner = Owner::Nobody, true, "");
    check("another estate's", |image| image.owner = Owner::Another, false, "");
    check("of our name, but not in our journal", |image| image.id = id("other"), false, "");
    check("not in our journal, and without a name", |image| (image.id, image.names) = (id("other"), Vec::new()), false, "");
    check("with the channel's name", |image| image.names.push(tag("web:current")), true, "");
    check("with the channel's name of another image", |image| image.names.push(tag("api:current")), false, "somebody named it api:current");
    check("with a person's name", |image| image.names.push(tag("web:mine")), false, "somebody named it web:mine");
    check("without a name", |image| image.names.clear(), true, "");
}

#[test]
fn a_base_goes_by_the_name_that_refit_gave_it_and_no_other() {
    let known = known(&["web:1", "web:2"]);
    let check = |release: &str, names: &[String], pulled: bool, goes_away: bool| {
        let base = id(&format!("debian of {release}"));
        let names = names.iter().map(|name| tag(&name.replace("ID", &base.short()))).collect();
        let image = ImageThere { id: base, names, pulled, owner: Owner::Nobody, ..there("x") };
        let chosen = goes(&known, &Stock { images: vec![image], ..Stock::default() }, 1);
        assert_eq!(chosen.goes.len() == 1, goes_away, "{release} {chosen:?}");
    };
    let pin = "debian:refit-ID".to_owned();
    check("web:1", std::slice::from_ref(&pin), true, true);
    check("web:2", std::slice::from_ref(&pin), true, false);
    check("web:1", &[pin, "debian:12".to_owned()], true, false);
    check("web:1", &["debian:12".to_owned()], true, false);
    check("web:1", &[], true, false);
    check("web:1", &[], false, true);
}

#[test]
fn what_a_container_is_made_of_stays_until_the_container_goes() {
    let known = known(&["web:1", "web:2"]);
    let mut stock = stock(&["web:1"]);
    stock.containers.insert("c".into(), id("web:1"));
    let chosen = goes(&known, &stock, 1);
    assert_eq!((chosen.goes.len(), chosen.stays[0].why.as_str()), (0, "a container is made of it"));
    let container = Goner { thing: Thing::Container { id: "c".into(), name: "web".into() }, why: "its slot is gone".into() };
    let chosen = choose(&known, &needed(&known, keep(1)), &stock, Chosen { goes: vec![container], ..Chosen::default() });
    assert_eq!(chosen.goes.len(), 2, "the container, then its image");
}

#[test]
fn a_run_that_has_not_ended_and_a_quarantine_keep_what_is_theirs() {
    let mut known = known(&["web:1", "web:2", "web:3"]);
    let all = stock(&["web:1", "web:2", "web:3", "web:half"]);
    known.built.entry(id("web:half")).or_default().insert(tag("web:half"));
    assert_eq!(goes(&known, &all, 1).goes.len(), 3);
    known.services.get_mut(&"web".parse().unwrap()).unwrap().quarantined = Some(ReleaseNumber(2));
    assert_eq!(goes(&known, &all, 1).goes.len(), 2);
    let (images, releases) = (BTreeSet::from([id("web:half")]), BTreeSet::from([ReleaseNumber(1)]));
    known.unfinished.push(Unfinished { run: RunId(9), images, releases, services: BTreeSet::new() });
    assert_eq!(shown(&goes(&known, &all, 1)), "");
}

fn slot(index: u32) -> SlotId {
    SlotId { service: "web".parse().unwrap(), host: "a".parse().unwrap(), index }
}

/// `0 old stopped`, `0 new well`: index, version, state.
fn container(text: &str) -> ContainerSeen {
    let words: Vec<&str> = text.split(' ').collect();
    let at = Timestamp::UNIX_EPOCH;
    let (state, health) = match words[2] {
        "stopped" => (ContainerState::Exited { code: 0, at }, Health::Starting),
        "made" => (ContainerState::Created, Health::Starting),
        "gone" => (ContainerState::Gone, Health::Starting),
        "sick" => (ContainerState::Running { since: at, restarts: 0 }, Health::Unhealthy { why: "no".into() }),
        _ => (ContainerState::Running { since: at, restarts: 0 }, Health::Healthy { since: at }),
    };
    let version = Version { release: ReleaseNumber(2), spec: id(words[1]) };
    ContainerSeen { id: text.into(), name: text.into(), slot: slot(words[0].parse().unwrap()), version, state, health, created_at: at }
}

#[test]
fn a_stopped_container_goes_only_where_another_serves_or_the_slot_is_no_more() {
    let now = SlotsNow { slots: BTreeSet::from([slot(0)]), expected: BTreeMap::from([("web".parse().unwrap(), id("new"))]) };
    let check = |containers: &[&str], expected: &str| {
        let seen: Vec<_> = containers.iter().map(|text| container(text)).collect();
        let (goes, _) = candidates(&Known::default(), &now, &seen);
        assert_eq!(goes.iter().map(|one| one.id.as_str()).collect::<Vec<_>>().join(", "), expected, "{containers:?}");
    };
    check(&["0 old stopped", "0 new well"], "0 old stopped");
    check(&["0 old made", "0 new well"], "0 old made");
    check(&["0 old stopped", "0 new sick"], "");
    check(&["0 old stopped", "0 other well"], "");
    check(&["0 new stopped"], "");
    check(&["0 old stopped", "0 new stopped"], "");
    check(&["1 new stopped", "1 new well"], "1 new stopped");
    check(&["0 old gone", "0 new well"], "");
    let services = BTreeSet::from(["web".parse().unwrap()]);
    let unfinished = Unfinished { run: RunId(7), images: BTreeSet::new(), releases: BTreeSet::new(), services };
    let known = Known { unfinished: vec![unfinished], ..Known::default() };
    let (goes, stays) = candidates(&known, &now, &[container("0 old stopped"), container("0 new well")]);
    assert!(goes.is_empty() && stays[0].why.contains("has not ended"), "{stays:?}");
}

#[test]
fn an_anonymous_volume_is_never_left_with_nobody() {
    let mount = |volume: &str| MountSeen { target: "/data".into(), anonymous: Some(volume.into()) };
    let holds = |volumes: &[&str]| Holdings { mounts: volumes.iter().map(|volume| mount(volume)).collect(), ..Holdings::default() };
    assert_eq!(left_with_nobody(&holds(&["a", "b"]), Some(&holds(&["b", "c"]))), ["a"]);
    assert_eq!(left_with_nobody(&holds(&["a"]), None), ["a"]);
    assert!(left_with_nobody(&holds(&[]), None).is_empty());
}

proptest! {
    /// Whatever was released, rolled (also in part), refused and left running: each service keeps its last versions and its way back, and nothing that
    /// is used or needed goes.
    #[test]
    fn nothing_needed_goes(
        releases in prop::collection::vec((0..6_u8, 0..4_u8), 1..12),
        well in prop::collection::vec(any::<bool>(), 12),
        healthy in prop::collection::vec(any::<bool>(), 12),
        used in prop::collection::vec(0..6_u8, 0..3),
        number in 1..5_u32,
    ) {
        let texts: Vec<String> = releases.iter().map(|(web, api)| format!("web:{web} api:{api}")).collect();
        let mut known = known(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        for ways in known.services.values_mut() {
            ways.good.retain(|number| well[number.0 as usize - 1]);
            ways.current = ways.good.last().copied();
            ways.back = ways.good.iter().rev().find(|number| healthy[number.0 as usize - 1]).copied().or(ways.current);
        }
        let mut all: Vec<ImageThere> = (0..6).map(|web| there(&format!("web:{web}"))).chain((0..4).map(|api| there(&format!("api:{api}")))).collect();
        all.extend(texts.iter().flat_map(|text| text.split_whitespace()).map(|image| ImageThere {
            id: id(&format!("debian of {image}")), names: vec![tag(&format!("debian:refit-{}", id(&format!("debian of {image}")).short()))], owner: Owner::Nobody, ..there(image)
        }));
        let containers = used.iter().enumerate().map(|(at, web)| (at.to_string(), id(&format!("web:{web}")))).collect();
        let stock = Stock { images: all, containers };
        let chosen = goes(&known, &stock, number);
        let gone: BTreeSet<Digest> = chosen.goes.iter().map(|goner| match &goner.thing {
            Thing::Image { id, .. } => *id,
            Thing::Container { .. } => unreachable!("no container was given"),
        }).collect();
        for web in used {
            prop_assert!(!gone.contains(&id(&format!("web:{web}"))), "a container is made of web:{web}");
        }
        let last = texts.last().unwrap();
        for image in last.split_whitespace() {
            prop_assert!(!gone.contains(&id(image)) && !gone.contains(&id(&format!("debian of {image}"))), "the latest release has {image}");
        }
        for (service, ways) in &known.services {
            let back = ways.back.map(|number| known.releases[&number].services[service].id);
            prop_assert!(back.is_none_or(|image| !gone.contains(&image)), "{service} goes back to {:?} when a rollout fails", ways.back);
            let mut versions: Vec<Digest> = Vec::new();
            for number in ways.good.iter().rev() {
                let image = known.releases[number].services[service].id;
                if !versions.contains(&image) {
                    versions.push(image);
                }
            }
            for image in versions.iter().take(number as usize) {
                prop_assert!(!gone.contains(image), "{service} can go back to {image}");
            }
        }
        prop_assert!(chosen.bytes <= stock.images.iter().map(|image| image.size).sum());
    }
}
