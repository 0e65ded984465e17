//! What commands about packages have in common: where it is kept what was read of images.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::workshop::state_folder;
use crate::inquiry::{self, AskError, Named};
use crate::journal::{ImageContents, Inventories, SqliteJournal};
use crate::model::ReleaseNumber;

/// What was read of images, and the journal beside it.
pub(super) struct Kept {
    pub inventories: Arc<Inventories>,
    pub journal: SqliteJournal,
}

/// Opens what is kept in a state folder.
pub(super) fn open(pipelines: &Path, state: Option<PathBuf>) -> miette::Result<Kept> {
    let folder = state_folder(pipelines, state);
    // "Nobody has it" would be a dangerous answer to who only stands in the wrong folder.
    if !SqliteJournal::exists(&folder) {
        let help = "go to the folder that holds `pipelines/`, or name it by `--pipelines DIR` or `--state DIR`; `refit rollout` makes the first release, \
                    `refit inventory scan IMAGE` reads an image without one";
        return Err(miette::miette!(help = help, "there is no journal in {}, so nobody knows what runs and what is in it", folder.display()));
    }
    Ok(Kept { inventories: Arc::new(Inventories::open(&folder)?), journal: SqliteJournal::open(&folder)? })
}

impl Kept {
    /// What was read of an image, as people name it.
    pub(super) fn contents(&self, image: &str, release: Option<ReleaseNumber>) -> Result<(Named, ImageContents), AskError> {
        inquiry::contents(&self.inventories, &self.journal, image, release)
    }
}
