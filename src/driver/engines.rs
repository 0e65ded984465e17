//! The engines of an estate by their names.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::edge::Engine;
use crate::model::{BuilderName, HostName};

/// Every engine that a run may need. Having one here does not mean that it answers.
#[derive(Clone)]
pub struct Engines {
    /// Where containers run.
    pub hosts: BTreeMap<HostName, Arc<dyn Engine>>,
    /// Where images are built, and its name.
    pub builder: (BuilderName, Arc<dyn Engine>),
}

impl Engines {
    /// The builder.
    pub fn builder(&self) -> &Arc<dyn Engine> {
        &self.builder.1
    }
}
