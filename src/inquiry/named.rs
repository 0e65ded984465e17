//! Images as people name them.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::AskError;
use crate::journal::{ImageContents, ImageKept, Inventories, Journal, KnownAs};
use crate::model::{Digest, ImageName, ImageRef, ReleaseNumber};

/// An image that was found by what people call it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// What it is called in documents.
    pub name: String,
    /// The tag that it was given, or the reference that it was asked for by.
    pub reference: Option<ImageRef>,
    /// Its id.
    pub id: Digest,
    /// When it was released; none if it was not asked for by its name in the estate.
    pub released_at: Option<Timestamp>,
}

/// Digits of an id that people copy are as many as `docker images` prints, or at least these.
const ID_DIGITS_MIN: usize = 6;

/// Finds an image: by its name in the estate, as a release has it (the newest if none is named), by its id or the beginning of that, or by the reference
/// of a base.
fn named(inventories: &Inventories, journal: &dyn Journal, text: &str, release: Option<ReleaseNumber>) -> Result<Named, AskError> {
    let release = match release {
        Some(number) => Some(journal.release(number)?.ok_or(AskError::NoRelease(number))?),
        None => journal.latest_release()?,
    };
    if let (Ok(name), Some(release)) = (text.parse::<ImageName>(), &release)
        && let Some(image) = release.images.get(&name)
    {
        return Ok(Named { name: name.to_string(), reference: Some(image.tag.clone()), id: image.id, released_at: Some(release.made_at) });
    }
    let images = inventories.images()?;
    let wanted: Option<ImageRef> = text.parse().ok();
    let digits = text.strip_prefix("sha256:").unwrap_or(text);
    let is_id = digits.len() >= ID_DIGITS_MIN && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_base = |name: &KnownAs| matches!(name, KnownAs::Base(base) if wanted.as_ref() == Some(base));
    let has_id = |image: &&ImageKept| is_id && image.id.hex().starts_with(digits);
    let ids: Vec<String> = images.iter().filter(has_id).map(|image| image.id.short()).collect();
    if ids.len() > 1 {
        return Err(AskError::Several { asked: text.to_owned(), ids });
    }
    let found = images.iter().filter(|image| has_id(image) || image.names.iter().any(is_base));
    let Some(found) = found.max_by_key(|image| image.since) else {
        let known: BTreeSet<String> = images.iter().flat_map(|image| &image.names).map(ToString::to_string).collect();
        return Err(AskError::NoImage { asked: text.to_owned(), known: known.into_iter().collect() });
    };
    let name = found.names.first().map_or_else(|| found.id.short(), ToString::to_string);
    Ok(Named { name, reference: wanted.filter(|_| !is_id), id: found.id, released_at: None })
}

/// What was read of an image, as people name it.
pub fn contents(
    inventories: &Inventories,
    journal: &dyn Journal,
    text: &str,
    release: Option<ReleaseNumber>,
) -> Result<(Named, ImageContents), AskError> {
    let named = named(inventories, journal, text, release)?;
    let contents = inventories.contents(named.id)?;
    let contents = contents.ok_or_else(|| AskError::NoImage { asked: text.to_owned(), known: Vec::new() })?;
    Ok((named, contents))
}
