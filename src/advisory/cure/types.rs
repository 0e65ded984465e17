//! What is there, and what cures it, as plain data.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Digest, ImageName, ImageRef};

/// What is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Situation {
    /// What each image of the estate has below its own layers: `FROM`.
    pub parents: BTreeMap<ImageName, BTreeSet<Bringer>>,
    /// The images of the estate that each copies from (`COPY --from`, `RUN --mount=from`): what comes that way, the image brings in itself, and would
    /// bring in again while it is there.
    pub copies: BTreeMap<ImageName, BTreeSet<ImageName>>,
    /// The images that are released and run in at least one container.
    pub running: BTreeSet<ImageName>,
    /// The problems of each image as it was built last. An image that is not in it was never looked into: it is held to have what its children have
    /// from it or from below it.
    pub findings: BTreeMap<ImageName, Vec<Finding>>,
    /// Bases of which something newer is known than what images stand on.
    pub newer: BTreeMap<ImageRef, NewerBase>,
}

/// Who brings something into an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Bringer {
    /// An image of the estate.
    Image(ImageName),
    /// An image that the estate does not build.
    Base(ImageRef),
}

/// A problem of a package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ProblemOfPackage")]
pub struct Problem {
    /// The advisory's id.
    pub advisory: String,
    /// The package that has it.
    pub package: String,
}

/// An image has a problem.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Finding {
    /// Which.
    pub problem: Problem,
    /// What is without it; none if nothing is known to be.
    pub fix: Option<Fix>,
    /// Who brought it in: the image itself, or what it inherits from.
    pub by: Bringer,
}

/// What is without a problem.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Fix {
    /// This version, as advisories say.
    Version(String),
    /// Any version that was not asked about: who asks named the versions that are to be gone, and advisories know of none that is not among them.
    NotAskedAbout,
}

/// What a base is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewerBase {
    /// Its newer digest.
    pub digest: Digest,
    /// The problems that it still has; none if nobody has looked into it.
    pub has: Option<BTreeSet<Problem>>,
}

/// What cures an estate.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cure {
    /// The images to rebuild, parents before children, ties by name.
    pub images: Vec<Rebuild>,
    /// The bases that bring something in and must move, by name.
    pub bases: Vec<BaseMove>,
    /// What runs and cannot be cured yet, by image.
    pub hopeless: Vec<Hopeless>,
}

/// An image to rebuild.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "CureRebuild")]
pub struct Rebuild {
    /// Which.
    pub image: ImageName,
    /// Why, by problem.
    pub reasons: Vec<Reason>,
}

impl Rebuild {
    /// Whether its own instructions must run again: it brings something in by itself, and the cache would bring in the same.
    pub fn is_without_cache(&self) -> bool {
        self.reasons.iter().any(|reason| matches!(reason.because, Because::BringsIt { .. }))
    }
}

/// Why an image is rebuilt.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "CureReason")]
pub struct Reason {
    /// For which problem.
    pub problem: Problem,
    /// By whom it has it.
    pub because: Because,
}

/// By whom an image has a problem.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Because {
    /// By itself.
    BringsIt {
        /// The version that no longer has it; none if versions were asked about and advisories know of no other.
        fixed: Option<String>,
    },
    /// By a base, which must move before.
    StandsOnBase(ImageRef),
    /// By an image of the estate, which is rebuilt before.
    StandsOn(ImageName),
    /// By something that does not have it any more, or that it does not inherit from any more: it was just not rebuilt since.
    StoodOn(Bringer),
}

/// A base that must move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BaseMove {
    /// Which.
    pub base: ImageRef,
    /// The problems that it brings in, each with what is known of getting rid of it.
    pub problems: Vec<(Problem, Outlook)>,
}

/// What is known of whether a base without a problem can be had.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "CureOutlook")]
pub enum Outlook {
    /// This is newer, and does not have it.
    Cured(Digest),
    /// This is newer; nobody has looked into it.
    Newer(Digest),
    /// Its distribution has a version without it; no base with that is known yet.
    Fixed(String),
    /// Versions were asked about: advisories know of no other, but there may be one. No base with that is known yet.
    Possible,
    /// Neither.
    Unknown,
}

/// Something that runs with a problem for which there is no cure yet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Hopeless {
    /// The image.
    pub image: ImageName,
    /// The problem.
    pub problem: Problem,
    /// Who brings it in.
    pub by: Vec<Bringer>,
}
