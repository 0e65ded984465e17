//! {image → digest}: what was built together and may be rolled together, its tags and labels. Knows no hosts.

mod types;

pub use types::{Release, ReleasedImage, ServiceRelease};
