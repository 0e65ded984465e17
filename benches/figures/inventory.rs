//! What is in 10,000 images: who has a package in 100,000 containers, what that takes on the disk, and what one more image costs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use refit::inventory::{Distro, FileFound, Kind, LayerFound, Package, SourcePackage};
use refit::journal::{Filter, ImageRow, Inventories, Journal, KnownAs, Lock, Names, SqliteJournal, When};
use refit::model::{ContainerSpec, Digest, ReleaseNumber, RunId, SlotId};
use refit::plan::Change;
use refit::release::{Release, ServiceRelease};
use refit::rollout::{Action, Version};
use refit::run::Event;

use crate::measure::{median, show};
use crate::sheet::{self, Row, met};

const BASES: usize = 40;
const IMAGES: usize = 10_000;
const CONTAINERS_EACH: u32 = 10;
const HOSTS: usize = 1_000;
/// Images stand on each other so high: a base, and three above it.
const DEPTH_MAX: usize = 4;
const ROUNDS: usize = 9;
/// So many events are made durable together.
const AT_ONCE: usize = 10_000;

const ANSWER_MAX: Duration = Duration::from_millis(200);
const ADDED_MAX: Duration = Duration::from_millis(50);
const MB_MAX: u64 = 500;

pub async fn run() {
    let folder = tempfile::tempdir().expect("a folder");
    let lock = Lock::take(folder.path(), now(), "refit").expect("the lock");
    let journal = SqliteJournal::open_to_write(folder.path(), lock).expect("a journal");
    let inventories = Inventories::open(folder.path()).expect("inventories");
    let (images, added) = fill(&inventories);
    let before = megabytes(folder.path());
    run_all(&journal, &images).await;
    let after = megabytes(folder.path());

    let base = ask(&inventories, "lib3", When::Now);
    let then = ask(&inventories, "lib3", When::At(now()));
    let own = ask(&inventories, "module-common", When::Now);
    let rare = ask(&inventories, "module-77", When::Now);
    let nobody = ask(&inventories, "nothing", When::Now);
    let containers = IMAGES as u64 * u64::from(CONTAINERS_EACH);
    assert!(base.1 as u64 == containers && own.1 as u64 >= containers, "every container has it: {} {}", base.1, own.1);

    let answer = |what: &str, (took, rows): (Duration, usize)| Row {
        what: format!("who has it: {what}, {rows} rows"),
        target: format!("≤ {} ms", ANSWER_MAX.as_millis()),
        measured: show(took),
        peer: "none".into(),
        ratio: format!("{:.2} of the limit", took.as_secs_f64() / ANSWER_MAX.as_secs_f64()),
        met: met(took <= ANSWER_MAX, "above the limit"),
    };
    let (middle, worst) = (median(added.clone()), added.iter().max().copied().unwrap_or_default());
    let rows = [
        answer("a package of every base", base),
        answer("the same at a moment in the past", then),
        answer("a package that every image brings itself", own),
        answer("a package of a few images", rare),
        answer("a package that nobody has", nobody),
        Row {
            what: format!("{IMAGES} images × 300 packages, {containers} containers on the disk"),
            target: format!("≤ {MB_MAX} MB"),
            measured: format!("{after} MB, {before} of them for the images"),
            peer: "none".into(),
            ratio: format!("{:.2} of the limit", after as f64 / MB_MAX as f64),
            met: met(after <= MB_MAX, "above the limit"),
        },
        Row {
            what: "one more image of three layers on a base that is known".into(),
            target: format!("≤ {} ms", ADDED_MAX.as_millis()),
            measured: format!("{}, at worst {}", show(middle), show(worst)),
            peer: "none".into(),
            ratio: format!("{:.2} of the limit", middle.as_secs_f64() / ADDED_MAX.as_secs_f64()),
            met: met(middle <= ADDED_MAX, "above the limit"),
        },
    ];
    let notes = format!(
        "{BASES} bases of 200 packages each; each image stands on a base or on another image, up to {DEPTH_MAX} high, and adds three layers: 20 packages by the distribution's own list (which repeats all below it),\n\
         80 in files of their own, and files without any. Each image is a service of {CONTAINERS_EACH} containers, spread over {HOSTS} hosts, started through the journal; its events are in the file as well. An answer names\n\
         service, host, slot, container, image, tag, release, package, file, who brought it and since when; median of {ROUNDS}, from the call to the finished answer in memory. An image is added durably, after asking what of it is to be read."
    );
    sheet::put("inventory", &rows, &notes);
}

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).expect("a moment")
}

fn id(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

/// An image while others are put on it.
struct Stack {
    id: Digest,
    layers: Vec<Digest>,
    debs: Vec<Package>,
    depth: usize,
}

/// Fills the inventories; how long each image above the bases took.
fn fill(inventories: &Inventories) -> (Vec<Digest>, Vec<Duration>) {
    let mut dice = Dice(7);
    let mut stacks: Vec<Stack> = (0..BASES).map(|number| base(inventories, &mut dice, number)).collect();
    let mut added = Vec::with_capacity(IMAGES);
    for number in 0..IMAGES {
        let any = if number % 3 == 0 { dice.roll(stacks.len()) } else { dice.roll(BASES) };
        let below = Some(&stacks[any]).filter(|below| below.depth < DEPTH_MAX).unwrap_or(&stacks[any % BASES]);
        let (stack, found) = above(&mut dice, below, number);
        let row = ImageRow { id: stack.id, names: [KnownAs::Image(format!("image-{number}").parse().expect("a name"))].into() };
        let began = Instant::now();
        assert_eq!(inventories.missing(&stack.layers).expect("an answer").len(), found.len(), "what is below is known");
        inventories.keep(&row, &stack.layers, &found, now()).expect("it is kept");
        added.push(began.elapsed());
        stacks.push(stack);
    }
    (stacks.into_iter().skip(BASES).map(|stack| stack.id).collect(), added)
}

fn base(inventories: &Inventories, dice: &mut Dice, number: usize) -> Stack {
    // Sixty packages are in every base, in one of four versions; the others are drawn.
    let mut debs: Vec<Package> = (0..60).map(|name| deb(name, number % 4)).collect();
    debs.extend((0..140).map(|_| deb(60 + dice.roll(2_000), number % 4)));
    let mut found = list(&debs);
    let distro = Distro { id: "debian".into(), release: "12".into(), codename: Some("bookworm".into()) };
    found.files.insert("etc/os-release".into(), FileFound::Distro(distro));
    let (image, layer) = (id(&format!("base {number}")), id(&format!("layer of base {number}")));
    let row = ImageRow { id: image, names: [KnownAs::Base(format!("base:{number}").parse().expect("a reference"))].into() };
    inventories.keep(&row, &[layer], &[(layer, found)].into(), now()).expect("it is kept");
    Stack { id: image, layers: vec![layer], debs, depth: 1 }
}

fn above(dice: &mut Dice, below: &Stack, number: usize) -> (Stack, BTreeMap<Digest, LayerFound>) {
    let mut debs = below.debs.clone();
    debs.extend((0..20).map(|_| deb(60 + dice.roll(2_000), 1)));
    let mut modules: Vec<Package> = (0..79).map(|_| module(&dice.roll(5_000).to_string(), dice.roll(4))).collect();
    modules.push(module("common", number % 4));
    let (mut layers, mut found) = (below.layers.clone(), BTreeMap::new());
    for (place, layer) in [list(&debs), files(&modules), LayerFound::default()].into_iter().enumerate() {
        let digest = id(&format!("layer {place} of image {number}"));
        layers.push(digest);
        found.insert(digest, layer);
    }
    (Stack { id: id(&format!("image {number}")), layers, debs, depth: below.depth + 1 }, found)
}

fn deb(number: usize, update: usize) -> Package {
    let version = format!("{}.{}-{}+deb12u{update}", number % 7, number % 13, number % 3);
    Package {
        kind: Kind::Deb,
        name: format!("lib{number}"),
        version: version.clone(),
        arch: Some("amd64".into()),
        license: Some("GPL-2.0-or-later".into()),
        source: Some(SourcePackage { name: format!("source{}", number / 3), version }),
    }
}

fn module(name: &str, major: usize) -> Package {
    let version = format!("{major}.{}.0", name.len());
    Package { kind: Kind::PyPi, name: format!("module-{name}"), version, arch: None, license: Some("MIT".into()), source: None }
}

fn list(packages: &[Package]) -> LayerFound {
    LayerFound { files: [("var/lib/dpkg/status".into(), FileFound::Packages(packages.to_vec()))].into(), ..LayerFound::default() }
}

fn files(packages: &[Package]) -> LayerFound {
    let path = |package: &Package| format!("usr/lib/python3/dist-packages/{}-{}.dist-info/METADATA", package.name, package.version);
    let files = packages.iter().map(|package| (path(package), FileFound::Packages(vec![package.clone()])));
    LayerFound { files: files.collect(), ..LayerFound::default() }
}

/// The same numbers every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        // The constants are Knuth's, for a linear congruential generator of 64 bits.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

/// A release with a service for each image, and its containers, as the journal tells of them.
async fn run_all(journal: &SqliteJournal, images: &[Digest]) {
    let mut release = Release { number: ReleaseNumber(1), run: RunId(1), made_at: now(), images: BTreeMap::new(), services: BTreeMap::new() };
    let mut events = Vec::new();
    for (number, image) in images.iter().enumerate() {
        let service = ServiceRelease { image: format!("image-{number}"), id: *image, container: ContainerSpec::default(), probe: None };
        let version = Version { release: release.number, spec: service.spec_hash() };
        for index in 0..CONTAINERS_EACH {
            let host = format!("host-{}", (number * 31 + index as usize * 7_919) % HOSTS).parse().expect("a name");
            let slot = SlotId { service: format!("service-{number}").parse().expect("a name"), host, index };
            let action = Action::StartNew { slot, version: version.clone(), takes_over: None };
            events.push(Event::ActionEnded { action, error: None, made: None });
        }
        release.services.insert(format!("service-{number}").parse().expect("a name"), service);
    }
    let began = Event::RunBegan { change: Change::Everything, by: "ann@desk".into(), words: "refit rollout".into() };
    let run = journal.begin_run(now(), &began).await.expect("a run");
    journal.append(run, now(), &Event::Released { release: Box::new(release) }).await.expect("a release");
    for events in events.chunks(AT_ONCE) {
        journal.append_all(run, now(), events).await.expect("they are durable");
    }
}

/// How long an answer takes, and how many rows it has.
fn ask(inventories: &Inventories, name: &str, when: When) -> (Duration, usize) {
    let filter = Filter { names: Names::Only(BTreeSet::from([name.to_owned()])), matches: &|_| true };
    let mut rows = 0;
    let mut once = || {
        let began = Instant::now();
        let held = inventories.who_has(&filter, when).expect("an answer");
        let took = began.elapsed();
        assert!(held.unread.is_empty() && held.left_out == 0, "everything that runs was read");
        rows = held.holdings.len();
        took
    };
    let all = (0..ROUNDS).map(|_| once()).collect();
    (median(all), rows)
}

/// What the journal takes on the disk, what is not merged into its file yet included.
fn megabytes(folder: &Path) -> u64 {
    let file = folder.join("journal.sqlite");
    let connection = rusqlite::Connection::open(&file).expect("the journal");
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).expect("it is merged");
    fs::metadata(&file).expect("the file").len().div_ceil(1_000_000)
}
