//! The estate that is in force: read from its files, checked, and read again when they change. A broken one leaves the old in force.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use jiff::Timestamp;

use crate::driver::{self, Engines};
use crate::edge::sources::Sources;
use crate::graph::Graph;
use crate::model::{HookName, ImageRef};
use crate::pipeline::{Estate, ServiceImage};
use crate::report::diagnostic;
use crate::workshop::{ReadEstate, engines_of, read_estate};

use super::daemon::How;
use super::hooks::{self, ReadyHook};

/// An estate that was read and found right.
pub struct Loaded {
    /// What people wrote.
    pub estate: Estate,
    /// Who inherits from whom in its newest sources.
    pub graph: Graph,
    /// What its Dockerfiles and services stand on and do not build: what a webhook or a registry may say something about.
    pub bases: BTreeSet<ImageRef>,
    /// Its webhooks, with their secrets at hand.
    pub(super) hooks: BTreeMap<HookName, ReadyHook>,
    /// Its engines.
    pub engines: Engines,
    /// When it was read.
    pub at: Timestamp,
    /// What the files were like then.
    pub(super) stamp: Stamp,
}

/// What the pipeline files look like from outside: names, sizes, times of change. Equal ones are not read again.
pub(super) type Stamp = Vec<(PathBuf, u64, Option<SystemTime>)>;

impl Loaded {
    /// Reads the estate. The error holds everything that is wrong with it, as `refit check` prints it.
    pub(super) async fn read(how: &How, at: Timestamp) -> Result<Arc<Self>, String> {
        let stamp = stamp(&how.pipelines);
        let ReadEstate { reading, files } = read_estate(&how.pipelines, &how.vars).map_err(|error| crate::report::chain(&error))?;
        let Some(estate) = reading.estate else { return Err(diagnostic::as_lines(&reading.findings, &files)) };
        for warning in &reading.findings {
            tracing::warn!(file = %warning.file, line = warning.line, "{}", warning.message);
        }
        let sources = Sources::new(how.state.join("cache"));
        let (graph, warnings) = driver::inheritance(&estate, &sources).await.map_err(|error| crate::report::chain(&error))?;
        warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        let engines = engines_of(&estate).map_err(|error| error.to_string())?;
        let bases = bases(&estate, &graph);
        let hooks = hooks::ready(&estate)?;
        Ok(Arc::new(Self { bases, graph, hooks, engines, at, stamp, estate }))
    }
}

/// The bases of Dockerfiles, and the images that services run as they are.
fn bases(estate: &Estate, graph: &Graph) -> BTreeSet<ImageRef> {
    let external = estate.services.values().filter_map(|service| match &service.image {
        ServiceImage::External(reference) => Some(reference.clone()),
        ServiceImage::Estate(_) => None,
    });
    graph.bases().map(|id| graph.node(id).reference().clone()).chain(external).collect()
}

/// Looks at the pipeline files from outside. A folder that cannot be listed looks like an empty one: reading it says why.
pub(super) fn stamp(folder: &Path) -> Stamp {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let is_yaml = |path: &Path| path.extension().is_some_and(|suffix| suffix == "yaml" || suffix == "yml");
    let seen = entries.filter_map(|entry| {
        let path = entry.ok()?.path();
        let metadata = std::fs::metadata(&path).ok()?;
        is_yaml(&path).then(|| (path, metadata.len(), metadata.modified().ok()))
    });
    let mut stamp: Stamp = seen.collect();
    stamp.sort();
    stamp
}
