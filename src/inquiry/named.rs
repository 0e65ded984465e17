//! Images as people name them.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::journal::{Inventories, Journal, JournalError, KnownAs};
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

/// Why there is no such image.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum NamedError {
    /// No release has this number.
    #[error("there is no release {0}")]
    #[diagnostic(help("`refit release` lists the releases"))]
    NoRelease(ReleaseNumber),
    /// No image that was read is called so.
    #[error("nobody has read an image {asked}")]
    #[diagnostic(help("`refit inventory scan {asked}` reads it from the builder{}", known_in_words(.known)))]
    Unknown {
        /// What was asked for.
        asked: String,
        /// What is known.
        known: Vec<String>,
    },
    /// The journal.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Journal(#[from] JournalError),
}

/// So many names are told.
const TOLD_MAX: usize = 8;

fn known_in_words(known: &[String]) -> String {
    let (shown, rest) = known.split_at(known.len().min(TOLD_MAX));
    match (shown.len(), rest.len()) {
        (0, _) => String::new(),
        (_, 0) => format!("; known are {}", shown.join(", ")),
        (_, more) => format!("; known are {} and {more} more", shown.join(", ")),
    }
}

/// Digits of an id that people copy are as many as `docker images` prints, or at least these.
const ID_DIGITS_MIN: usize = 6;

/// Finds an image: by its name in the estate, as a release has it (the newest if none is named), by its id or the beginning of that, or by the reference
/// of a base.
pub fn named(inventories: &Inventories, journal: &dyn Journal, text: &str, release: Option<ReleaseNumber>) -> Result<Named, NamedError> {
    let release = match release {
        Some(number) => Some(journal.release(number)?.ok_or(NamedError::NoRelease(number))?),
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
    let found = images.iter().filter(|image| (is_id && image.id.hex().starts_with(digits)) || image.names.iter().any(is_base));
    let Some(found) = found.max_by_key(|image| image.since) else {
        let known: BTreeSet<String> = images.iter().flat_map(|image| &image.names).map(ToString::to_string).collect();
        return Err(NamedError::Unknown { asked: text.to_owned(), known: known.into_iter().collect() });
    };
    let name = found.names.first().map_or_else(|| found.id.short(), ToString::to_string);
    Ok(Named { name, reference: wanted.filter(|_| !is_id), id: found.id, released_at: None })
}
