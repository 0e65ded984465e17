//! Big estates for benchmarks: the same numbers give the same estate, on every machine.

use std::collections::BTreeMap;
use std::time::Duration;

use refit::dockerfile::{EdgeClass, RefKind};
use refit::graph::{ImageReaches, Reach};
use refit::model::{Digest, ImageName, ImageRef, Place, ReleaseNumber, SmallMap};
use refit::pipeline::{BuildSpec, Estate, Image, RebuildPolicy, Refresh, Sources};
use refit::plan::{self, ImageFacts, LastBuild, SourceFacts};
use refit::release::ReleasedImage;

/// An estate in which everything was built once, and all that a plan of it needs.
pub struct Big {
    /// The estate.
    pub estate: Estate,
    /// What each Dockerfile reaches for.
    pub reaches: Vec<ImageReaches>,
    /// The digest of each base now.
    pub digests: BTreeMap<ImageRef, Digest>,
    /// What is known of each image.
    pub facts: BTreeMap<ImageName, ImageFacts>,
}

/// The base on which everything stands.
pub fn root() -> ImageRef {
    reference("debian:bookworm-slim")
}

/// A few numbers without a pattern, the same every time. Source: splitmix64, Steele and others 2014.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }
}

#[expect(clippy::expect_used, reason = "names made here are names")]
fn reference(text: &str) -> ImageRef {
    text.parse().expect("a reference")
}

fn label(at: usize) -> String {
    format!("shop/team-{}/service-{at}", at % 97)
}

/// An estate of so many images: each stands on one among those before it at about an eighth of its own number, which gives a tree some six
/// levels deep, and one in four takes a file from another. `moved` says whether the root base is another one than that of the last builds.
pub fn big(images: usize, moved: bool) -> Big {
    let mut numbers = Numbers(7);
    let mut shape: Vec<(String, usize, Option<usize>)> = (0..images).map(|at| (label(at), at, takes_from(at, &mut numbers))).collect();
    // The driver reads pipelines, sources and the journal in the order of names, so that is how all of it lies in memory.
    shape.sort();
    let reaches: Vec<ImageReaches> = shape.iter().map(|(_, at, other)| image_reaches(*at, *other)).collect();
    let old = Digest::of(b"bookworm, before");
    let now = if moved { Digest::of(b"bookworm, now") } else { old };
    let images: BTreeMap<ImageName, Image> = reaches.iter().map(|image| (image.image.clone(), an_image(&image.image))).collect();
    let facts = reaches.iter().map(|image| (image.image.clone(), facts_of(image, &images[&image.image], old))).collect();
    let estate = Estate {
        name: name("shop"),
        bases: BTreeMap::new(),
        registries: BTreeMap::new(),
        images,
        builders: BTreeMap::new(),
        hosts: BTreeMap::new(),
        services: BTreeMap::new(),
        sources: Sources::Deployed,
        run: refit::pipeline::RunPolicy::default(),
        keep: std::num::NonZeroU32::MIN,
        triggers: BTreeMap::new(),
        freezes: Vec::new(),
        maintenance: Vec::new(),
        notify: BTreeMap::new(),
        hooks: BTreeMap::new(),
    };
    Big { estate, reaches, digests: BTreeMap::from([(root(), now)]), facts }
}

#[expect(clippy::expect_used, reason = "names made here are names")]
fn name<T: std::str::FromStr<Err = refit::model::NameError>>(text: &str) -> T {
    text.parse().expect("a name")
}

/// The image from which one in four takes a file.
fn takes_from(at: usize, numbers: &mut Numbers) -> Option<usize> {
    (at > 8 && numbers.below(4) == 0).then(|| numbers.below(at))
}

fn image_reaches(at: usize, other: Option<usize>) -> ImageReaches {
    let file: std::sync::Arc<str> = format!("{}/Dockerfile", label(at)).into();
    let reach = |base: ImageRef, class, kind, line| Reach { resolved: base.familiar(), base, class, kind, at: Place { file: file.clone(), line } };
    let parent = at / 8;
    let from = if at == 0 { root() } else { reference(&label(parent)) };
    let mut reaches = vec![reach(from, EdgeClass::Runtime, RefKind::From, 1)];
    reaches.extend(other.map(|other| reach(reference(&label(other)), EdgeClass::Build, RefKind::CopyFrom, 7)));
    ImageReaches { image: name(&label(at)), reaches }
}

fn an_image(image: &ImageName) -> Image {
    Image {
        name: image.clone(),
        reference: reference(image.as_str()),
        at: Place { file: "pipelines/shop.yaml".into(), line: 1 },
        build: BuildSpec { args: BTreeMap::from([("MODE".to_owned(), "prod".to_owned())]), ..BuildSpec::of_folder(format!("/srv/{image}")) },
        tests: Vec::new(),
        tag: None,
        rebuild: RebuildPolicy::default(),
        refresh: Refresh::default(),
    }
}

fn id_of(reference: &ImageRef) -> Digest {
    Digest::of(reference.to_string().as_bytes())
}

fn facts_of(image: &ImageReaches, made: &Image, root_digest: Digest) -> ImageFacts {
    let hash = Digest::of(image.image.as_str().as_bytes());
    let commit = Some(hash.hex()[..40].to_owned());
    let context = plan::Context { hash, commit: commit.clone(), dirty: false, deployed: None };
    let newest = SourceFacts { context: context.into(), dockerfile: hash };
    let pinned = |base: &ImageRef| if *base == root() { root_digest } else { id_of(base) };
    let bases: SmallMap<ImageRef, Digest> = image.reaches.iter().map(|reach| (reach.base.clone(), pinned(&reach.base))).collect();
    let own = plan::own_inputs(&made.build, &newest);
    let pins = bases.iter().map(|(reference, digest)| (reference.clone(), *digest)).collect();
    let released = ReleasedImage {
        id: id_of(&made.reference),
        inputs: plan::inputs(own, &pins),
        tag: made.reference.clone(),
        bases,
        commit,
        own_inputs: Some(own),
        context: Some(hash),
    };
    let last = LastBuild { released, release: ReleaseNumber(1), present: true };
    ImageFacts {
        // Read on its own by the driver, so it shares nothing.
        deployed: Some(SourceFacts { context: plan::Context::clone(&newest.context).into(), dockerfile: hash }),
        newest,
        last: Some(last),
        took: Some(Duration::from_millis(500 + u64::from(hash.hex().len() as u32))),
    }
}
