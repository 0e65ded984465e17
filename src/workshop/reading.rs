//! Reads, because somebody asks for it, what is in images that the builder has. Runs read by themselves what they release.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::driver::{ContentsError, Driver, gaps_of_release};
use crate::journal::{ImageContents, Inventories, KnownAs};
use crate::model::{ImageName, ImageRef, ReleaseNumber};
use crate::release::Release;

/// What became of reading a whole release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReleaseRead {
    /// Which release.
    pub release: ReleaseNumber,
    /// So many images are known by now, those of other releases included.
    pub images_read: usize,
    /// What could not be read, a line each.
    pub troubles: Vec<String>,
}

/// Reads whatever of the newest release was not read; none if there is no release.
pub async fn read_newest(driver: &Driver, inventories: &Arc<Inventories>) -> Result<Option<ReleaseRead>, ContentsError> {
    let Some(release) = driver.journal.latest_release()? else { return Ok(None) };
    let mut troubles = driver.read_release(inventories, &release).await;
    let images_read = tokio::task::block_in_place(|| {
        troubles.extend(gaps_of_release(inventories, &release)?);
        Ok::<_, ContentsError>(inventories.images()?.iter().filter(|image| image.is_read()).count())
    })?;
    Ok(Some(ReleaseRead { release: release.number, images_read, troubles }))
}

/// Reads an image by its name in the estate (as the newest release has it), a reference, or an id; none if the builder has no such image.
pub async fn read_image(driver: &Driver, inventories: &Arc<Inventories>, text: &str) -> Result<Option<ImageContents>, ContentsError> {
    let release = driver.journal.latest_release()?;
    let own = text.parse::<ImageName>().ok().and_then(|name| Some((release.as_ref()?.images.get(&name)?.id, name)));
    let (asked, names) = match own {
        Some((id, name)) => (id.to_string(), [KnownAs::Image(name)].into()),
        // An id is no name, and a tag of an own image no base: who brought what in goes by names.
        None => (text.to_owned(), text.parse().ok().filter(|base| is_base(base, text, release.as_ref())).map(KnownAs::Base).into_iter().collect()),
    };
    driver.read_contents(inventories, &asked, names).await
}

/// The next move where the builder has no such image.
pub fn pull_help(text: &str) -> String {
    format!("`docker -H … pull {text}` brings it there, or leave out names to read the newest release")
}

fn is_base(base: &ImageRef, text: &str, release: Option<&Release>) -> bool {
    let is_own = release.is_some_and(|release| release.images.values().any(|image| image.tag.name() == base.name()));
    !text.starts_with("sha256:") && !is_own
}
