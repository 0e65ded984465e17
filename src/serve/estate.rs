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
use crate::pipeline::{Context, Estate, ServiceImage};
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
    /// The files that count beside the pipelines: secrets of hooks, and the Dockerfiles in folders.
    pub(super) watched: BTreeSet<PathBuf>,
    /// What the files were like then.
    pub(super) stamp: Stamp,
}

/// What the pipeline files look like from outside: names, sizes, times of change. Equal ones are not read again.
pub(super) type Stamp = Vec<(PathBuf, u64, Option<SystemTime>)>;

impl Loaded {
    /// Reads the estate. The error holds everything that is wrong with it, as `refit check` prints it.
    pub(super) async fn read(how: &How, at: Timestamp) -> Result<Arc<Self>, String> {
        let before = stamp(files_of(&how.pipelines));
        let ReadEstate { reading, files } = read_estate(&how.pipelines, &how.vars).map_err(|error| crate::fault::with_help(&error))?;
        let Some(estate) = reading.estate else { return Err(diagnostic::as_lines(&reading.findings, &files)) };
        for warning in &reading.findings {
            tracing::warn!(file = %warning.file, line = warning.line, "{}", warning.message);
        }
        let sources = Sources::new(how.state.join("cache"));
        let (graph, warnings) = driver::inheritance(&estate, &sources).await.map_err(|error| crate::fault::with_help(&error))?;
        warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        let engines = engines_of(&estate).map_err(|error| error.to_string())?;
        let bases = bases(&estate, &graph);
        let hooks = hooks::ready(&estate)?;
        let watched = hooks::secret_files(&estate).into_iter().chain(dockerfiles(&estate)).collect::<BTreeSet<_>>();
        let stamp = before.into_iter().chain(stamp(watched.iter().cloned())).collect();
        Ok(Arc::new(Self { bases, graph, hooks, watched, engines, at, stamp, estate }))
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

/// The pipeline files of an estate, and what else counts, as they look now from outside.
pub(super) fn stamp_of(folder: &Path, watched: &BTreeSet<PathBuf>) -> Stamp {
    stamp(files_of(folder)).into_iter().chain(stamp(watched.iter().cloned())).collect()
}

/// The Dockerfiles that lie in folders: they say which bases the estate stands on.
fn dockerfiles(estate: &Estate) -> impl Iterator<Item = PathBuf> {
    estate.images.values().filter_map(|image| match &image.build.context {
        Context::Folder { path } => Some(path.join(&image.build.dockerfile)),
        Context::Git { .. } => None,
    })
}

/// The pipeline files of a folder. One that cannot be listed looks empty: reading it says why.
fn files_of(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let is_yaml = |path: &PathBuf| path.extension().is_some_and(|suffix| suffix == "yaml" || suffix == "yml");
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries.filter_map(move |entry| Some(entry.ok()?.path()).filter(is_yaml))
}

fn stamp(files: impl Iterator<Item = PathBuf>) -> Stamp {
    let seen = files.filter_map(|path| {
        let metadata = std::fs::metadata(&path).ok()?;
        Some((path, metadata.len(), metadata.modified().ok()))
    });
    let mut stamp: Stamp = seen.collect();
    stamp.sort();
    stamp
}
