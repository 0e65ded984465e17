//! What the planner promises, rule by rule.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::samples::{Sample, base, digest, name, sources};
use super::*;
use crate::model::{Attachment, MountSource, MountSpec, NetworkSpec, PortSpec};
use crate::pipeline::{Amount, CycleRefresh, FailureAction, OnLoss, Order, Rebuild, Refresh, Service, ServiceImage, Sources};

/// One line for a plan: `build web (base moved, parent base) ; reuse api (…)`.
fn line(plan: &Plan) -> String {
    let word = |reason: &Reason| match reason {
        Reason::NeverBuilt => "new".to_owned(),
        Reason::BaseMoved { base, .. } => format!("{} moved", base.familiar()),
        Reason::ParentBuilt { parent, .. } => parent.to_string(),
        Reason::ContextChanged { .. } => "files".to_owned(),
        Reason::SettingsChanged => "settings".to_owned(),
        Reason::Asked => "asked".to_owned(),
        Reason::Refresh => "refresh".to_owned(),
        Reason::Patch { gone } => format!("loses {gone}"),
        Reason::Missing => "missing".to_owned(),
        Reason::UpToDate => "stands".to_owned(),
    };
    let step = |step: &BuildStep| {
        let kind = match step.kind {
            StepKind::Build => "",
            StepKind::Reuse { .. } => "=",
            StepKind::Deferred => "?",
        };
        format!("{kind}{} ({})", step.image, step.reasons.iter().map(word).collect::<Vec<_>>().join(", "))
    };
    plan.steps.iter().map(step).collect::<Vec<_>>().join("; ")
}

fn check(sample: &Sample, change: Change, expected: &str) {
    assert_eq!(sample.plan(change.clone()).map_or_else(|error| error.to_string(), |plan| line(&plan)), expected, "{change:?}");
}

#[test]
fn nothing_moved_is_nothing_to_do() {
    let sample = Sample::built("base: debian, web: base");
    for change in [Change::Everything, base("debian")] {
        let plan = sample.plan(change).unwrap();
        assert!(plan.steps.is_empty() && plan.rolls.is_empty() && plan.bases.is_empty());
    }
}

#[test]
fn a_moved_base_builds_exactly_what_reaches_it() {
    let mut sample = Sample::built("base: debian, web: base, api: alpine, both: web alpine+");
    sample.move_base("debian");
    check(&sample, base("debian"), "base (debian moved); web (base); both (web)");
    check(&sample, Change::Everything, "base (debian moved); web (base); both (web)");
    check(&sample, base("alpine"), "");
    let plan = sample.plan(base("debian")).unwrap();
    assert_eq!(plan.bases.keys().map(|base| base.familiar()).collect::<Vec<_>>(), ["alpine", "debian"]);
    assert_eq!(plan.steps[2].after, [name("web")]);
    assert_eq!(plan.steps[2].pins[&"web".parse().unwrap()], Pin::Image(name("web")));
}

#[test]
fn a_digest_that_is_built_upon_already_is_nothing_to_do_and_a_return_to_an_older_one_is() {
    let debian = "debian".parse().unwrap();
    let mut sample = Sample::built("web: debian");
    // A hook says again what everything stands on.
    check(&sample, base("debian"), "");
    sample.move_base("debian");
    check(&sample, base("debian"), "web (debian moved)");
    // That was built, and then the tag goes back to what it was.
    let mut returned = Sample::built("web: debian");
    let moved_to = sample.digests[&debian];
    let built = &mut returned.facts("web").last.as_mut().unwrap().released;
    built.bases.insert(debian, moved_to);
    built.id = digest("web on what debian had moved to");
    // What was built on it then is there still, or is built again.
    check(&returned, base("debian"), "=web (debian moved)");
    returned.builds.clear();
    check(&returned, base("debian"), "web (debian moved)");
}

#[test]
fn only_the_base_asked_for_counts() {
    let mut sample = Sample::built("a: debian, b: alpine, c: debian alpine+");
    sample.move_base("debian");
    sample.move_base("alpine");
    check(&sample, base("alpine"), "b (alpine moved); c (alpine moved)");
    check(&sample, Change::Everything, "a (debian moved); b (alpine moved); c (debian moved, alpine moved)");
}

#[test]
fn several_that_moved_are_one_change() {
    let moved = |bases: &[&str], images: &[&str]| Change::Moved {
        bases: bases.iter().map(|base| base.parse().unwrap()).collect(),
        images: images.iter().map(|image| name(image)).collect(),
    };
    let mut sample = Sample::built("a: debian, b: alpine, c: busybox, d: c");
    for base in ["debian", "alpine", "busybox"] {
        sample.move_base(base);
    }
    check(&sample, moved(&["debian", "alpine"], &[]), "a (debian moved); b (alpine moved)");
    // What nobody reaches for (any more) is no mistake: somebody outside says that it moved.
    check(&sample, moved(&["debian", "fedora"], &["gone"]), "a (debian moved)");
    // A push: that image from its newest sources, if they changed; what stands on it from those that are deployed.
    sample.facts("c").newest = sources("c-2");
    sample.facts("d").newest = sources("d-2");
    check(&sample, moved(&[], &["c"]), "c (files); d (c)");
    let plan = sample.plan(moved(&[], &["c"])).unwrap();
    let commits: Vec<_> = plan.steps.iter().map(|step| step.context.commit.clone().unwrap()).collect();
    assert_eq!(commits, ["c-2", "d-1"]);
    check(&sample, moved(&[], &["a"]), "");
    check(&sample, moved(&["debian"], &["c"]), "c (files); a (debian moved); d (c)");
}

#[test]
fn the_patch_cycle_takes_what_waited_for_it() {
    let mut sample = Sample::built("a: debian, b: alpine, c: a");
    sample.image("a").rebuild.runtime = Rebuild::NextCycle;
    sample.move_base("debian");
    sample.facts("c").newest = sources("c-2");
    check(&sample, Change::Everything, "?a (debian moved); c (files)");
    let cycle = |refresh| Change::Cycle { refresh };
    check(&sample, cycle(CycleRefresh::Marked), "a (debian moved); c (a)");
    let plan = sample.plan(cycle(CycleRefresh::Marked)).unwrap();
    assert_eq!(plan.steps[1].context.commit.as_deref(), Some("c-1"), "a patch ships nobody's unreleased work");
    // What is made of packages from outside is rebuilt whether anything moved or not.
    sample.image("b").refresh = Refresh::Always;
    check(&sample, cycle(CycleRefresh::Marked), "a (debian moved); b (refresh); c (a)");
    check(&sample, cycle(CycleRefresh::Never), "a (debian moved); c (a)");
    check(&sample, cycle(CycleRefresh::All), "a (refresh, debian moved); b (refresh); c (refresh, a)");
}

#[test]
fn a_patch_rebuilds_exactly_what_it_names() {
    let patch = |images: &[&str], afresh: &[&str], bases: &[&str]| {
        Change::Patch(Box::new(Patch {
            gone: "CVE-1".to_owned(),
            images: images.iter().map(|image| name(image)).collect(),
            afresh: afresh.iter().map(|image| name(image)).collect(),
            bases: bases.iter().map(|base| base.parse().unwrap()).collect(),
        }))
    };
    let mut sample = Sample::built("base: debian, web: base, api: base, own: alpine");
    sample.move_base("debian");
    sample.move_base("alpine");
    sample.facts("web").newest = sources("web-2");
    sample.image("web").rebuild.runtime = Rebuild::Never;
    check(&sample, patch(&["base", "web"], &[], &["debian"]), "base (debian moved); web (base)");
    let plan = sample.plan(patch(&["base", "web"], &[], &["debian"])).unwrap();
    assert_eq!(plan.steps[1].context.commit.as_deref(), Some("web-1"), "a patch ships nobody's unreleased work");
    check(&sample, patch(&["own"], &["own"], &[]), "own (loses CVE-1)");
    check(&sample, patch(&["web"], &["web"], &[]), "=base (stands); web (loses CVE-1)");
    check(&sample, patch(&["gone"], &[], &[]), "the estate has no image gone");
}

#[test]
fn a_moved_base_is_built_from_deployed_sources() {
    let mut sample = Sample::built("base: debian, web: base");
    sample.move_base("debian");
    sample.facts("web").newest = sources("web-2");
    let commit = |sample: &Sample, change| sample.plan(change).unwrap().steps[1].context.commit.clone().unwrap();
    assert_eq!(commit(&sample, base("debian")), "web-1");
    check(&sample, Change::Everything, "base (debian moved); web (base, files)");
    assert_eq!(commit(&sample, Change::Everything), "web-2");
    // What cannot be had again is built from what is there, and says so.
    sample.facts("web").deployed = None;
    check(&sample, base("debian"), "base (debian moved); web (base, files)");
    // The estate may want the newest.
    sample.facts("web").deployed = Some(sources("web-1"));
    sample.estate.sources = Sources::Latest;
    assert_eq!(commit(&sample, base("debian")), "web-2");
}

#[test]
fn a_patch_ships_no_image_that_was_never_released() {
    let mut sample = Sample::built("base: debian, web: base, new: base");
    sample.move_base("debian");
    sample.facts("new").last = None;
    check(&sample, base("debian"), "base (debian moved); web (base); ?new (new)");
    check(&sample, Change::Everything, "base (debian moved); new (new); web (base)");
    check(&Sample::fresh("base: debian, web: base"), base("debian"), "base (new); web (new)");
}

#[test]
fn changed_files_and_settings_are_told_apart() {
    let mut sample = Sample::built("base: debian, web: base");
    sample.facts("web").newest = sources("web-2");
    check(&sample, Change::Everything, "=base (stands); web (files)");
    check(&sample, base("debian"), "");
    sample.facts("web").newest = sources("web-1");
    sample.image("web").build.args.insert("MODE".into(), "prod".into());
    check(&sample, Change::Everything, "=base (stands); web (settings)");
    // The same without the journal's record of its own inputs.
    sample.last("web").released.own_inputs = None;
    check(&sample, Change::Everything, "=base (stands); web (settings)");
    sample.image("web").build.args.clear();
    check(&sample, Change::Everything, "");
}

#[test]
fn a_person_may_ask() {
    let mut sample = Sample::built("base: debian, mid: base, web: mid, api: base");
    check(&sample, Change::Image(name("mid")), "=base (stands); mid (asked); web (mid)");
    check(&sample, Change::Rebuild, "base (asked); mid (asked, base); api (asked, base); web (asked, mid)");
    check(&sample, Change::Image(name("mit")), "the estate has no image mit (did you mean mid?)");
    check(&sample, base("debain"), "no image of the estate reaches for base debain (did you mean debian?)");
    check(&sample, base("mid"), "mid is no base: the estate builds it");
    check(&sample, Change::Release(crate::model::ReleaseNumber(9)), "there is no release r9");
    sample.digests.clear();
    check(&sample, Change::Image(name("mid")), "=base (stands); mid (asked); web (mid)");
    check(&sample, Change::Image(name("base")), "the digest of base debian is unknown; base reaches for it (base/Dockerfile:1)");
}

#[test]
fn what_is_built_upon_and_not_there_is_built_too() {
    let mut sample = Sample::built("base: debian, mid: base, web: mid, api: base");
    sample.last("mid").present = false;
    check(&sample, Change::Everything, "");
    sample.facts("web").newest = sources("web-2");
    check(&sample, Change::Everything, "=base (stands); mid (missing); web (mid, files)");
    sample.last("base").present = false;
    check(&sample, Change::Everything, "base (missing); mid (missing, base); api (base); web (mid, files)");
    let mut sample = Sample::built("base: debian, web: base alpine+");
    sample.facts("base").last = None;
    sample.move_base("alpine");
    check(&sample, base("alpine"), "base (new); web (base, alpine moved)");
}

#[test]
fn the_same_inputs_are_not_built_twice() {
    let mut sample = Sample::built("base: debian, web: base");
    let before = sample.plan(Change::Everything).unwrap();
    assert!(before.steps.is_empty());
    // The base moved, base alone was built, and the base moved back: web stands on the first build, which is still there.
    let last = sample.last("base");
    last.released.bases.insert("debian".parse().unwrap(), digest("between"));
    last.released.id = digest("base-between");
    check(&sample, base("debian"), "=base (debian moved)");
    // What is reused waits for nothing that has no step.
    let mut sample = Sample::built("base: debian, web: base alpine+");
    let last = sample.last("web");
    last.released.bases.insert("alpine".parse().unwrap(), digest("between"));
    last.released.id = digest("web-between");
    check(&sample, base("alpine"), "=web (alpine moved)");
    assert_eq!(sample.plan(base("alpine")).unwrap().steps[0].after, []);
}

#[test]
fn the_policy_says_when() {
    let mut sample = Sample::built("base: debian, web: base alpine+, api: web");
    sample.move_base("alpine");
    sample.image("web").rebuild.build = Rebuild::NextCycle;
    check(&sample, Change::Everything, "?web (alpine moved)");
    sample.image("web").rebuild.build = Rebuild::Never;
    check(&sample, Change::Everything, "");
    sample.move_base("debian");
    check(&sample, Change::Everything, "base (debian moved); web (base, alpine moved); api (web)");
}

fn rolls(sample: &Sample, change: Change) -> String {
    let plan = sample.plan(change).unwrap();
    plan.rolls.iter().map(|roll| format!("{}{}", roll.service, if roll.certain { "!" } else { "" })).collect::<Vec<_>>().join(" ")
}

#[test]
fn services_roll_when_their_image_or_their_settings_move() {
    let mut sample = Sample::built("base: debian, web: base, api: alpine");
    sample.serve("web", "web");
    sample.serve("api", "api");
    assert_eq!(rolls(&sample, Change::Everything), "");
    sample.estate.services.get_mut(&"api".parse().unwrap()).unwrap().container.user = Some("1000".into());
    assert_eq!(rolls(&sample, Change::Everything), "api!");
    sample.move_base("debian");
    assert_eq!(rolls(&sample, base("debian")), "web");
    assert_eq!(rolls(&sample, Change::Everything), "api! web");
    let service = "api".parse().unwrap();
    let wanted = crate::model::spec_hash(digest("api-id"), &sample.estate.services[&service].container, None);
    let refused = RefusedRelease { release: crate::model::ReleaseNumber(2), spec: wanted, why: "it died".into() };
    sample.quarantined.services.insert(service, vec![refused]);
    assert_eq!(rolls(&sample, Change::Everything), "web", "what was rolled back is not rolled again by itself");
    let held = sample.plan(Change::Everything).unwrap().held;
    assert_eq!(
        held.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["api stays on r1: r2 is in quarantine (it died); `refit release r2 --unquarantine` lifts that"]
    );
    sample.services.clear();
    assert_eq!(rolls(&sample, Change::Everything), "web!", "nor for the first time");
    sample.quarantined.services.clear();
    assert_eq!(rolls(&sample, Change::Everything), "api! web!");
}

#[test]
fn a_base_in_quarantine_moves_nothing_until_it_moves_on() {
    let mut sample = Sample::built("base: debian, web: base, other: alpine");
    sample.move_base("debian");
    let digest = sample.digests[&"debian".parse().unwrap()];
    let bases = [("debian".parse().unwrap(), [(digest, crate::model::ReleaseNumber(2))].into())].into();
    sample.quarantined.bases = bases;
    check(&sample, Change::Everything, "");
    check(&sample, base("debian"), "");
    let held = sample.plan(base("debian")).unwrap().held_bases;
    assert!(held[0].to_string().ends_with("came with r2, which is in quarantine; `refit release r2 --unquarantine` lifts that"), "{}", held[0]);
    // Somebody's own work is built on what there is, and a person may ask.
    sample.facts("web").newest = sources("web-2");
    check(&sample, Change::Everything, "=base (stands); web (files)");
    check(&sample, Change::Image(name("base")), "base (asked); web (base, files)");
    sample.digests.insert("debian".parse().unwrap(), super::samples::digest("newer"));
    check(&sample, base("debian"), "base (debian moved); web (base)");
    assert!(sample.plan(base("debian")).unwrap().held_bases.is_empty());
}

#[test]
fn a_base_that_runs_as_it_is_rolls_when_it_moves() {
    let mut sample = Sample::built("base: debian, web: redis");
    let redis = samples::service("cache", ServiceImage::External("redis".parse().unwrap()));
    sample.estate.services.insert(redis.name.clone(), redis);
    assert_eq!(rolls(&sample, Change::Everything), "", "it is not on the builder");
    sample.external_ids.insert("redis".parse().unwrap(), digest("redis-id"));
    assert_eq!(rolls(&sample, Change::Everything), "cache!");
    assert_eq!(rolls(&sample, base("redis")), "cache!");
    assert_eq!(rolls(&sample, base("debian")), "");
}

#[test]
fn two_that_cannot_stand_side_by_side_go_stop_first() {
    let mut service = samples::service("web", ServiceImage::Estate(name("web")));
    let order = |service: &crate::pipeline::Service, volumes: &[&str]| {
        let volumes: Vec<String> = volumes.iter().map(ToString::to_string).collect();
        let new = Newcomer { container: &service.container, image_volumes: &volumes, inherited: &Default::default() };
        effective_order(service, Order::StartFirst, new)
    };
    assert_eq!(order(&service, &[]), (Order::StartFirst, vec![]));
    assert_eq!(order(&service, &["/data"]).0, Order::StopFirst);
    service.container.mounts = vec![MountSpec { source: MountSource::Tmpfs { size: None, mode: None }, target: "/data/".into(), read_only: false }];
    assert_eq!(order(&service, &["/data"]).0, Order::StartFirst, "the image's volume is covered");
    let volume = MountSource::Volume { name: "shop_uploads".into(), create: None };
    service.container.mounts = vec![MountSpec { source: volume, target: "/up".into(), read_only: true }];
    assert_eq!(order(&service, &[]).0, Order::StartFirst);
    service.container.mounts[0].read_only = false;
    assert_eq!(order(&service, &[]).1, ["volume shop_uploads is written, and `concurrent` does not say that two may"]);
    service.concurrent = true;
    assert_eq!(order(&service, &[]).0, Order::StartFirst);
    let port = |published| PortSpec { host_ip: None, published, target: 80, protocol: "tcp".into() };
    service.container.ports = vec![port(Some((8000, 8010))), port(None)];
    assert_eq!(order(&service, &[]).0, Order::StartFirst);
    service.container.ports.push(port(Some((80, 80))));
    assert_eq!(order(&service, &[]).1, ["port 80/tcp of the host can be published by one container only"]);
    service.container.ports.clear();
    let on = Attachment {
        network: "shop_front".into(),
        aliases: vec![],
        ipv4_address: Some("10.0.0.5".into()),
        ipv6_address: None,
        mac_address: None,
        create: None,
    };
    service.container.network = NetworkSpec::Attached(vec![on]);
    assert_eq!(order(&service, &[]).1, ["address 10.0.0.5 on network shop_front can be held by one container only"]);
}

#[test]
fn a_volume_that_moves_on_is_written_by_two_whatever_the_new_container_says_of_it() {
    let mut service = samples::service("web", ServiceImage::Estate(name("web")));
    let order = |service: &crate::pipeline::Service, inherited: &str| {
        let inherited = inherited.split_whitespace().map(str::to_owned).collect();
        effective_order(service, Order::StartFirst, Newcomer { container: &service.container, image_volumes: &[], inherited: &inherited })
    };
    let why = "the old container's anonymous volume at /data, which moves on, is written, and `concurrent` does not say that two may";
    assert_eq!(order(&service, "/data"), (Order::StopFirst, vec![why.to_owned()]));
    service.container.mounts = vec![MountSpec { source: MountSource::Tmpfs { size: None, mode: None }, target: "/data/".into(), read_only: false }];
    assert_eq!(order(&service, "/data").0, Order::StartFirst, "something else is mounted there: it stays behind");
    service.container.mounts.clear();
    service.concurrent = true;
    assert_eq!(order(&service, "/data").0, Order::StartFirst);
}

/// The line that made an anonymous volume is gone, and the volume is not.
#[test]
fn a_plan_looks_at_the_volumes_of_what_runs() {
    let mut sample = Sample::built("base: debian, web: base");
    sample.serve("web", "web").update.order = Order::StartFirst;
    sample.move_base("debian");
    let order = |sample: &Sample| sample.plan(base("debian")).unwrap().rolls[0].order;
    assert_eq!(order(&sample), Order::StartFirst);
    let as_released = &mut sample.services.values_mut().next().unwrap().as_released;
    as_released.container.mounts = vec![MountSpec { source: MountSource::Anonymous, target: "/data".into(), read_only: false }];
    assert_eq!(order(&sample), Order::StopFirst);
}

#[test]
fn a_plan_has_one_hash() {
    let mut sample = Sample::built("base: debian, web: base");
    sample.move_base("debian");
    let plan = sample.plan(base("debian")).unwrap();
    assert_eq!(plan.hash(), sample.plan(base("debian")).unwrap().hash());
    let read: Plan = serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
    assert_eq!(read, plan);
    assert_eq!(read.hash(), plan.hash());
    assert_ne!(plan.hash(), sample.plan(Change::Everything).unwrap().hash());
}

#[test]
fn the_hash_of_a_plan_covers_how_its_services_roll() {
    let hash_with = |change: fn(&mut Service)| {
        let mut sample = Sample::built("base: debian, web: base");
        sample.serve("web", "web");
        sample.move_base("debian");
        change(sample.estate.services.get_mut(&"web".parse().unwrap()).unwrap());
        let plan = sample.plan(base("debian")).unwrap();
        assert_eq!(plan.rolls.len(), 1);
        plan.hash()
    };
    let shown = hash_with(|_| {});
    let changes: [fn(&mut Service); 9] = [
        |service| service.update.parallelism = Amount::Count(7),
        |service| service.update.monitor += Duration::from_secs(1),
        |service| service.update.healthy_deadline += Duration::from_secs(1),
        |service| service.rollback.progress_deadline = Duration::from_secs(1),
        |service| service.update.failure_action = FailureAction::Continue,
        |service| service.strategy.max_parallel_hosts = Some(7),
        |service| drop(service.strategy.spread.insert(service.hosts[0].clone(), "rack 1".into())),
        |service| drop(service.container.environment.insert("MODE".into(), "fast".into())),
        |service| service.data.on_loss = OnLoss::Discard,
    ];
    for (number, change) in changes.into_iter().enumerate() {
        assert_ne!(hash_with(change), shown, "change {number}");
    }
    assert_eq!(hash_with(|service| service.at.line += 1), shown, "a comment above it changes nothing");
}

/// Each way of changing what a build depends on.
fn changed(how: usize, sample: &mut Sample) {
    let build = &mut sample.image("web").build;
    match how {
        0 => drop(build.args.insert("A".into(), "b".into())),
        1 => drop(build.labels.insert("A".into(), "b".into())),
        2 => build.target = Some("A".into()),
        3 => build.platform = Some("A".into()),
        4 => build.network = Some("A".into()),
        5 => build.extra_hosts.push("A".into()),
        6 => build.secrets.push(crate::pipeline::BuildSecret { id: "A".into(), source: crate::pipeline::SecretSource::Environment("B".into()) }),
        7 => Arc::make_mut(&mut sample.facts("web").newest.context).hash = digest("other"),
        _ => sample.facts("web").newest.dockerfile = digest("other"),
    }
}

proptest! {
    /// Reuse: any input that changes gives another hash; none that does gives the same.
    #[test]
    fn every_input_counts(changes in prop::collection::btree_set(0_usize..9, 0..9), others in prop::collection::btree_set(0_usize..9, 0..9)) {
        let own = |changes: &std::collections::BTreeSet<usize>| {
            let mut sample = Sample::fresh("web: debian");
            changes.iter().for_each(|how| changed(*how, &mut sample));
            own_inputs(&sample.estate.images[&name("web")].build, &sample.images[&name("web")].newest)
        };
        prop_assert_eq!(own(&changes) == own(&others), changes == others);
    }

    /// The pins count, each by its reference.
    #[test]
    fn every_pin_counts(one in prop::collection::btree_map("[ab]{1,2}", 0_u8..3, 0..4), other in prop::collection::btree_map("[ab]{1,2}", 0_u8..3, 0..4)) {
        let hash = |pins: &std::collections::BTreeMap<String, u8>| {
            inputs(digest("own"), &pins.iter().map(|(reference, byte)| (reference.parse().unwrap(), Digest::of(&[*byte]))).collect())
        };
        prop_assert_eq!(hash(&one) == hash(&other), one == other);
    }
}

use crate::model::Digest;
