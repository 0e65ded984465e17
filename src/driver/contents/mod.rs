//! Reads what is in images on the builder, and keeps it; and says what of it must not be there any more.
//!
//! Reading looks at what is known and not at what was done: an image whose layers are all known is not asked for again, and one that could not be read
//! this time is read the next. It goes on beside the builds and rollouts of a run and never holds one up, but for a patch, where it decides.

mod release;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Driver;
use crate::advisory::Asked;
use crate::edge::layers::{LayersError, read_layers};
use crate::inquiry::{AskError, Sought};
use crate::journal::{ImageContents, ImageRow, Inventories, JournalError, KnownAs};
use crate::model::{Digest, ImageName};

pub use release::gaps_of_release;

/// So many images are read side by side: each streams past as a whole, which a disk does not do better for many.
pub(super) const READ_AT_ONCE: usize = 2;

/// Why it cannot be said what is in an image.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ContentsError {
    /// The builder does not have it, or does not answer.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Engine(#[from] crate::edge::EngineError),
    /// It could not be read.
    #[error("what is in {image} could not be read")]
    #[diagnostic(help("`refit inventory scan` reads again what is missing"))]
    Layers {
        /// Which image.
        image: String,
        /// Why.
        #[source]
        source: LayersError,
    },
    /// Whether something is gone from it cannot be proven.
    #[error("it cannot be proven: {why}")]
    #[diagnostic(help("`refit inventory show` tells what could be read of the image"))]
    Unproven {
        /// Why.
        why: String,
    },
    /// Nothing that was read is about what has to be gone.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Ask(#[from] AskError),
    /// It could not be kept.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Journal(#[from] JournalError),
}

/// Inventories, from asynchronous code: they wait for the disk, so on a thread that may.
pub(crate) async fn ask<T: Send + 'static, E: From<JournalError> + Send + 'static>(
    inventories: &Arc<Inventories>,
    question: impl FnOnce(&Inventories) -> Result<T, E> + Send + 'static,
) -> Result<T, E> {
    let inventories = inventories.clone();
    let asked = tokio::task::spawn_blocking(move || question(&inventories)).await;
    asked.unwrap_or_else(|error| Err(JournalError::Other { path: "the inventories".into(), why: error.to_string() }.into()))
}

impl Driver {
    /// Reads an image that the builder has, by reference or id, unless it is known already, and keeps it under these names.
    ///
    /// `None` if there is no such image on the builder. What is unreadable in it is part of its contents, and no error.
    pub async fn read_contents(
        &self,
        inventories: &Arc<Inventories>,
        image: &str,
        names: BTreeSet<KnownAs>,
    ) -> Result<Option<ImageContents>, ContentsError> {
        let Some(id) = self.read_image(inventories, image, names).await? else { return Ok(None) };
        Ok(ask(inventories, move |inventories| inventories.contents(id)).await?)
    }

    /// The same, for who does not want to know what is in it; gives its id.
    pub(super) async fn read_image(
        &self,
        inventories: &Arc<Inventories>,
        image: &str,
        names: BTreeSet<KnownAs>,
    ) -> Result<Option<Digest>, ContentsError> {
        let Some(seen) = self.engines.builder().image(image).await? else { return Ok(None) };
        let layers = seen.layers.clone();
        let missing = ask(inventories, move |inventories| inventories.missing(&layers)).await?;
        let wanted: BTreeSet<Digest> = missing.into_iter().collect();
        let found = if wanted.is_empty() {
            BTreeMap::new()
        } else {
            let image = names.first().map_or_else(|| seen.id.to_string(), ToString::to_string);
            let archive = self.engines.builder().export(seen.id).await?;
            read_layers(archive, &wanted).await.map_err(|source| ContentsError::Layers { image, source })?
        };
        let (row, layers, at) = (ImageRow { id: seen.id, names }, seen.layers, self.clock.now());
        ask(inventories, move |inventories| inventories.keep(&row, &layers, &found, at)).await?;
        Ok(Some(seen.id))
    }

    /// What of what has to go is still in an image: a line for each package, and who brought it.
    pub(super) async fn still_there(&self, image: &ImageName, id: Digest, gone: &Asked) -> Result<Vec<String>, ContentsError> {
        let unproven = |why: String| ContentsError::Unproven { why };
        let inventories = self.inventories.as_ref().ok_or_else(|| unproven("nothing is read of images here".into()))?;
        let names = [KnownAs::Image(image.clone())].into();
        let contents = self.read_contents(inventories, &id.to_string(), names).await?;
        let contents = contents.ok_or_else(|| unproven(format!("{} is not on the builder", id.short())))?;
        if let Some(gap) = contents.unreadable.iter().find(|gap| gap.unreadable.hides_packages()) {
            return Err(unproven(gap.unreadable.to_string()));
        }
        let asked = gone.clone();
        let sought = ask(inventories, move |inventories| Sought::of(inventories, &asked)).await?;
        Ok(sought.in_image(&contents))
    }
}
