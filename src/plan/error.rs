//! Why no plan can be made.

use crate::graph::Ring;
use crate::model::{ImageName, ImageRef, Place, ReleaseNumber};

/// Why no plan can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum PlanError {
    /// Images that stand on one another.
    #[error("images stand on one another in a ring: {0}")]
    #[diagnostic(help("take one of these references out: none of the images can be built first"))]
    Ring(Ring),
    /// Nobody knows what a base is now.
    #[error("the digest of base {} is unknown; {image} reaches for it ({at})", base.familiar())]
    #[diagnostic(help("check the name, or log in to {}; with `--offline` the image must be on the builder: `docker pull {}`", base.registry(), base.familiar()))]
    BaseUnknown {
        /// The base.
        base: ImageRef,
        /// An image that reaches for it.
        image: ImageName,
        /// Where.
        at: Place,
    },
    /// The base asked for is not one.
    #[error("no image of the estate reaches for base {}{}", asked.familiar(), nearest_text(nearest))]
    #[diagnostic(help("`refit graph` shows every base; a name without a tag means `:latest`"))]
    NoSuchBase {
        /// As asked.
        asked: ImageRef,
        /// The nearest names.
        nearest: Vec<String>,
    },
    /// What was asked for as a base is an image of the estate.
    #[error("{image} is no base: the estate builds it")]
    #[diagnostic(help("use `--image {image}`"))]
    BaseIsImage {
        /// The image.
        image: ImageName,
    },
    /// The image asked for is not one.
    #[error("the estate has no image {asked}{}", nearest_text(nearest))]
    #[diagnostic(help("`refit graph` shows every image"))]
    NoSuchImage {
        /// As asked.
        asked: ImageName,
        /// The nearest names.
        nearest: Vec<String>,
    },
    /// The release asked for is not known.
    #[error("there is no release {0}")]
    #[diagnostic(help("`refit history` shows every release"))]
    NoSuchRelease(ReleaseNumber),
    /// The sources of an image that must be built were not read.
    #[error("the sources of image {image} are unknown")]
    #[diagnostic(help("its context or Dockerfile could not be read: `refit check` says why"))]
    SourcesUnknown {
        /// The image.
        image: ImageName,
    },
}

fn nearest_text(nearest: &[String]) -> String {
    match nearest {
        [] => String::new(),
        [rest @ .., last] if !rest.is_empty() => format!(" (did you mean {} or {last}?)", rest.join(", ")),
        [one, ..] => format!(" (did you mean {one}?)"),
    }
}

/// More names than this are no help any more.
const NEAREST_MAX: usize = 3;

/// Up to three names that may have been meant: those that begin alike or differ in a third of their letters at most, nearest first.
pub(super) fn nearest(asked: &str, names: impl Iterator<Item = String>) -> Vec<String> {
    let bound = asked.len().max(3) / 3;
    let mut near: Vec<(usize, String)> = names
        .filter_map(|name| {
            let far = if name.starts_with(asked) || asked.starts_with(&name) { 1 } else { distance(asked, &name) };
            (far <= bound).then_some((far, name))
        })
        .collect();
    near.sort();
    near.into_iter().take(NEAREST_MAX).map(|(_, name)| name).collect()
}

/// Letters to insert, take out or replace. Source: Levenshtein 1966, by rows.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, a) in one.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], at + 1);
        for (to, b) in other.bytes().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[to + 1];
            row[to + 1] = replaced.min(diagonal + 1).min(row[to] + 1);
        }
    }
    row[other.len()]
}
