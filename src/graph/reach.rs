//! What one image's Dockerfile reaches for: the graph's raw material.

use std::sync::Arc;

use crate::dockerfile::{EdgeClass, Reached, RefKind};
use crate::model::{ImageName, ImageRef, Place};

/// What the Dockerfile of one image reaches for, in the order of its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageReaches {
    /// The image.
    pub image: ImageName,
    /// What its built target needs.
    pub reaches: Vec<Reach>,
}

/// One place where a Dockerfile reaches for a base or an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// What is reached, in its normal form.
    pub base: ImageRef,
    /// Its text after ARG defaults, as the Dockerfile has it.
    pub resolved: String,
    /// Which way.
    pub class: EdgeClass,
    /// By which instruction.
    pub kind: RefKind,
    /// Where.
    pub at: Place,
}

impl ImageReaches {
    /// Takes what the Dockerfile of `image` reaches; `file` is how people would name that Dockerfile.
    pub fn of(image: ImageName, file: &str, reached: &[Reached<'_>]) -> Self {
        let file: Arc<str> = file.into();
        let reach = |one: &Reached<'_>| Reach {
            base: one.image.clone(),
            resolved: one.reference.resolved.clone(),
            class: one.class,
            kind: one.reference.kind,
            at: Place { file: file.clone(), line: one.reference.line },
        };
        Self { image, reaches: reached.iter().map(reach).collect() }
    }
}
