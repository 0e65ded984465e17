//! One Dockerfile of a scan.

use serde::Serialize;

use super::oddity::{Oddity, OddityKind};
use crate::dockerfile::{self, Dockerfile, ReadOptions, RefKind, RefTarget, Reference};
use crate::model::ImageRef;

/// One Dockerfile, as the JSON of a scan has it, and what else the tree needs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FileScan {
    /// Its path from the scanned folder.
    #[serde(skip)]
    pub path: String,
    /// Its stages, in order.
    pub stages: Vec<StageScan>,
    /// The raw references of `COPY --from` and `RUN --mount=from` that are no stage, each once.
    pub external: Vec<String>,
    /// Every image that building all stages needs, in its normal form, sorted.
    #[serde(serialize_with = "names_only")]
    pub images: Vec<ImageUse>,
    /// Why BuildKit refuses it, or why it could not be read.
    pub error: Option<String>,
    /// What the last stage's chain of FROM ends in.
    #[serde(skip)]
    pub parent: Parent,
    /// What is odd about it, cycles and images that change apart.
    #[serde(skip)]
    pub(super) oddities: Vec<Oddity>,
}

/// One stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StageScan {
    /// Its name in lower case, empty if none.
    pub name: String,
    /// Its FROM as written.
    pub from_raw: String,
    /// Its FROM after ARG defaults and build arguments; empty if it cannot be told.
    pub from_resolved: String,
    /// Whether that is an earlier stage.
    pub is_stage_ref: bool,
}

/// An image that a Dockerfile needs, and where it says so first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageUse {
    /// The image in its normal form.
    pub image: String,
    /// The line.
    pub line: u32,
    /// Whether its content may change under its name: no digest, and the tag `latest` or none.
    pub mutable: bool,
    /// The Dockerfile of this scan that builds it, by its place among them.
    pub built_by: Option<usize>,
}

/// What the stage that is built by default is based on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Parent {
    /// An image, by its place in [`FileScan::images`].
    Image(usize),
    /// Nothing.
    Scratch,
    /// It cannot be told.
    #[default]
    Unknown,
}

fn names_only<S: serde::Serializer>(images: &[ImageUse], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(images.iter().map(|used| &used.image))
}

/// A Dockerfile that could not be read at all.
pub fn unreadable(path: String, why: String) -> FileScan {
    let oddities = vec![Oddity { path: path.clone(), line: None, kind: OddityKind::Refused(why.clone()) }];
    FileScan { path, error: Some(why), oddities, ..FileScan::default() }
}

/// Reads one Dockerfile.
pub fn file(path: String, text: &[u8], options: &ReadOptions) -> FileScan {
    match dockerfile::read(text, options) {
        Ok(dockerfile) => scanned(path, &dockerfile),
        Err(error) => {
            let line = match error {
                dockerfile::DockerfileError::Refused { line, .. } => Some(line),
                _ => None,
            };
            let why = match &error {
                dockerfile::DockerfileError::Refused { why, .. } => why.clone(),
                other => other.to_string(),
            };
            let oddities = vec![Oddity { path: path.clone(), line, kind: OddityKind::Refused(why) }];
            FileScan { path, error: Some(error.to_string()), oddities, ..FileScan::default() }
        }
    }
}

fn scanned(path: String, dockerfile: &Dockerfile) -> FileScan {
    let mut images: Vec<ImageUse> = Vec::new();
    let mut oddities = Vec::new();
    for reference in dockerfile.own_references() {
        match &reference.target {
            RefTarget::Image(image) => images.push(image_use(image, reference)),
            RefTarget::Unresolved(why) => {
                let kind = OddityKind::Unresolved { raw: reference.raw.clone(), why: why.clone() };
                oddities.push(Oddity { path: path.clone(), line: Some(reference.line), kind });
            }
            RefTarget::Stage(_) | RefTarget::Scratch => {}
        }
    }
    // The first line that names an image stays.
    images.sort_by(|a, b| a.image.cmp(&b.image));
    images.dedup_by(|later, first| later.image == first.image);
    FileScan {
        stages: dockerfile.own_references().filter(|r| r.kind == RefKind::From).map(|from| stage(dockerfile, from)).collect(),
        external: dockerfile.external().into_iter().map(str::to_owned).collect(),
        parent: parent(dockerfile, &images),
        images,
        error: None,
        oddities,
        path,
    }
}

fn image_use(image: &ImageRef, reference: &Reference) -> ImageUse {
    let mutable = image.digest().is_none() && image.tag() == Some("latest");
    ImageUse { image: image.to_string(), line: reference.line, mutable, built_by: None }
}

fn stage(dockerfile: &Dockerfile, from: &Reference) -> StageScan {
    StageScan {
        name: dockerfile.stages[from.stage].name.clone(),
        from_raw: from.raw.clone(),
        from_resolved: from.resolved.clone(),
        is_stage_ref: matches!(from.target, RefTarget::Stage(_)),
    }
}

fn parent(dockerfile: &Dockerfile, images: &[ImageUse]) -> Parent {
    let froms: Vec<&Reference> = dockerfile.references.iter().filter(|r| r.kind == RefKind::From).collect();
    let mut from = froms.last();
    while let Some(reference) = from {
        match &reference.target {
            RefTarget::Stage(stage) if *stage < reference.stage => from = froms.get(*stage),
            RefTarget::Image(image) => {
                let name = image.to_string();
                return images.iter().position(|used| used.image == name).map_or(Parent::Unknown, Parent::Image);
            }
            RefTarget::Scratch => return Parent::Scratch,
            _ => return Parent::Unknown,
        }
    }
    Parent::Unknown
}
