//! {image → digest}: what was built together and may be rolled together, its tags and labels. Knows no hosts.

mod compare;
mod set;
mod tag;
mod types;

pub use set::{ImageResult, Made, Making, Refused, differs, make};
pub use tag::{TagError, TagParts, check_free, tag};
pub use types::{Release, ReleasedImage, ServiceRelease};
