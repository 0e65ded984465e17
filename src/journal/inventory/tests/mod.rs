//! A shop of a few images that stand on each other, kept in a real file; and what must hold whatever the layers say.

mod any;
mod asked;
mod kept;

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::*;
use crate::inventory::{Distro, FileFound, Kind, LayerFound, Package, SourcePackage};
use crate::journal::stays::{self, Goal, Moment, StayFact, VersionKept};
use crate::model::{Digest, ReleaseNumber, SlotId};

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

pub(crate) fn id(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

/// `libssl3=3.0` or, with its source package, `libssl3=3.0@openssl`.
pub(crate) fn package(text: &str) -> Package {
    let (text, source) = text.split_once('@').map_or((text, None), |(text, source)| (text, Some(source)));
    let (name, version) = text.split_once('=').unwrap();
    let source = source.map(|name| SourcePackage { name: name.into(), version: version.into() });
    Package { kind: Kind::Deb, name: name.into(), version: version.into(), arch: Some("amd64".into()), license: None, source }
}

/// `status: a=1 b=2; -opt/x; !broken`: a file and its packages; what is gone; what could not be read.
fn layer(text: &str) -> LayerFound {
    let mut layer = LayerFound::default();
    for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
        if let Some(gone) = part.strip_prefix('-') {
            layer.gone.insert(gone.into());
        } else if let Some(path) = part.strip_prefix('!') {
            layer.unreadable.push(crate::inventory::Unreadable { path: path.into(), why: "torn".into() });
        } else if part == "distro" {
            let distro = Distro { id: "debian".into(), release: "12".into(), codename: Some("bookworm".into()) };
            layer.files.insert("etc/os-release".into(), FileFound::Distro(distro));
        } else {
            let (path, packages) = part.split_once(':').unwrap();
            layer.files.insert(path.into(), FileFound::Packages(packages.split_whitespace().map(package).collect()));
        }
    }
    layer
}

/// `base:debian:12` or `image:web`.
fn known_as(text: &str) -> KnownAs {
    match text.split_once(':').unwrap() {
        ("base", base) => KnownAs::Base(base.parse().unwrap()),
        (_, image) => KnownAs::Image(image.parse().unwrap()),
    }
}

pub(crate) struct Shop {
    folder: tempfile::TempDir,
    pub(crate) inventories: Inventories,
    layers: BTreeMap<Digest, LayerFound>,
}

impl Shop {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        drop(format::open(&folder.path().join(crate::journal::sqlite::FILE)).unwrap());
        Self { inventories: Inventories::open(folder.path()).unwrap(), folder, layers: BTreeMap::new() }
    }

    /// Keeps an image of these layers, each of which is its own text. Only what is missing is read.
    pub(crate) fn keep(&mut self, name: &str, layers: &[&str]) -> Digest {
        self.keep_as(name, name, layers)
    }

    pub(crate) fn keep_as(&mut self, image: &str, name: &str, layers: &[&str]) -> Digest {
        let ids: Vec<Digest> = layers.iter().map(|text| id(text)).collect();
        let texts: BTreeMap<Digest, &str> = ids.iter().copied().zip(layers.iter().copied()).collect();
        let missing = self.inventories.missing(&ids).unwrap();
        let found: BTreeMap<Digest, LayerFound> = missing.into_iter().map(|missing| (missing, layer(texts[&missing]))).collect();
        self.layers.extend(found.clone());
        let row = ImageRow { id: id(image), names: [known_as(name)].into() };
        self.inventories.keep(&row, &ids, &found, at(0)).unwrap();
        row.id
    }

    /// `a=1 (debian:12), b=2 (web)`.
    fn contents(&self, image: Digest) -> String {
        let contents = self.inventories.contents(image).unwrap().unwrap();
        let each = contents.packages.iter().map(|one| format!("{}={} ({})", one.package.name, one.package.version, one.brought_by));
        let gaps = contents.unreadable.iter().map(|gap| format!("!{}", gap.unreadable.path));
        each.chain(gaps).collect::<Vec<_>>().join(", ")
    }

    fn rows(&self, table: &str) -> i64 {
        self.inventories.read(|connection| connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))).unwrap()
    }

    /// A release in which a service is made from an image.
    fn release(&self, service: &str, image: Digest) -> Goal {
        self.release_as(service, "web", image)
    }

    /// The same, the image written so in the pipeline.
    pub(crate) fn release_as(&self, service: &str, name: &str, image: Digest) -> Goal {
        let goal = Goal { release: ReleaseNumber(1), spec: Digest::of(image.hex().as_bytes()) };
        let (service, tag) = (service.parse().unwrap(), Some("shop/web:1".parse().unwrap()));
        let version = VersionKept { service, spec: goal.spec, image, name: name.into(), tag };
        self.inventories.write(|connection| stays::release(connection, &[version])).unwrap();
        goal
    }

    fn said(&self, second: i64, fact: &StayFact) {
        let moment = Moment { at: at(second), position: second.unsigned_abs() };
        self.inventories.write(|connection| stays::apply(connection, fact, moment)).unwrap();
    }

    pub(crate) fn emptied(&self, second: i64, slot: &SlotId) {
        self.said(second, &StayFact::Emptied { slot: slot.clone() });
    }

    pub(crate) fn started(&self, second: i64, slot: &SlotId, goal: &Goal, over: Option<&str>) {
        self.said(second, &StayFact::Started { slot: slot.clone(), goal: goal.clone(), takes_over: over.map(str::to_owned), made: None });
    }
}

pub(crate) fn slot(service: &str, host: &str) -> SlotId {
    SlotId { service: service.parse().unwrap(), host: host.parse().unwrap(), index: 0 }
}
