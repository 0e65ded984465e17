//! An image's contents as documents that others read: CycloneDX 1.6 and SPDX 2.3, both as JSON.
//!
//! In: a [`Subject`], which is an image, its packages with the layers that brought them, and what could not be read, as plain data. Out: one of the
//! two documents. The same subject gives the same bytes: the moment is an argument, identifiers come from the content. Touches no engine, file or clock.
//!
//! What a package says of its licence is taken for an SPDX expression where it is one ([`License`]), and kept as it stands where it is not.

mod cyclonedx;
mod format;
mod license;
mod purl;
mod spdx;
mod subject;
#[cfg(test)]
mod tests;
mod text;

pub use format::{Format, FormatError};
pub use license::License;
pub use subject::{Gap, Installed, Subject};
