//! A Dockerfile as far as inheritance is concerned.

use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::ImageRef;

/// What a Dockerfile reaches for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dockerfile {
    /// The `# syntax=` image, as written.
    pub syntax: Option<String>,
    /// Its stages, in order.
    pub stages: Vec<Stage>,
    /// Every reference of every stage, in the order of the text: `FROM`, `COPY --from`, `RUN --mount=from`, and the same behind `ONBUILD`.
    pub references: Vec<Reference>,
}

/// One stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// Its name as BuildKit has it, in lower case; empty if none.
    pub name: String,
    /// The line of its FROM, counted from 1.
    pub line: u32,
}

/// One place where a Dockerfile reaches for an image or a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The stage in which it stands.
    pub stage: usize,
    /// Which instruction it stands in.
    pub kind: RefKind,
    /// As written, before any substitution.
    pub raw: String,
    /// After ARG defaults and build arguments, not normalised.
    pub resolved: String,
    /// What it means.
    pub target: RefTarget,
    /// Its line, counted from 1.
    pub line: u32,
    /// The bytes of the file that pinning replaces: the reference itself, without flags or stage name.
    pub span: Range<usize>,
    /// Whether it stands behind `ONBUILD`: what is based on its stage follows it.
    pub onbuild: bool,
    /// Whether building this file follows it: all but triggers of stages that no stage of this file is based on.
    pub own: bool,
}

/// Which instruction reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RefKind {
    /// `FROM`.
    From,
    /// `COPY --from`.
    CopyFrom,
    /// `RUN --mount=…,from=…`.
    MountFrom,
}

/// What a reference means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefTarget {
    /// An earlier stage, by its index.
    Stage(usize),
    /// An image.
    Image(ImageRef),
    /// `scratch`: nothing.
    Scratch,
    /// It cannot be told: an ARG without a default, text that is no reference.
    Unresolved(String),
}

/// Which way an image is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EdgeClass {
    /// The chain of FROM of the built stage: its content is in the image.
    Runtime,
    /// Builder stages, `COPY --from`, mounts.
    Build,
}

/// An image that a target needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached<'a> {
    /// The image.
    pub image: &'a ImageRef,
    /// Where it is reached for.
    pub reference: &'a Reference,
    /// Which way.
    pub class: EdgeClass,
}
